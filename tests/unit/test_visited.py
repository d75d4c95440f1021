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

"""Shares that are mounted while somebody visits them."""

import dataclasses
import os
import threading

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity
from remotefs_drivers.share import table
from remotefs_drivers.share import visited
from tests.unit import fakes

HOME, A, B = (table.Share('nas:/%s' % name) for name in ('home', 'a', 'b'))
LONG = 120


@pytest.fixture(autouse=True)
def no_children(monkeypatch):
    monkeypatch.setattr(capacity, 'ask',
                        lambda path, timeout: capacity.look(path))


@pytest.fixture
def mounter(tmp_path):
    return fakes.Mounter(tmp_path)


@pytest.fixture
def made(mounter):
    built = visited.VisitedShares(fakes.Source(HOME), mounter,
                                  fakes.SETTINGS)
    built.reload()
    return built


@pytest.fixture
def started():
    """Tells which threads were started since."""
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


def look(made, share):
    return made.call(share, 'look', os.listdir, made.path(share))


class TestVisit:
    def test_a_call_mounts_it_and_unmounts_it(self, made, mounter):
        assert look(made, A) == []
        assert mounter.calls == [('mount', 'nas:/a', None),
                                 ('unmount', 'nas:/a', None)]

    def test_several_calls_in_one(self, made, mounter):
        with made.visit(A):
            assert not mounter.is_there(A)
            look(made, A)
            assert mounter.is_there(A)
            look(made, A)
            made.check(A)
        assert [what for what, *__ in mounter.calls] == ['mount', 'unmount']

    def test_the_last_visitor_unmounts_it(self, made, mounter):
        with made.visit(A):
            with made.visit(A):
                look(made, A)
            assert mounter.is_there(A)
        assert not mounter.is_there(A)

    def test_each_share_for_itself(self, made, mounter):
        with made.visit(A), made.visit(B):
            look(made, A)
            look(made, B)
        with made.visit(A):
            look(made, A)
            look(made, B)
            assert mounter.is_there(A) and not mounter.is_there(B)

    def test_the_ones_in_the_table_stay_mounted(self, made, mounter):
        with made.visit(HOME):
            look(made, HOME)
        assert mounter.is_there(HOME)

    def test_an_error_inside(self, made, mounter):
        with pytest.raises(KeyError):
            with made.visit(A):
                look(made, A)
                raise KeyError()
        assert not mounter.is_there(A)

    def test_a_call_that_fails(self, made, mounter):
        with pytest.raises(FileNotFoundError):
            made.call(A, 'look', os.listdir, '/no/such/folder')
        assert not mounter.is_there(A)

    def test_a_dead_mount_is_renewed(self, made, mounter, monkeypatch):
        """The proof says that it is dead: of it a child would only fail."""
        def ask(path, timeout):
            assert not dead
            return capacity.look(path)

        def prove(path):
            if dead:
                raise errors.MountDead(share='nas:/a', reason='stale')

        dead = ['yes']
        monkeypatch.setattr(capacity, 'ask', ask)
        monkeypatch.setattr(mounter, 'prove', prove)
        monkeypatch.setattr(mounter, 'renew',
                            lambda share, limit=None: dead.clear(),
                            raising=False)
        assert look(made, A) == []
        assert not dead

    def test_a_mount_that_fails(self, made, mounter):
        mounter.broken.add('nas:/a')
        with pytest.raises(errors.MountFailed):
            look(made, A)
        mounter.broken.clear()
        assert look(made, A) == []

    def test_what_is_busy_stays_and_says_so(self, made, mounter, caplog):
        mounter.busy.add('nas:/a')
        look(made, A)
        assert mounter.is_there(A)
        assert 'nas:/a stays mounted for now' in caplog.text
        mounter.busy.clear()
        look(made, A)
        assert not mounter.is_there(A)

    def test_what_was_busy_is_tidied_up(self, made, mounter):
        mounter.busy.add('nas:/a')
        look(made, A)
        made.tidy()
        assert mounter.is_there(A)
        mounter.busy.clear()
        made.tidy()
        assert not mounter.is_there(A)
        mounter.calls.clear()
        made.tidy()
        assert mounter.calls == []

    def test_what_is_visited_again_is_not_tidied_up(self, made, mounter):
        mounter.busy.add('nas:/a')
        look(made, A)
        mounter.busy.clear()
        made.hold(A)
        made.tidy()
        assert mounter.is_there(A)

    def test_what_a_dead_mount_needs(self, made, mounter):
        """Somebody has unmounted it, or its server forgot it."""
        with made.visit(A):
            look(made, A)
            mounter.dead.add(mounter.path(A))
            mounter.revived.add(mounter.path(A))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(capacity, 'ask', _ask_dead(mounter))
                assert look(made, A) == []
        assert ('renew', 'nas:/a', None) in mounter.calls
        assert not mounter.is_there(A)

    def test_threads_end_with_the_visit(self, made, started):
        """There may be thousands of shares."""
        for share in A, B:
            look(made, share)
        for thread in started():
            thread.join(LONG)
        assert not started()

    def test_nothing_is_kept(self, made):
        look(made, A)
        assert len(made._uses) == 0
        assert set(made._gates) <= {'nas:/home'}


