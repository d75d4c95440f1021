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
"""What a guest wrote, and disks that hold something else."""

import pytest

from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.embedded.hypervisor import writer

SIZE = 3 << 20


class Memory:
    """A disk that may fail, and keeps its states."""

    def __init__(self, size=SIZE, content=b''):
        self.size = size
        self.content = bytearray(content.ljust(size, b'\0'))
        self.flushes = 0
        self.error = None

    def read(self, offset, length):
        return bytes(self.content[offset:offset + length])

    def write(self, offset, data):
        if self.error:
            raise self.error
        self.content[offset:offset + len(data)] = data

    def flush(self):
        self.flushes += 1

    def close(self):
        self.size = None

    def do(self, book, sector, count=1):
        self.write(sector * journal.SECTOR, book.next(sector, count))

    def copy(self):
        return Memory(self.size, bytes(self.content))


@pytest.fixture
def disk():
    return Memory()


@pytest.fixture
def book():
    return journal.Journal(seed=5)


def test_stamp():
    stamp = journal.stamp(5, 3, 7)
    assert len(stamp) == journal.SECTOR
    assert journal.number_in(stamp, 5, 7) == 3
    for wrong in ((stamp, 6, 7), (stamp, 5, 8), (bytes(512), 5, 7),
                  (stamp[:-1] + b'x', 5, 7)):
        assert journal.number_in(*wrong) is None


def test_state(book, disk):
    disk.do(book, 10, 3)
    disk.do(book, 11)
    assert book.state(1) == {10: 1, 11: 1, 12: 1}
    assert book.state(2) == {10: 1, 11: 2, 12: 1}
    assert book.state(0) == {} and len(book) == 2


def test_pieces(book, disk):
    disk.do(book, 10, 3)
    disk.do(book, 11)
    disk.do(book, 2)
    found = Memory()
    for offset, data in book.pieces(3):
        found.write(offset, data)
    assert found.content == disk.content
    assert [offset for offset, __ in book.pieces(3)] == [1024, 5120]
    assert book.pieces(0) == []


def test_check(book, disk):
    disk.do(book, 10, 3)
    before = disk.copy()
    disk.do(book, 11)
    disk.do(book, SIZE // journal.SECTOR - 1)
    book.check(disk)
    book.check(before, 1)
    for wrong, number in ((before, 2), (disk, 1), (disk, 2)):
        with pytest.raises(journal.ContentDiffers):
            book.check(wrong, number)


@pytest.mark.parametrize('offset, data, words', [
    (0, b'x', 'Sector 0 holds data of others, expected zeroes'),
    (10 * 512, bytes(512), 'Sector 10 holds zeroes, expected write 2'),
    (10 * 512, journal.stamp(5, 1, 10),
     'Sector 10 holds write 1, expected write 2'),
    (10 * 512, journal.stamp(6, 2, 10), 'Sector 10 holds data of others'),
    (SIZE - 1, b'x', 'Sector 6143 holds data of others'),
])
def test_check_tells_what_is_wrong(book, disk, offset, data, words):
    disk.do(book, 10)
    disk.do(book, 10)
    disk.write(offset, data)
    with pytest.raises(journal.ContentDiffers) as caught:
        book.check(disk)
    assert words in str(caught.value)


def test_what_was_there_before(disk):
    book = journal.Journal(initial=Memory(1 << 20, b'old' * 1000))
    disk.content[:3000] = b'old' * 1000
    disk.do(book, 1)
    book.check(disk)
    disk.content[0] = 0
    with pytest.raises(journal.ContentDiffers):
        book.check(disk)


def test_check_between(book, disk):
    states = []
    for sector in (1, 2, 1, 3, 2):
        disk.do(book, sector)
        states.append(disk.copy())
    for number, state in enumerate(states, 1):
        assert book.check_between(state, 1, 5) == number
    for low, high in ((4, 5), (1, 2)):
        with pytest.raises(journal.ContentDiffers):
            book.check_between(states[2], low, high)
    # A write is there and one before it is not: no moment was like that.
    states[4].write(512, journal.stamp(5, 1, 1))
    with pytest.raises(journal.ContentDiffers):
        book.check_between(states[4], 1, 5)


def test_check_crashed(book, disk):
    for sector in (1, 2, 1, 3):
        disk.do(book, sector)
    flushed = disk.copy()
    disk.do(book, 1)
    book.check_crashed(disk, 4, 5)
    book.check_crashed(flushed, 4, 5)
    # In any order, if nothing of it was flushed.
    flushed.write(2 * 512, bytes(512))
    book.check_crashed(flushed, 1, 5)
    with pytest.raises(journal.ContentDiffers):
        book.check_crashed(flushed, 2, 5)
    with pytest.raises(journal.ContentDiffers):
        book.check_crashed(flushed, 4, 5)


def test_raw_file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'0123456789')
    found = journal.RawFile(str(path))
    assert (found.size, found.read(2, 3)) == (10, b'234')


def test_writer(disk):
    with writer.Writer(disk, seed=1, pace=0) as busy:
        busy.wait(200)
        with busy.paused() as number:
            copy = disk.copy()
            assert busy.flushed == number == busy.started
        low = busy.finished
        busy.wait(100)
        unfenced = disk.copy()
        high = busy.started
    assert disk.flushes >= 2 and disk.size is None
    disk.size = SIZE
    busy.journal.check(disk, busy.finished)
    busy.journal.check(copy, number)
    assert low <= busy.journal.check_between(unfenced, low, high) <= high
    # The first and the last place are written to.
    sectors = busy.journal.state(busy.finished)
    assert min(sectors) < 192 and max(sectors) >= SIZE // 512 - 192


def test_writer_does_the_same_each_time():
    histories = []
    for __ in range(2):
        disk = Memory()
        with writer.Writer(disk, seed=3, pace=0) as busy:
            busy.wait(50)
        histories.append(busy.journal.state(50))
    assert histories[0] == histories[1]


def test_writer_tells_of_an_error(disk):
    busy = writer.Writer(disk, pace=0)
    busy.start()
    busy.wait(10)
    disk.error = OSError('it is gone')
    with pytest.raises(OSError, match='it is gone'):
        busy.wait(10 ** 6)
    with pytest.raises(OSError, match='it is gone'):
        with busy.paused():
            pass
    with pytest.raises(OSError, match='it is gone'):
        busy.stop()
