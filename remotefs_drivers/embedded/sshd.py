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


"""An sshd of a box, on loopback, with keys and users of its own. Root only.

    server = sshd.Sshd(box, folder)
    server.start()
    ... server.port, server.login, server.key, server.known_hosts ...

Its user may do by sudo what ``permit`` says; nothing at first. Its hosts'
keys are in ``known_hosts``, as ssh_hosts_key_file wants them.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import process

# Seconds.
_LIMIT = 120
_TICK = 0.02

_PROGRAM = '/usr/sbin/sshd'

_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_{kind}
AuthorizedKeysFile /run/box/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""


class Sshd:
    """:param box: box.Box that it is in
    :param folder: absolute path for its keys and its log, made when missing
    :ivar key: path of the private key that lets its user in
    :ivar password: the same by password
    :ivar login: name of its user
    """

    #: Of the keys of its host; it begins with the first.
    kinds = ('ed25519', 'rsa', 'ecdsa')
    login = 'cinder-box'
    address = config.ADDRESS

    def __init__(self, box, folder):
        self.box = box
        self.folder = str(folder)
        self.port = None
        self.key = self._path('id_ed25519')
        self.password = "it's a secret; # x"
        self.known_hosts = self._path('known_hosts')
        self._kind = self.kinds[0]
        self._child = None

    def options(self):
        """Those of an appliance that is this box; name -> value."""
        return {'nas_host': self.address, 'nas_ssh_port': self.port,
                'nas_login': self.login, 'nas_private_key': self.key}

    def start(self):
        """:raises NotInstalled, NotReady: when that cannot be"""
        installed.program(_PROGRAM, 'openssh-server')
        if self.port is None:
            self._prepare()
        self._write_config()
        self._child = process.Child(
            'sshd', self.box.inside([_PROGRAM, '-D', '-e', '-f',
                                     self._path('sshd_config')]),
            self._path('sshd.log'))
        self._child.start()
        self._wait()

    def stop(self):
        """It, and all its sessions, as a restart of the box would."""
        if self._child is not None:
            sessions = self.sessions()
            self._child.kill()
            _signal(sessions, signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def sessions(self):
        """The ids of its processes that serve connections."""
        return [pid for pid in self.box.pids()
                if pid != self._child.pid and _name(pid) == 'sshd']

    def drop_sessions(self):
        """As when the network does: what they started goes on."""
        _signal(self.sessions(), signal.SIGKILL)

    @contextlib.contextmanager
    def silent(self):
        """It and its sessions say nothing during this block."""
        stopped = []
        try:
            self._fall_silent(stopped)
            yield
        finally:
            _signal(stopped, signal.SIGCONT)

    def change_host_key(self, kind='ed25519'):
        """Another key from now on; known_hosts is not told."""
        self._kind = kind
        os.unlink(self._path('host_%s' % kind))
        os.unlink(self._path('host_%s.pub' % kind))
        self._make_key('host_%s' % kind, kind)
        self.restart()

    def know(self):
        """Write the host's key into known_hosts, as the operator does."""
        with open(self._path('host_%s.pub' % self._kind)) as stream:
            kind, key = stream.read().split()[:2]
        with open(self.known_hosts, 'w') as stream:
            stream.write('[%s]:%d %s %s\n' % (self.address, self.port, kind,
                                              key))

    def permit(self, *commands):
        """What its user may run by sudo, as sudoers(5) has it."""
        self.box.write('/etc/sudoers.d/cinder-box', ''.join(
            '%s ALL=(root) NOPASSWD: %s\n' % (self.login, each)
            for each in commands), mode='0440')

    def let_in(self, *keys):
        """Public keys, as a text file has them, instead of all others."""
        texts = []
        for name in keys or (self.key + '.pub',):
            with open(name) as key:
                texts.append(key.read())
        # Its user may not be let into our folder.
        self.box.write('/run/box/authorized_keys', ''.join(texts))

    def make_key(self, name, kind):
        """:returns: the path of a private key that nobody knows"""
        self._make_key(name, kind)
        return self._path(name)

    def _prepare(self):
        os.makedirs(self.folder, exist_ok=True)
        with ports.listen() as server:
            self.port = server.getsockname()[1]
        for kind in self.kinds:
            self._make_key('host_%s' % kind, kind)
        self._make_key(os.path.basename(self.key), 'ed25519')
        self.let_in()
        self.know()
        self.box.run('useradd', '-M', '-s', '/bin/sh', '-d', '/nowhere',
                     '-K', 'MAIL_DIR=/nowhere', self.login)
        self.box.run('chpasswd', '-c', 'SHA256',
                     input='%s:%s\n' % (self.login, self.password))

    def _write_config(self):
        with open(self._path('sshd_config'), 'w') as stream:
            stream.write(_CONFIG.format(address=self.address, port=self.port,
                                        folder=self.folder, kind=self._kind))

    def _make_key(self, name, kind):
        subprocess.run(['ssh-keygen', '-q', '-t', kind, '-N', '', '-f',
                        self._path(name)], check=True, timeout=_LIMIT,
                       stdin=subprocess.DEVNULL)

    def _fall_silent(self, stopped):
        """SIGSTOP to all, and to those that they have begun until then."""
        while True:
            new = [pid for pid in (self._child.pid, *self.sessions())
                   if pid not in stopped]
            if not new:
                return
            _signal(new, signal.SIGSTOP)
            stopped += new

    def _wait(self):
        deadline = time.monotonic() + _LIMIT
        while not _answers(self.address, self.port):
            self._child.check()
            if time.monotonic() > deadline:
                raise errors.Timeout('sshd did not come up in %d s.' % _LIMIT,
                                     self._child.tail())
            time.sleep(_TICK)

    def _path(self, name):
        return os.path.join(self.folder, name)


def _answers(address, port):
    try:
        with socket.create_connection((address, port), _LIMIT) as connection:
            return connection.recv(4) == b'SSH-'
    except OSError:
        return False


def _name(pid):
    try:
        with open('/proc/%d/comm' % pid) as stream:
            return stream.read().strip()
    except OSError:
        return None


def _signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
