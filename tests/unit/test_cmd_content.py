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

"""The comparison that the demo's proof rests on."""

import pytest

from remotefs_drivers.cmd import content

MIB = 1 << 20


@pytest.fixture
def file_of(tmp_path):
    def make(data):
        path = tmp_path / 'volume'
        path.write_bytes(data)
        return str(path)
    return make


def expected(size, *pieces):
    made = content.Expected(b'')
    made.grow(size)
    for offset, data in pieces:
        made.write(offset, data)
    return made


def test_what_is_the_same(file_of):
    data = bytes(range(256)) * 3000 + b'end'
    seen = []
    assert content.compare(file_of(data), content.Expected(data),
                           seen.append) == len(data)
    assert seen[-1] == 100 and seen == sorted(seen) and len(seen) > 1


def test_nothing_is_the_same_as_nothing(file_of):
    assert content.compare(file_of(b''), content.Expected(b'')) == 0


@pytest.mark.parametrize('offset', [0, 1, 255, 256 * 1024 - 1, 256 * 1024,
                                    MIB + 17, 2 * MIB - 1])
def test_one_wrong_byte_is_found(file_of, offset):
    data = bytearray(2 * MIB)
    data[offset] = 1
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        content.compare(file_of(data), expected(2 * MIB))


@pytest.mark.parametrize('size', [MIB - 1, MIB + 1, 0])
def test_another_size_is_found(file_of, size):
    with pytest.raises(content.Differs, match='%d bytes' % size):
        content.compare(file_of(bytes(size)), expected(MIB))


def test_later_writes_win_and_the_rest_is_zero(file_of):
    wanted = expected(MIB, (10, b'aaaa'), (12, b'bb'), (MIB - 1, b'z'))
    data = bytearray(MIB)
    data[10:14] = b'aabb'
    data[-1:] = b'z'
    assert content.compare(file_of(data), wanted) == MIB


def test_a_write_over_the_edge_of_a_block(file_of):
    edge = 256 * 1024
    data = bytearray(MIB)
    data[edge - 3:edge + 3] = b'across'
    wanted = expected(MIB, (edge - 3, b'across'))
    assert content.compare(file_of(data), wanted) == MIB


class Disk:
    def __init__(self, data):
        self.size = len(data)
        self._data = data

    def read(self, offset, length):
        return self._data[offset:offset + length]


def test_a_disk_of_a_guest():
    data = bytearray(2 * MIB)
    data[MIB:MIB + 3] = b'abc'
    wanted = expected(2 * MIB, (MIB, b'abc'))
    seen = []
    assert content.compare_disk(Disk(data), wanted, seen.append) == 2 * MIB
    assert seen[-1] == 100
    data[-1] = 1
    with pytest.raises(content.Differs, match='at byte %d:' % (2 * MIB - 1)):
        content.compare_disk(Disk(data), wanted)
    with pytest.raises(content.Differs, match='%d bytes' % MIB):
        content.compare_disk(Disk(bytes(MIB)), wanted)


def test_what_is_known_is_not_looked_for():
    wanted = expected(8)
    assert wanted.found_in('/nowhere') is wanted


def test_a_copy_goes_its_own_way(file_of):
    one = expected(8, (0, b'abcd'))
    other = one.copy()
    one.write(2, b'xy')
    one.grow(9)
    assert content.compare(file_of(b'abcd\0\0\0\0'), other) == 8
    assert content.compare(file_of(b'abxy\0\0\0\0\0'), one) == 9
