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

"""Reading a qcow2 header that anybody may have written."""

import struct

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import pytest

from remotefs_drivers.qemu import header
from tests.unit import crafted


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / 'image'
        path.write_bytes(data)
        return header.read(str(path))
    return _read


@pytest.mark.parametrize('made, expected', [
    (crafted.qcow2(version=2), (2, 1 << 20, None, None)),
    (crafted.qcow2(), (3, 1 << 20, None, None)),
    (crafted.qcow2(size=0), (3, 0, None, None)),
    (crafted.qcow2(size=(1 << 63) - 512), (3, (1 << 63) - 512, None, None)),
    (crafted.qcow2(backing='/etc/shadow'), (3, 1 << 20, '/etc/shadow', None)),
    (crafted.qcow2(version=2, backing='base'), (2, 1 << 20, 'base', None)),
    (crafted.qcow2(backing='b\u00e4se'), (3, 1 << 20, 'b\u00e4se', None)),
    # The longest name that QEMU takes.
    (crafted.qcow2(backing='b' * 1023), (3, 1 << 20, 'b' * 1023, None)),
    (crafted.qcow2(data='/dev/sda'), (3, 1 << 20, None, '/dev/sda')),
    (crafted.qcow2(backing='base', data='raw'), (3, 1 << 20, 'base', 'raw')),
    # After other extensions, of which one is padded to 8 bytes.
    (crafted.qcow2(data='x', before=[(0xE2792ACA, b'qcow2')]),
     (3, 1 << 20, None, 'x')),
    # The feature bit says that there is one, and no extension which.
    (crafted.qcow2(features=4), (3, 1 << 20, None, '(not named)')),
    # A name without the bit is not used by QEMU, and not by us.
    (crafted.qcow2(data='x', features=0), (3, 1 << 20, None, None)),
    # Other incompatible features are not our affair.
    (crafted.qcow2(features=1 | 2 | 8 | 16), (3, 1 << 20, None, None)),
    # Version 2 has no features: what is there means nothing.
    (crafted.qcow2(version=2, features=4), (2, 1 << 20, None, None)),
])
def test_what_it_says(read, made, expected):
    found = read(made)
    assert (found.version, found.virtual_size, found.backing_file,
            found.data_file) == expected


@pytest.mark.parametrize('made, expected', [
    (crafted.qcow2(backing='base', backing_format='raw'), 'raw'),
    (crafted.qcow2(version=2, backing='base', backing_format='qcow2'),
     'qcow2'),
    # Behind another extension.
    (crafted.qcow2(backing='base', backing_format='raw',
                   before=[(0x6803f857, bytes(48))]), 'raw'),
    # It need not be there.
    (crafted.qcow2(backing='base'), None),
    (crafted.qcow2(version=2, backing='base'), None),
    # Of no backing file it says nothing.
    (crafted.qcow2(backing_format='raw'), None),
    # Nor is a name an extension, though it begins like one.
    (crafted.qcow2(version=2)[:8] +
     struct.pack('>QI', 72, 16) + crafted.qcow2(version=2)[20:72] +
     struct.pack('>II', 0x62617365, 5) + b'raw\0\0\0\0\0', None),
])
def test_what_the_backing_file_is(read, made, expected):
    found = read(made)
    assert found.backing_format == expected


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / 'target').write_bytes(crafted.qcow2())
    (tmp_path / 'link').symlink_to(tmp_path / 'target')
    with pytest.raises(OSError):
        header.read(str(tmp_path / 'link'))


@pytest.mark.parametrize('data', [
    b'',
    b'Q',
    b'QFI',
    b'qfi\xfb' + bytes(100),
    b'\0' * 104,
    b'KDMV' + bytes(508),
    # Not at the beginning.
    b'\0QFI\xfb' + bytes(100),
])
def test_other_files(read, data):
    assert read(data) is None


@pytest.mark.parametrize('data, reason', [
    # Ends within the fixed part.
    (b'QFI\xfb', 'damaged'),
    (crafted.qcow2()[:31], 'damaged'),
    # Version 3 ends before its features, or before its length.
    (crafted.qcow2()[:72], 'damaged'),
    (crafted.qcow2(features=4)[:102], 'damaged'),
    (crafted.qcow2(backing=b'\xff\xfe'), 'damaged'),
    (crafted.qcow2(data=b'\xff\xfe'), 'damaged'),
    (crafted.qcow2(backing='b' * 1024), 'damaged.* at most 1023'),
    # Beyond what a file can have: seek() refuses that in two ways.
    (crafted.qcow2(backing='x', backing_at=1 << 62), 'damaged'),
    (crafted.qcow2(backing='x', backing_at=(1 << 64) - 1), 'damaged'),
    # Beyond the end of this one.
    (crafted.qcow2(backing='base', backing_at=1 << 20), 'damaged'),
    # No end of the extensions.
    (crafted.qcow2(features=4)[:104], 'damaged'),
])
def test_damaged(read, data, reason):
    with pytest.raises(ValueError, match=reason):
        read(data)


def test_an_extension_of_any_length_is_not_read(read):
    """4 GiB of memory for the asking."""
    data = crafted.qcow2(features=4)[:104] + struct.pack('>II', 1, 0xffffffff)
    assert read(data).data_file == '(not named)'


@settings(max_examples=150)
@given(strategies.binary(max_size=200))
def test_any_bytes_after_the_magic(tmp_path_factory, data):
    _read_or_refuse(tmp_path_factory, header.MAGIC + data)


@settings(max_examples=150)
@given(version=strategies.integers(0, 5),
       features=strategies.integers(0, 7),
       backing=strategies.none() | strategies.text(max_size=8),
       data=strategies.none() | strategies.text(max_size=8),
       backing_format=strategies.none() | strategies.text(max_size=8),
       backing_at=strategies.integers(0, (1 << 64) - 1),
       length=strategies.integers(0, (1 << 32) - 1),
       cut=strategies.integers(4, 250))
def test_any_header(tmp_path_factory, cut, **fields):
    _read_or_refuse(tmp_path_factory, crafted.qcow2(**fields)[:cut])


def _read_or_refuse(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'any-header'
    path.write_bytes(data)
    try:
        found = header.read(str(path))
    except ValueError:
        return
    assert found.version == int.from_bytes(data[4:8], 'big')
