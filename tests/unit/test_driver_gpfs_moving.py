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

"""GPFSDriver: migrate, retype, groups, manage."""

import os
import shutil
import threading

from cinder import exception
from cinder import objects
from cinder.objects import fields
from cinder.volume import volume_utils
from oslo_utils import units
from oslo_utils import uuidutils
import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.remotefs import owners
from tests.harness import pretended_gpfs
from tests.unit import crafted
from tests.unit import fakes
from tests.unit import things

GiB = units.Gi
POOL = 'capabilities:storage_pool'


@pytest.fixture
def driver(built):
    return built.gpfs()


@pytest.fixture
def volume(built, driver):
    volume = fakes.Volume(host='host@backend')
    driver.create_volume(volume)
    built.steps.clear()
    return volume


def host(driver, name='host@backend', **capabilities):
    return {'host': name, 'capabilities': dict(
        {'location_info': driver._location_info()}, **capabilities)}


class TestMigrate:
    def test_to_the_same_folder(self, built, driver, volume):
        assert driver.migrate_volume(None, volume, host(
            driver, 'other@backend')) == (True, None)
        assert built.steps == []

    @pytest.mark.parametrize('info', [
        None, '', 'x', 'GPFSDriver:1:/a', 'GPFSDriver:1234567890:/other',
        'LVMVolumeDriver:1234567890:/a'])
    def test_to_any_other_place(self, built, driver, volume, info):
        """Cinder copies the bytes."""
        assert driver.migrate_volume(None, volume, host(
            driver, location_info=info)) == (False, None)
        assert driver.migrate_volume(None, volume, {
            'host': 'x', 'capabilities': {}}) == (False, None)


class TestRetype:
    def retype(self, driver, volume, where=None, encryption=None, **specs):
        return driver.retype(None, volume, {}, {
            'encryption': encryption or {}, 'extra_specs': {
                name.replace('pool', POOL): pair
                for name, pair in specs.items()}},
            where or host(driver))

    def test_nothing_about_the_file(self, built, driver, volume):
        assert self.retype(driver, volume)
        assert built.pretended.attributes_of == {}

    def test_the_pool(self, built, driver, volume):
        assert self.retype(driver, volume, pool=('system', 'fast'))
        assert built.pretended.attributes_of == {
            os.path.join(built.folder, 'a', volume.name):
                requests.Wanted(pool='fast')}

    def test_back_to_the_operators_pool(self, built, driver, volume):
        assert self.retype(driver, volume, pool=('fast', None))
        wanted, = built.pretended.attributes_of.values()
        assert wanted.pool == 'system'

    def test_no_such_pool(self, built, driver, volume):
        with pytest.raises(errors.MetadataInvalid, match='mmlspool'):
            self.retype(driver, volume, pool=('system', 'slow'))
        assert built.pretended.attributes_of == {}

    def test_a_pool_that_is_no_name(self, driver, volume):
        with pytest.raises((errors.MetadataInvalid,
                            errors.GpfsRequestInvalid)):
            self.retype(driver, volume, pool=('system', 'x; y'))

    def test_another_host_on_the_same_folder(self, driver, volume):
        assert self.retype(driver, volume, host(driver, 'other@backend'))

    def test_another_host_elsewhere(self, driver, volume):
        assert not self.retype(driver, volume, host(
            driver, 'other@backend', location_info='x'),
            pool=('system', 'fast'))

    def test_another_backend(self, driver, volume):
        assert not self.retype(driver, volume,
                               volume_backend_name=('a', 'b'))

    def test_encryption(self, driver, volume):
        assert not self.retype(driver, volume,
                               encryption={'cipher': (None, 'aes')})


class Group(dict):
    def __init__(self, consistent=True, **values):
        super().__init__(values, id=uuidutils.generate_uuid(),
                         group_type_id='consistent' if consistent else None)
        self.id = self['id']


@pytest.fixture
def groups(monkeypatch):
    monkeypatch.setattr(
        volume_utils, 'is_group_a_cg_snapshot_type',
        lambda group: group['group_type_id'] == 'consistent')


