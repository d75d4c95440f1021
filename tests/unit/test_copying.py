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

"""Copying by the kernel: piece by piece, on real files."""

import errno
import os

from oslo_utils import units
import pytest

from remotefs_drivers import errors
from remotefs_drivers.store import copying
from remotefs_drivers.store import direct
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')

MOST = 256 * units.Ki


@pytest.fixture
def source(tmp_path):
    return str(tmp_path / 'source')


@pytest.fixture
def target(tmp_path):
    path = str(tmp_path / 'volume-1')
    things.file(path, b'')
    return path


def lay_out(path, size, *places):
    """A sparse file with 64 KiB of data at some places.

    :returns: what it holds
    """
    with open(path, 'wb') as stream:
        for place in places:
            stream.seek(place)
            stream.write(os.urandom(64 * units.Ki))
        stream.truncate(size)
    return things.read(path)


def blocks(path):
    return os.stat(path).st_blocks * 512


def pieces(source, target, most=MOST):
    """Where each piece ended, the last one at the end."""
    found = [0]
    size = None
    while found[-1] != size:
        end, size = copying.copy_some(source, target, found[-1], most)
        assert end > found[-1] or end == size == 0
        found.append(end)
    return found[1:]


MiB = units.Mi
LAYOUTS = {
    'empty': (0,),
    'less than a block': (100, 0),
    'all data': (64 * units.Ki, 0),
    'no data': (8 * MiB,),
    'a hole first': (8 * MiB, 5 * MiB),
    'a hole last': (8 * MiB, 0, MiB),
    'data last': (4 * MiB + 64 * units.Ki, 0, 4 * MiB),
    'no whole blocks': (8 * MiB + 77, 3 * MiB, 8 * MiB),
    'many places': (64 * MiB, *(at * 3 * MiB for at in range(20))),
}


class TestSome:
    @pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize('most', [units.Ki, MOST, units.Gi])
    def test_the_content(self, source, target, layout, most):
        held = lay_out(source, *layout)
        pieces(source, target, most)
        assert things.read(target) == held
        # Some file systems give out a little more than is asked for.
        assert blocks(target) <= blocks(source) + 128 * units.Ki

    def test_no_piece_has_more_data(self, source, target):
        lay_out(source, 64 * MiB, *LAYOUTS['many places'][1:])
        ends = pieces(source, target)
        # Four places to a piece; the hole behind the last one is not data.
        assert len(ends) in (5, 6)
        assert ends[0] == 9 * MiB + 64 * units.Ki

    @pytest.mark.parametrize('size', [3 * MiB, 5 * MiB, 16 * MiB])
    def test_a_target_that_has_a_size(self, source, target, size):
        held = lay_out(source, 4 * MiB, MiB)
        os.truncate(target, size)
        pieces(source, target)
        assert things.read(target) == held + bytes(max(size - len(held), 0))

    def test_what_is_reserved_stays_so(self, source, target):
        held = lay_out(source, 8 * MiB, MiB)
        with open(target, 'r+b') as stream:
            os.posix_fallocate(stream.fileno(), 0, 8 * MiB)
        pieces(source, target)
        assert things.read(target) == held
        assert blocks(target) >= 8 * MiB

    def test_a_piece_again(self, source, target):
        """As when the answer to a call got lost."""
        held = lay_out(source, 8 * MiB, *range(0, 8 * MiB, MiB))
        first, __ = copying.copy_some(source, target, 0, MOST)
        assert copying.copy_some(source, target, 0, MOST)[0] == first
        pieces(source, target)
        assert things.read(target) == held

    def test_short_counts(self, source, target, monkeypatch):
        held = lay_out(source, 8 * MiB, 0, MiB)
        real = os.copy_file_range
        monkeypatch.setattr(
            os, 'copy_file_range',
            lambda one, other, count, *places: real(
                one, other, min(count, 5000), *places))
        pieces(source, target)
        assert things.read(target) == held

    @pytest.mark.parametrize('number', [
        # No such call at all, or not in this file system.
        errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY,
        # Two file systems.
        errno.EXDEV,
        # Not these two files; forbidden by a container's filter.
        errno.EINVAL, errno.EPERM])
    @pytest.mark.parametrize('name', ['copy_file_range', 'lseek'])
    def test_it_cannot_be_done(self, source, target, number, name,
                               monkeypatch):
        lay_out(source, 8 * MiB, 0, MiB)
        monkeypatch.setattr(os, name, _failing(number))
        assert copying.copy_some(source, target, 0, MOST) is None

    def test_nothing_is_copied(self, source, target, monkeypatch):
        """Old kernels say so of file systems that cannot do it."""
        lay_out(source, 8 * MiB, 0, MiB)
        monkeypatch.setattr(os, 'copy_file_range', lambda *args: 0)
        assert copying.copy_some(source, target, 0, MOST) is None

    def test_holes_cannot_be_seen(self, source, target, monkeypatch):
        """All is data, by what NFS before 4.2 says."""
        lay_out(source, 8 * MiB, 0, MiB)
        _hide_holes(monkeypatch)
        assert copying.copy_some(source, target, 0, MOST) is None

    def test_there_are_no_holes(self, source, target, monkeypatch):
        held = os.urandom(MiB)
        things.file(source, held)
        _hide_holes(monkeypatch)
        pieces(source, target)
        assert things.read(target) == held

    @pytest.mark.parametrize('number', [errno.ENOSPC, errno.EIO,
                                        errno.EDQUOT, errno.ESTALE])
    def test_a_failure_is_one(self, source, target, number, monkeypatch):
        lay_out(source, 8 * MiB, 0, MiB)
        monkeypatch.setattr(os, 'copy_file_range', _failing(number))
        with pytest.raises(OSError) as info:
            copying.copy_some(source, target, 0, MOST)
        assert info.value.errno == number
        assert info.value.filename == target

    @pytest.mark.parametrize('put', [things.link, things.dangling_link,
                                     things.directory, things.fifo])
    def test_neither_is_anything_but_a_file(self, source, target, put):
        lay_out(source, MiB, 0)
        os.unlink(target)
        put(target)
        before = things.describe(target)
        for pair in ((source, target), (target, source)):
            with pytest.raises(OSError):
                copying.copy_some(*pair, 0, MOST)
        assert things.describe(target) == before

    def test_the_target_is_not_made(self, source, target):
        lay_out(source, MiB, 0)
        os.unlink(target)
        with pytest.raises(FileNotFoundError):
            copying.copy_some(source, target, 0, MOST)
        assert not os.path.lexists(target)

    @pytest.mark.parametrize('missing', [True, False])
    def test_the_disk_begins_at_once(self, source, target, missing,
                                     monkeypatch):
        """Where the C library can tell it to."""
        begun = []

        def sync(descriptor, start, length, flags):
            begun.append((start.value, length.value, flags))
        monkeypatch.setattr(copying.files, 'c_function',
                            lambda name: None if missing else sync)
        lay_out(source, 8 * MiB, MiB)
        pieces(source, target)
        assert begun == [] if missing else [(MiB, 64 * units.Ki, 2)]


