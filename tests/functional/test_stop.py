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

import pytest

from tests.functional import conftest
from tests.functional import content
from tests.functional import slow_merge
from tests.functional import steps as the_steps
from tests.harness import family

#: Seconds that the service would wait by itself.
_GRACE = 600
#: Seconds: far more than a stop takes that waits for no merge.
_LONG = 300


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """While this file is there, every merge takes its time."""
    programs, flag = slow_merge.install(tmp_path)
    monkeypatch.setenv('PATH', '%s:%s' % (programs, os.environ['PATH']))
    return flag


@pytest.mark.parametrize('concurrency', conftest.MODES)
def test_a_merge_is_stopped_and_taken_up_again(new_cloud, concurrency,
                                               slow, tmp_path):
    cloud = new_cloud(concurrency=concurrency, glance=False, options={
        'DEFAULT': {'graceful_shutdown_timeout': _GRACE}})
    cloud.start()
    user = the_steps.Steps(cloud, tmp_path, conftest.POSIX)
    disk, (first, second, last) = slow_merge.begin(user, 'qcow2')
    base = user.path(disk.volume)
    # By itself, not by force, and before the merge is over, see below.
    assert cloud.stop(_LONG)['cinder'] == 0
    assert not _running(base)
    assert os.path.exists(base + '.intent')

    slow.unlink()
    cloud.start()
    cloud.cinder.volume_snapshots.reset_state(second.id, 'available')
    user.delete_snapshot(second)
    assert not os.path.exists(base + '.intent')
    content.assert_pattern(user.active(disk.volume), 'qcow2',
                           slow_merge.PATTERN,
                           slow_merge.FIRST * content.MIB,
                           slow_merge.LENGTH * content.MIB)
    for each in (first, last):
        user.delete_snapshot(each)
    assert user.table(disk.volume) == {}
    for place, pattern in disk.state.items():
        content.assert_pattern(user.path(disk.volume), 'qcow2', pattern,
                               place * content.MIB, content.MIB)
    user.delete(disk.volume)


def _running(path):
    """Whether a program works on the files of a volume."""
    return any(path.encode() in family.command_of(pid)
               for pid in filter(str.isdigit, os.listdir('/proc')))
