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

"""A qemu-storage-daemon: QEMU's block layer without a machine around it.

It is told what to do by a pair of sockets of which it inherits one end, and
listens for NBD clients on a socket that it inherits: nothing has to be waited
for, and nobody else can tell it anything. The NBD socket lies in the guest's
folder, whose rights are its guard.
"""

import contextlib
import os
import socket
import threading

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import nbd
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import process

_PROGRAM = 'qemu-storage-daemon'
_BACKLOG = 16

# Seconds from a polite "quit" to SIGKILL.
_STOP_LIMIT = 120


class Daemon:
    """:param folder: absolute path, made when missing; has log and socket
    :param name: for messages and the log's name
    """

    def __init__(self, folder, name):
        self.name = name
        self.folder = folder
        self.socket = os.path.join(folder, name + '.nbd')
        self._child = None
        self._monitor = None
        self._thread = None

    @property
    def alive(self):
        return self._child is not None and self._child.alive

    @property
    def pid(self):
        return self._child.pid if self._child else None

    def start(self):
        """:raises NotInstalled, GuestFailed: and nothing runs"""
        installed.require('qemu.qmp')
        installed.program(_PROGRAM, 'qemu-system-common or qemu-utils')
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        failure = []
        ready = threading.Event()
        # The kernel ends a child with the thread that started it: this one
        # has nothing else to do than to be there.
        self._thread = threading.Thread(
            target=self._live, args=(ready, failure), daemon=True,
            name='guest ' + self.name)
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            raise failure[0]

    def execute(self, command, **arguments):
        """See :meth:`monitor.Monitor.execute`."""
        if self._monitor is None:
            raise errors.GuestFailed('%s does not run.' % self.name)
        try:
            return self._monitor.execute(command, **arguments)
        except errors.GuestFailed as exc:
            if self.alive:
                raise
            raise errors.GuestFailed(exc.message, self._child.tail())

    def stop(self):
        """Have it close its files and end; everything is flushed.

        :raises GuestFailed: when it had to be killed, or had crashed
        """
        if self._monitor is None:
            return
        try:
            # It may end before it has answered.
            with contextlib.suppress(errors.GuestFailed):
                self._monitor.execute('quit', limit=_STOP_LIMIT)
            code = self._child.stop(_STOP_LIMIT)
        finally:
            self._bury()
        if code != 0:
            raise errors.GuestFailed('%s ended with code %s.'
                                     % (self.name, code), self._child.tail())

    def kill(self):
        """SIGKILL: what is only in its memory is lost."""
        if self._child:
            self._child.kill()
        self._bury()

    def _bury(self):
        monitor, self._monitor = self._monitor, None
        if monitor:
            monitor.stop()
            self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def _live(self, ready, failure):
        """The life of one process, in a thread of its own."""
        from remotefs_drivers.embedded.hypervisor import monitor
        try:
            running = monitor.Monitor(self.name, self._launch())
            try:
                running.open()
            except BaseException:
                self._child.kill()
                running.close()
                raise
        except BaseException as exc:
            failure.append(self._explained(exc))
            ready.set()
            return
        self._monitor = running
        ready.set()
        running.run()
        running.close()

    def _explained(self, exc):
        if isinstance(exc, errors.GuestFailed):
            return errors.GuestFailed(exc.message, self._child.tail())
        return exc

    def _launch(self):
        """:returns: our end of its control socket"""
        ours, its = socket.socketpair()
        with contextlib.closing(its), contextlib.closing(
                nbd.listen(self.socket, _BACKLOG)) as disk:
            self._child = process.Child(self.name, [
                _PROGRAM,
                '--chardev', 'socket,id=qmp,fd=%d' % its.fileno(),
                '--monitor', 'chardev=qmp',
                '--nbd-server', 'addr.type=fd,addr.str=%d' % disk.fileno(),
            ], os.path.join(self.folder, self.name + '.log'),
                sockets=[its, disk])
            try:
                self._child.start()
            except BaseException:
                ours.close()
                raise
        return ours
