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
"""What can be seen of a guest in the files, and taken from it."""

import fcntl
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.qemu import image_locks
from remotefs_drivers.store import guests
from tests.unit import crafted
from tests.unit import locked
from tests.unit import things


#: Where the L1 table is, by the header that is crafted.
TABLE_AT = 0x30000


@pytest.fixture
def put(tmp_path):
    """Makes a file of these bytes; its path."""
    def _put(name, data):
        things.file(str(tmp_path / name), data)
        return str(tmp_path / name)
    return _put


@pytest.fixture
def below(put):
    return put('below', bytes(512))


@pytest.fixture
def overlay(put):
    """An overlay that nothing was written into."""
    return put('overlay', crafted.padded(crafted.qcow2(backing='/x/below'),
                                         TABLE_AT + 8))


class TestLocks:
    @pytest.mark.parametrize('places, is_open, is_written', [
        ((), False, False),
        ((locked.READS,), True, False),
        ((locked.NO_WRITERS,), True, False),
        ((locked.WRITES,), True, True),
        ((locked.READS, locked.WRITES, locked.NO_WRITERS), True, True),
        # What other programs lock is no business of ours.
        ((0, 99, 108, 199, 208), False, False),
    ])
    def test_what_is_seen(self, below, places, is_open, is_written):
        with locked.held(below, *places):
            assert guests.is_open(below) is is_open
            assert guests.is_written(below) is is_written
        assert not guests.is_open(below)

    def test_of_nothing(self, tmp_path):
        assert not guests.is_open(str(tmp_path / 'nothing'))

    def test_no_link_is_followed(self, tmp_path, below):
        os.symlink(below, str(tmp_path / 'link'))
        with pytest.raises(OSError):
            guests.is_open(str(tmp_path / 'link'))

    def test_a_file_system_without_locks(self, below, overlay, monkeypatch):
        def refuse(*args):
            raise OSError(37, 'no locks')
        monkeypatch.setattr(fcntl, 'fcntl', refuse)
        assert not guests.is_open(below)
        # Nobody can be seen, so nobody is proven not to be there.
        assert not guests.withdraw(overlay, below)

    def test_another_error_is_one(self, below, monkeypatch):
        def refuse(*args):
            raise OSError(5, 'broken')
        monkeypatch.setattr(fcntl, 'fcntl', refuse)
        with pytest.raises(OSError):
            guests.is_open(below)

    def test_excluded(self, below):
        """As a QEMU that comes then sees it, by its own rules."""
        descriptor = os.open(below, os.O_RDWR)
        assert image_locks.exclude(descriptor)
        with open(below) as stream:
            assert image_locks.is_open(stream.fileno())
        os.close(descriptor)
        assert not guests.is_open(below)


class TestBacking:
    def test_a_bare_name(self, overlay):
        assert guests.backing_of(overlay) == 'below'

    def test_none(self, put):
        path = put('x', crafted.padded(crafted.qcow2()))
        assert guests.backing_of(path) is None

    @pytest.mark.parametrize('data', [b'', b'QFI', b'QFI\xfb', bytes(512)])
    def test_no_overlay(self, put, data):
        path = put('x', data)
        with pytest.raises(errors.LayerInvalid, match=path):
            guests.backing_of(path)


class TestWithdraw:
    def test_a_guest_has_the_file_below(self, below, overlay):
        with locked.written(below):
            assert guests.withdraw(overlay, below)
        assert not os.path.exists(overlay)

    def test_no_guest_has_the_volume(self, overlay):
        assert guests.withdraw(overlay)
        assert not os.path.exists(overlay)

    def test_none_is_seen(self, below, overlay):
        """It may have the overlay, if locks cannot be seen."""
        assert not guests.withdraw(overlay, below)
        assert os.path.exists(overlay)

    @pytest.mark.parametrize('of', [True, False])
    def test_a_guest_has_it(self, below, overlay, of):
        with locked.written(overlay), locked.backing(below):
            assert not guests.withdraw(overlay, below if of else None)
        assert os.path.exists(overlay)

    @pytest.mark.parametrize('entry', [b'\x01', bytes(7) + b'\x01'])
    def test_something_was_written(self, put, entry):
        path = put('x', crafted.padded(crafted.qcow2(), TABLE_AT) + entry)
        assert not guests.withdraw(path)
        assert os.path.exists(path)

    @pytest.mark.parametrize('data', [
        # Of which nobody knows what it is.
        b'nonsense', b'QFI\xfb'])
    def test_nor_is_what_nobody_knows(self, put, data):
        path = put('x', data)
        assert not guests.withdraw(path)
        assert os.path.exists(path)

    def test_one_that_is_still_empty(self, put):
        """Its creation was cut off, or its removal."""
        path = put('x', b'')
        assert guests.withdraw(path)
        assert not os.path.exists(path)

    def test_one_that_is_gone(self, tmp_path):
        assert guests.withdraw(str(tmp_path / 'x'))

    def test_whoever_has_opened_it_already_has_nothing(self, overlay):
        """And waits for its lock: see the module."""
        descriptor = os.open(overlay, os.O_RDWR)
        assert guests.withdraw(overlay)
        assert os.fstat(descriptor).st_size == 0
        os.close(descriptor)

    def test_a_link_is_not_followed(self, tmp_path, overlay):
        os.symlink(overlay, str(tmp_path / 'link'))
        with pytest.raises(OSError):
            guests.withdraw(str(tmp_path / 'link'))
