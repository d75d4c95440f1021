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

"""The shares of a backend: table, old ones, mounting, calls."""

import dataclasses
import threading

import pytest

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.share import capacity
from remotefs_drivers.share import shares
from remotefs_drivers.share import table
from tests.unit import fakes

A, B, C = (table.Share('nas:/%s' % name) for name in 'abc')


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


def volume(location):
    return fakes.Volume(provider_location=location)


class TestTable:
    def test_before_it_is_read_there_is_none(self, source, mounter):
        assert len(shares.Shares(source, mounter,
                                 fakes.SETTINGS).table) == 0

    def test_a_share_that_left_serves_what_it_has(self, made, source,
                                                  caplog):
        source.set(B, C)
        made.reload()
        assert list(made.table) == ['nas:/b', 'nas:/c']
        assert made.left == {'nas:/a': A}
        assert made.known(volume('nas:/a')) is A
        assert 'nas:/a is no longer in the list' in caplog.text

    def test_one_that_comes_back(self, made, source):
        for listed in ([B], [A, B]):
            source.set(*listed)
            made.reload()
        assert list(made.table) == ['nas:/a', 'nas:/b']
        assert made.left == {}

    def test_new_options_count_for_a_share_that_stays(self, made, source):
        changed = dataclasses.replace(A, options='-o ro')
        source.set(changed)
        made.reload()
        assert made.known(volume('nas:/a')) is changed

    def test_who_holds_the_old_table_goes_on_with_it(self, made, source):
        before = made.table
        source.set(C)
        made.reload()
        assert list(before) == ['nas:/a', 'nas:/b']

    def test_a_file_that_cannot_be_read_changes_nothing(self, made, source,
                                                        caplog):
        source.failure = errors.SharesConfigUnreadable(
            path='/x', option='nfs_shares_config', reason='gone')
        made.reload()
        assert list(made.table) == ['nas:/a', 'nas:/b']
        assert 'gone' in caplog.text

    def test_at_first_it_is_an_error(self, mounter):
        source = fakes.Source()
        source.failure = errors.SharesConfigUnreadable(
            path='/x', option='nfs_shares_config', reason='gone')
        with pytest.raises(errors.SharesConfigUnreadable):
            shares.Shares(source, mounter, fakes.SETTINGS).reload()


class TestKnown:
    @pytest.mark.parametrize('location', [None, ''])
    def test_no_location(self, made, location):
        with pytest.raises(errors.LocationMissing):
            made.known(volume(location))

    @pytest.mark.parametrize('location', [
        'nas:/c', 'nas:/a/', '/etc', 'nas:/a ', 'NAS:/a'])
    def test_none_of_ours(self, made, location):
        with pytest.raises(errors.ShareUnknown) as info:
            made.known(volume(location))
        assert '"%s"' % location in str(info.value)
        assert 'the list' in str(info.value)

    def test_one_that_the_database_knows(self, made):
        """Removed from the file while the service was down."""
        made.adopt({'nas:/old', None})
        assert made.known(volume('nas:/old')) == table.Share('nas:/old')
        assert list(made.left) == ['nas:/old']

    def test_what_is_listed_is_not_adopted(self, made, source):
        made.adopt({'nas:/a'})
        assert made.left == {}

    def test_adopting_keeps_the_options_of_one_that_left(self, made,
                                                         source):
        source.set(dataclasses.replace(A, options='-o ro'))
        made.reload()
        source.set(B)
        made.reload()
        made.adopt({'nas:/a'})
        assert made.left['nas:/a'].options == '-o ro'


class TestForget:
    def test_it_is_unmounted_and_gone(self, made, source, mounter):
        made.ensure_mounted(A)
        source.set(B)
        made.reload()
        made.forget(A)
        assert not mounter.is_there(A)
        assert made.left == {}
        with pytest.raises(errors.ShareUnknown):
            made.known(volume('nas:/a'))

    def test_one_that_is_busy_stays(self, made, source, mounter):
        made.ensure_mounted(A)
        source.set(B)
        made.reload()
        mounter.busy.add('nas:/a')
        with pytest.raises(errors.ShareUnavailable):
            made.forget(A)
        assert made.left == {'nas:/a': A}


