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

"""Layers on the disk, made without a child."""

import errno
import os
import stat

import pytest

from remotefs_drivers.qemu import header
from remotefs_drivers.store import layers
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')

MIB = 1 << 20


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'volume-1.a')


def create(path, mode=0o660):
    layers.create_overlay(path, 'volume-1', 'raw', MIB, mode)


class TestOverlay:
    @pytest.mark.parametrize('mode', [0o660, 0o666, 0o640])
    def test_made(self, path, mode):
        create(path, mode)
        assert header.read(path)[1:] == (MIB, 'volume-1', None, 'raw')
        status = os.lstat(path)
        assert stat.S_IMODE(status.st_mode) == mode
        # All but the beginnings of three clusters is a hole.
        assert status.st_blocks * 512 <= 3 * 4096 < status.st_size

    @pytest.mark.parametrize('put', things.ALL)
    def test_nothing_is_replaced(self, path, put):
        put(path)
        before = things.describe(path)
        with pytest.raises(FileExistsError):
            create(path)
        assert things.describe(path) == before

    @pytest.mark.parametrize('function', ['ftruncate', 'pwrite', 'fsync',
                                          'fchmod'])
    def test_what_could_not_be_finished_is_removed(self, path, monkeypatch,
                                                   function):
        monkeypatch.setattr(os, function, _fail)
        with pytest.raises(OSError, match='No space'):
            create(path)
        assert not os.path.lexists(path)

    def test_a_write_that_takes_a_part_is_gone_on_with(self, path, tmp_path,
                                                       monkeypatch):
        create(path)
        real = os.pwrite
        monkeypatch.setattr(os, 'pwrite', lambda descriptor, data, offset:
                            real(descriptor, data[:7], offset))
        other = str(tmp_path / 'volume-1.b')
        create(other)
        assert things.read(other) == things.read(path)

    def test_the_data_are_on_the_disk_before_the_name(self, path,
                                                      monkeypatch):
        flushed = things.watch_flushes(monkeypatch)
        create(path)
        folder = os.path.basename(os.path.dirname(path))
        assert flushed == ['volume-1.a', folder]

    def test_what_cannot_be_is_said_before(self, path):
        with pytest.raises(OSError, match='raw or qcow2') as found:
            layers.create_overlay(path, 'volume-1', 'vmdk', MIB, 0o660)
        assert (found.value.errno, found.value.filename) == (errno.EINVAL,
                                                             path)
        assert not os.path.lexists(path)


class TestPlain:
    def test_made_of_an_empty_file(self, path):
        things.file(path, b'')
        layers.lay_out(path, MIB)
        assert header.read(path)[1:] == (MIB, None, None, None)

    @pytest.mark.parametrize('put', [things.link, things.directory,
                                     things.fifo])
    def test_nothing_else_is_written_to(self, path, put):
        put(path)
        before = things.describe(path)
        with pytest.raises(OSError):
            layers.lay_out(path, MIB)
        assert things.describe(path) == before

    def test_too_large(self, path):
        things.file(path, b'')
        with pytest.raises(OSError, match='as a qcow2 file, it cannot'):
            layers.lay_out(path, 3 << 50)
        assert things.read(path) == b''


def _fail(*unused):
    raise OSError(errno.ENOSPC, 'No space left on device')
