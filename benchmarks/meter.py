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

"""The time of a call, what Cinder's database takes of it, and its children.

Cinder's volume objects and the database behind them are no part of either
driver, and with sqlite they are slower than all that our driver does. Their
time is measured inside of the call, so that both figures can be told: with
and without.

Children are counted by an audit hook, which costs something and cannot be
taken out again. So they are counted last, in calls that nobody times.
"""

import contextlib
import dataclasses
import inspect
import os
import sys
import threading
import time
from unittest import mock

from remotefs_drivers.qemu import children

#: One is reported for each child process. Not os.posix_spawn: subprocess,
#: by which the driver in Cinder's tree starts children, reports that one too.
#: Ours has a process that starts them, which is there before the first call.
_EVENTS = frozenset(['subprocess.Popen', 'os.fork', 'os.forkpty',
                     'os.system', children.EVENT])
#: The event, and the number of its argument with the command line.
_COMMANDS = {'subprocess.Popen': 1, children.EVENT: 0}
#: Programs that run another one in their place.
_WRAPPERS = frozenset(['oslo_concurrency.prlimit', 'env', 'sudo',
                       'cinder-rootwrap', 'nice', 'ionice'])


@dataclasses.dataclass(frozen=True)
class Sample:
    """One call, in milliseconds.

    :ivar total: from its beginning to its end
    :ivar database: of these, in Cinder's objects and database
    """

    total: float
    database: float

    @property
    def net(self):
        return self.total - self.database


@dataclasses.dataclass(frozen=True)
class Children:
    """The child processes of one call.

    :ivar started: how many there were
    :ivar programs: how many programs they ran: a wrapper that runs another
                    program in its place makes two of one child
    """

    started: int
    programs: int

    def each(self, calls):
        """The children of one call, where these are of so many."""
        return Children(self.started // calls, self.programs // calls)


class DatabaseClock:
    """Adds up the time that is spent in Cinder's objects.

    One for each process, used by one thread at a time.
    """

    _METHODS = ('create', 'save', 'destroy', 'refresh', 'obj_load_attr',
                'get_by_id', 'get_all_by_host')

    def __init__(self):
        self._spent = 0.0
        self._depth = 0

    def install(self, *classes):
        """Watch the methods of these classes that go to the database."""
        for cls in classes:
            for name in self._METHODS:
                if hasattr(cls, name):
                    setattr(cls, name, self._watched(cls, name))

    def time(self, function, *args):
        """Call a function. Returns its Sample."""
        self._spent = 0.0
        started = time.perf_counter()
        function(*args)
        total = time.perf_counter() - started
        return Sample(total * 1000, self._spent * 1000)

    def _watched(self, cls, name):
        method = getattr(cls, name)

        def watched(*args, **kwargs):
            with self._running():
                return method(*args, **kwargs)
        # A class method is bound already.
        return staticmethod(watched) if inspect.ismethod(method) else watched

    @contextlib.contextmanager
    def _running(self):
        """They call each other: only the outermost counts."""
        self._depth += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._spent += time.perf_counter() - started


def without_saving(cls):
    """A context in which objects of this class are not saved."""
    return mock.patch.object(cls, 'save', lambda volume: None)


class ChildCounter:
    """Counts the children of this process, from its creation on."""

    def __init__(self):
        self._lock = threading.Lock()
        self._commands = []
        sys.addaudithook(self._hear)

    def count(self, function, *args):
        """Call a function. Returns its Children."""
        del self._commands[:]
        function(*args)
        with self._lock:
            commands = list(self._commands)
        return Children(len(commands), sum(map(programs, commands)))

    def _hear(self, event, arguments):
        if event in _EVENTS:
            argv = (arguments[_COMMANDS[event]] if event in _COMMANDS
                    else ())
            with self._lock:
                self._commands.append(argv)


def programs(argv):
    """How many programs a command line runs, one in place of the other."""
    if isinstance(argv, (str, bytes)):
        return 1
    names = (os.path.basename(os.fspath(word)) for word in argv)
    return 1 + sum(name in _WRAPPERS for name in names)
