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

"""Files that are cloned or written as a whole, on real files."""

import errno
import fcntl
import os
import stat

import pytest

from remotefs_drivers.store import files
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'volume-1')


class TestClone:
    @pytest.fixture
    def source(self, tmp_path):
        source = str(tmp_path / 'source')
        things.file(source)
        return source

    @pytest.fixture
    def ioctl(self, monkeypatch):
        """What a file system with shared blocks does, on any."""
        calls = []

        def clone(target, request, origin):
            calls.append(request)
            os.write(target, os.read(origin, 512))
            return 0
        monkeypatch.setattr(fcntl, 'ioctl', clone)
        return calls

    def test_blocks_are_shared(self, source, path, ioctl):
        things.file(path, b'')
        assert files.clone(source, path) is True
        assert things.read(path) == things.TEXT
        # FICLONE of linux/fs.h: _IOW(0x94, 9, int).
        assert ioctl == [1 << 30 | 4 << 16 | 0x94 << 8 | 9]

    def test_it_is_on_the_disk_in_the_end(self, source, path, ioctl,
                                          monkeypatch):
        things.file(path, b'')
        flushed = things.watch_flushes(monkeypatch)
        files.clone(source, path)
        assert flushed == ['volume-1']

    @pytest.mark.parametrize('number', [
        # No such call at all, or not in this file system.
        errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS,
        # Two file systems.
        errno.EXDEV,
        # Not these two files: no whole blocks, not allowed.
        errno.EINVAL, errno.EPERM,
    ])
    def test_blocks_cannot_be_shared(self, source, path, number,
                                     monkeypatch):
        things.file(path, b'')
        monkeypatch.setattr(fcntl, 'ioctl', _failing(number))
        assert files.clone(source, path) is False
        assert things.read(path) == b''

    @pytest.mark.parametrize('number', [errno.ENOSPC, errno.EIO,
                                        errno.EDQUOT, errno.ESTALE])
    def test_a_failure_is_one(self, source, path, number, monkeypatch):
        things.file(path, b'')
        monkeypatch.setattr(fcntl, 'ioctl', _failing(number))
        with pytest.raises(OSError) as info:
            files.clone(source, path)
        assert info.value.errno == number

    @pytest.mark.parametrize('put', [things.link, things.dangling_link,
                                     things.directory, things.fifo])
    def test_neither_is_anything_but_a_file(self, source, path, put, ioctl):
        put(path)
        before = things.describe(path)
        for pair in ((source, path), (path, source)):
            with pytest.raises(OSError):
                files.clone(*pair)
        assert ioctl == []
        assert things.describe(path) == before
        assert things.read(source) == things.TEXT

    def test_the_target_is_not_made(self, source, path):
        with pytest.raises(FileNotFoundError):
            files.clone(source, path)
        assert not os.path.lexists(path)


