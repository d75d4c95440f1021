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

"""GPFSDriver under a whole Cinder, on an emulated GPFS.

Content is compared, byte by byte, and in the end nothing is left. Cinder runs
as root, and as an ordinary user who has sudo and cinder-rootwrap, with our
filter line and one of Cinder's own. For root, whose mounts everybody can see.
"""

import contextlib
import os
import shutil
import struct

import pytest

from remotefs_drivers.embedded import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers import privileged
from tests.functional import conftest
from tests.functional import content
from tests.functional import gpfs_places
from tests.functional import natives
from tests.functional import root_helper
from tests.harness import family

pytestmark = pytest.mark.root

GIB, MIB = content.GIB, content.MIB


#: Another backend on the same directory, with a pool for each storage pool.
POOLS = 'tau'


@pytest.fixture(scope='module', params=conftest.MODES)
def site(request):
    """(gpfs_places.Place, its cloud), running; empty in the end.

    Root prepares the place, and an ordinary user runs Cinder: as root it
    would prove less, and is what the other tests of GPFS have.
    """
    with contextlib.ExitStack() as stack:
        folder = str(stack.enter_context(root_helper.home()))
        place = gpfs_places.Place(stack, os.path.join(folder, 'gpfs'),
                                  pools=['system', 'fast'])
        wanted = conftest.make_spec(
            os.path.join(folder, 'cloud'), request.param, backup=True,
            options={'DEFAULT': conftest.BACKUP})
        wanted = wanted.replace(backends={
            name: {'volume_driver': gpfs_places.DRIVER, **place.options(),
                   'gpfs_pool_per_storage_pool': name == POOLS}
            for name in (gpfs_places.BACKEND, POOLS)})
        yield place, stack.enter_context(ordinary(stack, wanted, place))
        assert place.names() == set(), 'files were left behind'


def ordinary(stack, wanted, place):
    """The cloud of an ordinary user, whom sudo allows what it is to."""
    configuration = stack.enter_context(root_helper.configuration(
        root_helper.LOOKS_AT_IMAGES))
    helper = stack.enter_context(root_helper.allowed(
        configuration, place.storage.programs(gpfs_places.HOST)))
    return gpfs_places.OrdinaryCloud(wanted.replace(root_helper=helper),
                                     place, configuration)


@pytest.fixture
def user(site, tmp_path):
    place, cloud = site
    return gpfs_places.Steps(cloud, tmp_path, place)


def test_who_runs_it(user):
    """Of an ordinary user's Cinder one daemon is root's, which is ours."""
    disk = natives.Disk(user)
    snapshot = disk.snap()
    runs = root_helper.user()
    assert {os.stat(path).st_uid for path in (
        disk.path, user.place.path('snapshot-' + snapshot.id),
        '/proc/%d' % user.cloud.pids['cinder'])} == {runs}
    assert contexts(user.cloud.conf) == {privileged.default.pypath}
    user.delete_snapshot(snapshot)
    user.delete(disk.volume)


def contexts(conf):
    """Of the privsep daemons of a cinder.conf that run as root."""
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        words = family.command_of(pid).decode().split('\0')
        if '--privsep_context' in words and conf in words:
            assert os.stat('/proc/' + pid).st_uid == 0
            found.add(words[words.index('--privsep_context') + 1])
    return found


def test_a_life(user):
    natives.live(user)
    assert user.place.names() == set()


def asked(user):
    """What GPFS was asked for since the last time, but for stats."""
    return [each for each in user.place.asked() if each != 'mmlspool']


def test_the_programs_that_it_takes(user):
    """No more of them than these, each of which takes a while."""
    asked(user)
    disk = natives.Disk(user)
    assert asked(user) == []
    snapshot = disk.snap()
    assert asked(user) == ['mmclone snap']
    copy = disk.copy(snapshot=snapshot)
    assert asked(user) == ['mmclone copy']
    clone = disk.copy()
    assert asked(user) == ['mmclone snap', 'mmclone copy']
    with user.attached(disk.volume):
        pass
    user.extend(disk.volume, 2)
    assert asked(user) == []
    user.delete_snapshot(snapshot)
    assert asked(user) == ['mmclone show']
    for each in copy, clone, disk:
        user.delete(each.volume)
        assert asked(user) in (['mmclone show'] * count
                               for count in (1, 2, 3))


