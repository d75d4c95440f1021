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

"""The appliance of folders on real file systems, and in several processes."""

import os
import signal
import subprocess
import sys

from oslo_utils import units
import pytest

from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers import errors
from tests.harness import small_fs
from tests.harness import whole_box

SIZE = units.Gi

#: Shares come and go, as long as this process lives.
_BUSY = '''
import itertools
import sys
from remotefs_drivers.embedded import folders
box = folders.at(sys.argv[1])
for number in itertools.count():
    a, b = ('%s-%s-%d' % (sys.argv[2], each, number) for each in 'ab')
    box.create_share(a, 1)
    with open('%s/%s/volume' % (sys.argv[1], a), 'w') as stream:
        stream.write(a)
    box.create_snapshots([a], 's')
    box.clone_snapshot(a, 's', b, 1)
    box.promote(b)
    box.roll_back(b, 's')
    box.rename_snapshot(b, 's', 't')
    box.delete_share(a)
    if number == 40:
        print('busy', flush=True)
    if number % 2:
        box.delete_share(b, ['t'])
'''


def _write(root, share, count):
    """So many MiB that are not zeroes."""
    with open(os.path.join(root, share, 'volume'), 'wb') as stream:
        for number in range(count):
            stream.write(bytes([number % 255 + 1]) * units.Mi)
        os.fsync(stream.fileno())


@pytest.mark.root
@pytest.mark.parametrize('fstype', [small_fs.XFS, small_fs.BTRFS])
def test_blocks_are_shared(tmp_path, fstype):
    """There is no room for another copy, let alone four."""
    with small_fs.SmallFs(tmp_path, small_fs.SMALLEST[fstype] + units.Mi,
                          fstype) as small:
        root = os.path.join(small.path, 'box')
        box = folders.at(root, kind=rules.INDEPENDENT)
        box.create_share('a', SIZE)
        _write(root, 'a', small.free * 3 // 5 // units.Mi)
        for name in 's', 't':
            box.create_snapshot('a', name)
            box.clone_snapshot('a', name, 'of-' + name, SIZE)
        box.roll_back('a', 's')
        contents = {open(os.path.join(root, name, 'volume'), 'rb').read()
                    for name in ('a', 'of-s', 'of-t')}
        assert len(contents) == 1


@pytest.mark.root
def test_a_full_file_system(tmp_path):
    """A copy that does not fit leaves nothing, and takes no room."""
    with small_fs.SmallFs(tmp_path, 32 * units.Mi) as small:
        root = os.path.join(small.path, 'box')
        box = folders.at(root)
        box.create_share('a', SIZE)
        _write(root, 'a', 20)
        for __ in range(2):
            with pytest.raises(errors.ApplianceFull):
                box.create_snapshot('a', 's')
        assert box.find_share('a').snapshots == ()
        _write(root, 'a', 5)
        box.create_snapshot('a', 's')


def _busy(root, name):
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', _BUSY, root, name],
        stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once(tmp_path):
    """They know nothing of each other, and are killed in the end."""
    root = str(tmp_path / 'box')
    pair = [_busy(root, name) for name in ('x', 'y')]
    try:
        for process in pair:
            assert process.stdout.readline() == 'busy\n'
    finally:
        for process in pair:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert {share.name[:4] for share in folders.at(root).list_shares()} >= {
        'x-b-', 'y-b-'}
    whole_box.assert_whole(folders.at(root), root)
