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

"""The emulated GPFS keeps the real one's rules, as far as they are known.

Drivers' tests lean on it. What it is held against are IBM's documents and
the samples in public code: no real one was at hand.
"""

import concurrent.futures
import contextlib
import errno
import fcntl
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from remotefs_drivers.embedded.gpfs import storage
from remotefs_drivers.embedded import mounts
from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.share import mountinfo
from remotefs_drivers.store import files
from tests.harness import emulated

#: Seconds that something which hangs is given.
SHORT = 0.5
KiB = 1 << 10
MiB = 1 << 20
GROUP = 'consisgroup-3f0c4ad8-5b1e-4f10-93f9-a31c7d1f4b6a'


class Hosts:
    """Two hosts of one cluster.

    :ivar a: pathlib.Path of the mount of one, and b of the other
    :ivar commands: of host a
    """

    def __init__(self, gpfs, folder, monkeypatch):
        self.gpfs = gpfs
        self.a, self.b = folder / 'a', folder / 'b'
        monkeypatch.setenv('PATH', gpfs.path('a'))
        self.commands = commands.Commands(timeout=20)

    def run(self, *argv, host='a', **options):
        return subprocess.run(
            [os.path.join(self.gpfs.programs(host), argv[0]),
             *map(str, argv[1:])], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=20, **options)

    def file(self, name='volume', data=b'old'):
        path = self.a / name
        path.write_bytes(data)
        return path

    def snap(self, name='volume', parent='volume.snap'):
        self.commands.clone_snap(str(self.a / name), str(self.a / parent))
        return self.a / parent

    def copy(self, parent='volume.snap', name='clone'):
        self.commands.clone_copy(str(self.a / parent), str(self.a / name))
        return self.a / name

    def show(self, name):
        """Who is a parent, how deep, and the name of its own parent."""
        clone = self.commands.clone_show(str(self.a / name))
        parents = [path.name for path in self.a.iterdir()
                   if path.stat().st_ino == clone.parent_inode]
        return clone.is_parent, clone.depth, (parents or [None])[0]

    def group(self, name=GROUP):
        self.commands.create_fileset('gpfs0', name)
        path = self.a / name
        self.commands.link_fileset('gpfs0', name, str(path))
        return path


@pytest.fixture
def hosts(gpfs, tmp_path, monkeypatch):
    return Hosts(gpfs, tmp_path, monkeypatch)


@contextlib.contextmanager
def refused(number):
    """What a system call is refused with."""
    with pytest.raises(OSError) as info:
        yield
    assert errno.errorcode[info.value.errno] == errno.errorcode[number]