@pytest.mark.usefixtures('groups')
class TestGroups:
    @pytest.fixture
    def group(self, driver):
        made = Group()
        assert driver.create_group(None, made) == {
            'status': fields.GroupStatus.AVAILABLE}
        return made

    def folder(self, built, group):
        return os.path.join(built.folder, 'a', 'consisgroup-' + group.id)

    def member(self, driver, group):
        volume = fakes.Volume(group=group, group_id=group.id)
        driver.create_volume(volume)
        return volume

    def test_what_root_made_is_given_to_the_service(self, built, driver,
                                                    monkeypatch):
        given = []
        monkeypatch.setattr('remotefs_drivers.store.direct.is_own',
                            lambda path: False)
        monkeypatch.setattr('remotefs_drivers.privileged.open_folder',
                            lambda *arguments: given.append(arguments))
        group = Group()
        driver.create_group(None, group)
        assert given == [(self.folder(built, group), os.geteuid(),
                          os.getegid(), 0o770)]

    def test_a_fileset(self, built, group):
        path = self.folder(built, group)
        assert os.stat(path).st_mode & 0o777 == 0o770
        assert built.pretended.attributes(path).fileset == (
            'consisgroup-' + group.id)

    @pytest.mark.parametrize('name', ['create_fileset', 'link_fileset'])
    @pytest.mark.parametrize('late', [False, True])
    def test_it_can_be_tried_again(self, built, driver, name, late):
        group = Group()
        how = built.pretended.broken_late if late else built.pretended.broken
        how[name] = pretended_gpfs.failed('broken')
        with pytest.raises(errors.GpfsCommandFailed):
            driver.create_group(None, group)
        how.clear()
        driver.create_group(None, group)
        assert os.path.isdir(self.folder(built, group))

    def test_its_volumes_are_in_it(self, built, driver, group):
        volume = self.member(driver, group)
        path = os.path.join(self.folder(built, group), volume.name)
        assert os.path.getsize(path) == GiB
        assert driver.initialize_connection(volume, {})['data'][
            'device_path'] == path
        copy = fakes.Volume(group=group, group_id=group.id)
        driver.create_cloned_volume(copy, volume)
        assert os.path.exists(os.path.join(self.folder(built, group),
                                           copy.name))

    @pytest.mark.parametrize('attached', [False, True])
    def test_a_copy_that_leaves_it(self, built, driver, group, attached):
        """Clones do not cross filesets."""
        volume = self.member(driver, group)
        fakes.write(driver.local_path(volume), b'first')
        if attached:
            volume.status, volume.attach_status = 'in-use', 'attached'
        built.pretended.calls.clear()
        copy = fakes.Volume(size=2)
        driver.create_cloned_volume(copy, volume)
        path = os.path.join(built.folder, 'a', copy.name)
        assert fakes.content(path) == b'first'
        assert os.path.getsize(path) == 2 * GiB
        asked = [name for name, __ in built.pretended.calls]
        assert 'clone_copy' not in asked
        # What is copied is frozen, if a guest writes to it.
        assert ('clone_snap' in asked) is attached
        driver.delete_volume(volume)
        assert os.listdir(self.folder(built, group)) == []

    def test_a_copy_of_a_snapshot_that_leaves_it(self, built, driver, group):
        volume = self.member(driver, group)
        fakes.write(driver.local_path(volume), b'first')
        snapshot = fakes.Snapshot(volume)
        driver.create_snapshot(snapshot)
        copy = fakes.Volume()
        driver.create_volume_from_snapshot(copy, snapshot)
        assert fakes.content(os.path.join(
            built.folder, 'a', copy.name)) == b'first'

    def test_all_goes(self, built, driver, group):
        volume = self.member(driver, group)
        update, updates = driver.delete_group(None, group, [volume])
        assert update == {'status': 'deleted'}
        assert updates == [{'id': volume.id, 'status': 'deleted'}]
        assert built.pretended.fileset('gpfs0',
                                       'consisgroup-' + group.id) is None
        # Again, and it is gone already.
        assert driver.delete_group(None, group, []) == (
            {'status': 'deleted'}, [])

    def test_a_volume_stays(self, built, driver, group):
        volume = self.member(driver, group)
        built.pretended.broken['clone_show'] = pretended_gpfs.failed('x')
        update, updates = driver.delete_group(None, group, [volume])
        assert update == {'status': 'error_deleting'}
        assert updates == [{'id': volume.id, 'status': 'error_deleting'}]
        assert os.path.exists(self.folder(built, group))

    @pytest.mark.parametrize('verb, args', [
        ('update_group', ()), ('create_group_from_src', ([],))])
    def test_what_clones_cannot(self, driver, group, verb, args):
        with pytest.raises(errors.GroupUnsupported, match='filesets'):
            getattr(driver, verb)(None, group, *args)

    @pytest.mark.parametrize('verb, args', [
        ('create_group', ()), ('delete_group', ([],)), ('update_group', ()),
        ('create_group_from_src', ([],)), ('create_group_snapshot', ([],)),
        ('delete_group_snapshot', ([],))])
    def test_of_other_groups_cinder_takes_care(self, driver, verb, args):
        with pytest.raises(NotImplementedError):
            getattr(driver, verb)(None, Group(consistent=False), *args)

    def test_a_volume_of_another_group(self, built, driver):
        group = Group(consistent=False)
        volume = self.member(driver, group)
        assert volume.name in built.files()


