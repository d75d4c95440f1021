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

"""The pretended GPFS does as GPFS does, as far as it is known."""

import errno
import inspect
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.gpfs_commands import output
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.store import files
from tests.harness import pretended_gpfs
from tests.unit import things

METHODS = [name for name, found in vars(commands.Commands).items()
           if inspect.isfunction(found) and not name.startswith('_')]


@pytest.fixture
def cloned(gpfs, path):
    """volume <- snapshot, and a copy of the snapshot."""
    things.file(path('volume'), b'before')
    gpfs.clone_snap(path('volume'), path('snapshot'))
    with open(path('volume'), 'r+b') as stream:
        stream.write(b'after!')
    gpfs.clone_copy(path('snapshot'), path('copy'))


@pytest.mark.parametrize('name', METHODS)
def test_the_methods_are_the_same(name):
    def parameters(cls):
        return [(each.name, each.default) for each in inspect.signature(
            getattr(cls, name)).parameters.values()]
    assert parameters(pretended_gpfs.Gpfs) == parameters(commands.Commands)


def test_what_clones_hold(cloned, path):
    assert things.read(path('volume')) == b'after!'
    assert things.read(path('snapshot')) == b'before'
    assert things.read(path('copy')) == b'before'


def test_what_it_shows(gpfs, cloned, path):
    inode = os.lstat(path('snapshot')).st_ino
    assert gpfs.clone_show(path('snapshot')) == output.Clone(True, 0, None)
    for child in 'volume', 'copy':
        assert gpfs.clone_show(path(child)) == output.Clone(False, 1, inode)
    things.file(path('alone'))
    assert gpfs.clone_show(path('alone')) == output.Clone()


def test_a_parent_cannot_be_removed_before_its_children(gpfs, cloned, path):
    for child in 'volume', 'copy':
        with pytest.raises(OSError) as info:
            files.remove(path('snapshot'))
        assert info.value.errno == errno.EROFS
        files.remove(path(child))
    assert files.remove(path('snapshot'))


def test_nor_be_written_to_or_replaced(gpfs, cloned, path):
    with pytest.raises(OSError, match='Read-only'):
        files.grow(path('snapshot'), 1 << 20)
    things.file(path('other'))
    with pytest.raises(OSError, match='Read-only'):
        files.replace(path('other'), path('snapshot'))
    files.replace(path('snapshot'), path('snapshot.ts'))
    with pytest.raises(OSError, match='Read-only'):
        files.remove(path('snapshot.ts'))


def test_a_redirect(gpfs, cloned, path):
    gpfs.clone_snap(path('volume'), path('second'))
    assert gpfs.clone_show(path('volume')).depth == 2
    gpfs.clone_redirect(path('volume'))
    assert gpfs.clone_show(path('volume')) == output.Clone(
        False, 1, os.lstat(path('snapshot')).st_ino)
    assert files.remove(path('second'))


def test_a_file_becomes_a_parent_itself(gpfs, path):
    things.file(path('image'))
    gpfs.clone_snap(path('image'))
    assert gpfs.clone_show(path('image')).is_parent
    gpfs.clone_copy(path('image'), path('copy'))
    assert things.read(path('copy')) == things.TEXT


def test_what_is_there_is_not_overwritten(gpfs, cloned, path):
    with pytest.raises(errors.GpfsCommandFailed, match='exists'):
        gpfs.clone_snap(path('volume'), path('copy'))
    with pytest.raises(errors.GpfsCommandFailed, match='exists'):
        gpfs.clone_copy(path('snapshot'), path('volume'))


def test_only_parents_are_copied(gpfs, cloned, path):
    with pytest.raises(errors.GpfsCommandFailed, match='no clone parent'):
        gpfs.clone_copy(path('copy'), path('another'))


def test_clones_do_not_cross_filesets(gpfs, cloned, path):
    gpfs.create_fileset('gpfs0', 'group')
    gpfs.link_fileset('gpfs0', 'group', path('group'))
    assert gpfs.attributes(path('group')).fileset == 'group'
    assert gpfs.attributes(path('volume')).fileset == 'root'
    with pytest.raises(errors.GpfsCommandFailed, match='cross-device'):
        gpfs.clone_copy(path('snapshot'), path('group/copy'))


def test_a_fileset(gpfs, path):
    assert gpfs.fileset('gpfs0', 'group') is None
    gpfs.create_fileset('gpfs0', 'group')
    assert not gpfs.fileset('gpfs0', 'group').linked
    gpfs.link_fileset('gpfs0', 'group', path('group'))
    assert gpfs.fileset('gpfs0', 'group').path == path('group')
    # It is written on the folder.
    again = pretended_gpfs.Gpfs(gpfs.folder)
    assert again.fileset('gpfs0', 'group').path == path('group')
    gpfs.unlink_fileset('gpfs0', 'group')
    assert not os.path.exists(path('group'))
    gpfs.delete_fileset('gpfs0', 'group')
    assert gpfs.fileset('gpfs0', 'group') is None


