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

import uuid

import pytest

from tests.functional import attached
from tests.functional import conftest
from tests.functional import steps as the_steps

pytestmark = pytest.mark.pairs

#: For what is the same with each driver and in each mode.
some = pytest.mark.parametrize('layered_user', conftest.SOME_LAYERED,
                               indirect=True)

#: The same, for what takes minutes.
few = pytest.mark.parametrize('layered_user, busy',
                              conftest.some_with(*attached.FORMATS),
                              indirect=True)


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


@few
def test_a_copy_of_it(busy):
    """By a snapshot that goes in the end: a clone, an image, a backup."""
    user = busy.user
    snapshot = busy.snap()
    with busy.copied() as numbers:
        clone = user.create(busy.backend, source_volid=busy.volume.id)
    busy.check_volume(clone, *numbers)
    with busy.copied() as numbers:
        image = user.upload(busy.volume, 'qcow2', 'in-use')
    busy.check_file(image, 'qcow2', *numbers)
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


@few
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
    backup = user.backup(busy.volume)
    restored = user.restore(backup, user.create(busy.backend))
    busy.check_volume(restored, number, number,
                      attached.FORMATS[busy.backend])
    user.extend(busy.volume, 2)
    user.delete_backup(backup)
    user.delete(busy.volume, clone, restored)


@some
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


@some
def test_read_only(life):
    """A guest that only reads: Nova decides, and nothing goes wrong."""
    busy = life('layered')
    user, nova = busy.user, busy.nova
    busy.detach()
    number = busy.numbers
    nova.attach(busy.server, busy.volume.id, mode='ro')
    snapshot = user.cloud.cinder.volume_snapshots.create(busy.volume.id)
    user.cloud.wait(lambda: user.cloud.cinder.volume_snapshots.get(
        snapshot.id).status in ('available', 'error'), what='its end')
    nova.detach(busy.server, busy.volume.id)
    user.cloud.wait_volume(busy.volume.id)
    busy.check_volume(busy.volume, number, number)
    user.delete_snapshot(snapshot)
    busy.check_detached()
    user.delete(busy.volume)


@some
def test_several_servers(layered_user, all_clouds, request):
    """A raw volume without snapshots; Nova would not snapshot it either."""
    user = layered_user
    nova = all_clouds.nova(request.node.callspec.params['layered_user'])
    cinder = user.cloud.cinder
    name = 'shared-%s' % uuid.uuid4()
    shared = cinder.volume_types.create(name)
    shared.set_keys({'multiattach': '<is> True',
                     'volume_backend_name': user.backends['qcow2']})
    volume = cinder.volumes.create(1, volume_type=name)
    user.cloud.wait_volume(volume.id)
    servers = [str(uuid.uuid4()) for __ in range(2)]
    disk = nova.attach(servers[0], volume.id)
    # Another server, whose QEMU is not here.
    other = cinder.attachments.create(volume.id, the_steps.connector(),
                                      servers[1])
    cinder.attachments.complete(other['id'])
    user.cloud.wait_volume(volume.id, 'in-use')
    assert {disk.guest.format, other['connection_info']['format']} == {'raw'}
    snapshot = cinder.volume_snapshots.create(volume.id)
    user.cloud.wait_snapshot(snapshot.id, 'error')
    user.delete_snapshot(snapshot)
    cinder.attachments.delete(other['id'])
    nova.detach(servers[0], volume.id)
    user.cloud.wait_volume(volume.id)
    user.delete(volume)
    cinder.volume_types.delete(shared)


@some
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