def test_extend_and_attach(user):
    connection = natives.be_attached(user)
    assert connection['driver_volume_type'] == 'gpfs'
    assert os.path.dirname(connection['device_path']) == user.place.folder


def test_upload(user):
    natives.be_uploaded(user)


def test_a_header_that_a_guest_wrote(user):
    natives.pretend_to_be_qcow2(user)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_an_image(user, disk_format):
    """It lies in GPFS, and is cloned, or converted, where it lies."""
    source = user.disk('source', disk_format)
    image = user.image(source, disk_format)
    assert os.path.exists(os.path.join(user.place.images, image.id))
    asked(user)
    volumes = [user.create('raw', 2, imageRef=image.id) for __ in range(2)]
    programs = asked(user)
    for volume in volumes:
        content.assert_same(user.path(volume), 'raw', source, disk_format)
        assert os.path.getsize(user.path(volume)) == 2 * GIB
    assert programs.count('mmclone copy') == (2 if disk_format == 'raw' else 0)
    assert programs.count('mmclone snap') == (1 if disk_format == 'raw' else 0)
    content.write(user.path(volumes[0]), 'raw', 0xee, 0, MIB)
    content.assert_same(user.path(volumes[1]), 'raw', source, disk_format)
    user.delete(*volumes)
    user.cloud.glance.images.delete(image.id)


def test_an_image_that_is_not_in_gpfs(user):
    """It was put elsewhere: it is downloaded."""
    source = user.disk('source', 'raw')
    image = user.image(source, 'raw')
    path = os.path.join(user.place.images, image.id)
    os.rename(path, path + '.elsewhere')
    # Glance reads it there, whoever runs that.
    aside = user.cloud.spec.path('glance', 'aside')
    shutil.copyfile(path + '.elsewhere', aside)
    os.symlink(aside, path)
    volume = user.create('raw', 1, imageRef=image.id)
    content.assert_same(user.path(volume), 'raw', source, 'raw')
    user.delete(volume)
    os.unlink(path)
    os.rename(path + '.elsewhere', path)
    user.cloud.glance.images.delete(image.id)


def test_backup_and_restore(user):
    natives.be_backed_up(user)


def test_attributes(user):
    volume = user.create('raw', metadata={'data_pool_name': 'fast',
                                          'replicas': '2', 'other': 'x;y'})
    assert storage_pool(user, volume) == 'fast'
    user.delete(volume)


def storage_pool(user, volume):
    """Where its data are, as GPFS says."""
    with user.place.programs():
        return commands.Commands().attributes(
            user.place.path('volume-' + volume.id)).storage_pool


@pytest.fixture
def new_type(user):
    """Makes types of volumes, which are gone after the test."""
    made = []

    def new_type(name, **specs):
        made.append(user.cloud.cinder.volume_types.create(name))
        made[-1].set_keys(specs)
        return name
    yield new_type
    for each in made:
        user.cloud.cinder.volume_types.delete(each)


def test_migrate(user, new_type):
    """To another service on the same directory; by GPFS, if at all."""
    disk = natives.Disk(user, user.create(new_type('any')))
    disk.write(1)
    inode = os.stat(disk.path).st_ino
    for name, pool in (pool_name(), 'system'), (pool_name('fast'), 'fast'), (
            pool_name(), 'fast'), (pool_name('system'), 'system'):
        move(user, disk.volume, name)
        assert storage_pool(user, disk.volume) == pool
        assert os.stat(disk.path).st_ino == inode
        disk.check()
    user.delete(disk.volume)


def pool_name(storage_pool=None):
    """As a user sees it, without the host; of the backend that has one."""
    if storage_pool is None:
        return '%s#%s' % (gpfs_places.BACKEND, gpfs_places.BACKEND)
    return '%s#%s' % (POOLS, storage_pool)