class TestCall:
    def test_the_share_is_mounted_first(self, made, mounter):
        assert made.call(A, 'stat', abs, -1) == 1
        assert made.call(A, 'stat', abs, -2) == 2
        assert mounter.calls == [('mount', 'nas:/a', None)]

    def test_one_that_went_away_is_mounted_again(self, made, mounter):
        made.call(A, 'stat', abs, -1)
        mounter.drop(A)
        assert made.call(A, 'stat', abs, -1) == 1
        assert len(mounter.calls) == 2

    def test_nothing_is_called_without_it(self, made, mounter):
        mounter.broken.add('nas:/a')
        with pytest.raises(errors.MountFailed):
            made.call(A, 'create', pytest.fail)

    def test_the_proof_is_in_the_same_thread(self, made, mounter,
                                             monkeypatch):
        """Between two threads the share could go away."""
        seen = []
        monkeypatch.setattr(mounter, 'prove',
                            lambda path: seen.append(threading.get_ident()))
        made.call(A, 'stat', lambda: seen.append(threading.get_ident()))
        assert seen[0] == seen[1] != threading.get_ident()

    def test_without_proof_nothing_is_called(self, made, mounter,
                                             monkeypatch):
        made.ensure_mounted(A)
        monkeypatch.setattr(mounter, 'is_there', lambda share: True)
        mounter.drop(A)
        with pytest.raises(errors.ShareNotMounted):
            made.call(A, 'create', pytest.fail)

    def test_before_a_call_to_root_too(self, made, mounter, monkeypatch):
        """It has no place to prove anything: that is done here."""
        made.ensure_mounted(A)
        monkeypatch.setattr(mounter, 'is_there', lambda share: True)
        mounter.drop(A)
        with pytest.raises(errors.ShareNotMounted):
            made.call(A, 'create', _remote(pytest.fail))

    def test_a_call_to_root(self, made):
        assert made.call(A, 'stat', _remote(lambda x: x), 7) == 7

    def test_a_share_that_left_can_be_called(self, made, source):
        source.set(B)
        made.reload()
        assert made.call(A, 'stat', abs, -1) == 1

    def test_each_share_has_a_way_of_its_own(self, made, mounter):
        mounter.broken.add('nas:/a')
        with pytest.raises(errors.MountFailed):
            made.call(A, 'stat', abs, -1)
        assert made.call(B, 'stat', abs, -1) == 1


def _remote(function):
    def call(*args):
        return function(*args)
    call.remote = True
    return call


class TestDeadMount:
    @pytest.fixture
    def dead(self, made, mounter):
        """Of the share A; its server is back already."""
        made.ensure_mounted(A)
        mounter.calls.clear()
        mounter.dead = {mounter.path(A)}
        mounter.revived = {mounter.path(A)}
        return mounter

    def test_it_is_made_anew_before_the_call(self, made, dead):
        calls = []
        made.call(A, 'create', calls.append, 1)
        assert calls == [1]
        assert dead.calls == [('renew', 'nas:/a', None)]

    def test_before_the_capacity_is_told(self, made, dead):
        assert made.check(A, limit=3).total
        assert dead.calls == [('renew', 'nas:/a', 3)]

    def test_others_go_on(self, made, dead):
        made.call(B, 'create', lambda: None)
        assert dead.calls == [('mount', 'nas:/b', None)]

    def test_it_stays_dead(self, made, dead):
        dead.revived = set()
        calls = []
        with pytest.raises(errors.MountDead):
            made.call(A, 'create', calls.append, 1)
        assert calls == []

    def test_it_cannot_be_mounted_any_more(self, made, dead):
        dead.revived = set()
        dead.broken = {'nas:/a'}
        with pytest.raises(errors.MountFailed):
            made.call(A, 'create', pytest.fail)

    def test_somebody_else_was_faster(self, made, dead, monkeypatch):
        """One of two that wait for the same mount makes it."""
        real = dead.prove

        def prove(path):
            try:
                real(path)
            except errors.MountDead:
                dead.dead = set()
                raise
        monkeypatch.setattr(dead, 'prove', prove)
        calls = []
        made.call(A, 'create', calls.append, 1)
        assert calls == [1]
        assert dead.calls == []

    def test_a_row_that_has_begun_is_not_begun_again(self, made, dead):
        """Between two of its calls the bricks go."""
        dead.dead = set()
        dead.revived = set()
        calls = []

        def call(number):
            calls.append(number)
            dead.dead = {dead.path(A)}
        row = offload.Row([(call, (1,)), (call, (2,))], made.prover(A))
        with pytest.raises(errors.ShareUnavailable) as found:
            made.call(A, 'write', row)
        assert not isinstance(found.value, errors.MountDead)
        assert calls == [1]
