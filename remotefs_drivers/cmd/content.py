#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Whether files hold the same bytes, found out by reading them all."""

import os
import shutil

BLOCK = 1 << 20


class Differs(Exception):
    """The content of a volume or an image is not what it must be."""


def compare(path, expected, progress=lambda percent: None):
    """Read both files to their ends.

    :param path: the file to look at
    :param expected: path of a file that holds what must be in it
    :param progress: function, called with 0 to 100
    :returns: how many bytes were compared
    :raises Differs: at the first byte that is not the same
    """
    size = os.path.getsize(expected)
    found = os.path.getsize(path)
    if found != size:
        raise Differs('%s has %d bytes, expected %d.' % (path, found, size))
    compared = 0
    with open(path, 'rb') as left, open(expected, 'rb') as right:
        while True:
            block, wanted = left.read(BLOCK), right.read(BLOCK)
            if block != wanted:
                raise Differs(_where(path, compared, block, wanted))
            if not wanted:
                break
            compared += len(wanted)
            progress(100 * compared / size)
    return compared


def _where(path, start, block, wanted):
    offset = next((number for number, (one, other)
                   in enumerate(zip(block, wanted)) if one != other),
                  min(len(block), len(wanted)))
    return ('%s differs at byte %d: found %s, expected %s.' % (
        path, start + offset, block[offset:offset + 8].hex() or 'the end',
        wanted[offset:offset + 8].hex() or 'the end'))


class Expected:
    """A raw file that follows what is done to a volume.

    :param path: of the file to make
    :param source: path of the file that it begins as
    """

    def __init__(self, path, source):
        self.path = path
        shutil.copyfile(source, path)

    def grow(self, size):
        """:param size: bytes"""
        os.truncate(self.path, size)

    def write(self, offset, data):
        with open(self.path, 'r+b') as target:
            target.seek(offset)
            target.write(data)
