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

"""Child processes, started by a small process that has none of our files.

A child that is forked from the service has a copy of its table of files, and
closes them before it runs its program. To close a file of a FUSE mount waits
for the server, and one of NFS with unwritten data does so for ever: while a
call to a dead share hangs with an open file, no child could be started for
any other one, and Python, which waits for that, would hang with it. So
children are started by a process that was begun before any share was
touched; see ``starter``, which also tells what goes over the socket.

There is one for each process. It is begun by ``get_ready``, or else by the
first child. When it dies there is a new one; a process that was forked from
the service has one of its own.

Nothing here waits but by a function of the caller's, so that it is the same
under eventlet, with native threads and in a privsep daemon.
"""

import contextlib
import errno
import itertools
import json
import os
import signal
import socket
import subprocess
import sys

from oslo_log import log as logging

from remotefs_drivers import offload

LOG = logging.getLogger(__name__)

#: What Python's audit hooks are told of each child, with its arguments.
EVENT = 'remotefs_drivers.qemu.children.start'

#: What the process runs that starts children.
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       'starter.py')
#: Errors of a socket that has no room for a request now.
_FULL = (errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS)
#: Not eventlet's, which knows one native thread only. Nobody switches to
#: another green thread while he holds one of these.
_new_lock = offload.original('threading').Lock


class Refused(Exception):
    """The program cannot be started; the message says why."""


class NotBegun(Refused):
    """The program was not started, by an accident: try again."""


class Lost(Exception):
    """The starter has died, so that nobody knows how the program ends."""


def get_ready():
    """Start the process that starts children, unless it is there.

    :raises Refused: when it cannot be started
    """
    _ours.get()


def start(argv, environment, memory_limit=None, wait=lambda: None):
    """Start a program in a session of its own, without standard input.

    :param argv: the program and its arguments, strings
    :param environment: all of its variables, a mapping of strings
    :param memory_limit: of its address space, bytes
    :param wait: called again and again while the request cannot be handed
                 over; waits a little, and raises when it is enough
    :returns: a Child; whether it could start, that will tell
    :raises Refused: when there is nobody to start it
    """
    sys.audit(EVENT, argv)
    try:
        return _ask(_ours.get(), argv, environment, memory_limit, wait)
    except ConnectionError as error:
        LOG.warning('The process that starts others has died (%s), and is '
                    'started again', error)
    try:
        return _ask(_ours.get(), argv, environment, memory_limit, wait)
    except ConnectionError as error:
        raise Refused('the process that starts others has died twice: %s'
                      % error)


def _ask(starter, *request):
    """:raises ConnectionError: when this starter is dead"""
    try:
        return Child(starter, *request)
    except ConnectionError:
        _ours.forget(starter)
        raise
    except OSError as error:
        raise Refused(str(error))


class Child:
    """A program that was asked for.

    :ivar stdout, stderr: descriptors to read from, not blocking
    :ivar bell: a descriptor that can be read from when it is time to call
                ``end``
    :ivar returncode: None as long as its end is not known; negative for a
                      signal
    """

    def __init__(self, starter, argv, environment, memory_limit, wait):
        self.returncode = None
        self._starter = starter
        self._number = next(starter.numbers)
        self._ours = []
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._slip = self._keep(os.memfd_create('request'))
            self._length = _write(self._slip, _request(
                self._number, argv, environment, memory_limit))
            with contextlib.ExitStack() as handed_over:
                theirs = [self._slip]
                self.stdout, self.stderr, self.bell = (
                    self._pipe(theirs, handed_over) for __ in range(3))
                starter.send(b'start', theirs, wait)
            undo.pop_all()

    @property
    def pid(self):
        """Its process id, or None when it is not known to have begun."""
        return self._notes().get('pid')

    def end(self):
        """Take notice of its end, when the bell can be read from.

        :raises NotBegun, Refused: when it was not started
        :raises Lost: when it may run on, and nobody waits for it
        """
        notes = self._notes()
        if 'error' in notes:
            raise Refused(notes['error'])
        if 'taken' not in notes:
            raise NotBegun('the process that starts others has died')
        if 'exit' not in notes:
            raise Lost('the process that starts others has died meanwhile')
        self.returncode = notes['exit']

    def kill(self):
        """Kill its process group, unless it has ended.

        The starter does it, which knows whether the process id is still
        that of the child. Without a starter the child is nobody's, and keeps
        its process id until the system's first process has heard of its end.
        """
        _write(self._slip, b'withdrawn\n')
        try:
            self._starter.send(b'kill %d' % self._number)
        except OSError:
            self.kill_left()

    def kill_left(self):
        """Kill its process group, if no starter is there to do so.

        For when the bell can be read from: one that dies takes messages for
        a moment longer.
        """
        notes = self._notes()
        pid = notes.get('pid')
        if pid is None or 'exit' in notes:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)

    def close(self):
        """Close our ends of everything; the child goes on."""
        while self._ours:
            os.close(self._ours.pop())

    def _notes(self):
        """What the starter has noted: name -> number, or text."""
        size = os.fstat(self._slip).st_size - self._length
        lines = os.pread(self._slip, size, self._length).decode()
        found = {}
        for line in lines.splitlines():
            name, __, value = line.partition(' ')
            found[name] = int(value) if name in ('pid', 'exit') else value
        return found

    def _pipe(self, theirs, handed_over):
        """Our end of a new pipe, to read from."""
        ours, written = os.pipe()
        handed_over.callback(os.close, written)
        theirs.append(written)
        os.set_blocking(ours, False)
        return self._keep(ours)

    def _keep(self, descriptor):
        self._ours.append(descriptor)
        return descriptor


