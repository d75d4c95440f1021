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

"""Calls that somebody else makes, and that may hang.

These run under eventlet too, see tests/functional/test_offload.py: what the
native threads wait for is native there.
"""

import os
import select
import sys
import threading
import time

from cinder import utils
import pytest

from remotefs_drivers import offload

native = offload.original('threading')

#: Seconds, for a call that hangs.
SHORT = 0.05
#: Seconds, for one that does not: only reached when something is wrong.
LONG = 120


@pytest.fixture
def server():
    """A server that does not answer until it is released."""
    class Server:
        def __init__(self):
            self.released = native.Event()
            self.calls = []

        def ask(self, name='x'):
            self.calls.append(name)
            assert self.released.wait(LONG)
            return name

    made = Server()
    yield made
    made.released.set()


@pytest.fixture
def started():
    """Tells which threads were started since."""
    before = set(native.enumerate())
    return lambda: set(native.enumerate()) - before


def hang(workers, function, seen, count=1):
    """Have so many calls hang in a function, which are ``seen`` then.

    A busy machine may not begin one before it is given up, and none that was
    given up is begun: the next one gets more time.
    """
    seconds = SHORT
    while len(seen) < count:
        assert seconds < LONG
        with pytest.raises(offload.Hung):
            workers.call(seconds, function)
        seconds *= 2


