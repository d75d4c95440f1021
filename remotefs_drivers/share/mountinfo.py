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

"""What the kernel says of mounts, without asking any server.

Reads /proc/self/mountinfo, see proc(5): field 5 is the mount point, then
optional fields up to a dash, the file system type, the source, its options.
Blanks, tabs, line feeds and backslashes are octal escapes.
"""

import collections
import re

PATH = '/proc/self/mountinfo'

#: A mount: its source, type and whether it is read-only.
Mount = collections.namedtuple('Mount', 'source fstype read_only')

_ESCAPE = re.compile(rb'\\([0-7]{3})')


def find(mount_point, path=PATH):
    """The topmost mount on a mount point, or None.

    :param mount_point: an absolute path, taken literally
    """
    name = _escaped(mount_point)
    wanted = b' %s ' % name
    with open(path, 'rb', buffering=0) as stream:
        table = stream.read()
    end = len(table)
    while True:
        # From the end, where what was mounted last is; before every call to
        # a share, on hosts with hundreds of mounts: so no line is looked at
        # that has not the name in it.
        place = table.rfind(wanted, 0, end)
        if place < 0:
            return None
        end = table.rfind(b'\n', 0, place) + 1
        mount = _parse(table[end:].split(b'\n', 1)[0], name)
        if mount is not None:
            return mount


def _parse(line, wanted):
    fields = line.split(b' ')
    if fields[4] != wanted:
        return None
    dash = fields.index(b'-', 6)
    options = fields[5].split(b',') + fields[dash + 3].split(b',')
    return Mount(source=_unescaped(fields[dash + 2]),
                 fstype=_unescaped(fields[dash + 1]),
                 read_only=b'ro' in options)


def _escaped(text):
    data = text.encode('utf-8', 'surrogateescape').replace(b'\\', b'\\134')
    for plain in (b' ', b'\t', b'\n'):
        data = data.replace(plain, b'\\%03o' % ord(plain))
    return data


def _unescaped(data):
    plain = _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), data)
    return plain.decode('utf-8', 'surrogateescape')
