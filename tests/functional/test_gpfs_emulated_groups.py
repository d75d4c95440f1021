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

"""Filesets of the emulated GPFS, and their snapshots."""

import errno
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.store import files
from tests.functional import gpfs_hosts


class TestFilesets:
    def test_a_life(self, hosts):
        path = hosts.group()
        found = hosts.commands.fileset('gpfs0', gpfs_hosts.GROUP)
        assert (found.status, found.path) == ('Linked', str(path))
        (hosts.b / gpfs_hosts.GROUP / 'volume').write_bytes(b'x')
        assert hosts.commands.attributes(str(path)).fileset == gpfs_hosts.GROUP
        assert hosts.commands.attributes(
            str(path / 'volume')).fileset == gpfs_hosts.GROUP
        assert hosts.commands.attributes(str(hosts.a)).fileset == 'root'
        hosts.commands.unlink_fileset('gpfs0', gpfs_hosts.GROUP)
        assert os.listdir(hosts.b) == []
        assert hosts.commands.fileset('gpfs0', gpfs_hosts.GROUP).path is None
        hosts.commands.link_fileset('gpfs0', gpfs_hosts.GROUP, str(path))
        assert (path / 'volume').read_bytes() == b'x'
        hosts.commands.unlink_fileset('gpfs0', gpfs_hosts.GROUP)
        hosts.commands.delete_fileset('gpfs0', gpfs_hosts.GROUP)
        assert hosts.commands.fileset('gpfs0', gpfs_hosts.GROUP) is None

    def test_the_path_is_encoded(self, hosts):
        hosts.group()
        out = hosts.run('mmlsfileset', 'gpfs0', gpfs_hosts.GROUP, '-Y').stdout
        assert (':%s:' % gpfs_hosts.GROUP.replace('-', '%2D')) in out
        assert '%2F' in out and '/' not in out

    def test_the_path_of_another_host(self, hosts):
        hosts.group()
        out = hosts.run('mmlsfileset', 'gpfs0', gpfs_hosts.GROUP,
                        host='b').stdout
        assert str(hosts.b / gpfs_hosts.GROUP) in out

    def test_nothing_crosses_its_border(self, hosts):
        group = hosts.group()
        path = hosts.file()
        hosts.snap()
        for function in os.rename, os.link, files.rename_new:
            with gpfs_hosts.refused(errno.EXDEV):
                function(str(path), str(group / 'x'))
        for verb, source in (('clone_snap', 'volume'),
                             ('clone_copy', 'volume.snap')):
            with pytest.raises(errors.GpfsCommandFailed,
                               match='cross-device'):
                getattr(hosts.commands, verb)(str(hosts.a / source),
                                              str(group / 'x'))
        assert os.listdir(group) == []

    def test_two_with_nearly_one_name(self, hosts):
        """The in-tree driver takes them for the same one."""
        one, other = hosts.group('consisgroup-1'), hosts.group(
            'consisgroup-2')
        (one / 'v').write_bytes(b'x')
        with gpfs_hosts.refused(errno.EXDEV):
            os.rename(one / 'v', other / 'v')
        assert [hosts.commands.attributes(str(each)).fileset
                for each in (one, other)] == ['consisgroup-1',
                                              'consisgroup-2']

    def test_clones_within(self, hosts):
        group = hosts.group()
        (group / 'v').write_bytes(b'x')
        hosts.commands.clone_snap(str(group / 'v'), str(group / 'p'))
        with gpfs_hosts.refused(errno.EROFS):
            (group / 'p').unlink()

    def test_its_folder_stays(self, hosts):
        group = hosts.group()
        with gpfs_hosts.refused(errno.EPERM):
            group.rmdir()
        with gpfs_hosts.refused(errno.EPERM):
            group.rename(hosts.a / 'x')

    @pytest.mark.parametrize('verb, arguments, word', [
        ('create_fileset', (gpfs_hosts.GROUP,), 'already exists'),
        ('link_fileset', (gpfs_hosts.GROUP, '{a}/x'), 'already linked'),
        ('link_fileset', ('nix', '{a}/x'), 'does not exist'),
        ('link_fileset', ('other', '{a}/volume'), 'File exists'),
        ('unlink_fileset', ('other',), 'not linked'),
        ('delete_fileset', (gpfs_hosts.GROUP,), 'still linked'),
        ('delete_fileset', ('nix',), 'does not exist'),
        ('create_snapshot', ('nix', 's'), 'does not exist'),
        ('create_snapshot', ('dependent', 's'), 'not independent'),
        ('delete_snapshot', (gpfs_hosts.GROUP, 's'), 'not found'),
    ])
    def test_refused(self, hosts, verb, arguments, word):
        hosts.group()
        hosts.file()
        hosts.commands.create_fileset('gpfs0', 'other')
        hosts.commands.create_fileset('gpfs0', 'dependent', False)
        with pytest.raises(errors.GpfsCommandFailed, match=word):
            getattr(hosts.commands, verb)('gpfs0', *(
                each.format(a=hosts.a) for each in arguments))


