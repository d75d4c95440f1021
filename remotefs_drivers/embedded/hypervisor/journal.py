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

"""What was written to a disk, and whether it is there.

Every write has a number, 1 for the first. Each sector that it writes says
which write that was, so a sector that is wrong tells what it holds instead.
A single client whose requests are answered one by one makes a history: at
any moment the disk holds all writes up to a certain one and none after it.
So a snapshot taken in between must be one of those states, exactly.
"""

import os
import struct

#: Bytes; writes begin and end at multiples of it.
SECTOR = 512

# Bytes that are compared at once.
_CHUNK = 1 << 20

_STAMP = struct.Struct('<8sQQQ')
_REPEATS = SECTOR // _STAMP.size
_MAGIC = b'written!'


class ContentDiffers(AssertionError):
    """A disk does not hold what it should."""


class RawFile:
    """A raw file, to be compared."""

    def __init__(self, path):
        self._path = path
        self.size = os.path.getsize(path)

    def read(self, offset, length):
        """:returns: bytes"""
        with open(self._path, 'rb') as stream:
            stream.seek(offset)
            return stream.read(length)


def stamp(seed, number, sector):
    """The content of a sector that was written by this write."""
    return _STAMP.pack(_MAGIC, seed, number, sector) * _REPEATS


def number_in(data, seed, sector):
    """Which write a sector is from; None when from none of ours."""
    magic, found_seed, number, found_sector = _STAMP.unpack_from(data)
    if (magic, found_seed, found_sector) != (_MAGIC, seed, sector):
        return None
    return number if data == stamp(seed, number, sector) else None


class Journal:
    """:param seed: number that no other disk's journal has
    :param initial: what the disk held before, an object with ``size`` and
        ``read(offset, length)``; None for zeroes
    """

    def __init__(self, seed=0, initial=None):
        self.seed = seed
        self._initial = initial
        self._writes = []

    def __len__(self):
        """The number of the newest write."""
        return len(self._writes)

    def next(self, sector, count):
        """Note a write that is about to be made.

        :param sector: the first
        :param count: of sectors
        :returns: what to write
        """
        self._writes.append((sector, count))
        return b''.join(stamp(self.seed, len(self._writes), each)
                        for each in range(sector, sector + count))

    def state(self, number):
        """After this write: sector -> the number of the write it holds."""
        holds = {}
        for index, (sector, count) in enumerate(self._writes[:number], 1):
            holds.update(dict.fromkeys(range(sector, sector + count), index))
        return holds

    def check(self, disk, number=None):
        """The disk holds the writes up to this one and no other.

        :param disk: an object with ``size`` and ``read(offset, length)``
        :param number: of a write; None for the newest
        :raises ContentDiffers:
        """
        holds = self.state(len(self) if number is None else number)
        chunks = {}
        for sector in holds:
            chunks.setdefault(sector * SECTOR // _CHUNK, []).append(sector)
        for index, start in enumerate(range(0, disk.size, _CHUNK)):
            length = min(_CHUNK, disk.size - start)
            expected = self._expected(start, length, chunks.get(index, ()),
                                      holds)
            found = disk.read(start, length)
            if found != expected:
                raise ContentDiffers(self._difference(start, expected, found))

    def check_between(self, disk, low, high):
        """The disk is in one of the states after the writes low to high.

        :param low: the last write that was over when it was asked for
        :param high: the last write that had begun when it was done
        :returns: the number of the state
        :raises ContentDiffers:
        """
        number = self.find(disk, low, high)
        self.check(disk, number)
        return number

    def find(self, disk, low, high):
        """Which of the states after the writes low to high it can be only.

        :returns: the number of the state; whether it is that one is left to
            be checked
        """
        numbers = [number_in(self._sector(disk, sector), self.seed, sector)
                   for sector in self.state(high)]
        return max([low] + [each for each in numbers
                            if each and each <= high])

    def pieces(self, number):
        """What the writes up to this one have left, from the first byte on.

        :returns: pairs of offset and bytes, with something else in between
        """
        pieces, end = [], None
        for sector, written in sorted(self.state(number).items()):
            if sector != end:
                pieces.append((sector * SECTOR, bytearray()))
            pieces[-1][1].extend(stamp(self.seed, written, sector))
            end = sector + 1
        return pieces

    def lay_out(self, path, size, number):
        """Make a sparse raw file of the state after a write, to compare to.

        :param path: of a file that holds what was there before, or is empty
        :param size: bytes
        """
        with open(path, 'r+b') as stream:
            stream.truncate(size)
            for offset, data in self.pieces(number):
                stream.seek(offset)
                stream.write(data)

    def check_crashed(self, disk, low, high):
        """The disk was cut off: each write is there or not, by itself.

        A sector holds what it held after write ``low``, the last before a
        flush that was answered, or what any later one wrote.

        :param high: the last write that had begun
        :raises ContentDiffers:
        """
        held = self.state(low)
        allowed = {}
        for number, (sector, count) in enumerate(
                self._writes[low:high], low + 1):
            for each in range(sector, sector + count):
                allowed.setdefault(each, {held.get(each)}).add(number)
        for sector in held.keys() | allowed.keys():
            self._check_sector(disk, sector,
                               allowed.get(sector, {held.get(sector)}))

    def _check_sector(self, disk, sector, allowed):
        found = self._sector(disk, sector)
        number = number_in(found, self.seed, sector)
        if number in allowed - {None}:
            return
        if None in allowed and found == self._before(sector * SECTOR,
                                                     SECTOR):
            return
        raise ContentDiffers('Sector %d holds %s, expected one of the writes '
                             '%s.' % (sector, self._name(found, sector),
                                      sorted(allowed, key=str)))

    @staticmethod
    def _sector(disk, sector):
        return disk.read(sector * SECTOR, SECTOR)

    def _expected(self, start, length, sectors, holds):
        content = bytearray(self._before(start, length))
        for sector in sectors:
            at = sector * SECTOR - start
            # A file from before the disk grew has none of these.
            if at + SECTOR <= length:
                content[at:at + SECTOR] = stamp(self.seed, holds[sector],
                                                sector)
        return content

    def _before(self, start, length):
        found = b''
        if self._initial and start < self._initial.size:
            found = self._initial.read(
                start, min(length, self._initial.size - start))
        return found.ljust(length, b'\0')

    def _difference(self, start, expected, found):
        wrong = [at for at in range(0, len(expected), SECTOR)
                 if expected[at:at + SECTOR] != found[at:at + SECTOR]]
        sector = (start + wrong[0]) // SECTOR
        slices = [bytes(each[wrong[0]:wrong[0] + SECTOR])
                  for each in (found, expected)]
        return ('Sector %d holds %s, expected %s; %d sectors are wrong from '
                'there to byte %d.' % (
                    sector, self._name(slices[0], sector),
                    self._name(slices[1], sector), len(wrong),
                    start + len(expected)))

    def _name(self, data, sector):
        number = number_in(data, self.seed, sector)
        if number:
            return 'write %d' % number
        return 'zeroes' if not data.strip(b'\0') else 'data of others'
