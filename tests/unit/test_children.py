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

"""Both ends of the way to the process that starts children, without any."""

import errno
import json
import os
import resource
import socket

import pytest

from remotefs_drivers.qemu import children
from remotefs_drivers.qemu import starter
from tests import guard

ODD = os.fsdecode(b'\xff\xfe \xc3\xa4')
#: With an end of line in it, and what is no text in UTF-8.
ARGV = ['program', 'a b', 'two\nlines', '', 'ä', ODD]
ENVIRONMENT = {'PATH': '/bin', 'LINES': 'a\r\nb', ODD: ODD}


class Line:
    """Stands for children._Starter: sends to a starter in this process.

    :ivar failures: exceptions for the next messages
    """

    def __init__(self):
        self.owner = os.getpid()
        self.numbers = iter(range(10))
        self.failures = []
        self.sent = []
        self._ours, theirs = socket.socketpair(socket.AF_UNIX,
                                               socket.SOCK_SEQPACKET)
        self.starter = starter.Starter(theirs)
        self._theirs = theirs

    def send(self, message, descriptors=(), wait=None):
        self.sent.append(message)
        if self.failures:
            raise self.failures.pop(0)
        socket.send_fds(self._ours, [message], descriptors)

    def work(self):
        """Let the starter do what it was asked for next."""
        message, descriptors = self.starter._receive()
        self.starter._do(message.split(), descriptors)

    def lose(self):
        """It dies with what it was asked for."""
        __, descriptors = self.starter._receive()
        starter._close(*descriptors)

    def close(self):
        while self.starter._running:
            __, (__, slip, bell) = self.starter._running.popitem()
            starter._close(slip, bell)
        self._ours.close()
        self._theirs.close()


@pytest.fixture
def line():
    before = os.listdir('/proc/self/fd')
    made = Line()
    yield made
    made.close()
    assert os.listdir('/proc/self/fd') == before


@pytest.fixture
def spawned(monkeypatch):
    """The requests that came to the place where a program is started."""
    seen = []

    def spawn(request, out, err):
        seen.append(request)
        os.write(out, b'out')
        os.write(err, b'err')
        return 1234
    monkeypatch.setattr(starter, 'spawn', spawn)
    return seen


@pytest.fixture
def ask(line):
    asked = []

    def _ask(argv=ARGV, memory_limit=None):
        asked.append(children.Child(line, argv, ENVIRONMENT, memory_limit,
                                    lambda: None))
        return asked[-1]
    yield _ask
    for child in asked:
        child.close()


def reap(line, monkeypatch, status):
    """The program has ended with this status, as of waitpid."""
    ended = [(1234, status)]
    monkeypatch.setattr(os, 'waitpid', lambda *unused: (
        ended.pop() if ended else (0, 0)))
    line.starter._reap()


class TestTheWay:
    def test_a_program(self, line, ask, spawned, monkeypatch):
        child = ask(memory_limit=5)
        assert child.pid is None
        line.work()
        request, = spawned
        assert request['memory_limit'] == 5
        assert os.read(child.stdout, 9) == b'out'
        assert os.read(child.stderr, 9) == b'err'
        assert child.pid == 1234
        with pytest.raises(BlockingIOError):
            os.read(child.bell, 1)
        reap(line, monkeypatch, 3 << 8)
        assert os.read(child.bell, 1) == b''
        child.end()
        assert child.returncode == 3

    def test_any_bytes_arrive(self, line, ask, spawned):
        ask()
        line.work()
        request, = spawned
        assert [starter._bytes(word) for word in request['argv']] == [
            os.fsencode(word) for word in ARGV]
        assert {starter._bytes(name): starter._bytes(value) for name, value
                in request['env'].items()} == {
            os.fsencode(name): os.fsencode(value)
            for name, value in ENVIRONMENT.items()}

    def test_a_signal(self, line, ask, spawned, monkeypatch):
        child = ask()
        line.work()
        reap(line, monkeypatch, 9)
        child.end()
        assert child.returncode == -9

    @pytest.mark.parametrize('error, words', [
        (FileNotFoundError(2, 'No such file', 'x'), 'No such file.*\'x\''),
        (ValueError('embedded null byte'), 'null byte'),
        (OSError(5, 'two\nlines'), 'two.*lines'),
        (OSError(5, ODD), 'Errno 5'),
    ])
    def test_one_that_cannot_start(self, line, ask, monkeypatch, error,
                                   words):
        def spawn(*unused):
            raise error
        monkeypatch.setattr(starter, 'spawn', spawn)
        child = ask()
        line.work()
        assert os.read(child.bell, 1) == b''
        with pytest.raises(children.Refused, match=words) as found:
            child.end()
        assert not isinstance(found.value, children.NotBegun)
        assert child.pid is None

    def test_a_starter_that_dies_before(self, line, ask):
        child = ask()
        line.lose()
        assert os.read(child.bell, 1) == b''
        with pytest.raises(children.NotBegun):
            child.end()

    def test_a_starter_that_dies_meanwhile(self, line, ask, spawned):
        child = ask()
        line.work()
        __, (__, slip, bell) = line.starter._running.popitem()
        starter._close(slip, bell)
        with pytest.raises(children.Lost):
            child.end()

    def test_fewer_descriptors_than_there_should_be(self, line, ask, spawned):
        """As the kernel does where no more may be open."""
        child = ask()
        message, descriptors = line.starter._receive()
        starter._close(descriptors.pop())
        line.starter._do(message.split(), descriptors)
        with pytest.raises(children.NotBegun):
            child.end()
        assert not spawned

    def test_what_is_received_is_not_inherited(self, line, ask):
        ask()
        __, descriptors = line.starter._receive()
        assert len(descriptors) == 4
        assert not any(map(os.get_inheritable, descriptors))
        starter._close(*descriptors)