class TestManage:
    @pytest.fixture(autouse=True)
    def no_database(self, monkeypatch):
        monkeypatch.setattr(owners, 'find', lambda names: {})

    def test_a_file(self, built, driver):
        path = os.path.join(built.folder, 'a', 'disk')
        things.file(path)
        volume = fakes.Volume(size=0)
        ref = {'source-name': path}
        assert driver.manage_existing_get_size(volume, ref) == 1
        driver.manage_existing(volume, ref)
        assert built.files() == {volume.name: GiB}

    def test_no_clone_parent(self, built, driver, volume):
        """It can never be written to."""
        snapshot = fakes.Snapshot(volume)
        driver.create_snapshot(snapshot)
        driver.delete_snapshot(snapshot)
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='clone parent'):
            driver.manage_existing(fakes.Volume(), {
                'source-name': os.path.join(built.folder, 'a',
                                            snapshot.name + '.ts')})
        listed = driver.get_manageable_volumes([], None, 10, 0, ['size'],
                                               ['asc'])
        assert [os.path.basename(each['reference']['source-name'])
                for each in listed] == [volume.name]

    def test_a_snapshot_of_cinders(self, built, driver, volume):
        snapshot = fakes.Snapshot(volume)
        driver.create_snapshot(snapshot)
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='clone parent'):
            driver.manage_existing(fakes.Volume(), {
                'source-name': os.path.join(built.folder, 'a',
                                            snapshot.name)})

    def test_no_qcow2(self, built, driver):
        things.file(os.path.join(built.folder, 'a', 'disk'),
                    crafted.padded(crafted.qcow2(size=GiB)))
        with pytest.raises(errors.RawOnly):
            driver.manage_existing(fakes.Volume(), {
                'source-name': os.path.join(built.folder, 'a', 'disk')})


