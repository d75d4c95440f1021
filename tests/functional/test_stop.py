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

"""A service that is told to stop in the middle of long work."""

import os
import shutil
import time

import pytest

from tests.functional import conftest
from tests.functional import content
from tests.functional import steps as the_steps
from tests.functional import test_layers as layers

#: A merge in small bites; everything else as usual.
_SLOW = '''#!/bin/sh
if [ "$1" = commit ]; then
    shift
    exec %(program)s commit -r 16M "$@"
fi
exec %(program)s "$@"
'''
#: MiB to be merged: more than half a minute of it.
_DATA = 600
#: Seconds that the service would wait by itself.
_GRACE = 120


@pytest.fixture
def slow_merge(tmp_path, monkeypatch):
    """Every merge takes its time, in services that are started now."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    program = folder / 'qemu-img'
    program.write_text(_SLOW % {'program': shutil.which('qemu-img')})
    program.chmod(0o755)
    before = os.environ['PATH']
    monkeypatch.setenv('PATH', '%s:%s' % (folder, before))
    return lambda: monkeypatch.setenv('PATH', before)


@pytest.mark.parametrize('concurrency', conftest.MODES)
def test_a_merge_is_stopped_and_taken_up_again(new_cloud, concurrency,
                                               slow_merge, tmp_path):
    cloud = new_cloud(concurrency=concurrency, glance=False, options={
        'DEFAULT': {'graceful_shutdown_timeout': _GRACE}})
    cloud.start()
    user = the_steps.Steps(cloud, tmp_path, conftest.POSIX)
    disk = layers.Disk(user, 'qcow2')
    snapshot = disk.snap(1)
    disk.snap(2)
    content.write(user.active(disk.volume), 'qcow2', 0x55,
                  300 * content.MIB, _DATA * content.MIB)
    last = disk.snap(3)
    disk.write(4)
    second = list(disk.held)[1]
    base = user.path(disk.volume)
    cloud.cinder.volume_snapshots.delete(second)
    # Once the first percents are there, it is under way.
    user.until(lambda: _progress(cloud, second) >= 10, 'progress')
    started = time.monotonic()
    # By itself, not by force.
    assert cloud.stop()['cinder'] == 0
    assert time.monotonic() - started < 30
    assert not _running(base)
    assert os.path.exists(base + '.intent')

    slow_merge()
    cloud.start()
    cloud.cinder.volume_snapshots.reset_state(second, 'available')
    user.delete_snapshot(cloud.cinder.volume_snapshots.get(second))
    assert not os.path.exists(base + '.intent')
    content.assert_pattern(user.active(disk.volume), 'qcow2', 0x55,
                           300 * content.MIB, _DATA * content.MIB)
    for each in (snapshot, last):
        user.delete_snapshot(each)
    assert user.table(disk.volume) == {}
    for place, pattern in disk.state.items():
        content.assert_pattern(user.path(disk.volume), 'qcow2', pattern,
                               place * content.MIB, content.MIB)
    user.delete(disk.volume)


def _progress(cloud, snapshot_id):
    text = getattr(cloud.cinder.volume_snapshots.get(snapshot_id),
                   'os-extended-snapshot-attributes:progress')
    return int(text.rstrip('%'))


def _running(path):
    """Whether a program works on the files of a volume."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as stream:
                if path.encode() in stream.read():
                    return True
        except OSError:
            continue
    return False
