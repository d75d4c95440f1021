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

"""Starts programs for a process that must not do so itself.

Usage: starter.py PID, with a socket as its standard input; the process id is
only for who looks at ``ps``. Not imported by anything: it runs as a script,
with nothing but the standard library. Its other end is ``children``.

It has no files but those of its requests, so that nothing holds it up, and
is a small process with one thread. It ends as soon as all other ends of its
socket are closed; the programs that it has started go on. The signals by
which a service is told to stop are not meant for it.

A message is one of::

    start           with four descriptors: slip, stdout, stderr, bell
    kill NUMBER     the process group of the program with this number

The slip is a file in memory that both sides have open, and append to. Its
first line is the request in JSON: ``number``, ``argv``, ``env`` (a table)
and ``memory_limit`` (of the address space, bytes, or null). JSON knows no
bytes, so the words are bytes read as Latin-1. The lines below it tell what
became of it::

    withdrawn       by who asked: it shall not begin any more
    taken           it may have begun
    pid NUMBER      it has
    exit CODE       it has ended; negative for a signal
    error MESSAGE   it cannot start

The bell is the writing end of a pipe. It is closed when there is nothing
more to come, by the kernel too when this process dies. So who asked is woken
up once for a program, and knows what was begun.
"""

import array
import errno
import json
import os
import resource
import select
import signal
import socket

_STDIN, _STDOUT, _STDERR = range(3)
#: Bytes of a message, and descriptors that come with it.
_LENGTH = 64
_DESCRIPTORS = 4
#: Ignored, the latter two by Python itself; no program is to inherit that.
_TO_STOP = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_IGNORED = (*_TO_STOP, signal.SIGPIPE, signal.SIGXFSZ)


class Starter:
    """Does what it is asked for by a socket."""

    def __init__(self, requests):
        self._requests = requests
        # Process id -> (number, slip, bell); only those not waited for yet,
        # whose process ids are still theirs.
        self._running = {}

    def serve(self):
        """Work until nobody can ask for anything any more."""
        ended = _tell_of_children()
        poll = select.poll()
        for descriptor in (self._requests.fileno(), ended):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, __ in poll.poll()}
            if ended in ready:
                os.read(ended, _LENGTH)
                self._reap()
            if self._requests.fileno() in ready:
                message, descriptors = self._receive()
                if not message:
                    return
                self._do(message.split(), descriptors)

    def _receive(self):
        descriptors = array.array('i')
        # Not socket.recv_fds, which forgets the flags.
        message, ancillary, *__ = self._requests.recvmsg(
            _LENGTH, socket.CMSG_LEN(_DESCRIPTORS * descriptors.itemsize),
            socket.MSG_CMSG_CLOEXEC)
        for __, __, data in ancillary:
            descriptors.frombytes(
                data[:len(data) - len(data) % descriptors.itemsize])
        return message, list(descriptors)

    def _do(self, words, descriptors):
        if words[0] == b'kill':
            self._kill(int(words[1]))
        elif len(descriptors) == _DESCRIPTORS:
            slip, out, err, bell = descriptors
            self._start(slip, out, err, bell)
            _close(out, err)
        else:
            # They were more than this process may have: it has not begun.
            _close(*descriptors)

    def _start(self, slip, out, err, bell):
        request, *notes = _lines(slip)
        if notes:
            # Withdrawn.
            _close(slip, bell)
            return
        _note(slip, 'taken')
        try:
            request = json.loads(request)
            pid = spawn(request, out, err)
        except Exception as error:
            # In one line.
            _note(slip, 'error %s' % ' '.join(str(error).split()))
            _close(slip, bell)
            return
        _note(slip, 'pid %d' % pid)
        self._running[pid] = request['number'], slip, bell

    def _kill(self, number):
        for pid, (each, *__) in self._running.items():
            if each == number:
                try:
                    os.killpg(pid, signal.SIGKILL)
                except OSError:
                    # It became somebody else's by set-user-id.
                    pass

    def _reap(self):
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            __, slip, bell = self._running.pop(pid)
            _note(slip, 'exit %d' % os.waitstatus_to_exitcode(status))
            _close(slip, bell)


def spawn(request, out, err):
    """Start the program of a request, in a session of its own.

    :param out, err: descriptors for its outputs
    :returns: its process id
    :raises OSError: when it cannot start
    """
    argv = [_bytes(word) for word in request['argv']]
    environment = {_bytes(name): _bytes(value)
                   for name, value in request['env'].items()}
    actions = [(os.POSIX_SPAWN_OPEN, _STDIN, os.devnull, os.O_RDONLY, 0),
               (os.POSIX_SPAWN_DUP2, out, _STDOUT),
               (os.POSIX_SPAWN_DUP2, err, _STDERR)]
    failure = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT),
                                os.fsdecode(argv[0]))
    with _MemoryLimit(request['memory_limit']):
        for path in _places(argv[0], environment):
            try:
                return os.posix_spawn(os.fsdecode(path), argv, environment,
                                      file_actions=actions, setsid=True,
                                      setsigdef=_IGNORED)
            except OSError as error:
                failure = error
    raise failure


def _places(name, environment):
    """Where a program may be, as the C library looks for it."""
    if b'/' in name:
        return [name]
    folders = environment.get(b'PATH', os.fsencode(os.defpath)).split(b':')
    paths = (os.path.join(folder, name) for folder in folders)
    return list(filter(os.path.exists, paths))


class _MemoryLimit:
    """What is started inside may have so much address space, in bytes.

    A process inherits the limit, and posix_spawn knows no other way to set
    it. It is this process's own meanwhile, which needs little; only the soft
    one, since the hard one could not be taken back.
    """

    def __init__(self, limit):
        self._limit = limit

    def __enter__(self):
        self._before = soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if self._limit is not None:
            most = (self._limit if hard == resource.RLIM_INFINITY
                    else min(self._limit, hard))
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))

    def __exit__(self, *unused):
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def _tell_of_children():
    """A descriptor from which can be read when a child has ended."""
    ended, end = os.pipe()
    os.set_blocking(ended, False)
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *unused: None)
    return ended


def _lines(slip):
    text = os.pread(slip, os.fstat(slip).st_size, 0)
    return text.splitlines()


def _note(slip, text):
    os.write(slip, text.encode('utf-8', 'backslashreplace') + b'\n')


def _bytes(word):
    return word.encode('latin-1')


def _close(*descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def main():
    for number in _TO_STOP:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=_STDIN) as requests:
        Starter(requests).serve()


if __name__ == '__main__':
    main()