class TestKill:
    @pytest.fixture
    def killed(self, monkeypatch):
        seen = []
        monkeypatch.setattr(os, 'killpg', lambda *given: seen.append(given))
        monkeypatch.setattr(os, 'getsid', lambda pid: pid)
        return seen

    def test_by_the_starter(self, line, ask, spawned, killed):
        child = ask()
        line.work()
        child.kill()
        assert not killed
        line.work()
        assert killed == [(1234, 9)]

    def test_one_that_has_ended(self, line, ask, spawned, killed,
                                monkeypatch):
        """Its process id may be somebody else's."""
        child = ask()
        line.work()
        reap(line, monkeypatch, 0)
        child.kill()
        line.work()
        assert not killed

    def test_before_it_was_begun(self, line, ask, spawned, killed):
        child = ask()
        child.kill()
        for __ in range(2):
            line.work()
        assert not spawned and not killed
        assert os.read(child.bell, 1) == b''

    @pytest.mark.parametrize('error', [
        BrokenPipeError(), BlockingIOError(),
        OSError(errno.EBADF, 'closed meanwhile')])
    def test_without_a_starter(self, line, ask, spawned, killed, error):
        child = ask()
        line.work()
        line.failures.append(error)
        child.kill()
        assert killed == [(1234, 9)]

    def test_without_a_starter_before_it_was_begun(self, line, ask, killed):
        child = ask()
        line.failures.append(BrokenPipeError())
        child.kill()
        assert not killed
        line.lose()

    def test_by_a_starter_that_dies_first(self, line, ask, spawned, killed):
        """It took the message, and nobody reads it."""
        child = ask()
        line.work()
        child.kill()
        __, (__, slip, bell) = line.starter._running.popitem()
        starter._close(slip, bell)
        assert not killed
        child.kill_left()
        assert killed == [(1234, 9)]

    def test_what_is_left_of_one_that_has_ended(self, line, ask, spawned,
                                                killed, monkeypatch):
        child = ask()
        line.work()
        reap(line, monkeypatch, 0)
        child.kill_left()
        assert not killed

    def test_a_process_id_that_is_somebody_elses(
            self, line, ask, spawned, killed, monkeypatch):
        monkeypatch.setattr(os, 'getsid', lambda pid: pid + 1)
        child = ask()
        line.work()
        line.failures.append(BrokenPipeError())
        child.kill()
        assert not killed


