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

"""What is done to files on a share, on real files."""

import errno
import os
import stat

import pytest

from remotefs_drivers.store import files
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'volume-1')


@pytest.fixture(params=[0, 0o022, 0o077, 0o777])
def any_umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class TestCreate:
    @pytest.mark.parametrize('size', [0, 1, 1 << 30, (1 << 30) + 512])
    def test_a_sparse_file(self, path, size):
        files.create(path, size, 0o660)
        status = os.lstat(path)
        assert (status.st_size, status.st_blocks) == (size, 0)

    @pytest.mark.parametrize('mode', [0o660, 0o666, 0o640])
    def test_its_mode_whatever_the_umask(self, path, any_umask, mode):
        files.create(path, 0, mode)
        assert mode_of(path) == mode

    @pytest.mark.parametrize('put', things.ALL)
    def test_nothing_is_replaced(self, path, put):
        put(path)
        before = things.describe(path)
        with pytest.raises(FileExistsError):
            files.create(path, 512, 0o660)
        assert things.describe(path) == before

    def test_through_a_dangling_link_nothing_is_made(self, path, tmp_path):
        os.symlink(str(tmp_path / 'elsewhere'), path)
        with pytest.raises(FileExistsError):
            files.create(path, 512, 0o660)
        assert not (tmp_path / 'elsewhere').exists()

    def test_what_could_not_be_finished_is_removed(self, path):
        # Larger than any file can be.
        with pytest.raises((OSError, OverflowError)):
            files.create(path, 1 << 63, 0o660)
        assert not os.path.lexists(path)

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            files.create(str(tmp_path / 'no' / 'volume-1'), 0, 0o660)

    def test_the_data_are_on_the_disk_before_the_name(self, path,
                                                      monkeypatch):
        flushed = things.watch_flushes(monkeypatch)
        files.create(path, 512, 0o660)
        assert flushed == ['volume-1', os.path.basename(
            os.path.dirname(path))]


class TestSizes:
    @pytest.mark.parametrize('size', [0, 512, 1 << 40])
    def test_size_of(self, path, size):
        files.create(path, size, 0o660)
        assert files.size_of(path) == size

    @pytest.mark.parametrize('put, number', [
        (things.directory, errno.EINVAL),
        (things.fifo, errno.EINVAL),
        (things.link, errno.ELOOP),
        (things.dangling_link, errno.ELOOP),
    ])
    def test_of_what_is_no_file(self, path, put, number):
        put(path)
        with pytest.raises(OSError) as info:
            files.size_of(path)
        assert info.value.errno == number

    def test_of_nothing(self, path):
        with pytest.raises(FileNotFoundError):
            files.size_of(path)


class TestChange:
    """Of a file that is there: grow, shrink_back, blank."""

    CHANGES = [files.grow, files.shrink_back, files.blank]

    @pytest.mark.parametrize('before, size, after', [
        (512, 1024, 1024),
        # Made before, and cut off.
        (1024, 1024, 1024),
        # Never cut: somebody may have written there.
        (2048, 1024, 2048),
    ])
    def test_grow(self, path, before, size, after):
        things.file(path, b'x' * before)
        assert files.grow(path, size) == before
        assert things.read(path) == (b'x' * before).ljust(after, b'\0')

    def test_shrink_back(self, path):
        things.file(path, b'x' * 512)
        files.grow(path, 2048)
        files.shrink_back(path, 512)
        assert things.read(path) == b'x' * 512

    @pytest.mark.parametrize('size', [0, 256, 512, 1024])
    def test_blank(self, path, size):
        things.file(path, b'x' * 512)
        os.chmod(path, 0o660)
        number = os.lstat(path).st_ino
        files.blank(path, size)
        assert things.read(path) == bytes(size)
        assert (os.lstat(path).st_ino, mode_of(path)) == (number, 0o660)
        assert os.lstat(path).st_blocks == 0

    @pytest.mark.parametrize('change', CHANGES)
    @pytest.mark.parametrize('put', [things.link, things.dangling_link,
                                     things.directory, things.fifo])
    def test_what_is_no_file_is_left_alone(self, path, put, change):
        put(path)
        before = things.describe(path)
        with pytest.raises(OSError):
            change(path, 4096)
        assert things.describe(path) == before

    @pytest.mark.parametrize('change', CHANGES)
    def test_nothing_is_made(self, path, change):
        with pytest.raises(FileNotFoundError):
            change(path, 4096)
        assert not os.path.lexists(path)


class TestRemove:
    def test_a_file(self, path):
        things.file(path)
        assert files.remove(path)
        assert not os.path.lexists(path)

    def test_nothing(self, path):
        assert files.remove(path) is False

    def test_a_link_and_not_what_it_points_to(self, path):
        things.link(path)
        assert files.remove(path)
        assert not os.path.lexists(path)
        assert things.read(path + '.target') == things.TEXT

    def test_a_directory_is_left(self, path):
        things.directory(path)
        with pytest.raises(OSError):
            files.remove(path)
        assert os.path.isdir(path)
