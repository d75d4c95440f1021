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

"""What servers of the run's own have in common: ports that may be taken."""

import contextlib
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import ports

ADDRESS = '127.0.0.1'

# Seconds from SIGTERM to SIGKILL: what it knows, it writes down before.
STOP_LIMIT = 120

# Ports are chosen before they are used: somebody may be faster.
_ATTEMPTS = 3

_TICK = 0.05


class Server:
    """A server in a folder, on free ports that it keeps over a restart.

    A subclass has ``_children()``, ``_forget()`` and ``_try_to_start()``.

    :param folder: absolute path, made by the subclass when missing
    :cvar title: what it is, for messages
    :cvar taken: how its log says that a port was taken
    :cvar port_names: of the ports that it needs
    :cvar start_limit: seconds
    """

    title = None
    taken = None
    port_names = ()
    start_limit = None

    def __init__(self, folder):
        self.folder = str(folder)
        self._ports = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def start(self, limit=None):
        """Start, and wait until it is ready.

        :param limit: seconds
        :raises NotInstalled: when it is not there
        :raises NotReady, Timeout: and stops what runs
        """
        deadline = time.monotonic() + (limit or self.start_limit)
        for attempt in range(_ATTEMPTS):
            self._ports = self._ports or self._free_ports()
            try:
                self._try_to_start(deadline)
                return
            except errors.NotReady as exc:
                self.kill()
                if self.taken not in exc.log or attempt == _ATTEMPTS - 1:
                    raise
                self._ports = None
            except BaseException:
                self.kill()
                raise

    def stop(self, limit=STOP_LIMIT):
        """SIGTERM, and SIGKILL after ``limit`` seconds."""
        for child in self._children():
            child.stop(limit)
        self._forget()

    def kill(self):
        """SIGKILL."""
        for child in self._children():
            child.kill()
        self._forget()

    def log(self, lines=40):
        """The last lines of its log, since the last start."""
        children = self._children()
        return children[0].tail(lines) if children else ''

    def check(self):
        """:raises NotReady: when a process has ended."""
        for child in self._children():
            child.check()

    def _children(self):
        """Its processes as process.Child, the one with the log first."""
        raise NotImplementedError()

    def _forget(self):
        """They have ended."""
        raise NotImplementedError()

    def _try_to_start(self, deadline):
        """Start it on ``_ports``, and wait."""
        raise NotImplementedError()

    def _wait_for(self, port, is_ready, deadline):
        while not is_ready(port):
            self.check()
            if time.monotonic() > deadline:
                raise errors.Timeout('%s in %s did not come up.'
                                     % (self.title, self.folder), self.log())
            time.sleep(_TICK)

    def _free_ports(self):
        """Ports by name, all chosen before the first is let go."""
        with contextlib.ExitStack() as stack:
            return {name: stack.enter_context(contextlib.closing(
                ports.listen())).getsockname()[1]
                for name in self.port_names}
