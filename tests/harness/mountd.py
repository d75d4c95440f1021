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

"""The process behind :mod:`user_mount`: it holds the mounts.

A mount of the kernel's outlives whoever called mount(8), cinder-volume for
example. Mounts here are FUSE processes, so they must be nobody's children
but this process's. It answers requests on a socket, a line of JSON each, and
takes everything down when its standard input ends.

A mount is a ``mergerfs`` of one branch, which passes all on to the folder
that plays the export. It keeps errors (ENOSPC, EEXIST), sparse files, locks
and sizes as they are, which sshfs does not; and it takes any name for its
source, so that mountinfo shows ``host:/export``, which bindfs does not.
Stopped (SIGSTOP) it is a server that has gone silent. One "by handles" is
served by this process itself, see handle_mount.
"""

import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import threading
import time

from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from tests.harness import handle_mount

# How an export answers to being mounted.
SERVE = 'serve'
HANG = 'hang'
FAIL = 'fail'

# Exit codes of mount(8).
FAILURE = 32
SYSTEM = 2

# Seconds until a FUSE process has mounted, or is stopped.
_LIMIT = 120

# Seconds until one that was unmounted ends by itself.
_END_LIMIT = 20

_TICK = 0.02


class Export:
    """A folder that plays an export, and how it does so."""

    def __init__(self, path, read_only=False, by_handles=False):
        self.path = path
        self.read_only = read_only
        self.by_handles = by_handles
        self.behaviour = SERVE
        self.text = ''


