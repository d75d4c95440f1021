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

"""Starting a driver: its shares, its rights, and what it goes on without."""

import os

from cinder import exception
import pytest

from remotefs_drivers import errors
from remotefs_drivers import glusterfs
from remotefs_drivers import nfs
from remotefs_drivers import posix
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers import remotefs
from remotefs_drivers.remotefs import volumes
from remotefs_drivers.share import capacity
from remotefs_drivers.store import direct
from tests.unit import fakes

MARKER = '.cinderSecureEnvIndicator'
AUTO = {'nas_secure_file_operations': 'auto',
        'nas_secure_file_permissions': 'auto'}


def test_before_a_share_is_touched(built, monkeypatch):
    """Children must be able to start whatever happens to it afterwards."""
    def get_ready():
        raise errors.CommandFailed(program='x', exit_code='none',
                                   stderr='why', command='x')
    monkeypatch.setattr(command, 'get_ready', get_ready)
    with pytest.raises(errors.CommandFailed):
        built.nfs()
    assert not built.mounter.calls and not built.steps


class TestShares:
    def test_one_that_cannot_be_used_is_left_out(self, built, caplog):
        built.mounter.broken.add('nas:/b')
        driver = built.nfs('nas:/a', 'nas:/b', 'nas:/c')
        assert 'Going on without share nas:/b' in caplog.text
        pools = driver.get_volume_stats(refresh=True)['pools']
        assert {pool['pool_name']: pool['total_capacity_gb'] > 0
                for pool in pools} == {'nas:/a': True, 'nas:/b': False,
                                       'nas:/c': True}

    def test_it_is_taken_when_it_comes_back(self, built):
        built.mounter.broken.add('nas:/b')
        driver = built.nfs('nas:/a', 'nas:/b')
        built.mounter.broken.clear()
        pools = driver.get_volume_stats(refresh=True)['pools']
        assert all(pool['total_capacity_gb'] for pool in pools)

    def test_none_can_be_used(self, built):
        built.mounter.broken.update(['nas:/a', 'nas:/b'])
        with pytest.raises(errors.NoSharesUsable) as info:
            built.nfs('nas:/a', 'nas:/b')
        assert 'nas:/a: ' in str(info.value)
        assert 'nas:/b: ' in str(info.value)
        assert isinstance(info.value, exception.RemoteFSNoSharesMounted)

    @pytest.mark.parametrize('line', ['# nothing', 'nonsense'])
    def test_there_is_none(self, built, line):
        with pytest.raises(errors.NoSharesUsable, match='there are none'):
            built.nfs(line)

    def test_no_shares_file(self, built):
        with pytest.raises(errors.SharesConfigUnreadable,
                           match='nfs_shares_config'):
            built.nfs(nfs_shares_config=os.path.join(built.folder, 'no'))

    def test_options_take_the_place_of_the_file(self, built):
        driver = built.nfs(nas_host='10.0.0.1', nas_share_path='/x',
                           nfs_shares_config='/no/such/file')
        assert list(driver._shares.table) == ['10.0.0.1:/x']

    def test_no_directory(self, built):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='posix_directories'):
            built.posix(posix_directories=[])

    def test_a_directory_twice_is_one(self, built):
        a = os.path.join(built.folder, 'a')
        driver = built.posix(posix_directories=[a, a + '/'])
        assert len(driver.get_volume_stats(refresh=True)['pools']) == 1

    def test_mounting_has_the_operators_options(self, built, monkeypatch):
        given = []
        monkeypatch.setattr(nfs.mounter, 'BrickMounter',
                            lambda *args: given.extend(args) or built.mounter)
        built.nfs(nfs_mount_point_base=built.folder, nfs_mount_attempts=7,
                  nfs_mount_timeout=9, nfs_mount_options='vers=3')
        assert given[1:] == ['nfs', os.path.realpath(built.folder), 'vers=3',
                             9, 7]

    @pytest.mark.parametrize('found', [[], ['a volume']])
    def test_the_database_says_whether_a_share_has_volumes(self, built,
                                                           monkeypatch,
                                                           found):
        asked = []

        def get(context, host, filters):
            asked.append((context.is_admin, host, filters))
            return found
        monkeypatch.setattr(volumes.objects.VolumeList, 'get_all_by_host',
                            get)
        driver = built.nfs()
        assert remotefs.RemoteFSDriver._has_volumes(driver, 'nas:/x') is (
            bool(found))
        assert asked == [(True, 'host@backend',
                          {'provider_location': 'nas:/x'})]

    def test_volumes_of_before_are_known(self, built):
        driver = built.nfs()
        volumes = [fakes.Volume(provider_location=location)
                   for location in ('nas:/a', 'nas:/old', None)]
        assert driver.update_provider_info(volumes, []) == (None, None)
        assert list(driver._shares.left) == ['nas:/old']