def move(user, volume, name):
    """Migrate a volume to a pool, if it is in another one."""
    def host():
        return getattr(user.cloud.cinder.volumes.get(volume.id),
                       'os-vol-host-attr:host')

    there = '%s@%s' % (user.cloud.spec.host, name)
    if host() != there:
        user.cloud.cinder.volumes.migrate_volume(volume, there, False, True)
        user.until(lambda: host() == there, 'the migration')
    user.cloud.wait_volume(volume.id)


def test_retype(user, new_type):
    """The data go to the storage pool of the new type, within GPFS."""
    kinds = [new_type(pool, **{'volume_backend_name': POOLS,
                               'capabilities:storage_pool': pool})
             for pool in ('system', 'fast')]
    disk = natives.Disk(user, user.create(kinds[0]))
    disk.write(1)
    inode = os.stat(disk.path).st_ino
    for kind in kinds[1], kinds[0]:
        user.retype(disk.volume, kind)
        assert storage_pool(user, disk.volume) == kind
        assert os.stat(disk.path).st_ino == inode
        disk.check()
    user.delete(disk.volume)


@pytest.mark.parametrize('metadata', [
    {'data_pool_name': 'fast; touch /tmp/x'}, {'data_pool_name': '-P'},
    {'replicas': '2 --x'}, {'fstype': 'ext4 -O x'}, {'fstype': 'sh'},
    {'fstype': 'ext4', 'fslabel': '-x'}])
def test_hostile_metadata(user, metadata):
    asked(user)
    volume = user.create_failing('raw', metadata=metadata)
    assert asked(user) == []
    user.delete(volume)


def test_a_pool_that_is_not_there(user):
    volume = user.create_failing('raw', metadata={'data_pool_name': 'slow'})
    assert 'volume-' + volume.id not in user.place.names()
    user.delete(volume)


def test_a_file_system(user):
    volume = user.create('raw', metadata={'fstype': 'ext4',
                                          'fslabel': 'data'})
    with open(user.path(volume), 'rb') as stream:
        stream.seek(1024 + 0x38)
        magic, = struct.unpack('<H', stream.read(2))
        stream.seek(1024 + 0x78)
        assert (magic, stream.read(4)) == (0xef53, b'data')
    user.delete(volume)


def test_manage(user):
    """A volume goes from Cinder, and comes back with another id."""
    disk = natives.Disk(user)
    disk.write(1)
    snapshot = disk.snap()
    disk.write(2)
    path = disk.path
    user.unmanage(disk.volume, snapshot)
    pool = user.pool('raw')
    assert pool.endswith('#' + gpfs_places.BACKEND)
    disk.volume = user.manage('raw', {'source-name': path})
    disk.check()
    assert not os.path.exists(path)
    managed = user.manage_snapshot(disk.volume, {'source-id': snapshot.id})
    disk.held[managed.id] = disk.held[snapshot.id]
    copy = disk.copy(snapshot=managed)
    copy.check()
    user.delete_snapshot(managed)
    user.delete(disk.volume, copy.volume)


def test_stats(user):
    pools = {pool.name.partition('@')[2]: pool for pool
             in user.cloud.cinder.pools.list(detailed=True)}
    assert set(pools) == {pool_name(), pool_name('system'),
                          pool_name('fast')}
    assert pools[pool_name('fast')].storage_pool == 'fast'
    pool = pools[pool_name()]
    assert pool.storage_protocol == 'file'
    assert pool.storage_pool == 'system'
    kind, cluster, path = pool.location_info.split(':')
    assert (kind, path) == ('GPFSDriver', user.place.folder) and cluster
    found = os.statvfs(user.place.folder)
    assert pool.total_capacity_gb == pytest.approx(
        found.f_blocks * found.f_frsize / GIB, rel=0.01)


