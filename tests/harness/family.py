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

"""A service that forks workers, and several services held as one."""

import os
import signal
import time

from remotefs_drivers.embedded import process

# Seconds that the kernel may take to end what was killed.
_LIMIT = 120

_TICK = 0.01


class Family(process.Child):
    """A child process and the workers that it forks.

    cinder-volume is a parent without work of its own, and one worker for
    each backend.
    """

    def kill(self, alone=False):
        """SIGKILL to the parent and all workers.

        :param alone: spare the commands that the workers have started, by
                      processes that end with them
        :returns: the exit code of the parent
        """
        workers = children(self.pid) if alone and self.alive else []
        code = super().kill(alone)
        for worker in workers:
            _kill(worker)
        _wait_until_gone(workers)
        return code


class Services:
    """The processes of one Cinder, held like one ``process.Child``.

    :param prepare: called before they are started
    """

    name = 'cinder'

    def __init__(self, prepare, children):
        self._prepare = prepare
        self._children = {child.name: child for child in children}
        self._killed = set()

    def __getitem__(self, name):
        return self._children[name]

    @property
    def pid(self):
        return self['cinder-volume'].pid

    @property
    def pids(self):
        return {name: child.pid for name, child in self._children.items()}

    @property
    def alive(self):
        return all(child.alive for child in self._children.values())

    def start(self):
        self._prepare()
        for name in self._children:
            self.start_one(name)

    def start_one(self, name):
        self._killed.discard(name)
        self[name].start()

    def kill_one(self, name, alone=False):
        """SIGKILL; from now on it is not missed."""
        self._killed.add(name)
        self[name].kill(alone)

    def terminate(self):
        for child in self._children.values():
            child.terminate()

    def stop(self, limit):
        """:returns: the exit code of cinder-volume"""
        self.terminate()
        codes = {name: child.stop(limit)
                 for name, child in self._children.items()}
        return codes['cinder-volume']

    def kill(self, alone=False):
        """:returns: the exit code of cinder-volume"""
        codes = {name: child.kill(alone)
                 for name, child in self._children.items()}
        return codes['cinder-volume']

    def tail(self, lines):
        return '\n'.join('--- %s\n%s' % (name, child.tail(lines))
                         for name, child in self._children.items())

    def check(self):
        """:raises NotReady: when one has ended that was not killed"""
        for name in set(self._children) - self._killed:
            self[name].check()


def command_of(pid):
    """The command line of a process, bytes; none when it is gone."""
    try:
        with open('/proc/%s/cmdline' % pid, 'rb') as stream:
            return stream.read()
    except OSError:
        return b''


def children(pid):
    """The process ids of a process's own children."""
    return [int(name) for name in os.listdir('/proc')
            if name.isdigit() and _parent(name) == pid]


def offspring(pid):
    """The process ids of a process's children, of theirs, and so on.

    A driver's commands are children of a process that starts them for it.
    """
    parents = {int(name): _parent(name) for name in os.listdir('/proc')
               if name.isdigit()}
    found = {pid}
    while more := {child for child, parent in parents.items()
                   if parent in found} - found:
        found |= more
    return sorted(found - {pid})


def _parent(pid):
    try:
        return int(_status(pid)[1])
    except OSError:
        return None


def _status(pid):
    """Its state, parent and so on: /proc/PID/stat from the third field."""
    with open('/proc/%s/stat' % pid, 'rb') as stream:
        # The name before it is in brackets, and may hold anything.
        return stream.read().rpartition(b') ')[2].split()


def is_gone(pid):
    """Whether a process has ended, though perhaps nobody has reaped it."""
    try:
        return _status(pid)[0] in (b'Z', b'X')
    except OSError:
        return True


def _wait_until_gone(pids):
    deadline = time.monotonic() + _LIMIT
    while not all(map(is_gone, pids)) and time.monotonic() < deadline:
        time.sleep(_TICK)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
