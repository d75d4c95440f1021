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

"""The emulated GPFS is a file system as drivers, QEMU and tools use one."""

import concurrent.futures
import contextlib
import errno
import fcntl
import os
import struct
import subprocess

import pytest

from remotefs_drivers.share import mountinfo
from remotefs_drivers.store import files
from tests.functional import gpfs_hosts
from tests.harness import emulated

KiB = 1 << 10
MiB = 1 << 20


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
                with gpfs_hosts.refused(errno.ENOSPC):
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
        with gpfs_hosts.refused(errno.ENODATA):
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
        with gpfs_hosts.refused(errno.ENOTEMPTY):
            folder.rmdir()
        with gpfs_hosts.refused(errno.ENOENT):
            (folder / 'hard').stat()

    def test_a_name_that_is_taken(self, hosts):
        path, other = hosts.file('one', b'1'), hosts.file('two', b'2')
        with gpfs_hosts.refused(errno.EEXIST):
            files.rename_new(str(path), str(other))
        with gpfs_hosts.refused(errno.EEXIST):
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
        with gpfs_hosts.refused(errno.EAGAIN):
            self.set(other, fcntl.F_RDLCK)
        assert self.get(other, fcntl.F_RDLCK) == fcntl.F_WRLCK
        assert self.get(other, fcntl.F_RDLCK, 101) == fcntl.F_UNLCK
        self.set(one, fcntl.F_UNLCK)
        self.set(other, fcntl.F_WRLCK)

    def test_of_the_same_host(self, hosts, descriptors):
        one, __ = descriptors
        self.set(one, fcntl.F_WRLCK)
        with open(hosts.a / 'volume', 'r+b') as stream:
            with gpfs_hosts.refused(errno.EAGAIN):
                self.set(stream.fileno(), fcntl.F_WRLCK)

    def test_it_goes_with_the_file(self, hosts, descriptors):
        __, other = descriptors
        with open(hosts.a / 'volume', 'r+b') as stream:
            self.set(stream.fileno(), fcntl.F_WRLCK)
            assert self.get(other, fcntl.F_RDLCK) == fcntl.F_WRLCK
        # The kernel does not wait until FUSE knows of it.
        gpfs_hosts.wait(
            lambda: self.get(other, fcntl.F_RDLCK) == fcntl.F_UNLCK)
        self.set(other, fcntl.F_WRLCK)

    def test_waiting_for_it(self, descriptors):
        one, other = descriptors
        self.set(one, fcntl.F_WRLCK)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(self.set, other, fcntl.F_WRLCK, wait=True)
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(gpfs_hosts.SHORT)
            self.set(one, fcntl.F_UNLCK)
            waiting.result(gpfs_hosts.LONG)
        assert self.get(one, fcntl.F_RDLCK) == fcntl.F_WRLCK

    def test_flock(self, descriptors):
        one, other = descriptors
        fcntl.flock(one, fcntl.LOCK_EX)
        # It has nothing to do with the others.
        self.set(other, fcntl.F_WRLCK)
        with gpfs_hosts.refused(errno.EAGAIN):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_of_processes(self, hosts, descriptors):
        __, other = descriptors
        with open(hosts.a / 'volume', 'r+b') as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            with gpfs_hosts.refused(errno.EAGAIN):
                self.set(other, fcntl.F_WRLCK, 0, 0)
        self.set(other, fcntl.F_WRLCK, 0, 0)
