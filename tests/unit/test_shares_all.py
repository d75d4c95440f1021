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

"""All shares of a backend at once: mounting, checking, choosing one."""

import dataclasses
import threading

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity
from remotefs_drivers.share import shares
from remotefs_drivers.share import table
from tests.unit import fakes

A, B = table.Share('nas:/a'), table.Share('nas:/b')
#: Seconds: only reached when something is wrong.
LONG = 120


@pytest.fixture(autouse=True)
def no_children(monkeypatch):
    monkeypatch.setattr(capacity, 'ask',
                        lambda path, timeout: capacity.look(path))


@pytest.fixture
def source():
    return fakes.Source(A, B)


@pytest.fixture
def mounter(tmp_path):
    return fakes.Mounter(tmp_path)


@pytest.fixture
def made(source, mounter):
    built = shares.Shares(source, mounter, fakes.SETTINGS)
    built.reload()
    return built


class TestAll:
    def test_mount_all_keeps_going(self, made, mounter):
        mounter.broken.add('nas:/a')
        answers = made.mount_all()
        assert isinstance(answers[A], errors.MountFailed)
        assert answers[B] is None
        assert not mounter.is_there(A) and mounter.is_there(B)

    def test_at_start_a_mount_has_all_attempts(self, made, mounter):
        made.mount_all()
        assert {limit for __, __, limit in mounter.calls} == {None}

    def test_a_check_is_soon_over(self, made, mounter):
        """The stats must not wait for three attempts of a minute each."""
        made.check_all()
        assert {limit for __, __, limit in mounter.calls} == {
            fakes.SETTINGS.share_timeout}

    def test_check_all(self, made, mounter):
        mounter.broken.add('nas:/b')
        answers = made.check_all()
        assert isinstance(answers[A], capacity.Capacity)
        assert isinstance(answers[B], errors.MountFailed)
        assert list(answers) == [A, B]

    def test_shares_that_left_are_not_checked(self, made, source, mounter):
        source.set(B)
        made.reload()
        assert list(made.check_all()) == [B]
        assert [location for __, location, __ in mounter.calls] == ['nas:/b']

    def test_a_check_proves_the_share(self, made, mounter, monkeypatch):
        made.mount_all()
        monkeypatch.setattr(mounter, 'is_there', lambda share: True)
        mounter.drop(A)
        with pytest.raises(errors.ShareNotMounted):
            made.check(A)


class TestChoose:
    @pytest.fixture
    def rooms(self, monkeypatch):
        """Free bytes by path, as capacity.look finds them."""
        free = {}
        monkeypatch.setattr(
            capacity, 'look',
            lambda path: capacity.Capacity(1 << 40, free[path]))
        return free

    def test_as_the_scheduler_says(self, made, mounter):
        assert made.choose(1, 'nas:/b') is B
        # Nobody is asked how much room there is: the scheduler did.
        assert mounter.calls == []

    def test_what_it_says_is_gone(self, made, source):
        source.set(B)
        made.reload()
        with pytest.raises(errors.NoSuitableShare, match='chose nas:/a'):
            made.choose(1, 'nas:/a')

    def test_the_only_one(self, made, source, mounter):
        source.set(B)
        made.reload()
        assert made.choose(1) is B
        assert mounter.calls == []

    def test_the_most_room(self, made, mounter, rooms):
        rooms.update({mounter.path(A): 1 << 30, mounter.path(B): 2 << 30})
        assert made.choose(1) is B
        rooms[mounter.path(A)] = 3 << 30
        assert made.choose(1) is A

    def test_one_that_is_broken_is_left_out(self, made, mounter, rooms):
        rooms.update({mounter.path(A): 1 << 30, mounter.path(B): 2 << 30})
        mounter.broken.add('nas:/b')
        assert made.choose(1) is A

    def test_none(self, made, source):
        source.set()
        made.reload()
        with pytest.raises(errors.NoSuitableShare):
            made.choose(1)

    @pytest.fixture
    def thick(self, source, mounter):
        """Its volumes take all of their room at once."""
        built = shares.Shares(source, mounter, dataclasses.replace(
            fakes.SETTINGS, thick=True))
        built.reload()
        return built

    @pytest.mark.parametrize('listed, pool', [
        ([A], None), ([A], 'nas:/a'), ([A, B], 'nas:/a')])
    def test_the_only_one_must_have_room_for_all_of_it(
            self, thick, source, mounter, rooms, listed, pool):
        source.set(*listed)
        thick.reload()
        rooms.update({mounter.path(A): 3 << 29, mounter.path(B): 9 << 30})
        assert thick.choose(1, pool) is A
        with pytest.raises(errors.NoSuitableShare) as info:
            thick.choose(2, pool)
        assert str(info.value) == (
            'No share can take a volume of 2 GiB: nas:/a: only 1.50 GiB are '
            'free')

    def test_the_only_one_cannot_say(self, thick, mounter):
        mounter.broken.add('nas:/a')
        with pytest.raises(errors.NoSuitableShare, match='broken'):
            thick.choose(1, 'nas:/a')

    @pytest.mark.parametrize('changes', [{'thick': True},
                                         {'reserved_percentage': 100}])
    def test_the_settings_count(self, source, mounter, rooms, changes):
        built = shares.Shares(source, mounter, dataclasses.replace(
            fakes.SETTINGS, **changes))
        built.reload()
        rooms.update({mounter.path(A): 1 << 30, mounter.path(B): 1 << 30})
        with pytest.raises(errors.NoSuitableShare):
            built.choose(2)


class TestMountingAtOnce:
    """One thread mounts, and the others wait for it."""

    @pytest.fixture
    def slow(self, made, mounter, monkeypatch):
        """A mount under way that does not end."""
        begun, end = threading.Event(), threading.Event()
        real = mounter.mount

        def mount(share, limit=None):
            begun.set()
            assert end.wait(LONG)
            real(share, limit)
        monkeypatch.setattr(mounter, 'mount', mount)
        thread = threading.Thread(target=made.ensure_mounted, args=(A,))
        thread.start()
        assert begun.wait(LONG)
        yield end
        end.set()
        thread.join(LONG)

    def test_a_check_does_not_wait_for_ever(self, slow, made):
        with pytest.raises(errors.ShareUnavailable, match='being mounted'):
            made.check(A, limit=0.05)

    def test_other_shares_do_not_wait(self, slow, made, mounter):
        slow.set()
        made.ensure_mounted(B)
        assert mounter.is_there(B)

    def test_who_waited_finds_it_mounted(self, slow, made, mounter):
        waiting = threading.Thread(target=made.ensure_mounted, args=(A,))
        waiting.start()
        slow.set()
        waiting.join(LONG)
        assert mounter.calls == [('mount', 'nas:/a', None)]
