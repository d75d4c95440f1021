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

"""The header of a qcow2 file, read without starting a process.

The format is docs/interop/qcow2.rst of QEMU: big endian; magic, version,
offset and length of the backing file's name, the virtual size at byte 24,
the number of entries of the L1 table at byte 36 and its place at 40 (an
entry is 0 where nothing was ever written), incompatible features (bit 2:
external data file) at byte 72 from version 3 on. Then header extensions:
type, length, data padded to 8 bytes; the one of type 0x44415441 is the name
of the data file, that of type 0xE2792ACA the format of the backing file.
"""

import collections
import os
import struct

MAGIC = b'QFI\xfb'

#: virtual_size in bytes; the others are text or None.
Header = collections.namedtuple('Header', 'version virtual_size backing_file '
                                          'data_file backing_format')

_FIXED = struct.Struct('>4sIQIIQ')
_L1 = struct.Struct('>IQ')
_L1_AT = 36
#: Of an L1 table; QEMU has the same limit, 32 MiB.
LONGEST_L1 = (32 << 20) // 8
_DATA_FILE_BIT = 1 << 2
_DATA_FILE_EXTENSION = 0x44415441
BACKING_FORMAT_EXTENSION = 0xE2792ACA
_VERSION_2_LENGTH = 72
LONGEST_NAME = 1023
#: Bytes that hold all of a header as QEMU writes it.
_START = 4096
#: The name of the backing file is in the first cluster, of 2 MiB at most.
_LARGEST_CLUSTER = 2 << 20


def read(path):
    """The header of a regular file, or None when it is no qcow2 file.

    :raises ValueError: when it begins like one and is damaged
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return read_open(descriptor, path)
    finally:
        os.close(descriptor)


def read_open(descriptor, path):
    """The same of an open file; its path is for messages."""
    try:
        start = os.pread(descriptor, _START, 0)
        if not start.startswith(MAGIC):
            return None
        return _parse(_Bytes(descriptor, start))
    except (struct.error, ValueError) as error:
        raise ValueError('the qcow2 header of %s is damaged: %s'
                         % (path, error))


def is_untouched(descriptor):
    """Whether nothing was ever written into a qcow2 file.

    :param descriptor: of the file, which may still be empty itself
    :raises ValueError: when it is neither
    """
    start = os.pread(descriptor, _START, 0)
    if not start:
        return True
    try:
        if not start.startswith(MAGIC):
            raise ValueError('it is no qcow2 file')
        count, place = _L1.unpack_from(start, _L1_AT)
        if count > LONGEST_L1:
            raise ValueError('its L1 table has %d entries' % count)
        table = os.pread(descriptor, count * 8, place)
    except struct.error as error:
        raise ValueError('its header is damaged: %s' % error)
    # Behind the end of a file there are zeroes, for QEMU as well.
    return not any(table)


class _Bytes:
    """The bytes of a file, of which the first ones were read already.

    A chain of a hundred layers is a hundred headers, in every verb.
    """

    def __init__(self, descriptor, start):
        self._descriptor = descriptor
        self.start = start

    def at(self, offset, length):
        end = offset + length
        if end <= len(self.start):
            return self.start[offset:end]
        return os.pread(self._descriptor, length, offset)


def _parse(data):
    __, version, name_at, name_size, __, size = _FIXED.unpack_from(data.start)
    backing = backing_format = None
    if name_at:
        backing = _name(data, name_at, name_size)
        backing_format = _extension(data, version, name_at,
                                    BACKING_FORMAT_EXTENSION)
    return Header(version, size, backing, _data_file(data, version, name_at),
                  backing_format)


def _name(data, offset, length):
    if length > LONGEST_NAME or offset > _LARGEST_CLUSTER:
        raise ValueError('it has a backing file name of %d bytes at %d; '
                         'allowed are at most %d, in the first cluster'
                         % (length, offset, LONGEST_NAME))
    name = data.at(offset, length)
    if len(name) < length:
        raise ValueError('it ends within the name of the backing file')
    return name.decode('utf-8')


def _data_file(data, version, name_at):
    if version < 3:
        return None
    features, = struct.unpack_from('>Q', data.start, 72)
    if not features & _DATA_FILE_BIT:
        return None
    return (_extension(data, version, name_at, _DATA_FILE_EXTENSION) or
            '(not named)')


def _extension(data, version, name_at, wanted):
    """The text of a header extension, or None; they end before any name."""
    place = _VERSION_2_LENGTH
    if version >= 3:
        place, = struct.unpack_from('>I', data.start, 100)
    while place < (name_at or _LARGEST_CLUSTER):
        kind, length = struct.unpack('>II', data.at(place, 8))
        if kind == 0 or length > LONGEST_NAME:
            return None
        if kind == wanted:
            return data.at(place + 8, length).decode('utf-8')
        place += 8 + (length + 7) // 8 * 8
    return None
