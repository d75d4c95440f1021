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

"""Locks of volumes: all at once, in one order, both forms."""

import inspect
import logging
import threading

from cinder import coordination
import pytest
import tenacity

from remotefs_drivers import errors
from remotefs_drivers import locks

#: Seconds: only reached when something is wrong.
LONG = 120


@pytest.fixture(params=[locks.ProcessLocks, locks.CoordinationLocks])
def form(request):
    return request.param


@pytest.fixture
def recorded(form, monkeypatch):
    """Locks whose single locks write down what is done with them."""
    class Lock:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            events.append('+' + self.name[-1])

        def __exit__(self, *unused):
            events.append('-' + self.name[-1])

    events = []
    monkeypatch.setattr(form, '_lock', lambda self, name: Lock(name))
    return form('nfs'), events


@pytest.fixture
def real(form, tmp_path, monkeypatch, override):
    """Locks on files in a folder."""
    override('oslo_concurrency', lock_path=str(tmp_path))
    override('coordination', backend_url='file://%s' % tmp_path)
    coordinator = coordination.Coordinator(prefix='cinder-')
    coordinator.start()
    monkeypatch.setattr(coordination, 'COORDINATOR', coordinator)
    monkeypatch.setattr(coordination.synchronized_remove, '__defaults__',
                        (coordinator,))
    yield form('nfs')
    coordinator.stop()


class Tooz:
    """A lock of a tooz driver; an answer that is an error is raised.

    :param acquire: what acquire() answers, one after the other
    :param release: what release() answers
    """

    def __init__(self, acquire, release=True):
        self._acquire = iter(acquire)
        self._release = release
        self.released = 0

    def acquire(self, blocking):
        assert 0 < blocking <= 1
        return self._answer(next(self._acquire))

    def release(self):
        self.released += 1
        return self._answer(self._release)

    def _answer(self, answer):
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Coordinator:
    """Cinder's, as far as locks use it."""

    started = True

    def __init__(self, lock):
        self._lock = lock

    def get_lock(self, name):
        return self._lock

    def stop(self):
        """:returns: what acquire() answers that was interrupted by it"""
        self.started = False
        return False


@pytest.fixture
def tooz(monkeypatch):
    """Makes locks that a fake tooz answers for; returns it, and them."""
    def make(*args, **kwargs):
        lock = Tooz(*args, **kwargs)
        coordinator = Coordinator(lock)
        monkeypatch.setattr(coordination, 'COORDINATOR', coordinator)
        return lock, coordinator, locks.CoordinationLocks('nfs')
    return make


#: What tooz says at the end of the time, depending on its driver.
NOT_YET = [False, tenacity.RetryError(None)]


@pytest.mark.parametrize('ids, expected', [
    ([], []),
    (['a'], ['+a', '-a']),
    # Sorted, so that two threads never wait for each other.
    (['b', 'a'], ['+a', '+b', '-b', '-a']),
    (['c', 'a', 'b'], ['+a', '+b', '+c', '-c', '-b', '-a']),
    # A lock that is held is not waited for: a volume is named twice when
    # it is cloned from itself, as it were.
    (['a', 'a'], ['+a', '-a']),
    (['b', 'a', 'b'], ['+a', '+b', '-b', '-a']),
])
def test_order(recorded, ids, expected):
    made, events = recorded
    with made.volumes(*ids):
        pass
    assert events == expected


def test_released_when_the_work_fails(recorded):
    made, events = recorded
    with pytest.raises(KeyError):
        with made.volumes('b', 'a'):
            raise KeyError()
    assert events == ['+a', '+b', '-b', '-a']


def test_those_already_taken_are_released_when_one_fails(form, monkeypatch):
    events = []

    class Lock:
        def __enter__(self):
            if events:
                raise OSError('no room for a lock file')
            events.append('+')

        def __exit__(self, *unused):
            events.append('-')

    monkeypatch.setattr(form, '_lock', lambda self, name: Lock())
    with pytest.raises(OSError):
        with form('nfs').volumes('a', 'b'):
            pytest.fail('the work began without its locks')
    assert events == ['+', '-']


def test_a_name_says_whose_lock_it_is(form):
    assert form('nfs').name('the-id') == 'remotefs-nfs-the-id'
    assert form('nfs').name('x') != form('posix').name('x')


def test_two_threads_are_kept_apart(real):
    inside, entered = threading.Event(), threading.Event()

    def other():
        with real.volumes('b', 'a'):
            entered.set()

    thread = threading.Thread(target=other, daemon=True)
    with real.volumes('a'):
        thread.start()
        inside.set()
        assert not entered.wait(0.05)
    assert entered.wait(LONG)
    thread.join(LONG)


def test_other_volumes_do_not_wait(real):
    with real.volumes('a'):
        with real.volumes('b'):
            pass


@pytest.mark.parametrize('form', [locks.CoordinationLocks], indirect=True)
def test_what_somebody_has_is_not_waited_for(real):
    seen = []

    def other():
        with real.at_once('a') as held:
            seen.append(held)

    with real.volumes('a'):
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        thread.join(30)
    assert seen == [False]
    other()
    assert seen == [False, True]


