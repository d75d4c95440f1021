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

"""The way to one share: what hangs, hangs there and is counted out."""

import contextlib
import threading

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity
from remotefs_drivers.share import gate

#: Seconds: what a call that hangs is given, and one that must come back.
LIMIT = 0.3
LONG = 120


class Server:
    """A share's server. Answers, unless it is dead.

    :ivar asked: how often its capacity was asked for
    """

    def __init__(self):
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0
        self.failure = None

    def call(self, result='done'):
        assert self.answers.wait(LONG)
        return result

    def ask(self, path, timeout):
        """As capacity.ask: the child process is killed in time."""
        assert path == '/mnt/a' and timeout in (LIMIT, LONG)
        self.asked += 1
        if self.failure:
            raise self.failure
        if not self.answers.is_set():
            raise errors.CommandTimeout(program='stat', reason='no end',
                                        seconds=timeout, command='stat')
        return capacity.Capacity(100, 50)


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(capacity, 'ask', made.ask)
    yield made
    made.answers.set()


@pytest.fixture
def the_gate():
    return gate.Gate('nas:/a', '/mnt/a', LONG, 'nfs_share_timeout')


@contextlib.contextmanager
def impatient(the_gate):
    """What hangs is not waited for long in this block."""
    the_gate._timeout = LIMIT
    try:
        yield
    finally:
        the_gate._timeout = LONG


def kill(server, the_gate):
    """Let the server die, and somebody notice."""
    server.answers.clear()
    with impatient(the_gate), pytest.raises(errors.ShareTimeout):
        the_gate.call('stat', server.call)


def test_a_mount_that_is_dead(server, the_gate):
    """By what the child says, at once; a new mount helps then."""
    server.failure = errors.CommandFailed(
        program='stat', exit_code=1, command='stat',
        stderr='stat: cannot read file system information for \'/mnt/a\': '
               'Transport endpoint is not connected')
    with pytest.raises(errors.MountDead, match='nas:/a'):
        the_gate.check()


def test_a_call_goes_through(server, the_gate):
    assert the_gate.call('stat', server.call, 7) == 7
    # Nobody asks a share that answers.
    assert server.asked == 0


def test_what_a_call_raises_is_no_matter_of_the_share(server, the_gate):
    with pytest.raises(FileNotFoundError):
        the_gate.call('stat', open, '/no/such/file')
    assert the_gate.call('stat', server.call) == 'done'
    assert server.asked == 0


def test_a_call_that_hangs(server, the_gate, caplog):
    server.answers.clear()
    with impatient(the_gate), pytest.raises(errors.ShareTimeout) as info:
        the_gate.call('create', server.call)
    text = str(info.value)
    assert 'nas:/a' in text and '(create)' in text
    assert 'within 0.3 seconds' in text and 'nfs_share_timeout' in text
    assert [record.levelname for record in caplog.records] == ['ERROR']


def test_a_share_that_is_down_is_asked_first(server, the_gate):
    kill(server, the_gate)
    with pytest.raises(errors.ShareTimeout, match='statfs'):
        the_gate.call('stat', pytest.fail)
    assert server.asked == 1


def test_a_dead_server_costs_a_few_threads(server, the_gate):
    before = set(threading.enumerate())
    for _ in range(10):
        kill(server, the_gate)
    assert len(set(threading.enumerate()) - before) == 1


def test_it_is_said_once_that_it_is_down(server, the_gate, caplog):
    for _ in range(3):
        kill(server, the_gate)
    assert len(caplog.records) == 1


def test_a_server_that_comes_back(server, the_gate, caplog):
    caplog.set_level('INFO')
    kill(server, the_gate)
    server.answers.set()
    assert the_gate.call('stat', server.call) == 'done'
    assert 'answers again' in caplog.records[-1].getMessage()
    the_gate.call('stat', server.call)
    assert server.asked == 1


