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

"""Clones of the emulated GPFS: what IBM documents, and what it refuses."""

import concurrent.futures
import errno
import os
import subprocess
import threading
import time

import pytest

from remotefs_drivers.embedded.gpfs import storage
from remotefs_drivers import errors
from tests.functional import gpfs_hosts

MiB = 1 << 20


class TestClones:
    def test_snap(self, hosts):
        path = hosts.file()
        parent = hosts.snap()
        assert parent.read_bytes() == b'old'
        assert hosts.show('volume') == (False, 1, 'volume.snap')
        assert hosts.show('volume.snap') == (True, 0, None)
        path.write_bytes(b'new')
        assert parent.read_bytes() == b'old'

    def test_links(self, hosts):
        """Each child is one, as in IBM's "Listing file clones"."""
        hosts.file('test01.img')
        parent = hosts.snap('test01.img', 'base.img')
        hosts.copy('base.img', 'test02.img')
        assert [(hosts.b / name).stat().st_nlink for name in (
            'base.img', 'test01.img', 'test02.img')] == [3, 1, 1]
        for name in 'test01.img', 'test02.img':
            (hosts.a / name).unlink()
        assert parent.stat().st_nlink == 1

    def test_snap_while_it_is_written(self, hosts):
        """The source keeps its inode: guests go on writing."""
        path = hosts.file()
        ino = path.stat().st_ino
        with open(path, 'r+b', buffering=0) as stream:
            parent = hosts.snap()
            stream.write(b'new')
        assert path.stat().st_ino == ino
        assert (path.read_bytes(), parent.read_bytes()) == (b'new', b'old')

    def test_copy(self, hosts):
        hosts.file()
        hosts.snap()
        clone = hosts.copy()
        assert clone.read_bytes() == b'old'
        assert hosts.show('clone') == (False, 1, 'volume.snap')
        clone.write_bytes(b'changed')
        assert (hosts.a / 'volume').read_bytes() == b'old'

    def test_a_file_becomes_a_parent(self, hosts):
        path = hosts.file('image', b'image')
        hosts.commands.clone_snap(str(path))
        assert hosts.show('image') == (True, 0, None)
        assert hosts.copy('image').read_bytes() == b'image'
        with pytest.raises(OSError):
            path.write_bytes(b'x')

    def test_a_file_that_is_written_becomes_none(self, hosts):
        path = hosts.file()
        with open(path, 'r+b'):
            with pytest.raises(errors.GpfsCommandFailed, match='busy'):
                hosts.commands.clone_snap(str(path))
        # What is closed is closed at once.
        hosts.commands.clone_snap(str(path))

    def test_a_file_with_two_names_becomes_none(self, hosts):
        path = hosts.file()
        os.link(path, hosts.a / 'other')
        with pytest.raises(errors.GpfsCommandFailed, match='one link'):
            hosts.commands.clone_snap(str(path))

    def test_depth(self, hosts):
        hosts.file()
        for number in range(3):
            hosts.snap(parent='p%d' % number)
        assert hosts.show('volume') == (False, 3, 'p2')
        assert hosts.show('p2') == (True, 2, 'p1')
        assert hosts.show('p0') == (True, 0, None)

    def test_redirect(self, hosts):
        hosts.file()
        for number in range(3):
            hosts.snap(parent='p%d' % number)
        hosts.commands.clone_redirect(str(hosts.a / 'volume'))
        assert hosts.show('volume') == (False, 2, 'p1')
        # Nobody needs that one now, and those that it came from stay.
        (hosts.a / 'p2').unlink()
        with gpfs_hosts.refused(errno.EROFS):
            (hosts.a / 'p0').unlink()
        assert (hosts.a / 'volume').read_bytes() == b'old'

    def test_the_depth_of_others_stays(self, hosts):
        """It is written down when a clone is made."""
        hosts.file()
        for number in range(2):
            hosts.snap(parent='p%d' % number)
        hosts.commands.clone_redirect(str(hosts.a / 'p1'))
        assert hosts.show('p1') == (True, 0, None)
        assert hosts.show('volume') == (False, 2, 'p1')

    def test_redirect_to_nobody(self, hosts):
        hosts.file()
        hosts.snap()
        hosts.commands.clone_redirect(str(hosts.a / 'volume'))
        assert hosts.show('volume') == (None, None, None)
        with pytest.raises(errors.GpfsCommandFailed, match='not a clone'):
            hosts.commands.clone_redirect(str(hosts.a / 'volume'))

    def test_split(self, hosts):
        hosts.file()
        for number in range(3):
            hosts.snap(parent='p%d' % number)
        hosts.commands.clone_split(str(hosts.a / 'volume'))
        assert hosts.show('volume') == (None, None, None)
        assert (hosts.a / 'volume').read_bytes() == b'old'
        for name in 'p2', 'p1', 'p0':
            (hosts.a / name).unlink()

    @pytest.mark.parametrize('verb, names, word', [
        ('clone_snap', ('volume', 'volume.snap'), 'File exists'),
        ('clone_snap', ('volume.snap', 'x'), 'clone parent'),
        ('clone_snap', ('nix', 'x'), 'No such file'),
        ('clone_copy', ('volume', 'x'), 'not a clone parent'),
        ('clone_copy', ('volume.snap', 'volume'), 'File exists'),
        ('clone_redirect', ('plain',), 'not a clone'),
        ('clone_split', ('volume.snap',), 'not a clone'),
        ('clone_show', ('nix',), 'No such file'),
    ])
    def test_refused(self, hosts, verb, names, word):
        hosts.file()
        hosts.file('plain')
        hosts.snap()
        before = sorted(os.listdir(hosts.a))
        with pytest.raises(errors.GpfsCommandFailed, match=word):
            getattr(hosts.commands, verb)(*(str(hosts.a / each)
                                            for each in names))
        assert sorted(os.listdir(hosts.a)) == before

    def test_outside(self, hosts, tmp_path):
        hosts.file()
        with pytest.raises(errors.GpfsCommandFailed, match='not in a GPFS'):
            hosts.commands.attributes(str(tmp_path))
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.commands.clone_snap(str(hosts.a / 'volume'),
                                      str(tmp_path / 'x'))
        assert not (tmp_path / 'x').exists()

    def test_several_files(self, hosts):
        """Relative names too, and the exact layout."""
        hosts.file('test01.img')
        hosts.file('plain')
        hosts.snap('test01.img', 'base.img')
        done = hosts.run('mmclone', 'show', 'base.img', 'test01.img',
                         'plain', cwd=hosts.a)
        ino = (hosts.a / 'base.img').stat().st_ino
        assert done.stdout == (
            'Parent  Depth   Parent inode   File name\n'
            '------  -----  --------------  ---------\n'
            '   yes      0                  base.img\n'
            '    no      1  %14d  test01.img\n'
            '                               plain\n' % ino)

    @pytest.mark.root
    def test_blocks_are_shared(self, hosts):
        hosts.file(data=os.urandom(32 * MiB))
        os.sync()
        before = os.statvfs(hosts.a).f_bfree
        hosts.snap()
        hosts.copy()
        os.sync()
        found = os.statvfs(hosts.a)
        assert (before - found.f_bfree) * found.f_frsize < 8 * MiB


