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

"""The process that starts children for the service."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from remotefs_drivers.embedded import keeper
from remotefs_drivers import errors
from remotefs_drivers.qemu import children
from remotefs_drivers.qemu import command
from tests.harness import family

#: Seconds: far more than any of these programs should take.
LONG = 300
_THREADS = 16

#: A service whose child sleeps; prints the starter's process id first.
_SERVICE = '''
import threading
from remotefs_drivers.qemu import children, command
command.get_ready()
print(children._ours.starter.pid, flush=True)
threading.Thread(target=command.run, args=(['sleep', %r],)).start()
'''
#: One of green threads, which waits for many children in a folder that go on
#: once all of them are there. Prints what became of one whose starter was
#: killed, and of the next, and the longest pause of the event loop.
_GREEN = '''
import eventlet
eventlet.monkey_patch()
import json, os, signal, sys, time
from eventlet import greenpool
from remotefs_drivers import errors
from remotefs_drivers.qemu import children, command
pauses = []
def tick():
    while True:
        began = time.monotonic()
        time.sleep(0.01)
        pauses.append(time.monotonic() - began)
folder, fifo = sys.argv[1], sys.argv[2]
os.mkfifo(fifo)
def let_go():
    while len(os.listdir(folder)) < 32:
        time.sleep(0.01)
    os.open(fifo, os.O_RDWR)
command.get_ready()
eventlet.spawn(tick)
eventlet.spawn(let_go)
pool = greenpool.GreenPool(32)
list(pool.imap(lambda number: command.run(
    ['sh', '-c', ': > "$0"; : < "$1"', '%%s/%%d' %% (folder, number), fifo],
    timeout=%(long)d), range(32)))
try:
    command.run(['sleep', '%(long)d'], timeout=0.3)
except errors.CommandTimeout:
    pass
eventlet.spawn_after(0.5, os.kill, children._ours.starter.pid,
                     signal.SIGKILL)
try:
    command.run(['sleep', '%(long)d'])
except errors.CommandFailed as error:
    lost = str(error)
out, __ = command.run(['echo', 'on'])
print(json.dumps([max(pauses), lost, out]))
''' % {'long': LONG}


def starter_pid():
    command.get_ready()
    return children._ours.starter.pid


def wait_until(is_so):
    deadline = time.monotonic() + LONG
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(word):
    """The process ids of programs with a word in their command."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir('/proc')))
            if word.encode() in family.command_of(pid).split(b'\0')]


def started(code, *args):
    """Python as a process of its own, whose output can be read."""
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', code, *args],
        stdout=subprocess.PIPE, cwd=keeper.REPOSITORY)


@pytest.fixture
def late(request):
    """Seconds to sleep, for this test only, so that it can be found."""
    seconds = '%d.%d' % (LONG, abs(hash(request.node.nodeid)) % 10**9 + 1)
    yield seconds
    for pid in running(seconds):
        os.kill(pid, signal.SIGKILL)