class TestManageSnapshots:
    @pytest.fixture(autouse=True)
    def known(self, monkeypatch):
        """Ids of snapshots that Cinder has."""
        found = set()
        monkeypatch.setattr(objects.Snapshot, 'exists',
                            lambda context, ident: ident in found)
        return found

    @pytest.fixture
    def old(self, built, driver, volume):
        """One that Cinder let go."""
        fakes.write(driver.local_path(volume), b'first')
        snapshot = fakes.Snapshot(volume)
        driver.create_snapshot(snapshot)
        driver.unmanage_snapshot(snapshot)
        return snapshot

    @pytest.mark.parametrize('ref', [
        lambda old: {'source-id': old.id},
        lambda old: {'source-name': old.name},
        lambda old: {'source-name': '/gpfs/x/' + old.name}])
    def test_it_comes_back(self, built, driver, volume, old, ref):
        new = fakes.Snapshot(volume)
        for __ in range(2):
            # Once more, as when it was cut off at the end.
            assert driver.manage_existing_snapshot_get_size(
                new, ref(old)) == 1
            driver.manage_existing_snapshot(new, ref(old))
        assert set(built.files()) == {volume.name, new.name}
        copy = fakes.Volume()
        driver.create_volume_from_snapshot(copy, new)
        assert fakes.content(os.path.join(built.folder, 'a',
                                          copy.name)) == b'first'

    def test_none_that_cinder_has(self, driver, volume, old, known):
        known.add(old.id)
        with pytest.raises(errors.ReferenceManaged):
            driver.manage_existing_snapshot(fakes.Snapshot(volume),
                                            {'source-id': old.id})

    @pytest.mark.parametrize('there', [False, True])
    def test_no_parent(self, built, driver, volume, there):
        ident = uuidutils.generate_uuid()
        if there:
            things.file(os.path.join(built.folder, 'a', 'snapshot-' + ident))
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='no clone parent' if there else 'no file'):
            driver.manage_existing_snapshot_get_size(
                fakes.Snapshot(volume), {'source-id': ident})

    def test_what_is_no_id(self, driver, volume):
        with pytest.raises(exception.ManageExistingInvalidReference):
            driver.manage_existing_snapshot_get_size(
                fakes.Snapshot(volume), {'source-id': '../volume'})

    def test_none_are_listed(self, driver, old):
        assert driver.get_manageable_snapshots([], None, 10, 0, ['size'],
                                               ['asc']) == []


def test_what_the_scheduler_is_told(built):
    driver = built.gpfs(reserved_percentage=15, gpfs_storage_pool='fast')
    stats = driver.get_volume_stats(refresh=True)
    assert {name: stats[name] for name in (
        'volume_backend_name', 'vendor_name', 'storage_protocol',
        'reserved_percentage', 'storage_pool', 'multiattach',
        'online_extend_support', 'thin_provisioning_support',
        'consistent_group_snapshot_enabled')} == {
            'volume_backend_name': 'GPFS', 'vendor_name': 'IBM',
            'storage_protocol': 'file', 'reserved_percentage': 15,
            'storage_pool': 'fast', 'multiattach': True,
            'online_extend_support': False,
            'thin_provisioning_support': True,
            'consistent_group_snapshot_enabled': True}
    # None: the capacity comes from the file system's own answer.
    assert built.pretended.calls == []


