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

"""The stand-in for the kernel's NFS client keeps its promises.

Tests of drivers lean on it, so it is looked at as closely as they are.
"""

import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time

from oslo_concurrency import processutils
from oslo_utils import units
import pytest

from os_brick.remotefs import remotefs as brick

from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.share import mountinfo
from tests.harness import small_fs
from tests.harness import user_mount

pytestmark = pytest.mark.root

SHARE = '127.0.0.1:/export with a blank'

# Seconds that a command which must not return is given.
SHORT = 0.7
LIMIT = 300

_F_OFD_SETLK = 37


class Host:
    """A host that mounts one export."""

    def __init__(self, folder, mounter):
        self.mounter = mounter
        self.export = folder / 'export'
        self.point = folder / 'mnt'
        for path in (self.export, self.point):
            path.mkdir()
        mounter.export(SHARE, self.export)

    def run(self, *command, limit=LIMIT):
        return subprocess.run(
            command, env=dict(os.environ, PATH=self.mounter.path()),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=limit)

    def mount(self, *arguments, limit=LIMIT):
        return self.run('mount', '-t', 'nfs', *arguments, SHARE,
                        str(self.point), limit=limit)

    def umount(self, *arguments):
        return self.run('umount', *arguments, str(self.point))


@pytest.fixture
def host(tmp_path):
    with user_mount.UserMount(tmp_path / 'mounter') as mounter:
        yield Host(tmp_path, mounter)
    assert not mounts.below(tmp_path)


def test_what_is_mounted_looks_like_the_share(host):
    assert host.mount('-o', 'vers=4,minorversion=2').returncode == 0
    found = mountinfo.find(str(host.point))
    assert found.source == SHARE
    assert not found.read_only
    assert host.mounter.mounted() == {str(host.point): SHARE}
    assert host.umount().returncode == 0
    assert mountinfo.find(str(host.point)) is None
    assert host.mounter.calls() == [
        ('mount', SHARE, str(host.point), 'vers=4,minorversion=2'),
        ('umount', SHARE, str(host.point), [])]


class TestBelow:
    """Each folder below one is an export of its own."""

    @pytest.fixture
    def tree(self, host, tmp_path):
        (tmp_path / 'tree').mkdir()
        host.mounter.export_below('127.0.0.1', tmp_path / 'tree')
        return tmp_path / 'tree'

    def mount(self, host, path):
        return host.run('mount', '-t', 'nfs', '127.0.0.1:%s' % path,
                        str(host.point))

    def test_one_that_is_made_later(self, host, tree):
        assert self.mount(host, tree / 'a').returncode != 0
        (tree / 'a').mkdir()
        (tree / 'a' / 'x').write_bytes(b'text')
        assert self.mount(host, tree / 'a').returncode == 0
        assert (host.point / 'x').read_bytes() == b'text'
        assert mountinfo.find(str(host.point)).source == (
            '127.0.0.1:%s' % (tree / 'a'))
        assert host.umount().returncode == 0

    def test_not_the_folder_itself_nor_beside_it(self, host, tree, tmp_path):
        (tmp_path / 'tree2').mkdir()
        (tree / 'file').write_bytes(b'')
        for path in (tree, tmp_path / 'tree2', tree / 'file', tree / 'no'):
            assert self.mount(host, path).returncode != 0
        assert host.mounter.mounted() == {}

    def test_of_another_address(self, host, tree):
        (tree / 'a').mkdir()
        assert host.run('mount', '-t', 'nfs', 'other:%s' % (tree / 'a'),
                        str(host.point)).returncode != 0


class TestByHandles:
    """The server knows what it is asked for by more than its name."""

    @pytest.fixture
    def export(self, host, tmp_path):
        path = tmp_path / 'tree' / 'a'
        path.mkdir(parents=True)
        host.mounter.export_below('127.0.0.1', path.parent, by_handles=True)
        assert host.run('mount', '-t', 'nfs', '127.0.0.1:%s' % path,
                        str(host.point)).returncode == 0
        return path

    def is_stale(self):
        return pytest.raises(OSError, match='Stale file handle')

    def test_it_is_a_mount_as_others_are(self, host, export):
        found = mountinfo.find(str(host.point))
        assert found.source == '127.0.0.1:%s' % export
        assert host.mounter.mounted() == {str(host.point): found.source}
        (host.point / 'x').write_bytes(b'through the mount')
        assert (export / 'x').read_bytes() == b'through the mount'
        (host.point / 'x').rename(host.point / 'y')
        assert os.listdir(export) == ['y']
        assert host.umount().returncode == 0
        assert host.mounter.mounted() == {}

    def test_the_folder_is_another_one_now(self, host, export):
        export.rmdir()
        export.mkdir()
        for function in (os.stat, os.statvfs, os.listdir):
            with self.is_stale():
                function(host.point)
        with self.is_stale():
            (host.point / 'x').write_bytes(b'')
        assert os.listdir(export) == []
        assert host.umount().returncode == 0

    def test_an_open_file_is_another_one_now(self, host, export):
        (export / 'x').write_bytes(b'old')
        with open(host.point / 'x', 'r+b', buffering=0) as stream:
            (export / 'new').write_bytes(b'new')
            (export / 'new').rename(export / 'x')
            for function in (stream.read, lambda: stream.write(b'lost'),
                             lambda: stream.truncate(0),
                             lambda: os.fsync(stream.fileno())):
                with self.is_stale():
                    function()
        assert (host.point / 'x').read_bytes() == b'new'

    def test_in_the_midst(self, host, export):
        """It is replaced right before a request, which comes too late."""
        (export / 'x').write_bytes(b'kept')
        host.mounter.replace_at('write')
        assert (host.point / 'x').read_bytes() == b'kept'
        assert host.mounter.replacing() == ['write']
        with open(host.point / 'x', 'r+b', buffering=0) as stream:
            with self.is_stale():
                stream.write(b'lost')
        assert host.mounter.replacing() == []
        assert (export / 'x').read_bytes() == b'kept'
        (host.point / 'x').write_bytes(b'new')
        assert os.listdir(export) == ['x']


