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

"""The reference server of the appliances' HTTP API, as a process.

    with rest.RestServer('/tmp/box') as server:
        options = server.options()
"""

import contextlib
import os
import sys

from remotefs_drivers.embedded import certificates
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import process
from remotefs_drivers.embedded import rest_server
from remotefs_drivers.embedded import waiting

#: Seconds.
_START_LIMIT = 300
_STOP_LIMIT = 60


class RestServer:
    """On a port of its own, which it keeps over a restart.

    :param folder: absolute path; the shares are in it, and stay
    :param kind: of the box, see folders.rules
    :param total: bytes that it says it has, or None
    :ivar appliance: the appliance behind it, for faults and for a look
    """

    def __init__(self, folder, kind=rules.DEPENDENT, total=None):
        self.folder = str(folder)
        self.port = None
        self._kind = kind
        self._total = total
        self._child = None
        self.appliance = folders.at(self._path(rest_server.SHARES),
                                    kind=kind, total=total)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    @property
    def url(self):
        return 'https://%s:%d' % (config.ADDRESS, self.port)

    @property
    def alive(self):
        return self._child is not None and self._child.alive

    def options(self):
        """What a backend needs to use it: option -> value."""
        return dict(line.split(' = ') for line in rest_server.section(
            self.folder, self.port).splitlines())

    def start(self, limit=_START_LIMIT):
        """Start, and wait until it answers.

        :raises NotReady, Timeout: and stops what runs
        """
        rest_server.prepare(self.folder)
        with contextlib.closing(ports.listen(self.port)) as listener:
            self.port = listener.getsockname()[1]
            self._child = process.Child(
                'appliance', self._command(listener),
                self._path('server.log'), self._environment(), [listener])
            self._child.start()
        try:
            waiting.until(lambda: 'appliance_url' in self.log(), limit,
                          '%s to answer' % self.url,
                          check=self._child.check, explain=self.log)
        except BaseException:
            self.kill()
            raise

    def stop(self):
        """SIGTERM, and SIGKILL after a while."""
        if self._child:
            self._child.stop(_STOP_LIMIT)

    def kill(self):
        """SIGKILL."""
        if self._child:
            self._child.kill()

    def wait(self, limit=_STOP_LIMIT):
        """Until it has killed itself, by a fault."""
        waiting.until(lambda: not self.alive, limit, 'the server to die',
                      explain=self.log)
        self._child.kill()

    def log(self):
        return self._child.tail()

    def renew(self, addresses):
        """New certificates, of a new authority, for the next start."""
        certificates.make(*(self._path(name) for name in (
            rest_server.CA, rest_server.CERTIFICATE, rest_server.KEY)),
            addresses)

    def _command(self, listener):
        total = [] if self._total is None else ['--total', str(self._total)]
        return [sys.executable, '-m',
                'remotefs_drivers.embedded.rest_server', self.folder,
                '--listen-fd', str(listener.fileno()), '--kind', self._kind,
                '--fast', *total]

    def _environment(self):
        top = os.path.dirname(os.path.dirname(os.path.dirname(
            os.path.abspath(__file__))))
        return {'PYTHONPATH': os.pathsep.join(filter(None, [
            top, os.environ.get('PYTHONPATH')])), 'PYTHONWARNINGS': 'ignore'}

    def _path(self, name):
        return os.path.join(self.folder, name)