def _ask_dead(mounter):
    def ask(path, timeout):
        if path in mounter.dead:
            raise errors.MountDead(share=path, reason='gone')
        return capacity.look(path)
    return ask


class Server:
    """Answers neither calls nor children, to its end."""

    def __init__(self):
        self.end = threading.Event()

    def call(self):
        assert self.end.wait(LONG)

    def ask(self, path, timeout):
        raise errors.CommandTimeout(program='stat', reason='no end',
                                    seconds=timeout, command='stat')


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(capacity, 'ask', server.ask)
    yield server
    server.end.set()


class TestSilent:
    @pytest.fixture
    def made(self, mounter):
        built = visited.VisitedShares(
            fakes.Source(HOME), mounter,
            dataclasses.replace(fakes.SETTINGS, share_timeout=0.1))
        built.reload()
        return built

    def test_one_that_does_not_answer_is_detached(self, made, mounter,
                                                  server):
        """Our own call keeps it busy."""
        mounter.busy.add('nas:/a')
        with pytest.raises(errors.ShareTimeout):
            made.call(A, 'look', server.call)
        assert not mounter.is_there(A)
        assert mounter.calls[-1] == ('detach', 'nas:/a', None)
        mounter.calls.clear()
        made.tidy()
        assert mounter.calls == []

    def test_not_one_that_was_slow_and_is_busy(self, made, mounter, server,
                                               monkeypatch, caplog):
        """Somebody else has it, and it answers."""
        monkeypatch.setattr(capacity, 'ask',
                            lambda path, timeout: capacity.look(path))
        mounter.busy.add('nas:/a')
        with pytest.raises(errors.ShareTimeout):
            made.call(A, 'look', server.call)
        assert mounter.is_there(A)
        assert 'nas:/a stays mounted for now' in caplog.text

    def test_not_under_who_visits_or_holds_it(self, made, mounter, server):
        made.hold(A)
        with made.visit(A):
            with pytest.raises(errors.ShareTimeout):
                made.call(A, 'look', server.call)
            assert mounter.is_there(A)
        assert mounter.is_there(A)
        made.release(A)
        assert mounter.calls[-1] == ('detach', 'nas:/a', None)

    def test_no_other_share(self, made, mounter, server):
        made.hold(B)
        with pytest.raises(errors.ShareTimeout):
            made.call(A, 'look', server.call)
        assert mounter.is_there(B)
        made.release(B)
        assert mounter.calls[-1] == ('unmount', 'nas:/b', None)


