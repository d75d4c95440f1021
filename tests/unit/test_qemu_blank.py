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

"""The bytes of a new qcow2 file.

That they are what qemu-img writes, tests/functional/test_qemu_blank.py shows.
"""

import struct

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.qemu import blank
from remotefs_drivers.qemu import header

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CLUSTER = 64 * KIB


def lay(path, *what):
    """Write a file as it is described; returns the path."""
    length, pieces = blank.fresh(*what)
    with open(str(path), 'wb') as stream:
        stream.truncate(length)
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
        assert stream.seek(0, 2) == length
    return str(path)


@pytest.mark.parametrize('size, backing', [
    (GIB, ()), (GIB, ('volume-1', 'raw')), (GIB, ('v' * 1023, 'qcow2')),
    (GIB, ('b\u00e4se', 'raw')), (512, ('volume-1', 'qcow2')),
])
def test_what_it_says(tmp_path, size, backing):
    name, file_format = backing or (None, None)
    assert header.read(lay(tmp_path / 'made', size, *backing)) == (
        3, size, name, None, file_format)


@pytest.mark.parametrize('size, found', [(1, 512), (513, 1024),
                                         (GIB + 1, GIB + 512)])
def test_sizes_are_whole_sectors(tmp_path, size, found):
    path = lay(tmp_path / 'made', size)
    assert header.read(path).virtual_size == found


@pytest.mark.parametrize('size, entries', [
    (512, 1), (512 * MIB, 1), (512 * MIB + 1, 2), (GIB, 2), (100 * GIB, 200)])
def test_it_ends_with_an_empty_l1_table(tmp_path, size, entries):
    length, pieces = blank.fresh(size)
    assert length == 3 * CLUSTER + 8 * entries
    count, place = struct.unpack_from('>IQ', pieces[0][1], 36)
    assert (count, place) == (entries, 3 * CLUSTER)
    assert pieces[-1][0] + len(pieces[-1][1]) <= place


@pytest.mark.parametrize('size, clusters', [
    (GIB, 4), (4096 * GIB, 4), (4096 * GIB + 1, 5), (2 << 50, 515)])
def test_each_cluster_counts_once(size, clusters):
    assert blank.fresh(size)[1][-1] == (2 * CLUSTER, b'\0\1' * clusters)


@given(size=strategies.integers(1, 2 << 50),
       name=strategies.text('abc-\u00e4', min_size=1, max_size=500))
def test_the_pieces_are_in_their_clusters(size, name):
    __, pieces = blank.fresh(size, name, 'raw')
    assert [offset for offset, __ in pieces] == [0, CLUSTER, 2 * CLUSTER]
    assert all(len(data) <= CLUSTER for __, data in pieces)


@pytest.mark.parametrize('what, said', [
    (((2 << 50) + 512,), 'bytes'),
    ((GIB, 'v' * 1024, 'raw'), '1024'),
    ((GIB, '', 'raw'), '0 bytes'),
    ((GIB, 'volume-1', 'vmdk'), 'raw or qcow2'),
    ((GIB, 'volume-1', None), 'raw or qcow2'),
])
def test_what_cannot_be(what, said):
    with pytest.raises(ValueError, match=said):
        blank.fresh(*what)
