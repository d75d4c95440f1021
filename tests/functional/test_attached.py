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
"""Snapshots of volumes whose guests write to them all the time."""

import pytest

from tests.functional import attached


@pytest.fixture(params=sorted(attached.FORMATS))
def busy(life, request):
    """attached.Life of each format."""
    return life(request.param)


def test_snapshots_come_and_go(busy):
    user = busy.user
    first, second, third = (busy.snap() for __ in range(3))
    busy.check()
    # The one in the middle, the newest, the oldest, which is the last.
    busy.drop(second)
    busy.check()
    busy.drop(third)
    busy.check()
    busy.drop(first)
    busy.check()
    busy.detach()
    busy.check_detached()
    user.delete(busy.volume)


def test_a_copy_of_it(busy):
    """By a snapshot that goes in the end: a clone, an image, a backup."""
    user = busy.user
    snapshot = busy.snap()
    with busy.copied() as numbers:
        clone = user.create(busy.backend, source_volid=busy.volume.id)
    busy.check_volume(clone, *numbers)
    with busy.copied() as numbers:
        image = user.upload(busy.volume, 'raw', 'in-use')
    busy.check_file(image, 'raw', *numbers)
    with busy.copied() as numbers:
        backup = user.backup(busy.volume, 'in-use')
    restored = user.restore(backup, user.create(busy.backend))
    busy.check_volume(restored, *numbers)
    # Nothing of it is left.
    names = [each.id for each in
             user.cloud.cinder.volume_snapshots.list()
             if each.volume_id == busy.volume.id]
    assert names == [snapshot.id]
    busy.check()
    busy.detach()
    busy.check_detached()
    user.delete_backup(backup)
    busy.drop_detached(snapshot)
    user.delete(busy.volume, clone, restored)


def test_a_hard_reboot(busy):
    """It comes up on the file that Cinder has on record for it."""
    first = busy.snap()
    busy.reboot()
    busy.check()
    second = busy.snap()
    busy.drop(second)
    busy.reboot()
    busy.check()
    busy.drop(first)
    busy.reboot()
    busy.check()
    busy.detach()
    busy.check_detached()
    busy.user.delete(busy.volume)


def test_attached_and_detached_in_between(busy):
    user = busy.user
    first = busy.snap()
    busy.detach()
    second = busy.snap_detached()
    busy.check_detached()
    busy.attach()
    third = busy.snap()
    busy.check()
    busy.drop(second)
    busy.check()
    busy.detach()
    busy.drop_detached(third)
    busy.check_detached()
    busy.attach()
    busy.check()
    busy.drop(first)
    fourth = busy.snap()
    busy.check()
    busy.detach()
    # The base is gone; what was an overlay is the lowest layer now.
    busy.drop_detached(fourth)
    busy.check_detached()
    clone = user.create(busy.backend, size=2, source_volid=busy.volume.id)
    number = busy.numbers
    busy.check_volume(clone, number, number)
    user.extend(busy.volume, 2)
    backup = user.backup(busy.volume)
    restored = user.restore(backup, user.create(busy.backend, 2))
    busy.check_volume(restored, number, number,
                      attached.FORMATS[busy.backend])
    user.delete_backup(backup)
    user.delete(busy.volume, clone, restored)


def test_a_larger_size(busy):
    user = busy.user
    user.cloud.cinder.volumes.extend(busy.volume.id, 2)
    busy.wait_size(2)
    busy.check()
    snapshot = busy.snap()
    user.cloud.cinder.volumes.extend(busy.volume.id, 3)
    busy.wait_size(3)
    busy.check()
    busy.reboot()
    assert busy.size() == 3 << 30
    busy.drop(snapshot)
    busy.detach()
    busy.check_detached()
    user.delete(busy.volume)


def test_hosts_that_have_a_path_cannot_grow_it(steps, all_clouds,
                                               concurrency):
    """Raw volumes on local paths: refused, and the volume is as it was."""
    user = steps
    with attached.Life(user, all_clouds.nova(concurrency), 'raw') as busy:
        user.cloud.cinder.volumes.extend(busy.volume.id, 2)
        # The scheduler knows already.
        volume = user.cloud.wait_volume(busy.volume.id, 'in-use')
        assert volume.size == 1
        snapshot = user.cloud.cinder.volume_snapshots.create(busy.volume.id)
        user.cloud.wait_snapshot(snapshot.id, 'error')
        user.delete_snapshot(snapshot)
        busy.check()
        busy.detach()
        busy.check_detached()
        user.delete(busy.volume)


def test_reserved(life):
    """Shelved, say: nobody has it, and somebody will."""
    busy = life('layered')
    user = busy.user
    first = busy.snap()
    busy.detach()
    attachment = user.cloud.cinder.attachments.create(
        busy.volume.id, None, busy.server)['id']
    user.cloud.wait_volume(busy.volume.id, 'reserved')
    user.delete_snapshot(first, 'error_deleting')
    user.cloud.cinder.volume_snapshots.reset_state(first.id, 'available')
    user.cloud.cinder.attachments.delete(attachment)
    user.cloud.wait_volume(busy.volume.id)
    busy.drop_detached(first)
    busy.check_detached()
    user.delete(busy.volume)