def run_soon(*args, **kwargs):
    """Run a command in a thread. Returns a Future."""
    future = concurrent.futures.Future()

    def work():
        try:
            future.set_result(command.run(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
    threading.Thread(target=work, daemon=True).start()
    return future


class TestAProgram:
    def test_has_nothing_of_the_starters(self, tmp_path):
        """No descriptors, and no signal is ignored."""
        with open(tmp_path / 'file', 'w'):
            out, __ = command.run(['ls', '-l', '/proc/self/fd'])
        files = [line.split()[-3:] for line in out.splitlines()[1:]]
        # The last one is the folder that it lists.
        assert [name for name, *__ in files] == ['0', '1', '2', '3']
        assert files[0][-1] == '/dev/null'
        assert files[3][-1].startswith('/proc/')
        out, __ = command.run(['grep', '^Sig[BI]', '/proc/self/status'])
        # But for two of the C library's own, which nobody else may use.
        assert [int(line.split()[1], 16) & 0x7fffffff
                for line in out.splitlines()] == [0, 0]

    def test_is_in_a_session_of_its_own(self):
        out, __ = command.run(['sh', '-c', 'ps -o pid=,sid=,ppid= -p $$'])
        pid, session, parent = map(int, out.split())
        assert pid == session
        assert parent == starter_pid() != os.getpid()

    def test_gets_any_bytes(self):
        word = bytes(set(range(1, 256)) - {ord('\n')})
        out, __ = command.run(['sh', '-c', 'printf %s "$1" | od -An -v -tx1',
                               'sh', os.fsdecode(word)])
        assert bytes.fromhex(out) == word

    def test_gets_the_environment(self, monkeypatch):
        """Of now, and not of when the starter was begun."""
        monkeypatch.setitem(os.environ, 'ODD', os.fsdecode(b'\xff\xfe'))
        out, __ = command.run(['sh', '-c', 'printf %s "$ODD" | od -An -tx1;'
                               'echo $LC_ALL'])
        assert out == ' ff fe\nC\n'

    def test_gets_an_environment_of_any_size(self, monkeypatch):
        """Larger than the kernel lets go over a socket at once."""
        for number in range(10):
            monkeypatch.setenv('LARGE_%d' % number, 'x' * 60000)
        out, __ = command.run(['env'])
        assert len(out) > 600000

    def test_is_found_by_the_path(self, monkeypatch, tmp_path):
        program = tmp_path / 'program'
        program.write_text('#!/bin/sh\necho found\n')
        first = tmp_path / 'first'
        first.mkdir()
        monkeypatch.setenv('PATH', '%s:%s:%s' % (first, tmp_path,
                                                 os.environ['PATH']))
        # The first one cannot be executed.
        (first / 'program').touch()
        with pytest.raises(errors.CommandFailed, match='Permission denied'):
            command.run([str(program)])
        program.chmod(0o755)
        assert command.run(['program']) == ('found\n', '')

    @pytest.mark.parametrize('argv, words', [
        (['no-such-program'], 'cannot start.*No such file'),
        (['/'], 'cannot start.*Permission denied'),
        (['/etc/passwd'], 'cannot start.*Permission denied'),
        (['echo', 'a\0b'], 'cannot start.*null'),
        (['echo', 'x' * (1 << 20)], 'cannot start.*too long'),
    ])
    def test_cannot_start(self, argv, words):
        before = starter_pid()
        with pytest.raises(errors.CommandFailed, match=words):
            command.run(argv)
        assert starter_pid() == before

    def test_has_its_memory_limit_from_the_beginning(self):
        limited = ['sh', '-c', 'ulimit -v']
        out, __ = command.run(limited, memory_limit=1 << 30)
        assert int(out) == 1 << 20
        # And the next one does not.
        assert command.run(limited)[0] == 'unlimited\n'

    def test_writes_a_lot(self):
        """More than is kept, on both outputs at once."""
        out, err = command.run(['sh', '-c', 'yes | head -c 20000000 & '
                                'yes | head -c 20000000 >&2; wait'])
        assert len(out) == len(err) == command.OUTPUT_LIMIT


def test_many_at_once():
    """Each gets its own."""
    def work(number):
        text = str(number) * 5000
        code = number % 7
        out, err = command.run(
            ['sh', '-c', 'echo $1; sleep 0.$3; echo $1 >&2; exit $2', 'sh',
             text, str(code), str(number % 4)], ok=[code])
        assert out == err == text + '\n'
        return number
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        assert sorted(pool.map(work, range(64, 320))) == list(range(64, 320))


def test_no_descriptor_is_left(tmp_path):
    def count():
        return [len(os.listdir('/proc/%d/fd' % pid))
                for pid in (os.getpid(), starter_pid())]
    command.run(['true'])
    before = count()
    for __ in range(200):
        command.run(['true'])
    for __ in range(20):
        with pytest.raises(errors.CommandFailed):
            command.run(['no-such-program'])
        with pytest.raises(errors.CommandTimeout):
            command.run(['sleep', str(LONG)], timeout=0.02)
    wait_until(lambda: count() == before)
    # None is left for somebody else to wait for.
    wait_until(lambda: family.offspring(starter_pid()) == [])


class TestItDies:
    def test_between_two_programs(self):
        first = starter_pid()
        os.kill(first, signal.SIGKILL)
        assert command.run(['echo', 'on']) == ('on\n', '')
        assert starter_pid() != first
        wait_until(lambda: family.is_gone(first))

    def test_while_many_ask(self, tmp_path):
        """What fails has failed, and nothing is done twice."""
        def work(number):
            try:
                command.run(['sh', '-c', 'echo %d >> %s' % (
                    number, tmp_path / 'done')])
                return True
            except errors.CommandFailed as error:
                assert 'starts others has died' in str(error)
                return False
        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            futures = [pool.submit(work, number) for number in range(600)]
            for kills in range(3):
                os.kill(starter_pid(), signal.SIGKILL)
                time.sleep(0.3)
        done = (tmp_path / 'done').read_text().split()
        assert len(done) == len(set(done))
        failed = [number for number, future in enumerate(futures)
                  if not future.result()]
        assert len(failed) <= (kills + 1) * _THREADS
        assert set(map(int, done)) | set(failed) == set(range(600))

    def test_while_a_program_runs(self, late):
        """That is killed, for who began it takes it for failed."""
        future = run_soon(['sh', '-c', 'sleep %s; true' % late])
        wait_until(lambda: running(late))
        began = time.monotonic()
        os.kill(starter_pid(), signal.SIGKILL)
        with pytest.raises(errors.CommandFailed,
                           match='its end is not known.*starts others'):
            future.result(LONG)
        assert time.monotonic() - began < LONG / 2
        wait_until(lambda: not running(late))
        assert command.run(['echo', 'on']) == ('on\n', '')

    def test_not_by_what_a_service_is_stopped_with(self):
        """As systemd sends it to all processes of a service."""
        pid = starter_pid()
        # It was begun at that time.
        command.run(['true'])
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            os.kill(pid, number)
        assert command.run(['echo', 'on']) == ('on\n', '')
        assert starter_pid() == pid


class TestItIsStopped:
    @pytest.fixture
    def stopped(self):
        command.run(['true'])
        pid = starter_pid()
        os.kill(pid, signal.SIGSTOP)
        yield pid
        os.kill(pid, signal.SIGCONT)
        assert command.run(['echo', 'on']) == ('on\n', '')
        assert starter_pid() == pid

    def test_a_limit_is_kept(self, stopped, late):
        """And what was given up is not begun later."""
        with pytest.raises(errors.CommandTimeout):
            command.run(['sleep', late], timeout=0.2)
        os.kill(stopped, signal.SIGCONT)
        command.run(['true'])
        assert not running(late)

    def test_more_than_fits_into_the_socket(self, stopped, tmp_path,
                                            monkeypatch):
        """Nor is that lost which waits for its turn."""
        starter = children._ours.starter
        starter._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        send, is_full = starter.send, threading.Event()

        def watched(message, descriptors=(), wait=None):
            def wait_for_room():
                is_full.set()
                wait()
            send(message, descriptors, wait and wait_for_room)
        monkeypatch.setattr(starter, 'send', watched)
        futures = [run_soon(['touch', str(tmp_path / str(number))])
                   for number in range(64)]
        assert is_full.wait(LONG)
        assert not os.listdir(tmp_path)
        os.kill(stopped, signal.SIGCONT)
        for future in futures:
            future.result(LONG)
        assert len(os.listdir(tmp_path)) == 64


class TestTheService:
    @pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
    def test_dies(self, number, late):
        """The starter goes, and the program goes on, as it always did."""
        with started(_SERVICE % late) as service:
            starter = int(service.stdout.readline())
            wait_until(lambda: running(late))
            # For who looks at ps.
            assert b'starter.py\0%d\0' % service.pid in family.command_of(
                starter)
            service.send_signal(number)
        assert service.returncode == -number
        wait_until(lambda: family.is_gone(starter))
        time.sleep(0.5)
        assert running(late)

    def test_dies_with_its_group(self, late):
        with subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', _SERVICE % late],
                stdout=subprocess.PIPE, cwd=keeper.REPOSITORY,
                start_new_session=True) as service:
            starter = int(service.stdout.readline())
            wait_until(lambda: running(late))
            os.killpg(service.pid, signal.SIGKILL)
        wait_until(lambda: family.is_gone(starter))
        assert running(late)

    def test_forks(self):
        """Each process has a starter of its own, which ends with it."""
        first = starter_pid()
        ours, theirs = os.pipe()
        end, ending = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(ending)
                assert command.run(['echo', 'on']) == ('on\n', '')
                assert starter_pid() != first
                os.write(theirs, b'%d' % starter_pid())
                os.read(end, 1)
                code = 0
            finally:
                os._exit(code)
        os.close(theirs)
        second = int(os.read(ours, 64))
        # The first one's end is in no other process.
        assert command.run(['echo', 'on']) == ('on\n', '')
        children._ours.forget(children._ours.starter)
        wait_until(lambda: family.is_gone(first))
        assert not family.is_gone(second)
        os.close(ending)
        assert os.waitpid(pid, 0)[1] == 0
        wait_until(lambda: family.is_gone(second))
        os.close(ours)
        os.close(end)
        assert starter_pid() not in (first, second)

    def test_has_an_event_loop(self, tmp_path):
        (tmp_path / 'there').mkdir()
        with started(_GREEN, str(tmp_path / 'there'),
                     str(tmp_path / 'fifo')) as service:
            out = service.stdout.read()
        assert service.returncode == 0
        pause, lost, text = json.loads(out)
        assert pause < LONG / 10
        assert 'its end is not known' in lost
        assert text == 'on\n'