def test_a_fileset_takes_its_files_along(gpfs, path):
    gpfs.create_fileset('gpfs0', 'group')
    gpfs.link_fileset('gpfs0', 'group', path('group'))
    things.file(path('group/volume'))
    gpfs.unlink_fileset('gpfs0', 'group')
    gpfs.link_fileset('gpfs0', 'group', path('other'))
    assert things.read(path('other/volume')) == things.TEXT
    gpfs.unlink_fileset('gpfs0', 'group')
    gpfs.delete_fileset('gpfs0', 'group')
    assert os.listdir(gpfs.folder) == []


def test_a_fileset_is_linked_where_nothing_is(gpfs, path):
    gpfs.create_fileset('gpfs0', 'group')
    os.mkdir(path('group'))
    with pytest.raises(errors.GpfsCommandFailed, match='exists'):
        gpfs.link_fileset('gpfs0', 'group', path('group'))


class TestSnapshots:
    @pytest.fixture
    def group(self, gpfs, path):
        gpfs.create_fileset('gpfs0', 'group')
        gpfs.link_fileset('gpfs0', 'group', path('group'))
        things.file(path('group/volume'), b'before')
        gpfs.create_snapshot('gpfs0', 'group', 's')
        things.file(path('group/volume'), b'after!')

    def test_it_holds_what_was(self, gpfs, group, path):
        gpfs.clone_copy(path('group/.snapshots/s/volume'),
                        path('group/copy'))
        assert things.read(path('group/copy')) == b'before'
        assert [each.name for each in gpfs.snapshots('gpfs0', 'group')] == [
            's']

    @pytest.mark.parametrize('split', [False, True])
    def test_its_clones_need_it(self, gpfs, group, path, split):
        gpfs.clone_copy(path('group/.snapshots/s/volume'),
                        path('group/copy'))
        if split:
            gpfs.clone_split(path('group/copy'))
        gpfs.delete_snapshot('gpfs0', 'group', 's')
        assert things.read(path('group/copy')) == (b'before' if split
                                                   else b'')
        assert gpfs.snapshots('gpfs0', 'group') == []

    @pytest.mark.parametrize('verb, name, word', [
        ('create_snapshot', 's', 'exists'),
        ('delete_snapshot', 'x', 'not found')])
    def test_refused(self, gpfs, group, verb, name, word):
        with pytest.raises(errors.GpfsCommandFailed, match=word):
            getattr(gpfs, verb)('gpfs0', 'group', name)

    def test_one_that_is_not_independent(self, gpfs, group):
        gpfs.dependent.add('group')
        with pytest.raises(errors.GpfsCommandFailed, match='independent'):
            gpfs.create_snapshot('gpfs0', 'group', 't')

    def test_its_fileset_stays(self, gpfs, group):
        gpfs.unlink_fileset('gpfs0', 'group')
        with pytest.raises(errors.GpfsCommandFailed, match='has snapshots'):
            gpfs.delete_fileset('gpfs0', 'group')
        gpfs.delete_snapshot('gpfs0', 'group', 's')
        gpfs.delete_fileset('gpfs0', 'group')


def test_what_is_outside(gpfs):
    with pytest.raises(errors.GpfsCommandFailed, match='not in a GPFS'):
        gpfs.attributes('/usr/bin')


def test_it_refuses_what_the_real_one_refuses(gpfs, path):
    things.file(path('volume'))
    with pytest.raises(errors.GpfsRequestInvalid):
        gpfs.change_attributes(path('volume'), requests.Wanted(pool='a;b'))


def test_it_breaks_on_request(gpfs, path):
    things.file(path('volume'))
    gpfs.broken['clone_snap'] = pretended_gpfs.failed('broken')
    with pytest.raises(errors.GpfsCommandFailed, match='broken'):
        gpfs.clone_snap(path('volume'), path('snapshot'))
    assert not os.path.exists(path('snapshot'))
    gpfs.broken_late['clone_snap'] = gpfs.broken.pop('clone_snap')
    with pytest.raises(errors.GpfsCommandFailed, match='broken'):
        gpfs.clone_snap(path('volume'), path('snapshot'))
    assert os.path.exists(path('snapshot'))


def test_what_is_a_clone_of_what(gpfs, cloned, path, tmp_path):
    things.file(path('alone'))
    assert pretended_gpfs.told_of(str(tmp_path)) == {
        'snapshot': (True, 0, None), 'volume': (False, 1, 'snapshot'),
        'copy': (False, 1, 'snapshot')}


def test_what_is_a_clone_of_what_below(gpfs, path, tmp_path):
    os.mkdir(path('images'))
    things.file(path('images/image'))
    gpfs.clone_snap(path('images/image'))
    gpfs.clone_copy(path('images/image'), path('copy'))
    assert pretended_gpfs.told_of(str(tmp_path)) == {
        'images/image': (True, 0, None), 'copy': (False, 1, 'images/image')}