class TestFiles:
    """A plain file system, as far as drivers, QEMU and tools use it."""

    def test_what_is_mounted(self, hosts):
        point, mount = mountinfo.holding(str(hosts.a / 'x' / 'y'))
        assert point == str(hosts.a)
        assert (mount.source, mount.fstype) == ('gpfs0', 'fuse.gpfs')

    def test_both_hosts_see_the_same(self, hosts):
        path = hosts.file()
        other = hosts.b / path.name
        assert other.read_bytes() == b'old'
        assert other.stat().st_ino == path.stat().st_ino
        with open(path, 'rb', buffering=0) as reader:
            assert reader.read() == b'old'
            other.write_bytes(b'newer')
            assert os.fstat(reader.fileno()).st_size == 5
            assert os.pread(reader.fileno(), 9, 0) == b'newer'
        other.unlink()
        assert not path.exists()
        assert list(hosts.a.iterdir()) == []

    def test_holes(self, hosts):
        path = hosts.file(data=b'')
        with open(path, 'r+b') as stream:
            stream.truncate(10 * MiB)
            stream.seek(4 * MiB)
            stream.write(b'x' * 64 * KiB)
        assert path.stat().st_blocks * 512 < MiB
        with open(path, 'rb') as stream:
            assert os.lseek(stream.fileno(), 0, os.SEEK_DATA) == 4 * MiB
            assert os.lseek(stream.fileno(), 4 * MiB,
                            os.SEEK_HOLE) == 4 * MiB + 64 * KiB

    def test_room_is_reserved(self, hosts):
        with open(hosts.file(data=b''), 'r+b') as stream:
            os.posix_fallocate(stream.fileno(), 0, 3 * MiB)
            assert os.fstat(stream.fileno()).st_blocks * 512 >= 3 * MiB

    def test_holes_are_punched(self, hosts):
        path = hosts.file(data=b'x' * 64 * KiB)
        subprocess.run(['fallocate', '--punch-hole', '--offset', '0',
                        '--length', '32768', str(path)], check=True)
        assert path.read_bytes() == b'\0' * 32 * KiB + b'x' * 32 * KiB

    @pytest.mark.root
    def test_it_is_full(self, tmp_path):
        """What is beneath says so, and this passes it on."""
        with contextlib.ExitStack() as stack:
            gpfs = emulated.gpfs(stack, tmp_path, 320 * MiB)
            gpfs.mount('a', tmp_path / 'a')
            with open(tmp_path / 'a' / 'file', 'wb') as stream:
                with refused(errno.ENOSPC):
                    os.posix_fallocate(stream.fileno(), 0, 400 * MiB)

    def test_o_direct(self, hosts):
        """QEMU's cache=none."""
        path = hosts.file(data=b'x' * 8 * KiB)
        descriptor = os.open(path, os.O_RDWR | os.O_DIRECT)
        try:
            assert os.pread(descriptor, 4 * KiB, 4 * KiB) == b'x' * 4 * KiB
        finally:
            os.close(descriptor)

    def test_appending(self, hosts):
        path = hosts.file()
        for where in path, hosts.b / path.name:
            with open(where, 'ab') as stream:
                stream.write(b'+')
        assert path.read_bytes() == b'old++'

    def test_the_kernel_copies(self, hosts):
        source, target = hosts.file(data=b'x' * MiB), hosts.file('copy')
        with open(source, 'rb') as origin, open(target, 'r+b') as copy:
            assert os.copy_file_range(origin.fileno(), copy.fileno(), MiB,
                                      0, 0) == MiB
        assert target.read_bytes() == b'x' * MiB

    def test_blocks_are_not_shared_by_others(self, hosts):
        """GPFS has no FICLONE: clones are made by its own programs."""
        with open(hosts.file(), 'rb') as origin:
            with open(hosts.file('copy'), 'r+b') as copy:
                with pytest.raises(OSError):
                    fcntl.ioctl(copy, 0x40049409, origin.fileno())

    def test_a_file_is_removed_while_it_is_open(self, hosts):
        path = hosts.file()
        with open(path, 'r+b', buffering=0) as stream:
            (hosts.b / path.name).unlink()
            assert os.fstat(stream.fileno()).st_nlink == 0
            os.pwrite(stream.fileno(), b'new', 0)
            assert os.pread(stream.fileno(), 3, 0) == b'new'
        assert os.listdir(hosts.gpfs.root) == []

    def test_modes_times_and_attributes(self, hosts):
        path = hosts.file()
        path.chmod(0o640)
        os.utime(path, (1, 2))
        os.setxattr(path, 'user.x', b'value')
        other = hosts.b / path.name
        status = other.stat()
        assert status.st_mode & 0o777 == 0o640
        assert (status.st_atime, status.st_mtime) == (1, 2)
        assert os.getxattr(other, 'user.x') == b'value'
        assert 'user.x' in os.listxattr(other)
        os.removexattr(other, 'user.x')
        with refused(errno.ENODATA):
            os.getxattr(path, 'user.x')

    def test_names(self, hosts):
        folder = hosts.a / 'folder'
        folder.mkdir()
        (folder / 'file').write_bytes(b'x')
        (folder / 'link').symlink_to('file')
        os.link(folder / 'file', folder / 'hard')
        assert sorted(os.listdir(hosts.b / 'folder')) == ['file', 'hard',
                                                          'link']
        assert (hosts.b / 'folder' / 'link').read_bytes() == b'x'
        assert os.readlink(folder / 'link') == 'file'
        assert (folder / 'hard').stat().st_nlink == 2
        os.rename(folder / 'hard', hosts.a / 'moved')
        with refused(errno.ENOTEMPTY):
            folder.rmdir()
        with refused(errno.ENOENT):
            (folder / 'hard').stat()

    def test_a_name_that_is_taken(self, hosts):
        path, other = hosts.file('one', b'1'), hosts.file('two', b'2')
        with refused(errno.EEXIST):
            files.rename_new(str(path), str(other))
        with refused(errno.EEXIST):
            os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.replace(path, other)
        assert other.read_bytes() == b'1'
        files.rename_new(str(other), str(path))
        assert os.listdir(hosts.b) == ['one']

    def test_many_names(self, hosts):
        names = {'%0200d' % number for number in range(300)}
        for name in names:
            (hosts.a / name).touch()
        assert set(os.listdir(hosts.b)) == names

    def test_files_are_durable(self, hosts):
        with open(hosts.file(), 'r+b') as stream:
            os.fsync(stream.fileno())
            os.fdatasync(stream.fileno())
        files.sync_folder(str(hosts.a))

    def test_room(self, hosts):
        found, beneath = (os.statvfs(path)
                          for path in (hosts.a, hosts.gpfs.root))
        assert found.f_blocks == beneath.f_blocks
        assert found.f_frsize == beneath.f_frsize