class TestRights:
    @pytest.mark.parametrize('is_new, marked, secure', [
        (True, False, True),
        (True, True, True),
        (False, True, True),
        (False, False, False),
    ])
    def test_auto(self, built, is_new, marked, secure):
        if marked:
            self._mark(built, 'a')
        driver = built.posix(is_new=is_new, **AUTO)
        assert driver.secure_file_operations_enabled() is secure
        assert self._marked(built, 'a') is (is_new or marked)

    def test_a_marker_on_one_of_them_counts(self, built):
        self._mark(built, 'b')
        driver = built.posix('a', 'b', is_new=False, **AUTO)
        assert driver.secure_file_operations_enabled()

    def test_the_marker_has_its_mode(self, built):
        built.posix(**AUTO)
        path = os.path.join(built.folder, 'a', MARKER)
        assert os.stat(path).st_mode & 0o777 == 0o640

    @pytest.mark.parametrize('options', [
        {'nas_secure_file_operations': 'true',
         'nas_secure_file_permissions': 'true'},
        {'nas_secure_file_operations': 'false',
         'nas_secure_file_permissions': 'false'}])
    def test_what_is_said_is_not_marked(self, built, options):
        built.posix(**options)
        assert not self._marked(built, 'a')

    @pytest.mark.parametrize('failing', ['a', 'b'])
    def test_a_share_that_cannot_be_marked(self, built, monkeypatch, caplog,
                                           failing):
        """None is marked then: after a restart the answer is the same."""
        real = direct.write_atomic

        def write(path, text, mode):
            if path.endswith('/%s/%s' % (failing, MARKER)):
                raise PermissionError(13, 'Permission denied')
            real(path, text, mode)
        monkeypatch.setattr(direct, 'write_atomic', write)
        driver = built.posix('a', 'b', **AUTO)
        assert not driver.secure_file_operations_enabled()
        assert 'cannot be made' in caplog.text
        assert not self._marked(built, 'a') and not self._marked(built, 'b')

    def test_a_share_that_is_not_there_is_not_marked(self, built):
        built.mounter.broken.add('nas:/b')
        driver = built.nfs('nas:/a', 'nas:/b', **AUTO)
        assert driver.secure_file_operations_enabled()

    def test_nor_does_it_stop_a_new_decision(self, built):
        driver = built.nfs('nas:/a', 'nas:/b', **AUTO)
        built.mounter.broken.add('nas:/a')
        built.mounter.drop(driver._shares.table['nas:/a'])
        driver.set_nas_security_options(False)
        assert driver.secure_file_operations_enabled()

    @pytest.mark.parametrize('operations, uid, by_daemon', [
        ('true', 1000, False), ('true', 0, False),
        # Root needs nobody's help.
        ('false', 0, False), ('false', 1000, True)])
    def test_who_does_it(self, built, monkeypatch, operations, uid,
                         by_daemon):
        monkeypatch.setattr(os, 'geteuid', lambda: uid)
        driver = built.posix(nas_secure_file_operations=operations)
        # Progress does not come through the daemon's channel.
        file = driver._file_on(next(iter(driver._shares.table.values())),
                               fakes.Volume())
        assert bool(file.watching()) is not by_daemon
        assert (driver._means.files is privileged) is by_daemon
        assert driver._means.run is (privileged.run if by_daemon
                                     else command.run)

    def _marked(self, built, name):
        return os.path.exists(os.path.join(built.folder, name, MARKER))

    def _mark(self, built, name):
        folder = os.path.join(built.folder, name)
        os.makedirs(folder, exist_ok=True)
        for marker in (MARKER, '.remotefs-posix-directory'):
            open(os.path.join(folder, marker), 'w').close()