class Watch:
    """Calls the store, and writes everything down.

    :ivar stop_at: number of looks after which the service stops
    """

    def __init__(self, stop_at=None):
        self.calls, self.percents = [], []
        self.stop_at, self.looks = stop_at, 0

    def call(self, what, function, *args, limit=None):
        assert limit
        self.calls.append(function)
        return getattr(direct, function)(*args)

    def aborted(self):
        self.looks += 1
        return self.looks == self.stop_at

    def copy(self, source, target):
        return copying.copy(self.call, source, target, self.aborted,
                            self.percents.append)


class TestWhole:
    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch):
        monkeypatch.setattr(copying, 'PIECE', MOST)

    @pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
    def test_it_comes_to_its_end(self, source, target, layout):
        held = lay_out(source, *layout)
        watch = Watch()
        assert watch.copy(source, target) is True
        assert things.read(target) == held
        assert watch.percents == sorted(watch.percents)
        assert watch.percents[-1] == 100
        assert watch.calls[-1] == 'flush'
        assert set(watch.calls[:-1]) == {'copy_some'}

    def test_it_is_on_the_disk_in_the_end(self, source, target, monkeypatch):
        lay_out(source, 8 * MiB, 0, MiB)
        flushed = things.watch_flushes(monkeypatch)
        Watch().copy(source, target)
        assert flushed == ['volume-1']

    def test_it_cannot_be_done(self, source, target, monkeypatch):
        lay_out(source, 8 * MiB, 0, MiB)
        monkeypatch.setattr(os, 'copy_file_range', _failing(errno.EXDEV))
        watch = Watch()
        assert watch.copy(source, target) is False
        assert watch.calls == ['copy_some']

    def test_the_service_stops(self, source, target):
        lay_out(source, 64 * MiB, *LAYOUTS['many places'][1:])
        watch = Watch(stop_at=3)
        with pytest.raises(errors.ServiceStopping, match=target):
            watch.copy(source, target)
        assert watch.calls == ['copy_some'] * 2


def _failing(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))
    return fail


def _hide_holes(monkeypatch):
    def lseek(descriptor, start, whence):
        if whence == os.SEEK_HOLE:
            return os.fstat(descriptor).st_size
        return start
    monkeypatch.setattr(os, 'lseek', lseek)