class TestPools:
    """Each storage pool is one of the scheduler's."""

    @pytest.fixture
    def driver(self, built):
        built.pretended.pool_names.add('logs')
        return built.gpfs(gpfs_pool_per_storage_pool=True)

    def test_the_scheduler_is_told(self, built, driver):
        pools = driver.get_volume_stats(refresh=True)['pools']
        assert {pool['pool_name']: (
            pool['total_capacity_gb'], pool['free_capacity_gb'],
            pool['storage_pool'], pool['multiattach'])
            for pool in pools} == {'fast': (100, 60, 'fast', True),
                                   'system': (100, 60, 'system', True)}
        # It looks for these in the pool alone.
        assert {(pool['location_info'],
                 pool['consistent_group_snapshot_enabled'])
                for pool in pools} == {(driver._location_info(), True)}

    @pytest.mark.parametrize('away', ['command', 'mount', 'folder'])
    def test_gpfs_is_away(self, built, driver, away):
        driver.get_volume_stats(refresh=True)
        if away == 'command':
            built.pretended.broken['pools'] = pretended_gpfs.failed('x')
        elif away == 'folder':
            shutil.rmtree(os.path.join(built.folder, 'a'))
        else:
            built.mounts = ('/', '/dev/vda')
            built.pretended.broken['attributes'] = pretended_gpfs.failed('x')
        pools = driver.get_volume_stats(refresh=True)['pools']
        assert {pool['pool_name']: pool['free_capacity_gb']
                for pool in pools} == {'fast': 0, 'system': 0}

    def test_nobody_waits_for_a_directory_that_hangs(self, built, driver,
                                                     monkeypatch):
        """What looks at it can be left alone: it is in a thread."""
        threads = []
        prove = driver._shares._mounter.prove
        monkeypatch.setattr(driver._shares._mounter, 'prove', lambda path: (
            threads.append(threading.current_thread()), prove(path)))
        driver.get_volume_stats(refresh=True)
        assert threads and threading.main_thread() not in threads

    @pytest.mark.parametrize('pool', ['fast', 'system'])
    @pytest.mark.parametrize('metadata, wanted', [
        ({}, None), ({'data_pool_name': 'logs'}, 'logs')])
    def test_a_volume_is_where_it_should_be(self, built, driver, pool,
                                            metadata, wanted):
        """What its metadata say comes first."""
        volume = fakes.Volume(host='host@backend#' + pool, metadata=metadata)
        driver.create_volume(volume)
        assert built.pretended.attributes_of == {
            os.path.join(built.folder, 'a', volume.name):
                requests.Wanted(pool=wanted or pool)}
        assert driver.get_pool(volume) == (wanted or pool)

    def test_one_from_before(self, driver, volume):
        assert driver.get_pool(volume) == 'system'

    @pytest.mark.parametrize('seen', [False, True])
    @pytest.mark.parametrize('name, wanted', [
        # As Cinder calls the one pool of a backend.
        ('GPFS', None), ('fast', requests.Wanted(pool='fast'))])
    def test_one_whose_host_has_the_pool_of_before(self, built, driver, seen,
                                                   name, wanted):
        if seen:
            driver.get_volume_stats(refresh=True)
        volume = fakes.Volume(host='host@backend#' + name)
        driver.create_volume(volume)
        snapshot = fakes.Snapshot(volume)
        driver.create_snapshot(snapshot)
        driver.revert_to_snapshot(None, volume, snapshot)
        path = os.path.join(built.folder, 'a', volume.name)
        assert built.pretended.attributes_of.get(path) == wanted

    def test_a_storage_pool_of_the_backends_name(self, built):
        built.pretended.pool_names.add('GPFS')
        driver = built.gpfs(gpfs_pool_per_storage_pool=True)
        driver.get_volume_stats(refresh=True)
        volume = fakes.Volume(host='host@backend#GPFS')
        driver.create_volume(volume)
        assert set(built.pretended.attributes_of.values()) == {
            requests.Wanted(pool='GPFS')}

    @pytest.mark.parametrize('verb', ['migrate', 'retype'])
    @pytest.mark.parametrize('where, moved', [
        ('host@backend#fast', True), ('host@backend#system', False)])
    def test_from_the_one_to_the_other(self, built, driver, verb, where,
                                       moved):
        volume = fakes.Volume(host='host@backend#system')
        driver.create_volume(volume)
        built.pretended.attributes_of.clear()
        there = host(driver, where, storage_pool=where.split('#')[1])
        if verb == 'migrate':
            assert driver.migrate_volume(None, volume, there) == (True, None)
        else:
            assert driver.retype(None, volume, {}, {
                'encryption': {}, 'extra_specs': {
                    POOL: ('system', where.split('#')[1])}}, there)
        assert bool(built.pretended.attributes_of) is moved

    @pytest.mark.parametrize('by_pool, where, told, moved', [
        # One pool, by the backend's name: not that of a storage pool.
        (True, 'host@other#other', 'system', False),
        (False, 'host@other#other', 'fast', False),
        (False, 'host@other#fast', 'fast', True)])
    def test_to_another_service(self, built, by_pool, where, told, moved):
        driver = built.gpfs(gpfs_pool_per_storage_pool=by_pool)
        volume = fakes.Volume(host='host@backend#system')
        driver.create_volume(volume)
        built.pretended.attributes_of.clear()
        there = host(driver, where, storage_pool=told)
        assert driver.migrate_volume(None, volume, there) == (True, None)
        assert bool(built.pretended.attributes_of) is moved

    def test_without_the_option(self, built):
        driver = built.gpfs()
        assert 'pools' not in driver.get_volume_stats(refresh=True)
        volume = fakes.Volume(host='host@backend#fast')
        driver.create_volume(volume)
        assert built.pretended.attributes_of == {}
        assert driver.get_pool(volume) is None