class TestStart:
    @pytest.fixture
    def lines(self, monkeypatch):
        """The starters that there will be, one after the other."""
        made = [Line() for __ in range(3)]
        ours = children._Ours()
        monkeypatch.setattr(children, '_ours', ours)
        waiting = list(made)
        monkeypatch.setattr(ours, '_begin', lambda: waiting.pop(0))
        for one in made:
            monkeypatch.setattr(one, 'leave', one.close, raising=False)
            monkeypatch.setattr(one, 'reap', lambda: None, raising=False)
        # A unit test may start none, and none is.
        monkeypatch.setattr(children.sys, 'audit', lambda *unused: None)
        yield made
        for one in made:
            one.close()

    def start(self):
        children.start(ARGV, ENVIRONMENT).close()

    def test_a_dead_one_is_replaced(self, lines):
        lines[0].failures.append(BrokenPipeError())
        self.start()
        assert [len(one.sent) for one in lines] == [1, 1, 0]
        self.start()
        assert [len(one.sent) for one in lines] == [1, 2, 0]

    def test_not_for_ever(self, lines):
        for one in lines:
            one.failures.append(ConnectionResetError())
        with pytest.raises(children.Refused, match='died twice'):
            self.start()
        assert [len(one.sent) for one in lines] == [1, 1, 0]

    def test_what_is_no_death(self, lines):
        lines[0].failures.append(OSError(errno.EMFILE, 'too many'))
        with pytest.raises(children.Refused, match='too many'):
            self.start()
        self.start()
        assert [len(one.sent) for one in lines] == [2, 0, 0]

    def test_another_process(self, lines):
        """One that was forked in a way that Python does not know of."""
        self.start()
        lines[0].owner = 0
        self.start()
        assert [len(one.sent) for one in lines] == [1, 1, 0]

    def test_it_is_announced(self):
        """So a unit test that starts a child fails, as with other ways."""
        with pytest.raises(guard.ChildStarted, match=children.EVENT):
            with guard.no_children():
                self.start()

    def test_a_failure_of_python_itself(self, monkeypatch):
        def popen(*unused, **kwargs):
            assert kwargs['start_new_session'] and 'preexec_fn' not in kwargs
            raise FileNotFoundError(2, 'No such file')
        monkeypatch.setattr(children.subprocess, 'Popen', popen)
        before = os.listdir('/proc/self/fd')
        with pytest.raises(children.Refused, match='No such file'):
            children._Ours().get()
        assert os.listdir('/proc/self/fd') == before


class TestSend:
    @pytest.fixture
    def full(self, monkeypatch):
        """A _Starter whose socket has no room, and the other end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        made = children._Starter(None, ours)
        with ours, theirs:
            with pytest.raises(BlockingIOError):
                while True:
                    made.send(b'kill 0')
            yield made, theirs

    def test_it_waits(self, full):
        made, theirs = full
        waits = []

        def wait():
            waits.append(1)
            if len(waits) == 3:
                while len(waits) < 20:
                    waits.append(theirs.recv(64))
        made.send(b'start', wait=wait)
        assert len(waits) == 20

    def test_not_longer_than_is_wanted(self, full):
        made, __ = full

        def wait():
            raise KeyError('enough')
        with pytest.raises(KeyError):
            made.send(b'start', wait=wait)

    def test_nobody_is_there(self, full):
        made, theirs = full
        theirs.close()
        with pytest.raises(ConnectionError):
            made.send(b'start', wait=pytest.fail)


class TestSpawn:
    @pytest.fixture
    def found(self, tmp_path):
        """A PATH, of which the second and third folders have 'program'."""
        folders = [tmp_path / name for name in ('none', 'one', 'two')]
        for folder in folders:
            folder.mkdir()
        for folder in folders[1:]:
            (folder / 'program').touch()
        return folders

    def places(self, name, *path):
        return starter._places(name, {b'PATH': b':'.join(
            os.fsencode(folder) for folder in path)} if path else {})

    def test_where_a_program_may_be(self, found):
        assert self.places(b'program', *found) == [
            os.fsencode(folder / 'program') for folder in found[1:]]

    def test_where_none_is(self, found):
        assert self.places(b'nothing', *found) == []

    def test_a_path(self, found):
        """Which is not looked for, nor looked at."""
        assert self.places(b'./program', *found) == [b'./program']

    def test_without_a_path(self):
        assert self.places(b'sh')

    @pytest.mark.parametrize('hard, expected', [
        (resource.RLIM_INFINITY, 7), (20, 7), (5, 5)])
    def test_the_memory_limit(self, monkeypatch, hard, expected):
        """Never beyond what this process may have itself."""
        now = [(-1, hard)]
        monkeypatch.setattr(resource, 'getrlimit', lambda kind: now[-1])
        monkeypatch.setattr(resource, 'setrlimit',
                            lambda kind, limits: now.append(limits))
        with pytest.raises(KeyError):
            with starter._MemoryLimit(7):
                assert now[-1] == (expected, hard)
                raise KeyError()
        assert now[-1] == (-1, hard)

    def test_no_memory_limit(self):
        before = resource.getrlimit(resource.RLIMIT_AS)
        with starter._MemoryLimit(None):
            assert resource.getrlimit(resource.RLIMIT_AS) == before
        assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_request_is_one_line():
    """What comes below it are notes."""
    text = children._request(3, ARGV, ENVIRONMENT, None)
    assert len(text.splitlines()) == 1 and text.endswith(b'\n')
    assert json.loads(text)['number'] == 3
