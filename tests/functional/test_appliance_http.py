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

"""ApplianceNfsDriver under a whole Cinder, on each appliance that we have.

Content is compared, byte by byte, on the side of the appliance, and in the
end nothing is left there, nor mounted. For root, who makes appliances.
"""

import contextlib
import os

import pytest

from remotefs_drivers.embedded import spec as specs
from tests.functional import appliance_places
from tests.functional import conftest
from tests.functional import content
from tests.functional import natives

pytestmark = pytest.mark.root

GIB, MIB = content.GIB, content.MIB


@pytest.fixture(scope='module', params=[
    '%s-%s' % (mode, box) for mode in conftest.MODES
    for box in sorted(appliance_places.PLACES)])
def site(request, tmp_path_factory):
    """(a place of an appliance, its cloud), running; empty in the end."""
    mode, __, box = request.param.partition('-')
    folder = str(tmp_path_factory.mktemp(request.param))
    with contextlib.ExitStack() as stack:
        place = appliance_places.PLACES[box](stack, folder)
        wanted = conftest.make_spec(
            os.path.join(folder, 'cloud'), mode, backup=True,
            options={'DEFAULT': {'enable_force_upload': True,
                                 **place.global_options()}})
        other = os.path.join(folder, 'other')
        wanted = wanted.replace(
            backends={appliance_places.BACKEND: {
                'volume_driver': appliance_places.DRIVER,
                **place.options()},
                appliance_places.OTHER: specs.posix_backend([other])},
            folders=(other,))
        yield place, stack.enter_context(
            conftest.Mounting(wanted, place.mounter))
        assert place.shares() == {}, 'shares were left behind'
        assert place.journals() == []


@pytest.fixture
def user(site, tmp_path):
    place, cloud = site
    yield appliance_places.Steps(cloud, tmp_path, place)
    assert place.mounted() == set()


@pytest.mark.turns
def test_a_life(user):
    natives.live(user)
    assert user.place.shares() == {}


@pytest.mark.turns
def test_attached(user):
    connection = natives.be_attached(user)
    assert connection['driver_volume_type'] == 'nfs'
    assert connection['name'] == 'volume'


@pytest.mark.turns
def test_upload(user):
    natives.be_uploaded(user)


@pytest.mark.turns
def test_upload_of_an_attached_one(user):
    disk = natives.Disk(user)
    disk.write(1)
    with user.attached(disk.volume):
        path = user.upload(disk.volume, 'qcow2', 'in-use')
    content.assert_same(path, 'qcow2', disk.path, 'raw')
    user.delete(disk.volume)


@pytest.mark.turns
def test_a_header_that_a_guest_wrote(user):
    natives.pretend_to_be_qcow2(user)


@pytest.mark.turns
def test_backup_and_restore(user):
    natives.be_backed_up(user)


@pytest.mark.turns
@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_an_image(user, disk_format):
    source = user.disk('source', disk_format)
    image = user.image(source, disk_format)
    volume = user.create('raw', 2, imageRef=image.id)
    content.assert_same(user.path(volume), 'raw', source, disk_format)
    assert os.path.getsize(user.path(volume)) == 2 * GIB
    user.delete(volume)
    user.cloud.glance.images.delete(image.id)


@pytest.mark.turns
def test_manage(user):
    """A volume goes from Cinder, and comes back with another id."""
    disk = natives.Disk(user)
    disk.write(1)
    snapshot = disk.snap()
    disk.write(2)
    user.unmanage(disk.volume, snapshot)
    disk.volume = user.manage('raw', {'source-name':
                                      'volume-' + disk.volume.id})
    disk.check()
    managed = user.manage_snapshot(
        disk.volume, {'source-name': 'snapshot-' + snapshot.id})
    disk.held[managed.id] = disk.held[snapshot.id]
    copy = disk.copy(snapshot=managed)
    copy.check()
    user.delete_snapshot(managed)
    user.delete(disk.volume, copy.volume)


@pytest.mark.turns
def test_migrate(user):
    """By Cinder's own copy. Into an appliance: see tests/realnfs, since what
    stands in for the NFS client here cannot write with O_DIRECT.
    """
    disk = natives.Disk(user)
    disk.write(1)
    before = content.digest(disk.path)
    volume = user.retype(disk.volume, appliance_places.OTHER)
    assert user.place.root not in user.path(volume)
    assert content.digest(user.path(volume)) == before
    user.delete(volume)
    assert user.place.shares() == {}


@pytest.mark.turns
def test_a_consistent_group(user):
    cinder = user.cloud.cinder
    kind = cinder.group_types.create('consistent')
    kind.set_keys({'consistent_group_snapshot_enabled': '<is> True'})
    group = cinder.groups.create(
        kind.id, cinder.volume_types.find(name=appliance_places.BACKEND).id)
    user.until(lambda: cinder.groups.get(group.id).status != 'creating',
               'the group')
    if not user.place.box.offers('create_snapshots'):
        assert cinder.groups.get(group.id).status == 'error'
        cinder.groups.delete(group.id)
        user.until(lambda: not cinder.groups.list(), 'the end of the group')
        cinder.group_types.delete(kind.id)
        return
    disks = [natives.Disk(user, group_id=group.id) for __ in range(2)]
    for disk in disks:
        disk.write(1)
    taken = cinder.group_snapshots.create(group.id)
    user.until(lambda: cinder.group_snapshots.get(
        taken.id).status == 'available', 'the snapshots')
    for disk in disks:
        held = dict(disk.state)
        disk.write(2)
        snapshot, = [each for each in cinder.volume_snapshots.list()
                     if each.volume_id == disk.volume.id]
        disk.held[snapshot.id] = held
        copy = disk.copy(snapshot=snapshot)
        copy.check()
        user.delete(copy.volume)
    other = cinder.groups.create_from_src(taken.id, None)
    user.until(lambda: cinder.groups.get(
        other['id']).status == 'available', 'the group of the snapshots')
    cinder.groups.delete(other['id'], delete_volumes=True)
    user.until(lambda: len(cinder.groups.list()) == 1, 'its end')
    cinder.group_snapshots.delete(taken.id)
    user.until(lambda: not cinder.group_snapshots.list(),
               'the end of the snapshots')
    cinder.groups.delete(group.id, delete_volumes=True)
    user.until(lambda: not cinder.groups.list(), 'the end of the group')
    cinder.group_types.delete(kind.id)


@pytest.mark.turns
def test_stats(user):
    pool = next(each for each in user.cloud.cinder.pools.list(detailed=True)
                if each.name.endswith('#' + appliance_places.BACKEND))
    found = user.place.box.capacity()
    assert pool.storage_protocol == 'NFS'
    assert pool.total_capacity_gb == pytest.approx(found.total / GIB,
                                                   rel=0.01)
    assert pool.thin_provisioning_support is True
