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

"""File systems in new volumes, by the real programs."""

import os
import subprocess

import pytest

from remotefs_drivers.qemu import mkfs

_TYPES = {'msdos': 'vfat'}
#: mkfs.btrfs looks whether its file is mounted, and refuses its work when it
#: may not see the file of any loop device that is. Others' tests mount some.
_FOR_ROOT = {'btrfs'}
#: What xfs takes at least, and some more.
_ROOM = 320 << 20

every_type = pytest.mark.parametrize('fstype', [
    pytest.param(each, marks=[pytest.mark.root] * (each in _FOR_ROOT))
    for each in mkfs.types()])


@every_type
@pytest.mark.parametrize('label', [None, 'data'])
def test_it_is_made(tmp_path, fstype, label):
    path = str(tmp_path / 'volume')
    with open(path, 'wb') as stream:
        stream.truncate(1 << 30)
    mkfs.make(path, fstype, label).run()
    found = subprocess.run(['/sbin/blkid', '-p', '-o', 'export', path],
                           capture_output=True, text=True, check=True).stdout
    assert 'TYPE=%s' % _TYPES.get(fstype, fstype) in found
    assert ('LABEL=data' in found) is bool(label)


@every_type
def test_room_that_is_reserved_stays(tmp_path, fstype):
    path = str(tmp_path / 'volume')
    with open(path, 'wb') as stream:
        os.posix_fallocate(stream.fileno(), 0, _ROOM)
    mkfs.make(path, fstype, thick=True).run()
    assert os.stat(path).st_blocks * 512 >= _ROOM