class TestParents:
    """Those with children do not go, are not replaced and not written."""

    @pytest.fixture
    def parent(self, hosts):
        hosts.file()
        parent = hosts.snap()
        parent.chmod(0o660)
        return parent

    def test_it_is_not_removed(self, hosts, parent):
        for path in parent, hosts.b / parent.name:
            with gpfs_hosts.refused(errno.EROFS):
                path.unlink()
        done = subprocess.run(['rm', '-f', str(parent)],
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        assert 'Read-only file system' in done.stderr
        assert parent.exists()

    def test_it_is_not_replaced(self, hosts, parent):
        with gpfs_hosts.refused(errno.EROFS):
            os.replace(hosts.file('other'), parent)
        assert parent.read_bytes() == b'old'

    @pytest.mark.parametrize('has_children', [True, False])
    def test_it_is_not_written(self, hosts, parent, has_children):
        if not has_children:
            (hosts.a / 'volume').unlink()
        for path in parent, hosts.b / parent.name:
            with gpfs_hosts.refused(errno.EROFS):
                open(path, 'r+b')
            with gpfs_hosts.refused(errno.EROFS):
                os.truncate(path, 0)
            with gpfs_hosts.refused(errno.EROFS):
                path.write_bytes(b'x')
        assert parent.read_bytes() == b'old'

    def test_it_is_renamed(self, hosts, parent):
        other = hosts.a / 'volume.ts'
        parent.rename(other)
        with gpfs_hosts.refused(errno.EROFS):
            other.unlink()
        assert hosts.show('volume') == (False, 1, 'volume.ts')

    @pytest.mark.parametrize('how', ['unlink', 'rm', 'rename over', 'host b'])
    def test_it_goes_after_its_last_child(self, hosts, parent, how):
        child = hosts.copy()
        child.unlink()
        with gpfs_hosts.refused(errno.EROFS):
            parent.unlink()
        last = hosts.a / 'volume'
        if how == 'rm':
            subprocess.run(['rm', '-f', str(last)], check=True)
        elif how == 'rename over':
            os.replace(hosts.file('other'), last)
        else:
            (hosts.b if how == 'host b' else hosts.a).joinpath(
                last.name).unlink()
        parent.unlink()
        assert not parent.exists()

    def test_it_goes_a_while_after_its_last_child(self, tmp_path,
                                                  monkeypatch):
        """GPFS may still be at it."""
        with storage.Storage(tmp_path / 'gpfs', lingering=3) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = gpfs_hosts.Hosts(gpfs, tmp_path, monkeypatch)
            hosts.file()
            parent = hosts.snap()
            (hosts.a / 'volume').unlink()
            with gpfs_hosts.refused(errno.EROFS):
                parent.unlink()
            gpfs_hosts.wait(lambda: parent.stat().st_nlink == 1)
            parent.unlink()

    def test_a_child_with_another_name_is_one(self, hosts, parent):
        child = hosts.a / 'volume'
        os.link(child, hosts.a / 'other')
        child.unlink()
        with gpfs_hosts.refused(errno.EROFS):
            parent.unlink()
        (hosts.a / 'other').unlink()
        parent.unlink()

    def test_a_new_file_is_no_clone(self, hosts, parent):
        """Inode numbers are used again."""
        (hosts.a / 'volume').unlink()
        parent.unlink()
        for number in range(20):
            path = hosts.file('new%d' % number)
            assert hosts.show(path.name) == (None, None, None)
            path.write_bytes(b'x')

    def test_a_chain_goes_from_its_end(self, hosts, parent):
        hosts.snap(parent='second')
        (hosts.a / 'volume').unlink()
        with gpfs_hosts.refused(errno.EROFS):
            parent.unlink()
        (hosts.a / 'second').unlink()
        parent.unlink()

    def test_a_race_for_the_last_child(self, hosts, parent):
        """A child is made, or the parent removed; never both, nor half."""
        for number in range(10):
            (hosts.a / 'volume').unlink()
            start = threading.Barrier(2)

            def clone():
                start.wait()
                return hosts.run('mmclone', 'copy', parent,
                                 hosts.a / 'volume').returncode == 0

            def remove():
                start.wait()
                time.sleep(number * 0.005)
                try:
                    parent.unlink()
                except OSError as error:
                    assert error.errno == errno.EROFS
                    return False
                return True
            with concurrent.futures.ThreadPoolExecutor() as pool:
                cloned, removed = pool.submit(clone), pool.submit(remove)
                assert cloned.result() is not removed.result()
            if removed.result():
                assert not (hosts.a / 'volume').exists()
                hosts.file()
                hosts.snap().chmod(0o660)