def test_stuck_threads_are_not_waited_for_once_it_is_back(server, the_gate):
    stuck = threading.Event()
    threads = [threading.Thread(target=_hang, args=(the_gate, stuck))
               for _ in range(gate._AT_ONCE)]
    with impatient(the_gate):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
    try:
        assert the_gate.call('stat', server.call) == 'done'
    finally:
        stuck.set()


def _hang(the_gate, stuck):
    with pytest.raises(errors.ShareTimeout):
        the_gate.call('stat', stuck.wait, LONG)


@pytest.fixture
def clones(the_gate, server):
    """Clones under way, as many as there is room for and some more."""
    begun, end = threading.Semaphore(0), threading.Event()

    def clone():
        begun.release()
        assert end.wait(LONG)

    threads = [threading.Thread(target=the_gate.call, args=('clone', clone),
                                kwargs={'limit': LONG})
               for _ in range(2 * gate._AT_ONCE)]
    for thread in threads:
        thread.start()
    assert begun.acquire(timeout=LONG)
    yield
    end.set()
    for thread in threads:
        thread.join(LONG)


def test_long_calls_are_in_nobodys_way(clones, the_gate, server):
    """And a share that clones is not one that is down."""
    assert the_gate.call('stat', server.call) == 'done'
    assert server.asked == 0


def test_a_long_call_has_its_own_limit(server, the_gate):
    server.answers.clear()
    threading.Timer(2 * LIMIT, server.answers.set).start()
    with impatient(the_gate):
        assert the_gate.call('clone', server.call, limit=LONG) == 'done'


def test_a_long_call_that_hangs_says_how_long_it_had(server, the_gate):
    server.answers.clear()
    with pytest.raises(errors.ShareTimeout, match='within 0.4 seconds'):
        the_gate.call('clone', server.call, limit=0.4)


def test_closed_it_keeps_no_threads(server, the_gate):
    before = set(threading.enumerate())
    the_gate.call('stat', server.call)
    the_gate.call('clone', server.call, limit=LONG)
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    the_gate.close()
    for thread in threads:
        thread.join(LONG)
    assert not set(threading.enumerate()) - before


def test_closed_it_can_be_used_again(server, the_gate):
    for __ in range(2):
        assert the_gate.call('stat', server.call) == 'done'
        the_gate.close()


class TestIsSilent:
    def test_one_that_answers_is_not_asked(self, server, the_gate):
        assert not the_gate.is_silent()
        assert server.asked == 0

    def test_one_that_is_down(self, server, the_gate):
        kill(server, the_gate)
        assert the_gate.is_silent()
        assert server.asked == 1

    def test_one_that_was_only_slow(self, server, the_gate):
        kill(server, the_gate)
        server.answers.set()
        assert not the_gate.is_silent()
        # It is up from then on.
        assert not the_gate.is_silent()
        assert server.asked == 1

    def test_an_error_is_an_answer(self, server, the_gate):
        kill(server, the_gate)
        server.failure = errors.CommandFailed(
            program='stat', exit_code=1, stderr='Stale file handle',
            command='stat')
        assert not the_gate.is_silent()

    def test_by_threads_that_are_closed(self, server, the_gate):
        """So it is when the last visitor has left."""
        kill(server, the_gate)
        the_gate.close()
        assert the_gate.is_silent()


class TestCheck:
    def test_the_capacity(self, server, the_gate):
        assert the_gate.check() == (100, 50)

    def test_no_answer(self, server, the_gate):
        server.answers.clear()
        with pytest.raises(errors.ShareTimeout):
            the_gate.check()
        # From now on calls ask first.
        server.answers.set()
        the_gate.call('stat', server.call)
        assert server.asked == 2

    def test_an_answer_that_is_an_error(self, server, the_gate):
        server.failure = errors.CommandFailed(
            program='stat', exit_code=1, stderr='Stale file handle',
            command='stat')
        with pytest.raises(errors.ShareUnavailable,
                           match='Stale file handle') as info:
            the_gate.check()
        assert not isinstance(info.value, errors.ShareTimeout)
        # It answers, so nothing hangs.
        server.failure = None
        the_gate.call('stat', server.call)
        assert server.asked == 1