class TestBeforeStart:
    """Cinder forks after it has built the driver."""

    @pytest.mark.parametrize('make', ['posix', 'nfs', 'glusterfs'])
    def test_nothing_is_touched(self, built, make):
        built.folder = os.path.join(built.folder, 'sub')
        os.makedirs(built.folder)
        driver = getattr(built, make)(setup=False)
        assert driver.get_version() == '1.0.0'
        assert built.steps == [] and built.mounter.calls == []

    @pytest.mark.parametrize('cls', [remotefs.RemoteFSDriver,
                                     posix.PosixDriver, nfs.NfsDriver,
                                     glusterfs.GlusterfsDriver])
    def test_locks_are_freed_on_the_class(self, cls, monkeypatch):
        freed = []
        monkeypatch.setattr(cls.locks_class, 'forget',
                            lambda self, volume_id: freed.append(
                                self.name(volume_id)))
        cls.clean_volume_file_locks('the-id')
        assert freed == ['remotefs-%s-the-id' % cls.driver_prefix]

    def test_a_driver_must_say_what_it_is(self, built):
        driver = built.build(remotefs.RemoteFSDriver, setup=False)
        for name, arguments in (('_make_source', ()), ('_make_mounter', ()),
                                ('_connection', (None, None, None, None))):
            with pytest.raises(NotImplementedError):
                getattr(driver, name)(*arguments)


class TestStats:
    def test_a_share_file_that_changed(self, built):
        driver = built.nfs('nas:/a', 'nas:/b')
        driver.get_volume_stats(refresh=True)
        with open(os.path.join(built.folder, 'nfs_shares'), 'w') as stream:
            stream.write('nas:/b\nnas:/c\n')
        built.homes.add('nas:/a')
        names = [pool['pool_name'] for pool in
                 driver.get_volume_stats(refresh=True)['pools']]
        assert names == ['nas:/b', 'nas:/c']
        assert list(driver._shares.left) == ['nas:/a']

    @pytest.mark.parametrize('busy', [False, True])
    def test_one_that_left_goes_with_its_last_volume(self, built, busy,
                                                     caplog):
        driver = built.nfs('nas:/a', 'nas:/b')
        with open(os.path.join(built.folder, 'nfs_shares'), 'w') as stream:
            stream.write('nas:/b\n')
        if busy:
            built.mounter.busy.add('nas:/a')
        driver.get_volume_stats(refresh=True)
        driver.get_volume_stats(refresh=True)
        assert ('unmount', 'nas:/a', None) in built.mounter.calls
        assert list(driver._shares.left) == (['nas:/a'] if busy else [])
        assert ('stays mounted' in caplog.text) is busy

    def test_no_child_but_one_for_each_share(self, built, monkeypatch):
        asked = []
        real = capacity.ask
        monkeypatch.setattr(capacity, 'ask',
                            lambda *args: asked.append(args) or real(*args))
        driver = built.posix('a', 'b')
        asked.clear()
        driver.get_volume_stats(refresh=True)
        assert len(asked) == 2
        assert built.run.calls == []

    @pytest.mark.parametrize('per_share, pool', [(True, 'nas:/a'),
                                                 (False, None)])
    def test_the_pool_of_a_volume(self, built, per_share, pool):
        driver = built.nfs(nfs_pool_per_share=per_share)
        volume = fakes.Volume(provider_location='nas:/a')
        assert driver.get_pool(volume) == pool

    @pytest.mark.parametrize('host, same', [
        ('host@backend#nas:/a', True), ('host@backend#nas:/b', False),
        ('host@other#nas:/a', False)])
    def test_retype_stays_where_it_is(self, built, host, same):
        volume = fakes.Volume(host='host@backend#nas:/a')
        driver = built.nfs()
        assert driver.retype(None, volume, None, {}, {'host': host}) is same
        assert driver.migrate_volume(None, volume, {'host': host}) == (False,
                                                                       None)
