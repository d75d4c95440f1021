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

"""Which service a thread works for.

Cinder keeps the database id of *the* service of a process in one class
attribute, ``cinder.service.Service.service_id``. It goes into the heartbeat
and into the ``workers`` table, by which a volume service finds after a crash
what it was doing. With several services in one process the attribute must
tell each thread its own.
"""

import threading

from cinder import service

_here = threading.local()

# Address of a message queue, (topic, server) -> database id of the service.
_ids = {}


class _ServiceId:
    """Read on the class like the plain attribute that it replaces."""

    def __init__(self, latest):
        self._latest = latest

    def __get__(self, instance, owner):
        return getattr(_here, 'service_id', None) or self._latest


class EmbeddedService(service.Service):
    """One of the services of this process."""

    def start(self):
        # The messages of its queues may arrive before start() is over.
        for address in self._addresses():
            _ids[address] = self.origin_service_id
        super().start()
        _install(self.origin_service_id)

    def report_state(self):
        _here.service_id = self.origin_service_id
        super().report_state()

    def periodic_tasks(self, raise_on_error=False):
        _here.service_id = self.origin_service_id
        super().periodic_tasks(raise_on_error)

    def _addresses(self):
        """As cinder.service.Service.start() names its RPC servers."""
        host_only = self.host.partition('@')[0]
        return [(self.topic, self.host),
                ('%s.%s' % (self.topic, self.host), host_only)]


def enter(server):
    """This thread now serves a message for ``server``: (topic, server)."""
    _here.service_id = _ids.get(server)


def _install(latest):
    # Cinder assigns the attribute while a service starts.
    service.Service.service_id = _ServiceId(latest)
