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

"""QMP, QEMU's control socket, for plain threads.

https://qemu.readthedocs.io/en/latest/interop/qemu-qmp-ref.html has the
commands. PyPI's qemu.qmp speaks it by asyncio; its event loop runs in a
thread that lives as long as the process behind the socket.
"""

import asyncio
import concurrent.futures

from qemu import qmp

from remotefs_drivers.embedded import errors

# Seconds for one command; those that copy data are jobs, which are polled.
LIMIT = 300

# Seconds that the loop has to notice that a command took too long.
_GRACE = 5


class Monitor:
    """:param name: for messages
    :param connected: a connected socket, which is closed with the monitor
    """

    def __init__(self, name, connected):
        self._name = name
        self._socket = connected
        self._loop = asyncio.new_event_loop()
        self._client = qmp.QMPClient(name)

    def open(self, limit=LIMIT):
        """Say hello; in the thread that calls :meth:`run` next.

        :raises GuestFailed: when the other side does not, within ``limit``
        """
        try:
            self._loop.run_until_complete(asyncio.wait_for(
                self._client.connect(self._socket), limit))
        except (qmp.QMPError, OSError, EOFError,
                asyncio.TimeoutError) as exc:
            raise errors.GuestFailed('%s does not speak QMP: %r.'
                                     % (self._name, exc))

    def run(self):
        """Serve :meth:`execute` until :meth:`stop`."""
        self._loop.run_forever()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self):
        """After :meth:`run`, in its thread."""
        try:
            self._loop.run_until_complete(self._client.disconnect())
        except (qmp.QMPError, OSError, EOFError):
            # It was cut off, which is one way to end.
            pass
        self._socket.close()
        self._loop.close()

    def execute(self, command, limit=LIMIT, **arguments):
        """Run a command, from any thread.

        :param arguments: as QMP's, with ``_`` for ``-``
        :returns: what it returns
        :raises GuestFailed: when QEMU refuses, or is gone
        :raises Timeout: when it says nothing within ``limit`` seconds
        """
        named = {name.replace('_', '-'): value
                 for name, value in arguments.items()}
        try:
            return self._submit(command, named, limit).result(limit + _GRACE)
        except (asyncio.TimeoutError, concurrent.futures.TimeoutError):
            raise errors.Timeout('%s did not answer %s within %d seconds.'
                                 % (self._name, command, limit))
        except qmp.ExecuteError as exc:
            raise errors.GuestFailed('%s refused %s %s: %s' % (
                self._name, command, named, exc))
        except (qmp.QMPError, OSError, EOFError, RuntimeError,
                concurrent.futures.CancelledError) as exc:
            raise errors.GuestFailed('%s went away during %s: %r' % (
                self._name, command, exc))

    def _submit(self, command, named, limit):
        if self._loop.is_closed():
            raise EOFError('it has ended')
        waiting = asyncio.wait_for(self._client.execute(command, named),
                                   limit)
        return asyncio.run_coroutine_threadsafe(waiting, self._loop)
