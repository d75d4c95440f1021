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

"""GPFSDriver at its start: what it must find, and what it says if not."""

import errno
import os
import threading

from cinder.scheduler.filters import extra_specs_ops
import pytest

from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers import remotefs
from remotefs_drivers.share import gpfs as share_gpfs
from remotefs_drivers.share import mountinfo
from remotefs_drivers.share import table
from tests.harness import pretended_gpfs
from tests.unit import things


def refused(built, *words, error=errors.GpfsNotReady, **options):
    with pytest.raises(error) as info:
        built.gpfs(**options)
    for word in words:
        assert word in str(info.value)


def test_all_is_there(built):
    driver = built.gpfs()
    assert driver.get_volume_stats(refresh=True)['location_info'] == (
        'GPFSDriver:1234567890:' + os.path.join(built.folder, 'a'))


def test_locks_of_a_cluster(built):
    driver = built.gpfs()
    assert driver.SUPPORTS_ACTIVE_ACTIVE
    assert driver.locks_class is locks.CoordinationLocks
    assert isinstance(driver, remotefs.RemoteFSDriver)


@pytest.mark.parametrize('state', ['down', 'arbitrating', 'unknown'])
def test_gpfs_is_down(built, state):
    built.pretended.said['state'] = state
    refused(built, state, 'mmstartup')


def test_the_cluster_is_too_old(built):
    built.pretended.said['release'] = (3, 3, 0, 0)
    refused(built, 'the cluster', '3.3.0.0', '3.4.0.0', 'mmchconfig')


def test_the_file_system_is_too_old(built):
    built.pretended.said['filesystem_release'] = (3, 3, 0, 0)
    refused(built, 'gpfs0', '3.3.0.0', 'mmchfs gpfs0 -V full')


def test_there_is_no_such_pool(built):
    refused(built, 'gpfs_storage_pool', '"slow"', 'mmlspool gpfs0',
            gpfs_storage_pool='slow')


@pytest.mark.parametrize('value, word', [
    (None, 'not an absolute path'), ('relative', 'not an absolute path')])
def test_no_folder_is_named(built, value, word):
    with pytest.raises(errors.ShareConfigInvalid,
                       match='gpfs_mount_point_base'):
        built.gpfs(gpfs_mount_point_base=value)


def test_there_is_no_such_folder(built):
    refused(built, 'gpfs_mount_point_base', 'mmmount',
            gpfs_mount_point_base=os.path.join(built.folder, 'nowhere'))


def test_the_folder_is_not_in_gpfs(built, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp('elsewhere'))
    refused(built, folder, 'not in a GPFS', gpfs_mount_point_base=folder)


@pytest.mark.parametrize('name', ['state', 'cluster_id', 'release',
                                  'filesystem_release', 'has_pool',
                                  'attributes'])
@pytest.mark.parametrize('error', [
    pretended_gpfs.failed('no daemon'),
    errors.GpfsCommandTimeout(what='ask', reason='no daemon', seconds=1,
                              program='mm', command='mm')])
def test_a_command_that_fails(built, name, error):
    built.pretended.broken[name] = error
    refused(built, 'no daemon')


@pytest.mark.parametrize('release, asked', [
    ((4, 1, 0, 3), False), ((4, 1, 0, 4), True), ((5, 2, 1, 0), True)])
def test_encryption_at_rest(built, release, asked):
    built.pretended.said.update(release=release, has_encryption=True)
    driver = built.gpfs()
    stats = driver.get_volume_stats(refresh=True)
    assert ('gpfs_encryption_rest' in stats) is asked


@pytest.mark.parametrize('by_pool', [False, True])
@pytest.mark.parametrize('name', ['gpfs_encryption_rest',
                                  'consistencygroup_support'])
@pytest.mark.parametrize('wanted', ['True', '<is> True'])
def test_types_of_the_driver_in_the_tree_find_it(built, by_pool, name,
                                                 wanted):
    """Cinder's manual writes the first one, which a bool is not."""
    built.pretended.said['has_encryption'] = True
    stats = built.gpfs(gpfs_pool_per_storage_pool=by_pool).get_volume_stats(
        refresh=True)
    for pool in stats.get('pools', [stats]):
        assert extra_specs_ops.match(pool[name], wanted)