class TestWriteAtomic:
    @pytest.mark.parametrize('mode', [0o640, 0o644, 0o600])
    @pytest.mark.parametrize('umask', [0, 0o077])
    def test_a_new_file(self, path, mode, umask):
        before = os.umask(umask)
        try:
            files.write_atomic(path, 'text \u00e4\n', mode)
        finally:
            os.umask(before)
        assert things.read(path) == 'text \u00e4\n'.encode()
        assert stat.S_IMODE(os.lstat(path).st_mode) == mode
        self._nothing_else(path)

    def test_over_an_old_one(self, path):
        things.file(path)
        os.chmod(path, 0o777)
        files.write_atomic(path, 'new', 0o640)
        assert things.read(path) == b'new'
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o640
        self._nothing_else(path)

    @pytest.mark.parametrize('put', [things.link, things.dangling_link,
                                     things.fifo])
    def test_what_is_in_the_way_is_replaced_and_not_written_to(self, path,
                                                               put):
        put(path)
        files.write_atomic(path, 'new', 0o640)
        assert things.read(path) == b'new'
        assert not os.path.islink(path)
        assert not os.path.exists(path + '.nowhere')
        if os.path.exists(path + '.target'):
            assert things.read(path + '.target') == things.TEXT

    def test_over_a_directory_it_fails(self, path):
        things.directory(path)
        with pytest.raises(OSError):
            files.write_atomic(path, 'new', 0o640)
        self._nothing_else(path)

    @pytest.mark.parametrize('name', ['fchmod', 'fsync', 'rename'])
    def test_an_error_leaves_the_old_one_and_nothing_else(self, path, name,
                                                          monkeypatch):
        things.file(path)
        monkeypatch.setattr(os, name, _failing(errno.ENOSPC))
        with pytest.raises(OSError):
            files.write_atomic(path, 'new', 0o640)
        assert things.read(path) == things.TEXT
        self._nothing_else(path)

    def test_the_order_on_the_disk(self, path, monkeypatch):
        """Data, name, folder: a crash leaves the old or the new file."""
        events = things.watch_flushes(monkeypatch)
        real = os.rename

        def rename(*names):
            events.append('rename')
            real(*names)
        monkeypatch.setattr(os, 'rename', rename)
        files.write_atomic(path, 'new', 0o640)
        temporary, *rest = events
        assert temporary.startswith('.volume-1.')
        assert temporary.endswith('.tmp')
        assert files.is_rest_of(temporary, 'volume-1')
        assert rest == ['rename', os.path.basename(os.path.dirname(path))]

    def test_a_folder_that_is_synced_later(self, path, monkeypatch):
        flushed = things.watch_flushes(monkeypatch)
        files.write_atomic(path, 'new', 0o640, sync=False)
        assert len(flushed) == 1 and flushed[0].endswith('.tmp')
        assert things.read(path) == b'new'

    def _nothing_else(self, path):
        found = set(os.listdir(os.path.dirname(path)))
        assert found <= {'volume-1', 'volume-1.target'}


class TestReplace:
    @pytest.fixture
    def new(self, path):
        things.file(path + '.new', b'new')
        return path + '.new'

    @pytest.mark.parametrize('put', [None, things.file, things.link,
                                     things.dangling_link, things.fifo])
    def test_it_takes_the_place(self, path, new, put):
        if put is not None:
            put(path)
        files.replace(new, path)
        assert things.read(path) == b'new'
        assert not os.path.islink(path) and not os.path.exists(new)
        if put is things.link:
            assert things.read(path + '.target') == things.TEXT

    def test_the_names_are_on_the_disk_in_the_end(self, path, new,
                                                  monkeypatch):
        flushed = things.watch_flushes(monkeypatch)
        files.replace(new, path)
        assert flushed == [os.path.basename(os.path.dirname(path))]

    def test_of_nothing(self, path):
        things.file(path)
        with pytest.raises(FileNotFoundError):
            files.replace(path + '.new', path)
        assert things.read(path) == things.TEXT


@pytest.mark.parametrize('found', ['volume-1', '.volume-1', 'volume-1.tmp',
                                   '.volume-10.x.tmp', '.volume-1.info'])
def test_is_rest_of_nothing(found):
    assert not files.is_rest_of(found, 'volume-1')


class TestSyncFolder:
    # Some FUSE file systems have no such call for folders.
    @pytest.mark.parametrize('number', [errno.EINVAL, errno.ENOSYS])
    def test_where_there_is_no_such_call(self, tmp_path, number,
                                         monkeypatch):
        monkeypatch.setattr(os, 'fsync', _failing(number))
        files.sync_folder(str(tmp_path))

    @pytest.mark.parametrize('number', [errno.EIO, errno.ENOSPC])
    def test_a_failure_is_one(self, tmp_path, number, monkeypatch):
        monkeypatch.setattr(os, 'fsync', _failing(number))
        with pytest.raises(OSError):
            files.sync_folder(str(tmp_path))

    def test_of_what_is_no_folder(self, path):
        things.file(path)
        with pytest.raises(NotADirectoryError):
            files.sync_folder(path)

    def test_no_descriptor_is_left(self, tmp_path, monkeypatch):
        before = len(os.listdir('/proc/self/fd'))
        monkeypatch.setattr(os, 'fsync', _failing(errno.EIO))
        with pytest.raises(OSError):
            files.sync_folder(str(tmp_path))
        assert len(os.listdir('/proc/self/fd')) == before


def _failing(number):
    def call(*unused):
        raise OSError(number, os.strerror(number))
    return call