class TestWorkers:
    def test_the_result(self):
        assert offload.Workers(1).call(LONG, divmod, 7, 2) == (3, 1)

    @pytest.mark.parametrize('error', [OSError(5, 'broken'), SystemExit(1)])
    def test_the_error(self, error):
        def fail():
            raise error
        with pytest.raises(type(error)) as info:
            offload.Workers(1).call(LONG, fail)
        assert info.value is error

    def test_an_error_harms_no_worker(self):
        workers = offload.Workers(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                workers.call(LONG, divmod, 1, 0)
        assert workers.call(LONG, abs, -1) == 1

    def test_another_thread_makes_the_call(self):
        assert (offload.Workers(1).call(LONG, native.get_ident) !=
                native.get_ident())

    def test_one_that_hangs_is_given_up(self, server):
        start = time.monotonic()
        with pytest.raises(offload.Hung):
            offload.Workers(1).call(SHORT, server.ask)
        assert time.monotonic() - start < LONG / 2

    def test_it_blocks_no_other_place(self, server):
        workers = offload.Workers(2)
        with pytest.raises(offload.Hung):
            workers.call(SHORT, server.ask)
        assert workers.call(LONG, abs, -1) == 1

    def test_for_want_of_a_place_a_call_is_never_made(self, server):
        """Later it would change a share behind its volume's lock."""
        workers = offload.Workers(1)
        hang(workers, lambda: server.ask('first'), server.calls)
        with pytest.raises(offload.Hung):
            workers.call(SHORT, server.ask, 'second')
        server.released.set()
        assert workers.call(LONG, server.ask, 'third') == 'third'
        assert server.calls == ['first', 'third']

    def test_no_thread_before_the_first_call(self, started):
        """Cinder forks after it has built the driver."""
        workers = offload.Workers(4)
        assert not started()
        workers.call(LONG, abs, -1)
        assert len(started()) == 1

    def test_a_thread_is_used_again(self, started):
        workers = offload.Workers(4)
        for number in range(20):
            assert workers.call(LONG, abs, -number) == number
            _until_idle(workers)
        assert len(started()) == 1

    def test_no_more_threads_than_places(self, server, started):
        workers = offload.Workers(2)
        hang(workers, server.ask, server.calls, count=2)
        for _ in range(3):
            with pytest.raises(offload.Hung):
                workers.call(0.01, server.ask)
        assert len(started()) == 2

    def test_a_thread_keeps_no_service_from_stopping(self, server, started):
        with pytest.raises(offload.Hung):
            offload.Workers(1).call(SHORT, server.ask)
        thread, = started()
        assert thread.daemon

    def test_many_at_once(self):
        workers = offload.Workers(3)
        results = offload.gather(
            lambda number: workers.call(LONG, abs, -number), range(30))
        assert results == list(range(30))

    def test_others_go_on_meanwhile(self):
        """Under eventlet too, where the caller is not alone in its thread."""
        ticks, sleep = [], offload.original('time').sleep

        def tick():
            while len(ticks) < 3:
                time.sleep(SHORT / 10)
                ticks.append(None)

        def watch():
            while len(ticks) < 3:
                sleep(0.001)
        thread = threading.Thread(target=tick)
        thread.start()
        offload.Workers(1).call(LONG, watch)
        thread.join()

    def test_a_call_given_up_may_end_at_any_time(self, server):
        """The number of its file may be that of somebody else's by then."""
        teams = [offload.Workers(1) for __ in range(20)]
        for workers in teams:
            with pytest.raises(offload.Hung):
                workers.call(0.001, server.ask)
        others = [os.eventfd(0, os.EFD_NONBLOCK) for __ in teams]
        server.released.set()
        for workers in teams:
            _until_idle(workers)
        for other in others:
            with pytest.raises(BlockingIOError):
                os.eventfd_read(other)
            os.close(other)

    def test_no_file_stays_open(self):
        workers = offload.Workers(1)
        workers.call(LONG, abs, -1)
        before = os.listdir('/proc/self/fd')
        for __ in range(50):
            workers.call(LONG, abs, -1)
            _until_idle(workers)
        assert len(os.listdir('/proc/self/fd')) <= len(before)

    def test_what_talks_to_another_process_is_limited_too(self, started):
        """By a green thread under eventlet: so is the channel to it."""
        def remote():
            seen.append(threading.current_thread())
            assert released.wait(LONG)
        remote.remote = True
        seen, released = [], threading.Event()
        workers = offload.Workers(1)
        hang(workers, remote, seen)
        with pytest.raises(offload.Hung):
            workers.call(SHORT, remote)
        released.set()
        assert len(seen) == 1
        if native is not threading:
            assert not started()

    def test_closed_its_threads_end(self, started):
        workers = offload.Workers(4)
        workers.call(LONG, abs, -1)
        _until_idle(workers)
        workers.close()
        for thread in started():
            thread.join(LONG)
        assert not started()

    def test_closed_before_any_call(self, started):
        offload.Workers(4).close()
        assert not started()

    def test_closed_under_a_call_that_hangs(self, server, started):
        """Its thread ends with it."""
        workers = offload.Workers(1)
        hang(workers, server.ask, server.calls)
        workers.close()
        assert len(started()) == 1
        server.released.set()
        for thread in started():
            thread.join(LONG)
        assert not started()


def _until_idle(workers):
    end = time.monotonic() + LONG
    while not workers._native._idle and time.monotonic() < end:
        time.sleep(0.001)


def nothing():
    """Between two calls."""


class TestRow:
    def test_one_after_the_other(self):
        done = []
        assert offload.Row([(done.append, ('/a',)),
                            (done.extend, (['/b', '/c'],))],
                           nothing)() is None
        assert done == ['/a', '/b', '/c']

    @pytest.mark.parametrize('filename, expected', [(None, '/b'),
                                                    ('/x', '/x')])
    def test_nothing_after_the_one_that_fails(self, filename, expected):
        done = []

        def fail(path):
            raise OSError(5, 'broken', filename)
        with pytest.raises(OSError) as info:
            offload.Row([(done.append, ('/a',)), (fail, ('/b',)),
                         (done.append, ('/c',))], nothing)()
        assert done == ['/a']
        # As root does it, the daemon does not tell.
        assert info.value.filename == expected

    def test_nothing_after_one_that_hangs(self, server):
        done = []
        row = offload.Row([(server.ask, ('/a',)), (done.append, ('/b',))],
                          nothing)
        workers = offload.Workers(1)
        hang(workers, row, server.calls)
        row.stop()
        server.released.set()
        # Its one thread has nothing of it left to do then.
        workers.call(LONG, abs, -1)
        assert server.calls == ['/a'] and done == []

    def test_the_share_goes_away(self):
        """Each call could do something else then, or nothing."""
        done = []

        def prove():
            if done == ['/a', '/b']:
                raise ValueError('it is gone')
        with pytest.raises(ValueError):
            offload.Row([(done.append, (path,))
                         for path in ('/a', '/b', '/c')], prove)()
        assert done == ['/a', '/b']


class TestGather:
    def test_in_the_order_of_the_items(self):
        def slow(seconds):
            time.sleep(seconds)
            return seconds
        assert offload.gather(slow, [0.03, 0.0, 0.01]) == [0.03, 0.0, 0.01]

    def test_all_at_once(self):
        barrier = threading.Barrier(3, timeout=LONG)
        offload.gather(lambda item: barrier.wait(), range(3))

    def test_an_error_in_its_place(self):
        zero, one = offload.gather(lambda item: 1 // item, [0, 1])
        assert isinstance(zero, ZeroDivisionError)
        assert one == 1

    @pytest.mark.parametrize('items', [[], (), iter([])])
    def test_nothing(self, items):
        assert offload.gather(abs, items) == []

    def test_any_iterable(self):
        assert offload.gather(abs, iter([-1, -2])) == [1, 2]


class TestOffLoop:
    def test_without_an_event_loop_nothing_changes(self):
        """Unit tests have none: cinder's commands patch it in."""
        assert offload.off_loop(abs) is abs

    def test_by_cinders_own_way(self, monkeypatch):
        monkeypatch.setattr(utils, 'tpool_wrap', lambda found: [found],
                            raising=False)
        assert offload.off_loop(abs) == [abs]

    def test_without_one_by_eventlet(self, monkeypatch):
        monkeypatch.delattr(utils, 'tpool_wrap', raising=False)
        monkeypatch.setattr('eventlet.patcher.is_monkey_patched',
                            lambda name: name == 'thread')
        monkeypatch.setattr('eventlet.tpool.Proxy', lambda found: [found])
        assert offload.off_loop(abs) == [abs]

    def test_without_one_and_without_eventlets_patches(self, monkeypatch):
        monkeypatch.delattr(utils, 'tpool_wrap', raising=False)
        assert offload.off_loop(abs) is abs

    def test_a_call_to_another_process_stays(self, monkeypatch):
        monkeypatch.setattr(utils, 'tpool_wrap', pytest.fail, raising=False)

        def remote():
            pass
        remote.remote = True
        assert offload.off_loop(remote) is remote


class TestOriginal:
    def test_without_eventlet_it_is_what_it_is(self):
        assert offload.original('select') is select

    def test_it_need_not_be_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'eventlet', None)
        assert offload.original('select') is select

    def test_with_it_the_one_from_before(self, monkeypatch):
        monkeypatch.setattr('eventlet.patcher.is_monkey_patched',
                            lambda name: name == 'thread')
        monkeypatch.setattr('eventlet.patcher.original',
                            lambda name: [name])
        assert offload.original('select') == ['select']
