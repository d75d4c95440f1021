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

"""Whether a file holds the bytes that it must, found out by reading it all."""

import os

# Small enough for a processor's cache, which makes it twice as fast.
_BLOCK = 256 << 10


class Differs(Exception):
    """The content of a volume or an image is not what it must be."""


class Expected:
    """What must be in a volume: pieces of data, and zeroes around them.

    :param data: bytes that it begins with
    """

    def __init__(self, data):
        self.size = len(data)
        self._pieces = [(0, data)]

    @classmethod
    def of_file(cls, path):
        with open(path, 'rb') as source:
            return cls(source.read())

    def copy(self):
        other = Expected(b'')
        other.size = self.size
        other._pieces = list(self._pieces)
        return other

    def grow(self, size):
        """:param size: bytes"""
        self.size = size

    def write(self, offset, data):
        self._pieces.append((offset, data))

    def found_in(self, path):
        """What a raw file must hold, where more than one thing may do.

        :returns: Expected
        """
        return self

    def block(self, offset, length):
        """The bytes from ``offset`` on; fewer at the end."""
        length = min(length, self.size - offset)
        block = bytearray(length)
        for start, data in self._pieces:
            first = max(start, offset)
            last = min(start + len(data), offset + length)
            if first < last:
                block[first - offset:last - offset] = (
                    data[first - start:last - start])
        return block


def compare(path, expected, progress=lambda percent: None):
    """Read a file to its end.

    :param expected: Expected
    :param progress: function, called with 0 to 100
    :returns: how many bytes were compared
    :raises Differs: at the first byte that is not the same
    """
    buffer = bytearray(_BLOCK)
    with open(path, 'rb', buffering=0) as source:
        def read(offset, length):
            count = source.readinto(buffer)
            return buffer if count == _BLOCK else buffer[:count]
        return _compare(path, os.path.getsize(path), read, expected,
                        progress)


def compare_disk(disk, expected, progress=lambda percent: None):
    """The same for what a guest sees.

    :param disk: an object with ``size`` and ``read(offset, length)``
    """
    return _compare('the disk of the guest', disk.size, disk.read, expected,
                    progress)


def _compare(name, size, read, expected, progress):
    if size != expected.size:
        raise Differs('%s has %d bytes, expected %d.'
                      % (name, size, expected.size))
    compared = 0
    while compared < size:
        wanted = expected.block(compared, _BLOCK)
        found = read(compared, len(wanted))
        if found != wanted:
            raise Differs(_where(name, compared, found, wanted))
        compared += len(found)
        progress(100 * compared / size)
    return compared


def _where(name, start, found, wanted):
    offset = next((number for number, (one, other)
                   in enumerate(zip(found, wanted)) if one != other),
                  min(len(found), len(wanted)))
    return ('%s differs at byte %d: found %s, expected %s.' % (
        name, start + offset, found[offset:offset + 8].hex() or 'the end',
        wanted[offset:offset + 8].hex() or 'the end'))
