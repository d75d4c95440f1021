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

"""A RabbitMQ broker of the run's own.

Debian's ``rabbitmq-server`` insists on the system's user, folder and ports.
The script below it doesn't: it is run here as whoever runs the tests, with
its own node name, ports, cookie and folders, so that a broker of the system
neither disturbs nor is disturbed. Erlang's port mapper (epmd) would be
started by the broker in the background and outlive it, so it is started
here, first and in the foreground.
"""

import glob
import os
import shutil
import socket
import subprocess

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import process
from tests.harness import server

# Seconds for one rabbitmqctl: 2 on an idle machine.
_CONTROL_LIMIT = 300

# Seconds for one look at whether the broker speaks AMQP.
_PROBE_LIMIT = 20

_HELLO = b'AMQP\x00\x00\x09\x01'

# A method frame on channel 0, which is how Connection.Start begins.
_WELCOME = b'\x01\x00\x00'

_PLACES = ('/usr/lib/rabbitmq/bin',
           '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin',
           '/opt/rabbitmq/sbin')


class Broker(server.Server):
    """A broker in a folder; it keeps its queues there over a restart."""

    title = 'RabbitMQ'
    taken = 'eaddrinuse'
    port_names = ('amqp', 'dist', 'epmd')
    # A start takes 4, and several times as long on a busy machine.
    start_limit = 300

    def __init__(self, folder):
        super().__init__(folder)
        self._vhosts = set()
        self._epmd = None
        self._server = None

    def url(self, vhost):
        """For oslo.messaging's ``transport_url``; see :meth:`add_vhost`."""
        return 'rabbit://guest:guest@%s:%d/%s' % (
            server.ADDRESS, self._ports['amqp'], vhost)

    def add_vhost(self, name):
        """Make a virtual host (1-2 s), unless it is there already.

        Queues have the names of services and hosts: two Cinders in one
        virtual host would take each other's requests.

        :param name: letters and digits
        """
        if name not in self._vhosts:
            self.control('add_vhost', name)
            self.control('set_permissions', '-p', name, 'guest', '.*', '.*',
                         '.*')
            self._vhosts.add(name)

    @property
    def pids(self):
        """Process ids by name."""
        return {child.name: child.pid for child in self._children()}

    def restart(self):
        """Stop and start again, on the same ports; queues that last stay."""
        self.stop()
        self.start()

    def control(self, *arguments):
        """Run rabbitmqctl on it.

        :returns: what it says
        :raises CloudError: when it fails
        """
        done = subprocess.run(
            [_program('rabbitmqctl'), *arguments], env=self._all_variables(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_CONTROL_LIMIT, text=True)
        if done.returncode:
            raise errors.CloudError('rabbitmqctl %s failed.'
                                    % ' '.join(arguments), done.stdout)
        return done.stdout

    def _all_variables(self):
        merged = {**os.environ, **self._environment()}
        return {name: value for name, value in merged.items()
                if value is not None}

    def _children(self):
        # The broker ends before what it needs.
        return [child for child in (self._server, self._epmd) if child]

    def _forget(self):
        self._server = self._epmd = None

    def _try_to_start(self, deadline):
        for name in ('home', 'data', 'log'):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        _write(self._path('rabbitmq.conf'), 'loopback_users.guest = true\n')
        _write(self._path('enabled_plugins'), '[].\n')
        environment = self._environment()
        self._epmd = self._child('epmd', [
            _program('epmd'), '-address', server.ADDRESS, '-port',
            str(self._ports['epmd'])], environment)
        self._wait_for(self._ports['epmd'], _listens, deadline)
        self._server = self._child(
            'rabbitmq', [_program('rabbitmq-server')], environment)
        self._wait_for(self._ports['amqp'], _speaks_amqp, deadline)

    def _child(self, name, command, environment):
        child = process.Child(name, command, self._path('log', name + '.out'),
                              environment=environment)
        child.start()
        return child

    def _environment(self):
        return {
            'HOME': self._path('home'),
            'ERL_EPMD_ADDRESS': server.ADDRESS,
            'ERL_EPMD_PORT': str(self._ports['epmd']),
            # Not the settings of the system's broker.
            'RABBITMQ_CONF_ENV_FILE': os.devnull,
            'RABBITMQ_CONFIG_FILE': self._path('rabbitmq'),
            'RABBITMQ_ADVANCED_CONFIG_FILE': self._path('advanced'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': self._path('enabled_plugins'),
            # The port in it, so that no two nodes are namesakes.
            'RABBITMQ_NODENAME': 'tests%d@localhost' % self._ports['amqp'],
            'RABBITMQ_NODE_IP_ADDRESS': server.ADDRESS,
            'RABBITMQ_NODE_PORT': str(self._ports['amqp']),
            'RABBITMQ_DIST_PORT': str(self._ports['dist']),
            'RABBITMQ_MNESIA_BASE': self._path('data'),
            'RABBITMQ_LOG_BASE': self._path('log'),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_PID_FILE': self._path('pid'),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1}',
            # Has the script become the Erlang machine, instead of staying
            # around as its parent: it is our child, and dies with us.
            'RUNNING_UNDER_SYSTEMD': 'true',
            'NOTIFY_SOCKET': None,
        }

    def _path(self, *parts):
        return os.path.join(self.folder, *parts)


def _program(name):
    """A program of RabbitMQ's own folder, not the system's wrapper of it."""
    found = [path for place in _PLACES
             for path in glob.glob(os.path.join(place, name))]
    path = found[0] if found else shutil.which(name)
    if not path:
        raise errors.NotInstalled(
            'RabbitMQ\'s %s was found in none of %s. Install the package '
            'rabbitmq-server.' % (name, ', '.join(_PLACES)))
    return path


def _listens(port):
    try:
        with socket.create_connection((server.ADDRESS, port), _PROBE_LIMIT):
            return True
    except OSError:
        return False


def _speaks_amqp(port):
    try:
        with socket.create_connection((server.ADDRESS, port),
                                      _PROBE_LIMIT) as connection:
            connection.sendall(_HELLO)
            return connection.recv(len(_WELCOME)) == _WELCOME
    except OSError:
        return False


def _write(path, text):
    with open(path, 'w') as out:
        out.write(text)