class TestImages:
    @pytest.fixture
    def images(self, built):
        path = os.path.join(built.folder, 'images')
        os.mkdir(path)
        return path

    @pytest.mark.parametrize('mode', ['copy', 'copy_on_write'])
    def test_they_are_there(self, built, images, mode):
        built.gpfs(gpfs_images_dir=images, gpfs_images_share_mode=mode)

    def test_no_folder_is_named(self, built):
        refused(built, 'gpfs_images_dir', error=errors.ShareConfigInvalid,
                gpfs_images_share_mode='copy')

    @pytest.mark.parametrize('mode', ['copy', 'copy_on_write'])
    def test_there_is_no_such_folder(self, built, mode):
        refused(built, 'gpfs_images_dir', gpfs_images_share_mode=mode,
                gpfs_images_dir=os.path.join(built.folder, 'nowhere'))

    def test_in_another_fileset(self, built, images):
        built.pretended.be_fileset(images, 'glance-images')
        refused(built, 'glance-images', 'root', 'copy_on_write',
                gpfs_images_dir=images,
                gpfs_images_share_mode='copy_on_write')
        built.gpfs(gpfs_images_dir=images, gpfs_images_share_mode='copy')


class TestMounted:
    """Before every call it is seen whether it is still there."""

    @pytest.fixture
    def mounter(self, built):
        folder = os.path.join(built.folder, 'a')
        os.mkdir(folder)
        made = share_gpfs.Mounter(built.pretended, 5)
        return made, table.Share(folder)

    def test_it_is(self, mounter):
        made, share = mounter
        assert not made.is_there(share)
        made.mount(share)
        assert made.is_there(share)
        made.prove(share.location)

    def test_it_is_not_any_more(self, built, mounter):
        made, share = mounter
        made.mount(share)
        built.mounts = ('/', '/dev/vda')
        assert not made.is_there(share)
        with pytest.raises(errors.ShareNotMounted, match='gpfs0.*mmmount'):
            made.prove(share.location)

    def test_it_is_stale(self, mounter, monkeypatch):
        """As after the end of its daemon."""
        made, share = mounter
        made.mount(share)

        def stat(path):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        monkeypatch.setattr(os, 'stat', stat)
        with pytest.raises(errors.ShareNotMounted,
                           match='Stale file handle.*mmstartup'):
            made.prove(share.location)

    def test_it_never_was(self, mounter):
        made, share = mounter
        with pytest.raises(errors.ShareNotMounted, match='mmmount'):
            made.prove(share.location)

    def test_what_gpfs_does_not_know(self, built, mounter):
        made, share = mounter
        built.pretended.broken['attributes'] = pretended_gpfs.failed('what?')
        with pytest.raises(errors.ShareNotMounted, match='what.*'):
            made.mount(share)

    def test_a_file(self, mounter):
        made, share = mounter
        os.rmdir(share.location)
        things.file(share.location)
        with pytest.raises(errors.ShareNotMounted, match='no such directory'):
            made.mount(share)

    def test_a_folder_that_hangs(self, mounter, monkeypatch):
        made, share = mounter
        made._timeout = 0.05
        answers = threading.Event()
        monkeypatch.setattr(share_gpfs, '_check',
                            lambda *unused: answers.wait())
        with pytest.raises(errors.ShareNotMounted, match='does not answer'):
            made.mount(share)
        answers.set()

    def test_the_stats_say_that_there_is_nothing(self, built, monkeypatch):
        driver = built.gpfs()
        assert driver.get_volume_stats(refresh=True)[
            'free_capacity_gb'] == 1024.0
        built.mounts = ('/', '/dev/vda')
        built.pretended.broken['attributes'] = pretended_gpfs.failed('what?')
        stats = driver.get_volume_stats(refresh=True)
        assert (stats['total_capacity_gb'], stats['free_capacity_gb']) == (
            0, 0)


@pytest.mark.parametrize('path, expected', [
    ('/gpfs/fs1/volumes', ('/gpfs/fs1', 'fs1')), ('/gpfs/fs1',
                                                  ('/gpfs/fs1', 'fs1')),
    ('/gpfs/fs2', ('/', '/dev/vda')), ('/', ('/', '/dev/vda'))])
def test_what_is_mounted(monkeypatch, path, expected):
    there = {'/': '/dev/vda', '/gpfs/fs1': 'fs1'}
    monkeypatch.setattr(
        mountinfo._watch, 'lookup', lambda: lambda path: there.get(path) and
        mountinfo.Mount(there[path], 'gpfs', False))
    assert share_gpfs.mounted(path) == expected


def test_nothing_is_mounted(monkeypatch):
    monkeypatch.setattr(mountinfo._watch, 'lookup',
                        lambda: lambda path: None)
    assert share_gpfs.mounted('/a/b') == ('/', None)