class TestLocks:
    """As QEMU locks images: of an open file, byte by byte, on all hosts."""

    @pytest.fixture
    def descriptors(self, hosts):
        path = hosts.file()
        found = [os.open(each / path.name, os.O_RDWR)
                 for each in (hosts.a, hosts.b)]
        yield found
        for each in found:
            os.close(each)

    def set(self, descriptor, kind, start=100, length=1, wait=False):
        command = 38 if wait else 37
        fcntl.fcntl(descriptor, command, struct.pack(
            'hhqqixxxx', kind, os.SEEK_SET, start, length, 0))

    def get(self, descriptor, kind, start=100, length=1):
        answer = fcntl.fcntl(descriptor, 36, struct.pack(
            'hhqqixxxx', kind, os.SEEK_SET, start, length, 0))
        return struct.unpack('hhqqixxxx', answer)[0]

    def test_of_another_host(self, descriptors):
        one, other = descriptors
        self.set(one, fcntl.F_WRLCK)
        with refused(errno.EAGAIN):
            self.set(other, fcntl.F_RDLCK)
        assert self.get(other, fcntl.F_RDLCK) == fcntl.F_WRLCK
        assert self.get(other, fcntl.F_RDLCK, 101) == fcntl.F_UNLCK
        self.set(one, fcntl.F_UNLCK)
        self.set(other, fcntl.F_WRLCK)

    def test_of_the_same_host(self, hosts, descriptors):
        one, __ = descriptors
        self.set(one, fcntl.F_WRLCK)
        with open(hosts.a / 'volume', 'r+b') as stream:
            with refused(errno.EAGAIN):
                self.set(stream.fileno(), fcntl.F_WRLCK)

    def test_it_goes_with_the_file(self, hosts, descriptors):
        __, other = descriptors
        with open(hosts.a / 'volume', 'r+b') as stream:
            self.set(stream.fileno(), fcntl.F_WRLCK)
            assert self.get(other, fcntl.F_RDLCK) == fcntl.F_WRLCK
        # The kernel does not wait until FUSE knows of it.
        _wait(lambda: self.get(other, fcntl.F_RDLCK) == fcntl.F_UNLCK)
        self.set(other, fcntl.F_WRLCK)

    def test_waiting_for_it(self, descriptors):
        one, other = descriptors
        self.set(one, fcntl.F_WRLCK)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(self.set, other, fcntl.F_WRLCK, wait=True)
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(SHORT)
            self.set(one, fcntl.F_UNLCK)
            waiting.result(20)
        assert self.get(one, fcntl.F_RDLCK) == fcntl.F_WRLCK

    def test_flock(self, descriptors):
        one, other = descriptors
        fcntl.flock(one, fcntl.LOCK_EX)
        # It has nothing to do with the others.
        self.set(other, fcntl.F_WRLCK)
        with refused(errno.EAGAIN):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_of_processes(self, hosts, descriptors):
        __, other = descriptors
        with open(hosts.a / 'volume', 'r+b') as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            with refused(errno.EAGAIN):
                self.set(other, fcntl.F_WRLCK, 0, 0)
        self.set(other, fcntl.F_WRLCK, 0, 0)


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
        with refused(errno.EROFS):
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
            with refused(errno.EROFS):
                path.unlink()
        done = subprocess.run(['rm', '-f', str(parent)],
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        assert 'Read-only file system' in done.stderr
        assert parent.exists()

    def test_it_is_not_replaced(self, hosts, parent):
        with refused(errno.EROFS):
            os.replace(hosts.file('other'), parent)
        assert parent.read_bytes() == b'old'

    @pytest.mark.parametrize('has_children', [True, False])
    def test_it_is_not_written(self, hosts, parent, has_children):
        if not has_children:
            (hosts.a / 'volume').unlink()
        for path in parent, hosts.b / parent.name:
            with refused(errno.EROFS):
                open(path, 'r+b')
            with refused(errno.EROFS):
                os.truncate(path, 0)
            with refused(errno.EROFS):
                path.write_bytes(b'x')
        assert parent.read_bytes() == b'old'

    def test_it_is_renamed(self, hosts, parent):
        other = hosts.a / 'volume.ts'
        parent.rename(other)
        with refused(errno.EROFS):
            other.unlink()
        assert hosts.show('volume') == (False, 1, 'volume.ts')

    @pytest.mark.parametrize('how', ['unlink', 'rm', 'rename over', 'host b'])
    def test_it_goes_after_its_last_child(self, hosts, parent, how):
        child = hosts.copy()
        child.unlink()
        with refused(errno.EROFS):
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
        with storage.Storage(tmp_path / 'gpfs', lingering=SHORT) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = Hosts(gpfs, tmp_path, monkeypatch)
            hosts.file()
            parent = hosts.snap()
            (hosts.a / 'volume').unlink()
            with refused(errno.EROFS):
                parent.unlink()
            _wait(lambda: parent.stat().st_nlink == 1)
            parent.unlink()

    def test_a_child_with_another_name_is_one(self, hosts, parent):
        child = hosts.a / 'volume'
        os.link(child, hosts.a / 'other')
        child.unlink()
        with refused(errno.EROFS):
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
        with refused(errno.EROFS):
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


class TestFilesets:
    def test_a_life(self, hosts):
        path = hosts.group()
        found = hosts.commands.fileset('gpfs0', GROUP)
        assert (found.status, found.path) == ('Linked', str(path))
        (hosts.b / GROUP / 'volume').write_bytes(b'x')
        assert hosts.commands.attributes(str(path)).fileset == GROUP
        assert hosts.commands.attributes(
            str(path / 'volume')).fileset == GROUP
        assert hosts.commands.attributes(str(hosts.a)).fileset == 'root'
        hosts.commands.unlink_fileset('gpfs0', GROUP)
        assert os.listdir(hosts.b) == []
        assert hosts.commands.fileset('gpfs0', GROUP).path is None
        hosts.commands.link_fileset('gpfs0', GROUP, str(path))
        assert (path / 'volume').read_bytes() == b'x'
        hosts.commands.unlink_fileset('gpfs0', GROUP)
        hosts.commands.delete_fileset('gpfs0', GROUP)
        assert hosts.commands.fileset('gpfs0', GROUP) is None

    def test_the_path_is_encoded(self, hosts):
        hosts.group()
        out = hosts.run('mmlsfileset', 'gpfs0', GROUP, '-Y').stdout
        assert (':%s:' % GROUP.replace('-', '%2D')) in out
        assert '%2F' in out and '/' not in out

    def test_the_path_of_another_host(self, hosts):
        hosts.group()
        out = hosts.run('mmlsfileset', 'gpfs0', GROUP, host='b').stdout
        assert str(hosts.b / GROUP) in out

    def test_nothing_crosses_its_border(self, hosts):
        group = hosts.group()
        path = hosts.file()
        hosts.snap()
        for function in os.rename, os.link, files.rename_new:
            with refused(errno.EXDEV):
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
        with refused(errno.EXDEV):
            os.rename(one / 'v', other / 'v')
        assert [hosts.commands.attributes(str(each)).fileset
                for each in (one, other)] == ['consisgroup-1',
                                              'consisgroup-2']

    def test_clones_within(self, hosts):
        group = hosts.group()
        (group / 'v').write_bytes(b'x')
        hosts.commands.clone_snap(str(group / 'v'), str(group / 'p'))
        with refused(errno.EROFS):
            (group / 'p').unlink()

    def test_its_folder_stays(self, hosts):
        group = hosts.group()
        with refused(errno.EPERM):
            group.rmdir()
        with refused(errno.EPERM):
            group.rename(hosts.a / 'x')

    @pytest.mark.parametrize('verb, arguments, word', [
        ('create_fileset', (GROUP,), 'already exists'),
        ('link_fileset', (GROUP, '{a}/x'), 'already linked'),
        ('link_fileset', ('nix', '{a}/x'), 'does not exist'),
        ('link_fileset', ('other', '{a}/volume'), 'File exists'),
        ('unlink_fileset', ('other',), 'not linked'),
        ('delete_fileset', (GROUP,), 'still linked'),
        ('delete_fileset', ('nix',), 'does not exist'),
        ('create_snapshot', ('nix', 's'), 'does not exist'),
        ('create_snapshot', ('dependent', 's'), 'not independent'),
        ('delete_snapshot', (GROUP, 's'), 'not found'),
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
        hosts.commands.create_snapshot('gpfs0', GROUP, 's-1')
        return group

    def test_it_holds_what_was(self, hosts, group):
        (group / 'one').write_bytes(b'new')
        (group / 'two').unlink()
        inside = group / '.snapshots' / 's-1'
        assert {path.name: path.read_bytes() for path in inside.iterdir()
                } == {'one': b'one', 'two': b'two'}
        found, = hosts.commands.snapshots('gpfs0', GROUP)
        assert (found.name, found.status, found.fileset) == (
            's-1', 'Valid', GROUP)
        assert hosts.commands.attributes(
            str(inside / 'one')).snapshot == 's-1'

    def test_it_is_not_written(self, hosts, group):
        inside = hosts.b / GROUP / '.snapshots' / 's-1'
        for change in (lambda: (inside / 'one').write_bytes(b'x'),
                       lambda: (inside / 'one').unlink(),
                       lambda: (inside / 'new').touch(),
                       lambda: (inside / 'one').chmod(0o600),
                       lambda: os.truncate(inside / 'one', 0)):
            with refused(errno.EROFS):
                change()
        with refused(errno.EXDEV):
            os.link(inside / 'one', group / 'x')

    def test_a_file_comes_back(self, hosts, group):
        """By a clone, of which the snapshot is the parent."""
        inside = group / '.snapshots' / 's-1' / 'one'
        hosts.commands.clone_copy(str(inside), str(group / 'back'))
        assert (group / 'back').read_bytes() == b'one'
        hosts.commands.clone_split(str(group / 'back'))
        hosts.commands.delete_snapshot('gpfs0', GROUP, 's-1')
        assert (group / 'back').read_bytes() == b'one'
        assert hosts.commands.snapshots('gpfs0', GROUP) == []

    def test_a_clone_loses_its_snapshot(self, hosts, group):
        """As documented: what is still in the snapshot cannot be read."""
        inside = group / '.snapshots' / 's-1' / 'one'
        hosts.commands.clone_copy(str(inside), str(group / 'back'))
        hosts.commands.delete_snapshot('gpfs0', GROUP, 's-1')
        with refused(errno.EIO):
            (group / 'back').read_bytes()

    def test_its_fileset_stays(self, hosts, group):
        hosts.commands.unlink_fileset('gpfs0', GROUP)
        with pytest.raises(errors.GpfsCommandFailed, match='snapshots'):
            hosts.commands.delete_fileset('gpfs0', GROUP)


class TestSites:
    """What a site says of itself, in old forms and new ones."""

    @pytest.mark.parametrize('site, release, version', [
        ({}, (5, 2, 1, 0), (5, 2, 1, 0)),
        ({'level': '1403', 'version': '14.03 (4.1.0.0)'}, (4, 1, 0, 0),
         (4, 1, 0, 0)),
        ({'level': '1199', 'version': '11.05 (3.3.0.2)'}, (3, 3, 0, 0),
         (3, 3, 0, 2)),
        # It does not know the name by which older drivers ask.
        ({'level_names': ('minReleaseLevel',)}, (5, 2, 1, 0), (5, 2, 1, 0)),
    ])
    def test_releases(self, tmp_path, monkeypatch, site, release, version):
        with storage.Storage(tmp_path / 'gpfs', **site) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = Hosts(gpfs, tmp_path, monkeypatch)
            assert hosts.commands.release() == release
            assert hosts.commands.filesystem_release('gpfs0') == version

    def test_encryption_and_pools(self, tmp_path, monkeypatch):
        with storage.Storage(tmp_path / 'gpfs', device='fs1', pools=['system',
                             'gold'], has_encryption=False) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = Hosts(gpfs, tmp_path, monkeypatch)
            assert not hosts.commands.has_encryption('fs1')
            assert hosts.commands.has_pool('/dev/fs1', 'gold')
            assert not hosts.commands.has_pool('fs1', 'data')
            with pytest.raises(errors.GpfsCommandFailed, match='not known'):
                hosts.commands.has_pool('gpfs0', 'gold')

    def test_cluster(self, hosts):
        assert hosts.commands.cluster_id() == hosts.gpfs.site.cluster_id
        assert hosts.commands.state() == 'active'

    def test_attributes(self, hosts):
        path = str(hosts.file())
        hosts.commands.change_attributes(path, requests.Wanted(
            pool='data', replicas='2', dio='yes', write_affinity_depth='1',
            block_group_factor='128', write_affinity_failure_group='1,0,1'))
        found = hosts.commands.attributes(path)
        assert (found.storage_pool, found.data_replicas) == ('data', 2)
        with pytest.raises(errors.GpfsCommandFailed, match='nix was not'):
            hosts.commands.change_attributes(path,
                                             requests.Wanted(pool='nix'))

    def test_attributes_without_a_flag(self, hosts):
        """As the in-tree driver asks whether a path is in GPFS."""
        done = hosts.run('mmlsattr', hosts.a)
        assert done.returncode == 0 and str(hosts.a) in done.stdout
        assert hosts.run('mmlsattr', '/').returncode != 0

    @pytest.mark.parametrize('argv', [
        ['mmclone'], ['mmclone', 'nix', '/a'], ['mmclone', 'snap'],
        ['mmlsfs', 'gpfs0', '--nix'], ['mmchattr', '/'], ['mmgetstate', 'x'],
        ['mmlinkfileset', 'gpfs0', 'root'], ['mmcrfileset', 'gpfs0']])
    def test_usage(self, hosts, argv):
        done = hosts.run(*argv)
        assert done.returncode == 1
        assert done.stderr.startswith(argv[0] + ': ')


class TestFaults:
    def test_it_fails(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=7, text='no luck', times=2)
        for __ in range(2):
            with pytest.raises(errors.GpfsCommandFailed,
                               match='exit code 7: mmclone: no luck'):
                hosts.snap()
        assert os.listdir(hosts.a) == ['volume']
        hosts.snap()

    def test_any_program(self, hosts):
        hosts.gpfs.fault(code=3)
        assert hosts.run('mmgetstate', '-Y').returncode == 3
        assert hosts.run('mmgetstate', '-Y').returncode == 0

    def test_with_certain_arguments(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', containing='copy', code=3)
        hosts.snap()
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.copy()

    def test_it_was_done_after_all(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=1, when='after')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.snap()
        assert hosts.show('volume') == (False, 1, 'volume.snap')

    def test_half_of_a_snap(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.snap()
        assert (hosts.a / 'volume.snap').read_bytes() == b'old'
        for name in 'volume', 'volume.snap':
            assert hosts.show(name) == (None, None, None)

    def test_half_of_a_copy(self, hosts):
        hosts.file()
        hosts.snap()
        hosts.gpfs.fault('mmclone', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.copy()
        assert (hosts.a / 'clone').read_bytes() == b''

    def test_half_of_a_snapshot(self, hosts):
        group = hosts.group()
        (group / 'one').write_bytes(b'1')
        hosts.gpfs.fault('mmcrsnapshot', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.commands.create_snapshot('gpfs0', GROUP, 's')
        found, = hosts.commands.snapshots('gpfs0', GROUP)
        assert found.status != 'Valid'
        hosts.commands.delete_snapshot('gpfs0', GROUP, 's')

    def test_there_is_no_half_of_others(self, hosts):
        with pytest.raises(ValueError):
            hosts.gpfs.fault('mmgetstate', code=1, when='half')

    def test_it_is_slow(self, hosts):
        hosts.gpfs.fault('mmgetstate', seconds=SHORT)
        begin = time.monotonic()
        assert hosts.commands.state() == 'active'
        assert time.monotonic() - begin >= SHORT

    @pytest.mark.parametrize('when, names', [
        ('before', ['volume']), ('after', ['volume', 'volume.snap'])])
    def test_it_hangs_and_is_killed(self, hosts, when, names):
        hosts.file()
        hosts.gpfs.fault('mmclone', hangs=True, when=when)
        hosts.commands = commands.Commands(timeout=SHORT)
        with pytest.raises(errors.GpfsCommandTimeout,
                           match='could not make a clone parent'):
            hosts.snap()
        assert sorted(os.listdir(hosts.a)) == names

    def test_its_children_are_killed_too(self, hosts):
        """The program is a shell script that starts another one, at times.
        """
        path = os.path.join(hosts.gpfs.programs('a'), 'mmgetstate')
        marker = hosts.gpfs.folder + '/pid'
        with open(path, 'w') as script:
            script.write('#!/bin/sh\nsleep 600 & echo $! > %s\nwait\n'
                         % marker)
        hosts.commands = commands.Commands(timeout=SHORT)
        with pytest.raises(errors.GpfsCommandTimeout):
            hosts.commands.state()
        with open(marker) as stream:
            pid = int(stream.read())
        deadline = time.monotonic() + 20
        while _is_alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_it_hangs_until_it_is_let_go(self, hosts):
        hosts.gpfs.fault('mmgetstate', hangs=True, times=-1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(hosts.run, 'mmgetstate', '-Y')
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(SHORT)
            hosts.gpfs.release()
            assert waiting.result(20).returncode == 1
        assert hosts.commands.state() == 'active'

    @pytest.mark.parametrize('state', ['down', 'arbitrating', 'unknown'])
    def test_a_node_is_down(self, hosts, state):
        hosts.file()
        hosts.gpfs.set_state('a', state)
        assert hosts.commands.state() == state
        with pytest.raises(errors.GpfsCommandFailed, match=state):
            hosts.snap()
        with pytest.raises(errors.GpfsCommandFailed, match=state):
            hosts.commands.has_pool('gpfs0', 'system')
        done = hosts.run('mmclone', 'show', hosts.b / 'volume', host='b')
        assert done.returncode == 0
        if state == 'down':
            for function in os.stat, os.statvfs, os.listdir:
                with refused(errno.ESTALE):
                    function(hosts.a)
        hosts.gpfs.set_state('a', 'active')
        hosts.snap()

    def test_it_is_unmounted(self, hosts):
        path = hosts.file()
        hosts.gpfs.unmount('a')
        assert not path.exists()
        point, __ = mountinfo.holding(str(hosts.a))
        assert point != str(hosts.a)
        with pytest.raises(errors.GpfsCommandFailed, match='not in a GPFS'):
            hosts.commands.attributes(str(hosts.a))
        assert (hosts.b / 'volume').read_bytes() == b'old'
        hosts.gpfs.mount('a', hosts.a)
        assert path.read_bytes() == b'old'

    @pytest.mark.parametrize('which', ['one host', 'all'])
    def test_it_is_silent(self, hosts, which):
        """Who touches it hangs, and goes on when it answers again."""
        path = hosts.file()
        silence, wake = {
            'one host': (lambda: hosts.gpfs.silence('a'),
                         lambda: hosts.gpfs.wake('a')),
            'all': (lambda: os.kill(hosts.gpfs.pid, signal.SIGSTOP),
                    lambda: os.kill(hosts.gpfs.pid, signal.SIGCONT))}[which]
        silence()
        try:
            with subprocess.Popen(['stat', str(path)],
                                  stdout=subprocess.DEVNULL) as child:
                with pytest.raises(subprocess.TimeoutExpired):
                    child.wait(SHORT)
                if which == 'one host':
                    assert (hosts.b / 'volume').read_bytes() == b'old'
                    hosts.run('mmclone', 'show', path).check_returncode()
                wake()
                assert child.wait(20) == 0
        finally:
            wake()

    def test_it_is_silent_to_the_end(self, tmp_path):
        """Who hangs gets an error when it is taken down."""
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            gpfs.silence('a')
            child = subprocess.Popen(['stat', str(tmp_path / 'a' / 'x')],
                                     stderr=subprocess.DEVNULL)
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(SHORT)
        assert child.wait(20) == 1
        assert mounts.below(tmp_path) == []

    def test_what_was_run(self, hosts):
        hosts.file()
        hosts.gpfs.calls()
        hosts.snap()
        hosts.run('mmgetstate', '-Y', host='b')
        assert hosts.gpfs.calls() == [
            ['a', 'mmclone', 'snap', str(hosts.a / 'volume'),
             str(hosts.a / 'volume.snap')], ['b', 'mmgetstate', '-Y']]
        assert hosts.gpfs.calls() == []


class TestTheEnd:
    def test_all_is_taken_down(self, tmp_path):
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            assert mounts.below(tmp_path)
        assert mounts.below(tmp_path) == []

    def test_all_is_taken_down_while_it_is_used(self, tmp_path):
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            stream = open(tmp_path / 'a' / 'file', 'wb', buffering=0)
        assert mounts.below(tmp_path) == []
        with pytest.raises(OSError):
            stream.write(b'x')
        with pytest.raises(OSError):
            stream.close()

    def test_when_the_tests_are_killed(self, tmp_path):
        """The server sees it by its pipe."""
        ready = tmp_path / 'ready'
        program = (
            'import time\n'
            'from remotefs_drivers.embedded.gpfs import storage\n'
            'with storage.Storage(%r) as gpfs:\n'
            '    gpfs.mount("a", %r)\n'
            '    open(%r, "w").close()\n'
            '    time.sleep(60)\n' % (str(tmp_path / 'gpfs'),
                                      str(tmp_path / 'a'), str(ready)))
        with subprocess.Popen([sys.executable, '-W', 'ignore', '-c',
                               program]) as child:
            _wait(ready.exists)
            assert mounts.below(tmp_path)
            child.kill()
        _wait(lambda: not mounts.below(tmp_path))

    def test_two_at_a_time(self, tmp_path):
        with storage.Storage(tmp_path / 'one') as one:
            with storage.Storage(tmp_path / 'two') as two:
                one.mount('a', tmp_path / 'a')
                two.mount('a', tmp_path / 'b')
                (tmp_path / 'a' / 'x').touch()
                assert os.listdir(tmp_path / 'b') == []


@pytest.mark.root
class TestRights:
    """What belongs to whom, where root has it mounted for all."""

    def run_as_user(self, *argv):
        return subprocess.run(
            ['setpriv', '--reuid', '65534', '--regid', '65534',
             '--clear-groups', *map(str, argv)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    @pytest.fixture
    def hosts(self, monkeypatch):
        """Where an ordinary user gets at it."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(
                prefix='remotefs-test-', dir='/var/tmp'))
            os.chmod(folder, 0o755)
            gpfs = emulated.gpfs(stack, folder)
            gpfs.mount('a', folder + '/a')
            os.chmod(folder + '/a', 0o777)
            yield Hosts(gpfs, pathlib.Path(folder), monkeypatch)

    def test_a_new_file_is_its_maker_s(self, hosts):
        assert self.run_as_user('touch', hosts.a / 'x').returncode == 0
        assert self.run_as_user('mkdir', hosts.a / 'y').returncode == 0
        for name in 'xy':
            assert (hosts.a / name).stat().st_uid == 65534

    def test_modes_count(self, hosts):
        path = hosts.file()
        path.chmod(0o600)
        assert self.run_as_user('cat', path).returncode != 0
        path.chmod(0o644)
        assert self.run_as_user('cat', path).stdout == 'old'

    def test_some_programs_are_root_s(self, hosts):
        path = hosts.file()
        programs = hosts.gpfs.programs('a')
        done = self.run_as_user(programs + '/mmgetstate', '-Y')
        assert done.returncode == 1 and 'root authority' in done.stdout
        done = self.run_as_user(programs + '/mmlsattr', '-L', path)
        assert done.returncode == 0

    def test_whose_clones_are(self, hosts):
        """New files are their maker's, the source stays its owner's."""
        path = hosts.file()
        os.chown(path, 65534, 65534)
        path.chmod(0o644)
        parent = hosts.snap()
        assert (path.stat().st_uid, parent.stat().st_uid) == (65534, 0)
        assert parent.stat().st_mode & 0o777 == 0o644
        assert hosts.copy().stat().st_uid == 0
        programs = hosts.gpfs.programs('a')
        assert self.run_as_user(programs + '/mmclone', 'copy', parent,
                                hosts.a / 'theirs').returncode == 0
        assert (hosts.a / 'theirs').stat().st_uid == 65534


def _is_alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def _wait(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