class TestManyVisitors:
    def test_none_is_unmounted_under_another(self, made, mounter):
        failed = []

        def visit():
            for __ in range(50):
                try:
                    with made.visit(A):
                        look(made, A)
                        assert mounter.is_there(A)
                except BaseException as error:
                    failed.append(error)

        _all_at_once([visit] * 4)
        assert failed == []
        assert not mounter.is_there(A)

    def test_who_comes_meanwhile_waits_for_the_unmount(self, made, mounter):
        """It would find the share mounted, and lose it."""
        begun, end = threading.Event(), threading.Event()
        really = mounter.unmount

        def unmount(share):
            begun.set()
            assert end.wait(LONG)
            really(share)

        mounter.unmount = unmount
        first = threading.Thread(target=look, args=(made, A))
        first.start()
        assert begun.wait(LONG)
        inside = threading.Event()
        second = threading.Thread(target=_visit, args=(made, A, inside))
        second.start()
        assert not inside.wait(0.1)
        end.set()
        first.join(LONG)
        second.join(LONG)
        assert inside.is_set()
        assert [what for what, *__ in mounter.calls] == [
            'mount', 'unmount', 'mount', 'unmount']

    def test_an_unmount_is_in_no_other_shares_way(self, made, mounter):
        begun, end = threading.Event(), threading.Event()
        really = mounter.unmount

        def unmount(share):
            if share is A:
                begun.set()
                assert end.wait(LONG)
            really(share)

        mounter.unmount = unmount
        first = threading.Thread(target=look, args=(made, A))
        first.start()
        assert begun.wait(LONG)
        assert look(made, B) == []
        made.hold(B)
        assert made.held() == {'nas:/b'}
        end.set()
        first.join(LONG)


def _visit(made, share, inside):
    with made.visit(share):
        inside.set()
        look(made, share)


def _all_at_once(functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)


class TestHold:
    def test_it_stays_mounted(self, made, mounter):
        made.hold(A)
        look(made, A)
        assert mounter.is_there(A)
        assert made.held() == {'nas:/a'}
        made.release(A)
        assert not mounter.is_there(A)
        assert made.held() == set()

    def test_twice_is_once(self, made, mounter):
        """A volume that is attached to several servers of this host."""
        made.hold(A)
        made.hold(A)
        made.release(A)
        assert not mounter.is_there(A)

    def test_released_twice(self, made, mounter):
        made.hold(A)
        made.release(A)
        made.release(A)
        made.hold(A)
        assert mounter.is_there(A)

    def test_one_that_is_not_held_is_unmounted(self, made, mounter):
        """An earlier service has mounted it."""
        mounter.mount(A)
        made.release(A)
        assert not mounter.is_there(A)

    def test_not_under_a_visitor(self, made, mounter):
        made.hold(A)
        with made.visit(A):
            look(made, A)
            made.release(A)
            assert mounter.is_there(A)
        assert not mounter.is_there(A)

    def test_a_mount_that_fails_is_not_held(self, made, mounter):
        mounter.broken.add('nas:/a')
        with pytest.raises(errors.MountFailed):
            made.hold(A)
        assert made.held() == set()
        mounter.broken.clear()
        made.hold(A)
        made.release(A)
        assert not mounter.is_there(A)

    def test_mounted_anew(self, made, mounter):
        """Somebody has unmounted it: the next attach finds out."""
        made.hold(A)
        mounter.drop(A)
        made.hold(A)
        assert mounter.is_there(A)

    def test_at_once(self, made, mounter):
        _all_at_once([lambda: made.hold(A)] * 8)
        made.release(A)
        assert not mounter.is_there(A)
        assert [what for what, *__ in mounter.calls] == ['mount', 'unmount']

    def test_of_the_table_nothing_changes(self, made, mounter):
        made.hold(HOME)
        made.release(HOME)
        assert mounter.is_there(HOME)


@pytest.mark.parametrize('error', [
    errors.ShareNotMounted(share='a', path='b', reason='another one'),
    errors.PrivilegeMissing(what='x', reason='no sudo'),
    errors.CommandAborted(program='umount', command='umount x'),
])
def test_an_unmount_that_fails_hides_nothing(made, mounter, monkeypatch,
                                             error, caplog):
    """What was done in the share is done."""
    def unmount(share):
        raise error

    monkeypatch.setattr(mounter, 'unmount', unmount)
    assert look(made, A) == []
    assert 'stays mounted for now' in caplog.text
