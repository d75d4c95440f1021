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

"""The process behind ``storage``: it serves the mounts and the programs.

It answers requests on a socket, and takes all mounts down when its standard
input ends.
"""

import json
import logging
import os
import resource
import select
import socket
import socketserver
import struct
import sys
import threading
import time

from remotefs_drivers.embedded.gpfs import calls
from remotefs_drivers.embedded.gpfs import cluster as clusters
from remotefs_drivers.embedded.gpfs import commands
from remotefs_drivers.embedded.gpfs import faults
from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import mounting
from remotefs_drivers.embedded.gpfs import passing
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts

LOG = logging.getLogger(__name__)

_TICK = 0.01
# Seconds until a mount that was taken down is served no more.
_LIMIT = 120
_PEER = struct.Struct('=iII')


class Host:
    """A node of the cluster.

    :ivar point: where it has the file system mounted, or None
    """

    def __init__(self, name, cluster, device):
        self.name = name
        self._state = 'active'
        self.point = None
        self._cluster = cluster
        self._device = device
        self._connection = None
        self._files = None
        self._thread = None

    def mount(self, point):
        self.unmount()
        os.makedirs(point, exist_ok=True)
        self._files = passing.Files(self._cluster)
        self._connection = kernel.Connection(
            mounting.mount(self._device, point), self._files.requests)
        self._files.answer_by(self._connection.answer)
        self.point = point
        self.state = self._state
        self._thread = threading.Thread(target=self._connection.serve,
                                        daemon=True)
        self._thread.start()

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, state):
        self._state = state
        if self.point is not None:
            self._connection.is_stale = state == 'down'

    def silence(self, is_silent):
        """Let what touches the mount wait, or go on."""
        if is_silent:
            self._connection.answers.clear()
        else:
            self._connection.answers.set()

    def unmount(self):
        if self.point is None:
            return
        mounts.unmount(self.point)
        # Another namespace may hold the mount: it is served no more.
        self._connection.stop()
        self._thread.join(_LIMIT)
        self._connection.close()
        self._files.close()
        self.point = None

    def settle(self):
        """All that was closed before is closed for us now."""
        if (self.point is not None and not self._connection.is_stale and
                self._connection.answers.is_set()):
            os.statvfs(self.point)

    def locate(self, path):
        """The path beneath of one in the file system, else None."""
        path = os.path.normpath(path)
        if self.point is None or self._connection.is_stale:
            return None
        if not self._is_in(path):
            folder, name = os.path.split(path)
            path = os.path.join(os.path.realpath(folder), name)
        if not self._is_in(path):
            return None
        return os.path.normpath(os.path.join(
            self._cluster.root, os.path.relpath(path, self.point)))

    def _is_in(self, path):
        return os.path.commonpath([path, self.point]) == self.point


class Cluster:
    """What the requests do; the names of the methods are those of requests.

    :param folder: for files, see cluster.Cluster
    :param site: commands.Site
    """

    def __init__(self, folder, site):
        self._site = site
        self._cluster = clusters.Cluster(folder, site.pools,
                                         site.lingering)
        self._programs = commands.Programs(self._cluster, site)
        self._hosts = {}
        self._faults = faults.Faults()
        self._released = threading.Event()
        self._calls = []

    def mount(self, host, point):
        if host not in self._hosts:
            self._hosts[host] = Host(host, self._cluster, self._site.device)
        self._hosts[host].mount(os.path.realpath(point))

    def unmount(self, host):
        self._hosts[host].unmount()

    def state(self, host, state):
        self._hosts[host].state = state

    def silence(self, host, is_silent):
        self._hosts[host].silence(is_silent)

    def fault(self, **fields):
        self._released.clear()
        self._faults.add(faults.Fault(**fields))

    def release(self):
        """Nothing goes wrong any more, and what hangs ends."""
        self._faults.clear()
        self._released.set()

    def calls(self):
        calls, self._calls = self._calls, []
        return calls

    def alive(self):
        return True

    def run(self, host, cwd, argv, caller, is_gone):
        """:returns: (exit code, stdout, stderr)"""
        self._calls.append([host, *argv])
        fault = self._faults.next(argv)
        if not self._passed(time.monotonic() + fault.seconds, is_gone):
            return 1, '', ''
        if fault.hangs and fault.when == faults.BEFORE:
            return self._hang(is_gone)
        if fault.code and fault.when == faults.BEFORE:
            return fault.code, '', '%s: %s\n' % (argv[0], fault.text)
        done = self._run(self._hosts[host], cwd, argv, caller,
                         fault.when == faults.HALF)
        if fault.hangs:
            return self._hang(is_gone)
        if fault.code:
            return fault.code, '', '%s: %s\n' % (argv[0], fault.text)
        return done

    def end(self):
        for host in self._hosts.values():
            host.unmount()

    def _run(self, host, cwd, argv, caller, half):
        # Before anything is locked: it goes through the mounts.
        for each in self._hosts.values():
            each.settle()
        paths = {word: host.locate(os.path.join(cwd, word))
                 for word in argv[1:] if not word.startswith('-')}
        try:
            return 0, self._programs.run(argv, host, caller, paths,
                                         half), ''
        except calls.Refused as error:
            return error.code, '', '%s\n' % error
        except Exception as error:
            LOG.exception('%s failed', argv)
            return 255, '', 'emulator: %r\n' % error

    def _hang(self, is_gone):
        while not self._released.is_set() and not is_gone():
            time.sleep(_TICK)
        return 1, '', 'Interrupted\n'

    @staticmethod
    def _passed(deadline, is_gone):
        """Whether somebody is still waiting by then."""
        while time.monotonic() < deadline:
            time.sleep(_TICK)
            if is_gone():
                return False
        return True


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        words = self._received().split(b'\0')
        try:
            answer = self._answer(*words)
        except Exception as error:
            LOG.exception('%s failed', words)
            answer = 255, '', '%s: %s' % (type(error).__name__, error)
        try:
            self.request.sendall(b'\0'.join(
                str(part).encode('utf-8', 'surrogateescape')
                for part in answer))
        except OSError:
            # Whoever asked was killed.
            pass

    def _answer(self, kind, *words):
        cluster = self.server.cluster
        words = [word.decode('utf-8', 'surrogateescape') for word in words]
        if kind == b'run':
            host, cwd, *argv = words
            __, uid, gid = _PEER.unpack(self.request.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            return cluster.run(host, cwd, argv, (uid, gid), self._is_gone)
        function = getattr(cluster, kind.decode())
        return 0, json.dumps(function(**json.loads(words[0]))), ''

    def _received(self):
        data = b''
        while chunk := self.request.recv(1 << 16):
            data += chunk
        return data

    def _is_gone(self):
        """Whether the other end is closed for reading, too."""
        return bool(self._poll.poll(0))

    def setup(self):
        self._poll = select.poll()
        # It has sent all, so only an error or the end is news.
        self._poll.register(self.request, select.POLLERR | select.POLLHUP)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def main(folder, files, site):
    """:param folder: for the socket
    :param files: folder for what is in the file system
    :param site: fields of commands.Site, JSON
    """
    logging.basicConfig(level=logging.INFO)
    os.umask(0)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    fields = json.loads(site)
    cluster = Cluster(files, commands.Site(**{
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()}))
    # Not by its whole path: that may be longer than a socket's name can be.
    os.chdir(folder)
    server = _Server('socket', _Handler)
    server.cluster = cluster
    os.chmod('socket', 0o666)
    os.chdir('/')
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keeper.wait()
    # The threads of the server end with the process.
    cluster.end()


if __name__ == '__main__':
    main(*sys.argv[1:])
