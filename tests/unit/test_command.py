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

"""The parts of a command that need no process; tests/functional runs some."""

import os
import time

import pytest

from remotefs_drivers import errors
from remotefs_drivers.qemu import children
from remotefs_drivers.qemu import command

ARGV = ['qemu-img', 'convert', 'a', 'b']


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets, in seconds."""
    class Clock:
        now = 1000.0
    monkeypatch.setattr(time, 'monotonic', lambda: Clock.now)
    return Clock


def watch(timeout=None, stall_timeout=None, aborted=None):
    return command._Watch(ARGV, timeout, stall_timeout, aborted)


class TestWatch:
    def test_without_limits(self, clock):
        made = watch()
        clock.now += 1e9
        made.check()

    @pytest.mark.parametrize('passed, over', [(0, False), (9.9, False),
                                              (10, True), (11, True)])
    def test_the_end(self, clock, passed, over):
        made = watch(timeout=10)
        clock.now += passed
        made.heard()
        if not over:
            made.check()
            return
        with pytest.raises(errors.CommandTimeout) as info:
            made.check()
        assert 'no end after 10 seconds' in str(info.value)
        assert 'qemu-img convert a b' in str(info.value)

    def test_progress(self, clock):
        made = watch(stall_timeout=10)
        for _ in range(5):
            clock.now += 9
            made.check()
            made.heard()
        clock.now += 10
        with pytest.raises(errors.CommandTimeout, match='no progress'):
            made.check()

    def test_on_request(self, clock):
        wishes = [False, True]
        made = watch(aborted=lambda: wishes.pop(0))
        made.check()
        with pytest.raises(errors.CommandAborted, match='qemu-img'):
            made.check()

    @pytest.mark.parametrize('timeout, passed, tick', [
        (None, 0, 0.5),
        (10, 0, 0.5),
        # Nearer to the end the next look is sooner.
        (10, 9.75, 0.25),
        # Never none at all, which would mean no limit, or a busy loop.
        (10, 10, 0.001),
        (10, 12, 0.001),
        (0.1, 0, 0.1),
    ])
    def test_tick(self, clock, timeout, passed, tick):
        made = watch(timeout=timeout)
        clock.now += passed
        assert made.tick() == pytest.approx(tick)


class TestDrain:
    @pytest.fixture
    def pipe(self):
        """(descriptor to read, function that writes, one that closes)."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        closed = []

        def close():
            if not closed:
                closed.append(os.close(write_end))
        yield read_end, lambda data: os.write(write_end, data), close
        close()
        os.close(read_end)

    def test_what_is_there(self, pipe):
        descriptor, write, close = pipe
        data = bytearray()
        write(b'one ')
        assert command._drain(descriptor, data, None)
        write(b'two')
        assert command._drain(descriptor, data, None)
        assert data == b'one two'

    def test_nothing_yet(self, pipe):
        assert command._drain(pipe[0], bytearray(), None)

    def test_the_end(self, pipe):
        pipe[2]()
        assert not command._drain(pipe[0], bytearray(), None)

    def test_what_is_too_much_is_thrown_away(self, pipe, monkeypatch):
        monkeypatch.setattr(command, 'OUTPUT_LIMIT', 5)
        descriptor, write, __ = pipe
        data = bytearray(b'abc')
        write(b'defgh')
        assert command._drain(descriptor, data, None)
        write(b'ij')
        assert command._drain(descriptor, data, None)
        assert data == b'abcde'

    @pytest.mark.parametrize('text, heard', [
        (b'    (0.00/100%)\r', [0.0]),
        (b'    (1.01/100%)\r    (42.50/100%)\r', [1.01, 42.5]),
        (b'    (100.00/100%)\r\n', [100.0]),
        (b'nothing of the kind', []),
    ])
    def test_progress(self, pipe, text, heard):
        descriptor, write, __ = pipe
        found = []
        write(text)
        command._drain(descriptor, bytearray(), found.append)
        assert found == heard


@pytest.mark.parametrize('code, stderr, words', [
    (1, 'no room\n', 'exit code 1: no room'),
    (1, '', 'exit code 1: no message'),
    (-9, '', 'of signal SIGKILL: no message'),
    # One that has no name.
    (-36, '', 'of signal 36: no message'),
])
def test_failed(code, stderr, words):
    assert words in str(command._failed(ARGV, code, stderr))


class Child:
    """Stands for children.Child: what is to be said of it at once.

    :param outcome: the exit code, or what Child.end raises
    """

    def __init__(self, outcome):
        self._outcome = outcome
        self.returncode = None
        self.was_killed = self.was_closed = False
        self._pipes = [os.pipe() for __ in range(3)]
        self.stdout, self.stderr, self.bell = (
            ours for ours, __ in self._pipes)
        for __, theirs in self._pipes:
            os.close(theirs)

    def end(self):
        if isinstance(self._outcome, Exception):
            raise self._outcome
        self.returncode = self._outcome

    def kill(self):
        self.was_killed = True

    def kill_left(self):
        assert self.was_killed

    def close(self):
        assert not self.was_closed
        self.was_closed = True
        for ours, __ in self._pipes:
            os.close(ours)


class TestRun:
    @pytest.fixture
    def play(self, monkeypatch):
        """Runs a command whose children end like that, one by one.

        Returns the environment of each, and the children.
        """
        def _play(*outcomes):
            made = [Child(outcome) for outcome in outcomes]
            waiting, environments = list(made), []

            def start(argv, environment, memory_limit, wait):
                assert (argv, memory_limit) == (ARGV, 7)
                environments.append(environment)
                return waiting.pop(0)
            monkeypatch.setattr(children, 'start', start)
            try:
                command.run(ARGV, memory_limit=7)
            finally:
                assert not waiting
                assert all(child.was_closed for child in made)
                # One that has ended is nobody's any more.
                assert [child.was_killed for child in made] == [
                    isinstance(outcome, children.Lost)
                    for outcome in outcomes]
            return environments
        return _play

    def test_it_speaks_english(self, play, monkeypatch):
        monkeypatch.setenv('LC_ALL', 'de_DE.UTF-8')
        monkeypatch.setenv('A', 'b')
        environment, = play(0)
        assert environment['LC_ALL'] == 'C' and environment['A'] == 'b'

    def test_one_that_cannot_start(self, play):
        with pytest.raises(errors.CommandFailed,
                           match='cannot start: No such file'):
            play(children.Refused('No such file'))

    def test_one_that_was_not_begun(self, play):
        """There is no harm in doing it again."""
        assert len(play(children.NotBegun(), 0)) == 2

    def test_one_that_is_not_begun_at_all(self, play):
        with pytest.raises(errors.CommandFailed, match='cannot start: why'):
            play(children.NotBegun('x'), children.NotBegun('why'))

    def test_one_whose_end_nobody_knows(self, play):
        """It may have done its work or not: it is not done again."""
        with pytest.raises(errors.CommandFailed, match='its end is not known'
                           '.*starter.*qemu-img convert a b'):
            play(children.Lost('the starter'))


def test_no_children_at_all(monkeypatch):
    def get_ready():
        raise children.Refused('why')
    monkeypatch.setattr(children, 'get_ready', get_ready)
    with pytest.raises(errors.CommandFailed, match='starter.py failed.*why'):
        command.get_ready()
