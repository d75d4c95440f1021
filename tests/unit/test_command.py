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
import resource
import time

import pytest

from remotefs_drivers import errors
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
        """(reading stream, function that writes, function that closes)."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        with os.fdopen(read_end, 'rb', 0) as stream:
            closed = []

            def close():
                if not closed:
                    closed.append(os.close(write_end))
            yield stream, lambda data: os.write(write_end, data), close
            close()

    def test_what_is_there(self, pipe):
        stream, write, close = pipe
        data = bytearray()
        write(b'one ')
        assert command._drain(stream, data, None)
        write(b'two')
        assert command._drain(stream, data, None)
        assert data == b'one two'

    def test_nothing_yet(self, pipe):
        assert command._drain(pipe[0], bytearray(), None)

    def test_the_end(self, pipe):
        pipe[2]()
        assert not command._drain(pipe[0], bytearray(), None)

    def test_what_is_too_much_is_thrown_away(self, pipe, monkeypatch):
        monkeypatch.setattr(command, 'OUTPUT_LIMIT', 5)
        stream, write, __ = pipe
        data = bytearray(b'abc')
        write(b'defgh')
        assert command._drain(stream, data, None)
        write(b'ij')
        assert command._drain(stream, data, None)
        assert data == b'abcde'

    @pytest.mark.parametrize('text, heard', [
        (b'    (0.00/100%)\r', [0.0]),
        (b'    (1.01/100%)\r    (42.50/100%)\r', [1.01, 42.5]),
        (b'    (100.00/100%)\r\n', [100.0]),
        (b'nothing of the kind', []),
    ])
    def test_progress(self, pipe, text, heard):
        stream, write, __ = pipe
        found = []
        write(text)
        command._drain(stream, bytearray(), found.append)
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


@pytest.mark.parametrize('error', [ProcessLookupError(), PermissionError()])
def test_a_memory_limit_that_cannot_be_set(monkeypatch, error):
    """Of a child that is gone, or is root's own."""
    def prlimit(pid, kind, limits):
        assert (kind, limits) == (resource.RLIMIT_AS, (7, 7))
        raise error
    monkeypatch.setattr(resource, 'prlimit', prlimit)
    command._limit_memory(os.getpid(), 7)


@pytest.mark.parametrize('argv', [['no-such-program'], ['/'],
                                  ['/etc/passwd']])
def test_a_program_that_cannot_start(argv, monkeypatch):
    def popen(*unused, **kwargs):
        assert kwargs['start_new_session'] and 'preexec_fn' not in kwargs
        assert kwargs['env']['LC_ALL'] == 'C'
        raise FileNotFoundError(2, 'No such file')
    monkeypatch.setattr(command.subprocess, 'Popen', popen)
    with pytest.raises(errors.CommandFailed, match='cannot start.*No such'):
        command.run(argv)