def test_a_consistent_group(user):
    """It has a fileset of its own, and all of its volumes are in it."""
    cinder = user.cloud.cinder
    kind = cinder.group_types.create('consistent')
    kind.set_keys({'consistent_group_snapshot_enabled': '<is> True'})
    group = cinder.groups.create(
        kind.id, cinder.volume_types.find(name=gpfs_places.BACKEND).id)
    user.until(lambda: cinder.groups.get(group.id).status == 'available',
               'the group')
    name = 'consisgroup-' + group.id
    assert name in user.place.names()
    volumes = [user.create('raw', group_id=group.id) for __ in range(2)]
    assert user.place.names(name) == {'volume-' + each.id
                                      for each in volumes}
    snapshot = cinder.group_snapshots.create(group.id)
    user.until(lambda: cinder.group_snapshots.get(
        snapshot.id).status == 'available', 'the snapshots')
    taken = [each for each in cinder.volume_snapshots.list()
             if each.volume_id in {volume.id for volume in volumes}]
    assert [each.status for each in taken] == ['available'] * 2
    assert 'mmcrsnapshot' in asked(user)
    of_snapshot = user.create('raw', snapshot_id=taken[0].id)
    content.assert_same(
        user.path(of_snapshot), 'raw', os.path.join(
            user.place.path(name), 'snapshot-' + taken[0].id), 'raw')
    path = os.path.join(user.place.path(name), 'volume-' + volumes[0].id)
    content.write(path, 'raw', 0xab, 0, MIB)
    # Out of the group it is a copy, within it a clone.
    outside = user.create('raw', source_volid=volumes[0].id)
    content.assert_same(user.path(outside), 'raw', path, 'raw')
    inside = user.create('raw', source_volid=volumes[0].id,
                         group_id=group.id)
    assert user.place.names(name) >= {'volume-' + inside.id}
    cinder.group_snapshots.delete(snapshot.id)
    user.until(lambda: not cinder.group_snapshots.list(),
               'the end of the snapshots')
    cinder.groups.delete(group.id, delete_volumes=True)
    user.until(lambda: not cinder.groups.list(), 'the end of the group')
    assert name not in user.place.names()
    user.delete(outside, of_snapshot)
    cinder.group_types.delete(kind.id)


def test_the_file_system_is_unmounted(user):
    """Nothing is written beneath, and all goes on when it is back."""
    disk = natives.Disk(user)
    disk.write(1)
    user.place.storage.unmount(gpfs_places.HOST)
    try:
        failed = user.create_failing('raw')
        with pytest.raises(errors.CloudError):
            user.snapshot(disk.volume)
        assert os.listdir(user.place.point) == []
    finally:
        user.place.storage.mount(gpfs_places.HOST, user.place.point)
    disk.check()
    for snapshot in user.cloud.cinder.volume_snapshots.list():
        user.delete_snapshot(snapshot)
    user.delete(disk.volume, failed)


@pytest.mark.parametrize('when', ['before', 'half', 'after'])
def test_a_command_that_fails_once(user, when):
    """Half of it may be done; Cinder tries again, and it is all there."""
    disk = natives.Disk(user)
    disk.write(1)
    user.place.storage.fault('mmclone', containing='copy', code=1, when=when)
    copy = disk.copy()
    for each in copy, disk:
        each.check()
    user.delete(disk.volume, copy.volume)
    assert user.place.names() == set()


@pytest.mark.parametrize('when', ['before', 'after'])
def test_a_command_that_fails(user, when):
    disk = natives.Disk(user)
    disk.write(1)
    user.place.storage.fault('mmclone', containing='copy', code=1, when=when,
                             times=-1)
    try:
        failed = user.create_failing('raw', source_volid=disk.volume.id)
    finally:
        user.place.storage.release()
    disk.check()
    user.delete(failed)
    user.delete(disk.volume)
    assert user.place.names() == set()


def test_gpfs_fails_at_the_end(user):
    """What could not be deleted is deleted by trying again."""
    disk = natives.Disk(user)
    snapshot = disk.snap()
    user.place.storage.fault('mmclone', containing='show', code=1, times=-1)
    try:
        user.delete_snapshot(snapshot, 'error_deleting')
    finally:
        user.place.storage.release()
    user.cloud.cinder.volume_snapshots.reset_state(snapshot, 'error')
    user.delete_snapshot(snapshot)
    user.delete(disk.volume)
    assert user.place.names() == set()
