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


"""An etcd of the run's own, for Cinder's coordination.

A single member on the loopback address, on ports of its own, with its data
in a folder of the test's; it dies with the process that started it. One
that the system runs neither disturbs nor is disturbed.
"""

import http.client
import os
import shutil

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import process
from tests.harness import server

# Seconds for one look at whether it is well. Its disk may be busy.
_PROBE_LIMIT = 20


class Etcd(server.Server):
    """An etcd in a folder; what it knows survives a restart."""

    title = 'etcd'
    taken = 'address already in use'
    port_names = ('client', 'peer')
    # A start takes less than one, and more on a busy machine.
    start_limit = 300

    def __init__(self, folder):
        super().__init__(folder)
        self._server = None

    def url(self, **options):
        """For Cinder's ``[coordination] backend_url``.

        :param options: of tooz's driver, as ``lock_timeout=5`` (seconds)
        """
        query = '&'.join('%s=%s' % option for option in options.items())
        return 'etcd3+http://%s:%d%s' % (server.ADDRESS,
                                         self._ports['client'],
                                         query and '?' + query)

    @property
    def pid(self):
        return self._server.pid

    def _children(self):
        return [self._server] if self._server else []

    def _forget(self):
        self._server = None

    def _try_to_start(self, deadline):
        os.makedirs(self.folder, exist_ok=True)
        self._server = process.Child(
            'etcd', self._command(), os.path.join(self.folder, 'etcd.log'),
            # Not the settings of the system's.
            environment=dict.fromkeys(name for name in os.environ
                                      if name.startswith('ETCD_')))
        self._server.start()
        self._wait_for(self._ports['client'], _is_well, deadline)

    def _command(self):
        client, peer = ('http://%s:%d' % (server.ADDRESS, self._ports[name])
                        for name in ('client', 'peer'))
        return [_program(), '--name', 'tests',
                '--data-dir', os.path.join(self.folder, 'data'),
                '--listen-client-urls', client,
                '--advertise-client-urls', client,
                '--listen-peer-urls', peer,
                '--initial-advertise-peer-urls', peer,
                '--initial-cluster', 'tests=' + peer]


def _program():
    found = shutil.which('etcd', path=os.pathsep.join(
        [os.environ.get('PATH', os.defpath), '/usr/sbin', '/usr/bin']))
    if not found:
        raise errors.NotInstalled('The program etcd was not found. Install '
                                  'the package etcd-server.')
    return found


def _is_well(port):
    connection = http.client.HTTPConnection(server.ADDRESS, port,
                                            timeout=_PROBE_LIMIT)
    try:
        connection.request('GET', '/health')
        answer = connection.getresponse()
        return answer.status == 200 and b'true' in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