class TestSnapshots:
    @pytest.fixture
    def group(self, hosts):
        group = hosts.group()
        for name in 'one', 'two':
            (group / name).write_bytes(name.encode())
        hosts.commands.create_snapshot('gpfs0', gpfs_hosts.GROUP, 's-1')
        return group

    def test_it_holds_what_was(self, hosts, group):
        (group / 'one').write_bytes(b'new')
        (group / 'two').unlink()
        inside = group / '.snapshots' / 's-1'
        assert {path.name: path.read_bytes() for path in inside.iterdir()
                } == {'one': b'one', 'two': b'two'}
        found, = hosts.commands.snapshots('gpfs0', gpfs_hosts.GROUP)
        assert (found.name, found.status, found.fileset) == (
            's-1', 'Valid', gpfs_hosts.GROUP)
        assert hosts.commands.attributes(
            str(inside / 'one')).snapshot == 's-1'

    def test_it_is_not_written(self, hosts, group):
        inside = hosts.b / gpfs_hosts.GROUP / '.snapshots' / 's-1'
        for change in (lambda: (inside / 'one').write_bytes(b'x'),
                       lambda: (inside / 'one').unlink(),
                       lambda: (inside / 'new').touch(),
                       lambda: (inside / 'one').chmod(0o600),
                       lambda: os.truncate(inside / 'one', 0)):
            with gpfs_hosts.refused(errno.EROFS):
                change()
        with gpfs_hosts.refused(errno.EXDEV):
            os.link(inside / 'one', group / 'x')

    def test_a_file_comes_back(self, hosts, group):
        """By a clone, of which the snapshot is the parent."""
        inside = group / '.snapshots' / 's-1' / 'one'
        hosts.commands.clone_copy(str(inside), str(group / 'back'))
        assert (group / 'back').read_bytes() == b'one'
        hosts.commands.clone_split(str(group / 'back'))
        hosts.commands.delete_snapshot('gpfs0', gpfs_hosts.GROUP, 's-1')
        assert (group / 'back').read_bytes() == b'one'
        assert hosts.commands.snapshots('gpfs0', gpfs_hosts.GROUP) == []

    def test_a_clone_loses_its_snapshot(self, hosts, group):
        """As documented: what is still in the snapshot cannot be read."""
        inside = group / '.snapshots' / 's-1' / 'one'
        hosts.commands.clone_copy(str(inside), str(group / 'back'))
        hosts.commands.delete_snapshot('gpfs0', gpfs_hosts.GROUP, 's-1')
        with gpfs_hosts.refused(errno.EIO):
            (group / 'back').read_bytes()

    def test_its_fileset_stays(self, hosts, group):
        hosts.commands.unlink_fileset('gpfs0', gpfs_hosts.GROUP)
        with pytest.raises(errors.GpfsCommandFailed, match='snapshots'):
            hosts.commands.delete_fileset('gpfs0', gpfs_hosts.GROUP)