def test_a_lock_can_be_taken_again_by_another_object(real):
    """The class method that Cinder calls makes a new one."""
    with real.volumes('a'):
        pass
    with type(real)('nfs').volumes('a'):
        pass


def test_forgotten_locks_leave_no_file(real, tmp_path):
    with real.volumes('a', 'b'):
        assert len(list(tmp_path.glob('cinder-remotefs-nfs-*'))) == 2
    real.forget('a')
    assert [path.name for path in tmp_path.glob('cinder-remotefs-nfs-*')
            ] == ['cinder-remotefs-nfs-b']


def test_forgetting_what_never_was(real):
    real.forget('no-such-volume')


def test_a_forgotten_lock_can_be_taken_again(real):
    with real.volumes('a'):
        pass
    real.forget('a')
    with real.volumes('a'):
        pass


class TestNoLocks:
    """For a driver whose callers lock."""

    @pytest.mark.parametrize('ids', [[], ['a'], ['b', 'a'], ['a', 'a']])
    def test_nothing_is_taken(self, ids, monkeypatch):
        for module, name in ((locks.lockutils, 'lock'),
                             (coordination, 'COORDINATOR')):
            monkeypatch.setattr(module, name, None)
        made = locks.NoLocks('nfs')
        with made.volumes(*ids):
            with made.volumes(*ids):
                pass
        assert made.forget('a') is None

    def test_an_error_comes_through(self):
        with pytest.raises(KeyError):
            with locks.NoLocks('nfs').volumes('a', 'b'):
                raise KeyError()

    def test_has_the_interface_of_the_others(self):
        for name in ('volumes', 'forget', 'name'):
            assert (inspect.signature(getattr(locks.NoLocks, name)) ==
                    inspect.signature(getattr(locks.ProcessLocks, name)))


def test_forms_must_say_which_lock():
    with pytest.raises(NotImplementedError):
        with locks._VolumeLocks('nfs').volumes('a'):
            pass


@pytest.mark.parametrize('not_yet', NOT_YET)
def test_waiting_goes_on_after_a_moment(tooz, not_yet):
    lock, __, made = tooz([not_yet, not_yet, True])
    with made.volumes('a'):
        assert lock.released == 0
    assert lock.released == 1


@pytest.mark.parametrize('not_yet', NOT_YET)
def test_at_once_or_not_at_all(tooz, not_yet):
    lock, __, made = tooz([not_yet])
    with made.at_once('a') as held:
        assert held is False
    assert lock.released == 0


def test_at_once(tooz):
    lock, __, made = tooz([True])
    with pytest.raises(KeyError):
        with made.at_once('a') as held:
            assert (held, lock.released) == (True, 0)
            raise KeyError()
    assert lock.released == 1


def _stop_and(answer, stop):
    stop()
    return answer


@pytest.mark.parametrize('not_yet', NOT_YET)
def test_waiting_ends_when_the_service_stops(tooz, not_yet):
    lock, coordinator, made = tooz(
        [lambda: _stop_and(not_yet, coordinator.stop)])
    with pytest.raises(errors.ServiceStopping, match='remotefs-nfs-a'):
        with made.volumes('a'):
            pytest.fail('the work began without its lock')
    assert lock.released == 0


def test_nothing_begins_in_a_service_that_stops(tooz):
    """Who had the lock gave way; who waited does not take the turn."""
    lock, coordinator, made = tooz(
        [lambda: _stop_and(True, coordinator.stop)])
    with pytest.raises(errors.ServiceStopping, match='remotefs-nfs-a'):
        with made.volumes('a'):
            pytest.fail('the work began in a service that stops')
    assert lock.released == 1


def test_nor_does_it_on_a_single_host(real):
    first, seen = threading.Event(), []

    def other():
        first.set()
        with pytest.raises(errors.ServiceStopping):
            with real.volumes('a'):
                pytest.fail('the work began in a service that stops')
        seen.append('refused')

    with real.volumes('a'):
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert first.wait(LONG)
        # It has asked for the lock, or is just about to.
        thread.join(0.1)
        coordination.COORDINATOR.stop()
    thread.join(LONG)
    assert seen == ['refused']


def test_an_error_of_the_backend_is_one_of_the_verb(tooz):
    lock, __, made = tooz([ConnectionError('no etcd')])
    with pytest.raises(ConnectionError):
        with made.volumes('a'):
            pytest.fail('the work began without its lock')
    assert lock.released == 0


@pytest.mark.parametrize('answer, told', [
    # The work is done; its lock ends with its lease.
    (ConnectionError('no etcd'), 'could not be released'),
    (False, 'was lost while it was needed'),
])
def test_a_release_that_fails_is_told(tooz, answer, told, caplog):
    __, __, made = tooz([True], answer)
    with caplog.at_level(logging.WARNING):
        with made.volumes('a'):
            pass
    assert told in caplog.text