def _request(number, argv, environment, memory_limit):
    return json.dumps({
        'number': number, 'memory_limit': memory_limit,
        'argv': [_text(word) for word in argv],
        'env': {_text(name): _text(value)
                for name, value in environment.items()},
    }).encode() + b'\n'


def _text(word):
    """Any bytes, as JSON can carry them."""
    return os.fsencode(word).decode('latin-1')


def _write(descriptor, data):
    """Write all of it to a file in memory; returns its length."""
    done = 0
    while done < len(data):
        done += os.write(descriptor, data[done:])
    return done


class _Starter:
    """The process, and our end of its socket.

    :ivar owner: process id of who may ask it
    :ivar numbers: of programs, each for one of them
    """

    def __init__(self, popen, connection):
        self.owner = os.getpid()
        self.numbers = itertools.count()
        self._popen = popen
        self._socket = connection

    @classmethod
    def begin(cls):
        """:raises OSError: when that cannot be"""
        ours, theirs = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo, theirs:
            undo.callback(ours.close)
            ours.setblocking(False)
            # Isolated: whatever the service's environment says of Python.
            popen = subprocess.Popen(
                [sys.executable, '-I', '-S', PROGRAM, str(os.getpid())],
                stdin=theirs, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True)
            undo.pop_all()
        return cls(popen, ours)

    @property
    def pid(self):
        return self._popen.pid

    def send(self, message, descriptors=(), wait=None):
        """:param wait: as of start; without it there is one attempt
        :raises ConnectionError: when nobody is there any more
        """
        while True:
            try:
                socket.send_fds(self._socket, [message], descriptors)
                return
            except OSError as error:
                if wait is None or error.errno not in _FULL:
                    raise
            wait()

    def __del__(self):
        # Not before: another thread may be about to use the descriptor,
        # which would be somebody else's by then.
        self.leave()

    def leave(self):
        """Close our end; it ends by that, if nobody else has one."""
        self._socket.close()

    def reap(self):
        """Take notice of its end."""
        self._popen.poll()


class _Ours:
    """The starter of this process, begun when it is needed."""

    def __init__(self):
        self.starter = None
        self._lock = _new_lock()

    def get(self):
        """:raises Refused: when it cannot be started"""
        # Not a fork that Python knows of, perhaps.
        if self.starter is not None and self.starter.owner != os.getpid():
            self.after_fork()
        with self._lock:
            if self.starter is None:
                self.starter = self._begin()
            return self.starter

    def forget(self, starter):
        """This one is dead."""
        with self._lock:
            if self.starter is starter:
                self.starter = None
                starter.reap()

    def after_fork(self):
        """In the new process: the starter is the old one's.

        There are no other threads here.
        """
        self._lock = _new_lock()
        if self.starter is not None:
            self.starter.leave()
            self.starter = None

    def _begin(self):
        try:
            return _Starter.begin()
        except OSError as error:
            raise Refused('the process that starts others cannot be '
                          'started: %s' % error)


_ours = _Ours()
os.register_at_fork(after_in_child=_ours.after_fork)