def test_others_see_what_is_written(host):
    host.mount()
    (host.point / 'there').write_bytes(b'through the mount')
    assert (host.export / 'there').read_bytes() == b'through the mount'
    (host.export / 'here').write_bytes(b'behind the mount')
    assert (host.point / 'here').read_bytes() == b'behind the mount'


def test_os_brick_mounts_it(host, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', host.mounter.path())
    client = brick.RemoteFsClient(
        'nfs', 'no root helper', nfs_mount_point_base=str(tmp_path / 'base'),
        execute=processutils.execute)
    client.mount(SHARE)
    point = client.get_mount_point(SHARE)
    assert mountinfo.find(point).source == SHARE
    assert host.mounter.calls()[0][3] == 'vers=4,minorversion=2'
    # Again is nothing new.
    client.mount(SHARE)
    assert len(host.mounter.calls()) == 1


def test_other_mounts_are_left_to_the_real_program(host):
    done = host.run('mount', '-t', 'tmpfs', 'none', str(host.point))
    assert done.returncode == 0
    assert mountinfo.find(str(host.point)).fstype == 'tmpfs'
    assert host.umount().returncode == 0
    assert host.mounter.calls() == []
    assert host.run('mount').stdout


def test_unknown_export(host):
    done = host.run('mount', '-t', 'nfs', 'nobody:/nothing',
                    str(host.point))
    assert done.returncode == 32
    assert 'access denied' in done.stdout


def test_mounted_twice(host):
    assert host.mount().returncode == 0
    done = host.mount()
    assert done.returncode == 32
    assert 'already mounted' in done.stdout


def test_mounting_fails(host):
    host.mounter.fail(SHARE)
    done = host.mount()
    assert done.returncode == 32
    assert done.stdout == ('mount.nfs: mount system call failed: '
                           'Input/output error\n')
    host.mounter.serve(SHARE)
    assert host.mount().returncode == 0


def test_mounting_hangs_and_can_be_killed(host):
    host.mounter.hang(SHARE)
    with pytest.raises(subprocess.TimeoutExpired):
        host.mount(limit=SHORT)
    host.mounter.serve(SHARE)
    time.sleep(0.1)
    # The one that was killed does not come back to life.
    assert host.mounter.mounted() == {}
    assert host.mount().returncode == 0


@pytest.mark.parametrize('how', ['option', 'export'])
def test_read_only(host, how):
    if how == 'export':
        host.mounter.export(SHARE, host.export, read_only=True)
    host.mount(*(['-o', 'ro'] if how == 'option' else []))
    assert mountinfo.find(str(host.point)).read_only
    with pytest.raises(OSError) as error:
        (host.point / 'file').touch()
    assert error.value.errno == errno.EROFS


def test_full(host, tmp_path):
    with small_fs.SmallFs(tmp_path / 'small', 8 * units.Mi) as small:
        host.mounter.export(SHARE, small.path)
        host.mount()
        small.fill()
        with pytest.raises(OSError) as error:
            (host.point / 'file').write_bytes(bytes(units.Mi))
        assert error.value.errno == errno.ENOSPC
        room = os.statvfs(host.point)
        assert room.f_bavail == os.statvfs(small.path).f_bavail
        host.umount()


def test_silent_server(host):
    host.mount()
    host.mounter.freeze(SHARE)
    with pytest.raises(subprocess.TimeoutExpired):
        host.run('stat', str(host.point), limit=SHORT)
    # What the kernel knows by itself it still tells.
    assert mountinfo.find(str(host.point)).source == SHARE
    host.mounter.thaw(SHARE)
    assert host.run('stat', str(host.point)).returncode == 0


def test_busy_and_lazy(host):
    host.mount()
    with open(host.point / 'file', 'w'):
        assert host.umount().returncode == 32
        assert host.umount('-l').returncode == 0
    assert mountinfo.find(str(host.point)) is None


def test_unmounted_behind_its_back(host):
    host.mount()
    subprocess.run(['/bin/umount', str(host.point)], check=True)
    assert host.mounter.mounted() == {}
    assert host.mount().returncode == 0


def test_files_are_as_on_the_export(host):
    host.mount()
    path = host.point / 'file'
    with open(path, 'xb') as one:
        one.truncate(units.Gi)
        assert os.stat(path).st_blocks == 0
        os.posix_fallocate(one.fileno(), 0, units.Mi)
        assert os.stat(path).st_blocks * 512 >= units.Mi
        with pytest.raises(FileExistsError):
            open(path, 'xb')
        with open(path, 'r+b') as other:
            _lock(one)
            with pytest.raises(BlockingIOError):
                _lock(other)
    os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
    os.chmod(path, 0o660)
    assert os.stat(path).st_mode & 0o777 == 0o660
    os.symlink('file', host.point / 'link')
    with pytest.raises(OSError) as error:
        os.open(host.point / 'link', os.O_NOFOLLOW)
    assert error.value.errno == errno.ELOOP
    os.rename(path, host.point / 'link')
    assert os.listdir(host.export) == ['link']


def test_it_lives_longer_than_who_mounted(host):
    """As the kernel's mounts do, when cinder-volume is killed."""
    with subprocess.Popen(
            ['sh', '-c', 'mount -t nfs "$0" "$1"; exec sleep 600', SHARE,
             str(host.point)], start_new_session=True,
            env=dict(os.environ, PATH=host.mounter.path())) as caller:
        try:
            assert mounts.wait_for(str(host.point), lambda: True, LIMIT)
        finally:
            os.killpg(caller.pid, signal.SIGKILL)
    (host.point / 'file').touch()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_process(tmp_path, number):
    """When a run of tests is killed nothing of it stays."""
    for name in ('export', 'mnt'):
        (tmp_path / name).mkdir()
    program = (
        'import sys, time\n'
        'from tests.harness import small_fs, user_mount\n'
        'import subprocess\n'
        'folder = sys.argv[1]\n'
        'with user_mount.UserMount(folder + "/mounter") as mounter, \\\n'
        '        small_fs.SmallFs(folder + "/small", 1 << 23):\n'
        '    mounter.export("a:/b", folder + "/export")\n'
        '    subprocess.run([mounter.programs + "/mount", "-t", "nfs",\n'
        '                    "a:/b", folder + "/mnt"], check=True)\n'
        '    mounter.freeze("a:/b")\n'
        '    print("mounted", flush=True)\n'
        '    time.sleep(600)\n')
    with subprocess.Popen(
            [sys.executable, '-c', program, str(tmp_path)],
            stdout=subprocess.PIPE, cwd=keeper.REPOSITORY) as process:
        assert process.stdout.readline() == b'mounted\n'
        assert len(mounts.below(tmp_path)) == 2
        process.send_signal(number)
    _wait_until(lambda: not mounts.below(tmp_path)
                and not _running(str(tmp_path)))


@pytest.mark.parametrize('fstype', sorted(small_fs.SMALLEST))
def test_small_fs(tmp_path, fstype):
    with small_fs.SmallFs(tmp_path, small_fs.SMALLEST[fstype] + units.Mi,
                          fstype, owner=12345) as small:
        assert mountinfo.find(small.path).fstype == fstype
        assert os.stat(small.path).st_uid == 12345
        assert 0 < small.free <= small_fs.SMALLEST[fstype] + units.Mi
        small.fill(leave=units.Mi)
        assert small.free < 4 * units.Mi
        small.drain()
        small.remount(read_only=True)
        assert mountinfo.find(small.path).read_only
        small.unmount()
        assert os.listdir(small.path) == []
        small.mount()
        device = mountinfo.find(small.path).source
    assert not mounts.below(tmp_path)
    _wait_until(lambda: str(tmp_path) not in _backing_file(device))


def _lock(stream):
    """As QEMU locks an image."""
    fcntl.fcntl(stream, _F_OFD_SETLK,
                struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))


def _backing_file(device):
    try:
        with open('/sys/block/%s/loop/backing_file'
                  % os.path.basename(device)) as name:
            return name.read()
    except OSError:
        return ''


def _running(text):
    """Whether a process has the text in its command line."""
    done = subprocess.run(['pgrep', '-f', '--', text],
                          stdout=subprocess.PIPE, text=True)
    return bool(done.stdout.split())


def _wait_until(is_so):
    deadline = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize('share, path', [('a:/b,c', '/tmp'),
                                         ('a:/b', '/tmp:/var')])
def test_what_can_not_be_handed_on(host, share, path):
    with pytest.raises(ValueError):
        host.mounter.export(share, path)
