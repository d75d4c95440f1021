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

"""A real GlusterFS of the run's own: glusterd, bricks, volumes.

It lives in a network of its own (see network), with folders and sockets of
its own, so that one of the system's neither disturbs nor is disturbed. For
root.
"""

import contextlib
import os
import signal
import subprocess
import time
from xml.etree import ElementTree

from remotefs_drivers.embedded import errors

# Seconds for one command of gluster's, and for bricks to come up.
_LIMIT = 300
_TICK = 0.1

#: Options of a mount that shows at once what other hosts have done.
FRESH = ('attribute-timeout=0,entry-timeout=0,negative-timeout=0,'
         'direct-io-mode=enable,'
         'xlator-option=*-md-cache.pass-through=true')

_GLUSTERD = """\
volume management
    type mgmt/glusterd
    option working-directory {folder}/state
    option transport-type socket
    option transport.socket.bind-address {address}
    option transport.address-family {family}
    option transport.socket.listen-port 24007
    option run-directory {folder}/run
    option glusterd-sockfile {folder}/glusterd.socket
end-volume
"""


def clients(folder):
    """The process ids of what serves mounts at this folder or below it."""
    found = subprocess.run(['pgrep', '-f', 'glusterfs .*%s' % folder],
                           stdout=subprocess.PIPE, text=True)
    return [int(pid) for pid in found.stdout.split()]


class Gluster:
    """:param folder: absolute path, for its bricks too
    :ivar net: network.Network that it is in
    :param ipv6: whether it speaks that
    :ivar address: of all its servers
    """

    def __init__(self, folder, net, ipv6=False):
        self.folder = str(folder)
        self.net = net
        self.address = net.address_6 if ipv6 else net.address
        self._family = 'inet6' if ipv6 else 'inet'

    def start(self):
        """:raises NotInstalled, CloudError: when that cannot be"""
        for name in ('state', 'run', 'log'):
            os.makedirs(self._path(name), exist_ok=True)
        with open(self._path('glusterd.vol'), 'w') as stream:
            stream.write(_GLUSTERD.format(folder=self.folder,
                                          address=self.address,
                                          family=self._family))
        self._run('glusterd', '-f', self._path('glusterd.vol'),
                  '-p', self._path('glusterd.pid'),
                  '--log-file=%s' % self._path('log', 'glusterd.log'))
        self._wait(lambda: self._gluster('peer', 'status').returncode == 0,
                   'glusterd')

    def create(self, name, replica=3):
        """Make a volume, and start it.

        :returns: the share, as in a shares file
        """
        os.makedirs(self._path('bricks'), exist_ok=True)
        bricks = ['%s:%s' % (self.address, self._path(
            'bricks', '%s%d' % (name, number))) for number in range(replica)]
        self.command('volume', 'create', name, 'replica', str(replica),
                     *bricks, 'force')
        self.command('volume', 'start', name)
        self.wait_bricks(name, replica)
        return self.share(name)

    def share(self, name):
        if self._family == 'inet6':
            return '[%s]:/%s' % (self.address, name)
        return '%s:/%s' % (self.address, name)

    def delete(self, name):
        self.command('volume', 'stop', name, 'force')
        self.command('volume', 'delete', name)

    def bricks(self, name):
        """The process ids of the bricks of a volume, in their order."""
        status = ElementTree.fromstring(
            self.command('volume', 'status', name, '--xml'))
        return [int(node.findtext('pid')) for node in status.iter('node')
                if node.findtext('hostname') == self.address and
                node.findtext('status') == '1' and
                os.path.exists('/proc/%s' % node.findtext('pid'))]

    def brick_folders(self, name):
        """Where its bricks keep their files, in their order."""
        folder = self._path('bricks')
        return [os.path.join(folder, each) for each
                in sorted(os.listdir(folder)) if each[:-1] == name]

    def kill_bricks(self, name, count=None):
        """SIGKILL for so many, or for all."""
        for pid in self.bricks(name)[:count]:
            os.kill(pid, signal.SIGKILL)

    def bring_back(self, name, replica=3):
        """Start bricks that were killed.

        As often as it takes: glusterd does not know at once that one is
        gone.
        """
        def are_there():
            if len(self.bricks(name)) < replica:
                self.command('volume', 'start', name, 'force')
            return len(self.bricks(name)) == replica
        self._wait(are_there, 'the bricks of %s' % name)

    @contextlib.contextmanager
    def stopped_bricks(self, name):
        """SIGSTOP for all bricks; they go on after this block."""
        # Once: while they are stopped, glusterd waits for them as well.
        pids = self.bricks(name)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @property
    def pid(self):
        """Of glusterd."""
        with open(self._path('glusterd.pid')) as stream:
            return int(stream.read())

    def wait_bricks(self, name, count):
        self._wait(lambda: len(self.bricks(name)) == count,
                   'the bricks of %s' % name)

    def command(self, *argv):
        """:returns: what gluster says
        :raises CloudError: when it fails
        """
        done = self._gluster(*argv)
        if done.returncode:
            raise errors.CloudError('gluster %s failed.' % ' '.join(argv),
                                    done.stdout)
        return done.stdout

    def _gluster(self, *argv):
        return subprocess.run(
            self.net.inside(['gluster', '--mode=script',
                             '--glusterd-sock=%s'
                             % self._path('glusterd.socket'), *argv]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_LIMIT, text=True)

    def _run(self, *argv):
        try:
            subprocess.run(self.net.inside(argv), check=True,
                           timeout=_LIMIT, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
        except subprocess.CalledProcessError as error:
            raise errors.NotInstalled(
                '%s does not start (exit code %d). Install the package '
                'glusterfs-server.' % (argv[0], error.returncode))

    def _wait(self, is_so, what):
        deadline = time.monotonic() + _LIMIT
        while not is_so():
            if time.monotonic() > deadline:
                raise errors.Timeout('%s did not come up in %d s.'
                                     % (what, _LIMIT))
            time.sleep(_TICK)

    def _path(self, *parts):
        return os.path.join(self.folder, *parts)