class Mount:
    """A mounted export: one FUSE process.

    :param share: as it was given to mount(8)
    """

    def __init__(self, share, export, target, read_only):
        self.share = share
        options = ['fsname=' + share, 'minfreespace=0',
                   'moveonenospc=false', 'cache.files=auto-full']
        if os.geteuid() == 0:
            options.append('allow_other')
        if read_only or export.read_only:
            options.append('ro')
        self._target = target
        self._popen = subprocess.Popen(
            [shutil.which('mergerfs') or 'mergerfs', '-f',
             '-o', ','.join(options), export.path, target],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def alive(self):
        return self._popen.poll() is None

    def wait(self):
        """:returns: '' when it is mounted, else what went wrong"""
        if mounts.wait_for(self._target, lambda: self.alive, _LIMIT):
            return ''
        self._popen.kill()
        return self._popen.communicate()[0].decode('utf-8', 'replace')

    def send(self, number):
        if self.alive:
            os.kill(self._popen.pid, number)
            if number == signal.SIGSTOP:
                _wait_stopped(self._popen.pid)

    def end(self):
        """After the unmount: the process ends by itself, or is killed."""
        try:
            self._popen.wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _wait_stopped(pid):
    """A thread may still answer a moment after the signal."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        states = [_state(pid, thread)
                  for thread in os.listdir('/proc/%d/task' % pid)]
        if all(state in 'Tt' for state in states):
            return
        time.sleep(0.01)


def _state(pid, thread):
    with open('/proc/%d/task/%s/stat' % (pid, thread)) as stat:
        return stat.read().rpartition(')')[2].split()[0]


class Host:
    """The exports and mounts of one ``user_mount.UserMount``."""

    def __init__(self):
        self._lock = threading.RLock()
        self._exports = {}
        # What stands before the folder's name -> whether by handles.
        self._trees = {}
        self._replacing = []
        self._mounts = {}
        self._calls = []

    def answer(self, request, is_gone):
        """Do what a request says, and return the answer to it.

        :param request: 'do' -> name of a method, and its arguments
        :param is_gone: function: whether nobody waits for the answer now
        """
        arguments = dict(request)
        name = arguments.pop('do')
        if name in ('mount', 'umount'):
            arguments['is_gone'] = is_gone
        return getattr(self, 'do_' + name)(**arguments)

    def do_export(self, share, path, read_only):
        with self._lock:
            self._exports[share] = Export(path, read_only)

    def do_export_below(self, address, folder, by_handles):
        with self._lock:
            self._trees['%s:%s/' % (address, folder)] = by_handles

    def _export(self, share):
        """Export of a share, or None where there is none."""
        with self._lock:
            export = self._exports.get(share)
            tree = next(filter(share.startswith, self._trees), None)
            if export is None and tree is not None:
                path = share.partition(':')[2]
                if os.path.isdir(path):
                    export = Export(path, by_handles=self._trees[tree])
            return export

    def do_behave(self, share, behaviour, text):
        export = self._exports[share] = self._export(share)
        export.text = text
        export.behaviour = behaviour

    def do_signal(self, share, number):
        with self._lock:
            for mount in self._alive().values():
                if mount.share == share:
                    mount.send(number)

    def do_replace_at(self, request):
        self._replacing.append(request)

    def do_replacing(self):
        return list(self._replacing)

    def do_calls(self):
        return list(self._calls)

    def do_mounted(self):
        with self._lock:
            return {target: mount.share
                    for target, mount in self._alive().items()}

    def do_mount(self, share, target, options, is_gone):
        """:returns: exit code and text of mount(8)"""
        self._calls.append(['mount', share, target, options])
        export = self._export(share)
        if export is None:
            return FAILURE, ('mount.nfs: access denied by server while '
                             'mounting %s' % share)
        while export.behaviour == HANG and not is_gone():
            time.sleep(_TICK)
        # The kernel gives up when mount(8) is killed.
        if is_gone():
            return FAILURE, ''
        if export.behaviour == FAIL:
            return FAILURE, 'mount.nfs: %s' % export.text
        with self._lock:
            return self._mount(share, export, _resolved(target), options)

    def do_umount(self, target, flags, is_gone):
        """:returns: exit code and text of umount(8); None: not ours"""
        target = _resolved(target)
        with self._lock:
            mount = self._alive().get(target)
        if mount is None:
            return None
        self._calls.append(['umount', mount.share, target, flags])
        # May hang, and only another request can help then.
        return _umount(target, flags, is_gone)

    def end(self):
        """Take everything down."""
        for target, mount in self._mounts.items():
            mount.send(signal.SIGCONT)
            mounts.unmount(target)
            mount.send(signal.SIGKILL)
            mount.end()

    def _mount(self, share, export, target, options):
        if target in mounts.points():
            return FAILURE, ('mount.nfs: %s is busy or already mounted'
                             % target)
        if export.by_handles:
            mount = handle_mount.Mount(share, export, target,
                                       self._replacing)
        else:
            mount = Mount(share, export, target, 'ro' in options.split(','))
        text = mount.wait()
        if text:
            return SYSTEM, text
        self._mounts[target] = mount
        return 0, ''

    def _alive(self):
        """What is mounted; others may have unmounted by system calls."""
        points = set(mounts.points())
        for target in [target for target in self._mounts
                       if target not in points]:
            self._mounts.pop(target).end()
        return self._mounts


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = json.loads(self.rfile.readline())
        answer = self.server.host.answer(request, self._is_gone)
        try:
            self.wfile.write(json.dumps(answer).encode() + b'\n')
        except BrokenPipeError:
            pass

    def _is_gone(self):
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) == b''
        except BlockingIOError:
            return False
        finally:
            self.connection.setblocking(True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def _resolved(target):
    """Without a look at the mount point itself, which may not answer."""
    folder, name = os.path.split(os.path.abspath(target))
    return os.path.join(os.path.realpath(folder), name)


def _umount(target, flags, is_gone):
    """Run the real program; it is killed when its caller is."""
    if os.geteuid() == 0:
        command = ['umount', *flags, target]
    else:
        lazy = ['-z'] if '-l' in flags else []
        command = ['fusermount3', '-u', *lazy, target]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            if is_gone():
                process.kill()
            time.sleep(_TICK)
        return process.returncode, process.stdout.read().decode(
            'utf-8', 'replace')


def main(folder, owner):
    # Not by its whole path: that may be longer than a socket's name can be.
    os.chdir(folder)
    host = Host()
    with _Server('socket', _Handler) as server:
        server.host = host
        os.chown('socket', int(owner), -1)
        os.chdir('/')
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keeper.wait()
        server.shutdown()
    host.end()


if __name__ == '__main__':
    main(*sys.argv[1:])
