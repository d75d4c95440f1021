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

"""What went wrong in drivers before, where no other test would show it.

Which test would catch which defect is in doc/source/defects.rst.
"""

import contextlib
import errno
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers import nfs
from remotefs_drivers import posix
from tests.functional import content
from tests.functional import nfs_folders
from tests.functional import stages
from tests.functional import story
from tests.functional import upload


class Watch:
    """Around the locks of a driver; knows which volumes were locked."""

    def __init__(self, locks):
        self._locks = locks
        self.taken = []

    @contextlib.contextmanager
    def volumes(self, *ids):
        self.taken.append(set(ids))
        with self._locks.volumes(*ids):
            yield


@pytest.fixture
def one(rig, tmp_path):
    """A volume with two snapshots."""
    driver = stages.posix(rig, tmp_path / 'share',
                          posix_attach_type='nfs')
    made = story.Story(rig, driver, tmp_path)
    made.take(2)
    return made


def _new(one):
    return one.rig.new_snapshot(one.reload())


VERBS = {
    'attach': lambda one: one.driver.initialize_connection(one.reload(), {}),
    'extend': lambda one: one.driver.extend_volume(one.reload(), 2),
    'create snapshot': lambda one: one.driver.create_snapshot(_new(one)),
    'delete snapshot': lambda one: one.drop(one.snapshots[0]),
    'revert': lambda one: one.revert(one.snapshots[-1]),
    'upload': lambda one: upload.upload(one, 'qcow2'),
    'delete': lambda one: one.driver.delete_volume(one.reload()),
}
COPIES = {
    'clone': lambda one: one.clone(),
    'volume from snapshot': lambda one: one.clone(source=one.snapshots[0]),
}


@pytest.mark.parametrize('verb', VERBS)
def test_a_verb_locks_its_volume(one, verb):
    watch = one.driver._locks = Watch(one.driver._locks)
    VERBS[verb](one)
    assert watch.taken
    assert all(one.volume.id in ids for ids in watch.taken)


@pytest.mark.parametrize('verb', COPIES)
def test_a_copy_locks_its_source_too(one, verb):
    watch = one.driver._locks = Watch(one.driver._locks)
    copy = COPIES[verb](one)
    assert {one.volume.id, copy.id} in watch.taken


SECURE = {'nas_secure_file_operations': 'true',
          'nas_secure_file_permissions': 'true'}


@pytest.mark.parametrize('options, new', [
    # As on a new installation, where auto means secure.
    ({}, True), (SECURE, True), (SECURE, False)])
def test_snapshots_in_secure_mode(rig, tmp_path, options, new):
    driver = stages.posix(rig, tmp_path / 'share', posix_attach_type='nfs',
                          new_installation=new, **options)
    assert driver.secure_file_operations_enabled()
    made = story.Story(rig, driver, tmp_path)
    made.take(2)
    for name in stages.left(made.share):
        assert os.stat(os.path.join(made.share, name)).st_mode & 0o777 == (
            0o660)
    made.drop(made.snapshots[0])
    made.check()


def test_a_snapshot_in_error_can_be_deleted(one, monkeypatch):
    """Whether there is anything of it, or not."""
    with monkeypatch.context() as patch:
        patch.setattr(os, 'pwrite', _no_room)
        failed = _new(one)
        with pytest.raises(errors.VolumeFileInvalid, match='No space'):
            one.driver.create_snapshot(failed)
    failed.status = 'error'
    failed.save()
    one.drop(failed)
    one.check()
    # Made, and Cinder was killed before it heard of that.
    made = one.snap()
    made.status = 'error'
    made.save()
    one.drop(made)
    one.check()


@pytest.mark.parametrize('kind', ['posix', 'nfs'])
def test_what_is_not_done_online_is_not_announced(rig, tmp_path, monkeypatch,
                                                  kind):
    if kind == 'posix':
        driver = stages.posix(rig, tmp_path / 'share')
        assert isinstance(driver, posix.PosixDriver)
    else:
        driver = nfs_folders.Folders(rig, tmp_path / 'mnt',
                                     monkeypatch).ours()
        assert isinstance(driver, nfs.NfsDriver)
    stats = driver.get_volume_stats(refresh=True)
    for pool in stats.get('pools') or [stats]:
        # True is what Cinder takes for granted, and so with hosts that
        # attach by NFS; by a path they can grow nothing.
        assert pool['online_extend_support'] is (kind == 'nfs')


@pytest.mark.parametrize('image_format', ['raw', 'qcow2'])
def test_an_image_in_a_qcow2_volume(rig, tmp_path, image_format):
    """It is what is on record, so that all verbs go on with it."""
    driver = stages.posix(rig, tmp_path / 'share', **stages.QCOW2)
    made = story.Story(rig, driver, tmp_path)
    disk = content.make_disk(str(tmp_path / 'disk'), image_format,
                             content.MIB)
    driver.copy_image_to_volume(rig.context, made.reload(),
                                _Glance(disk, image_format),
                                upload.IMAGE_ID)
    assert made.format() == 'qcow2'
    content.check_qcow2(made.path)
    made.extend(2)
    made.snap()
    content.assert_same(made.path, 'qcow2', disk, image_format)
    assert content.size(made.path, 'qcow2') == 2 * content.GIB


class _Glance:
    """Has one image, as cinder.image.glance gives it."""

    temp_images = None

    def __init__(self, path, disk_format):
        self._path = path
        self._format = disk_format

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': self._format,
                'container_format': 'bare', 'size': os.path.getsize(
                    self._path), 'properties': {}}

    def download(self, context, image_id, stream):
        with open(self._path, 'rb') as source:
            stream.write(source.read())


def test_delete_that_is_cut_off_anywhere(rig, tmp_path, monkeypatch):
    """The next one removes the rest: the table goes last."""
    real = os.unlink
    for number in range(6):
        driver = stages.posix(rig, tmp_path / ('share%d' % number),
                              posix_attach_type='nfs')
        made = story.Story(rig, driver, tmp_path)
        made.take(2)
        share = made.share
        calls = []

        def unlink(path, *args, **fields):
            if str(path).startswith(share):
                calls.append(path)
                if len(calls) > number:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return real(path, *args, **fields)
        with monkeypatch.context() as patch:
            patch.setattr(os, 'unlink', unlink)
            if number < 4:
                with pytest.raises(errors.VolumeFileInvalid):
                    driver.delete_volume(made.reload())
                assert made.volume.name + '.info' in stages.left(share)
        driver.delete_volume(made.reload())
        assert stages.left(share) == set()


def _no_room(*unused):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
