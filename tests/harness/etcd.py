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

import contextlib
import http.client
import os
import shutil
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import process

ADDRESS = '127.0.0.1'

# Seconds. A start takes less than one, and more on a busy machine.
START_LIMIT = 60

# Seconds from SIGTERM to SIGKILL.
STOP_LIMIT = 15

# Ports are chosen before they are used: somebody may be faster.
_ATTEMPTS = 3

_TICK = 0.05

# Seconds for one look at whether it is well.
_PROBE_LIMIT = 2


class Etcd:
    """An etcd in a folder; what it knows survives a restart.

    :param folder: absolute path, made when missing
    """

    def __init__(self, folder):
        self.folder = str(folder)
        self._ports = None
        self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def url(self, **options):
        """For Cinder's ``[coordination] backend_url``.

        :param options: of tooz's driver, as ``lock_timeout=5`` (seconds)
        """
        query = '&'.join('%s=%s' % option for option in options.items())
        return 'etcd3+http://%s:%d%s' % (ADDRESS, self._ports['client'],
                                         query and '?' + query)

    @property
    def pid(self):
        return self._server.pid

    def start(self, limit=START_LIMIT):
        """Start, and wait until it answers.

        :param limit: seconds
        :raises NotInstalled: when there is no etcd
        :raises NotReady, Timeout: and stops what runs
        """
        deadline = time.monotonic() + limit
        for attempt in range(_ATTEMPTS):
            try:
                self._try_to_start(deadline)
                return
            except errors.NotReady as exc:
                self.kill()
                if ('address already in use' not in exc.log
                        or attempt == _ATTEMPTS - 1):
                    raise
                self._ports = None
            except BaseException:
                self.kill()
                raise

    def stop(self, limit=STOP_LIMIT):
        """SIGTERM, and SIGKILL after ``limit`` seconds."""
        if self._server:
            self._server.stop(limit)
        self._server = None

    def kill(self):
        """SIGKILL."""
        if self._server:
            self._server.kill()
        self._server = None

    def _try_to_start(self, deadline):
        os.makedirs(self.folder, exist_ok=True)
        self._ports = self._ports or _free_ports()
        self._server = process.Child(
            'etcd', self._command(), os.path.join(self.folder, 'etcd.log'),
            # Not the settings of the system's.
            environment=dict.fromkeys(name for name in os.environ
                                      if name.startswith('ETCD_')))
        self._server.start()
        while not _is_well(self._ports['client']):
            self._server.check()
            if time.monotonic() > deadline:
                raise errors.Timeout('etcd in %s did not come up.'
                                     % self.folder, self._server.tail())
            time.sleep(_TICK)

    def _command(self):
        client, peer = ('http://%s:%d' % (ADDRESS, self._ports[name])
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


def _free_ports():
    """Two ports, both chosen before the first is let go."""
    with contextlib.ExitStack() as stack:
        return {name: stack.enter_context(contextlib.closing(
            ports.listen())).getsockname()[1] for name in ('client', 'peer')}


def _is_well(port):
    connection = http.client.HTTPConnection(ADDRESS, port,
                                            timeout=_PROBE_LIMIT)
    try:
        connection.request('GET', '/health')
        answer = connection.getresponse()
        return answer.status == 200 and b'true' in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
