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

"""The clients of a cloud, and waiting for what was asked of it."""

import contextlib
import functools
import http.client
import time

from cinderclient import client as cinder_client
from cinderclient.contrib import noauth
from cinderclient import exceptions as cinder_exceptions
from glanceclient import client as glance_client
from keystoneauth1 import session

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import waiting

# Seconds for one HTTP request: some wait for a driver.
_REQUEST_LIMIT = 300

# Seconds that a server which is up needs to name its versions.
_PROBE_LIMIT = 10

# Seconds until the first heartbeat of each service, besides some times those
# of its start. One that cannot start is waited for so long, too.
_HEARTBEAT_LIMIT = 10
_HEARTBEAT_PART = 3

# Seconds that an operation never needs, however busy the machine is.
LIMIT = 300

_MANAGERS = {'volume': 'volumes', 'snapshot': 'volume_snapshots',
             'backup': 'backups', 'group': 'groups'}


class Clients:
    """Part of :class:`cloud.Cloud`; wants ``ports``, ``check``, ``log``."""

    @property
    def cinder(self):
        """A cinderclient, authorized as an administrator."""
        return _cinder(self.ports.cinder)

    @property
    def glance(self):
        """A glanceclient, authorized as an administrator."""
        return _glance(self.ports.glance)

    def wait_volume(self, volume_id, status='available', limit=LIMIT):
        """:returns: the volume, in ``status``
        :raises ResourceFailed: with Cinder's messages, when it went to an
            error state that is not the one waited for
        :raises Timeout: after ``limit`` seconds
        """
        return self._wait_status('volume', volume_id, status, limit)

    def wait_snapshot(self, snapshot_id, status='available', limit=LIMIT):
        return self._wait_status('snapshot', snapshot_id, status, limit)

    def wait_backup(self, backup_id, status='available', limit=LIMIT):
        return self._wait_status('backup', backup_id, status, limit)

    def wait_image(self, image_id, status='active', limit=LIMIT):
        """:returns: the image, in ``status``"""
        def look():
            image = self.glance.images.get(image_id)
            if image.status != status and waiting.is_failed(image.status):
                raise errors.ResourceFailed(
                    'Image %s is "%s", expected "%s".'
                    % (image_id, image.status, status), self.log())
            return image if image.status == status else None

        return self._until(look, limit, 'image %s to be %s'
                           % (image_id, status))

    def wait_gone(self, resource_id, kind='volume', limit=LIMIT):
        """Until the API says 404.

        :param kind: 'volume', 'snapshot', 'backup' or 'group'
        """
        def look():
            try:
                found = self._get(kind, resource_id)
            except cinder_exceptions.NotFound:
                return True
            if waiting.is_failed(found.status):
                raise self._failure(kind, found, 'gone')

        self._until(look, limit, '%s %s to be gone' % (kind, resource_id))

    def wait_extended(self, volume_id, size, limit=LIMIT):
        """:param size: the new size in GiB"""
        volume = self._until(
            lambda: self._settled(volume_id), limit,
            'volume %s to be extended' % volume_id)
        if volume.size != size:
            raise self._failure('volume', volume, '%d GiB' % size)
        return volume

    def wait_retyped(self, volume_id, volume_type, limit=LIMIT):
        """Until a retype, with or without a migration, is over.

        :raises ResourceFailed: when the volume kept its type
        """
        def look():
            volume = self._settled(volume_id)
            if volume and volume.migration_status in _MIGRATING:
                return None
            return volume

        volume = self._until(look, limit, 'volume %s to be retyped to %s'
                             % (volume_id, volume_type))
        if volume.volume_type != volume_type:
            raise self._failure('volume', volume, 'type ' + volume_type)
        return volume

    def wait(self, look, limit=LIMIT, what='what was asked for'):
        """Until ``look()`` is true, while the processes run.

        :returns: what it returned
        """
        return self._until(look, limit, what)

    def _wait_status(self, kind, resource_id, status, limit):
        def look():
            found = self._get(kind, resource_id)
            if found.status == status:
                return found
            if waiting.is_failed(found.status):
                raise self._failure(kind, found, status)

        return self._until(look, limit, '%s %s to be %s'
                           % (kind, resource_id, status))

    def _settled(self, volume_id):
        """The volume, or None while something is done with it."""
        volume = self._get('volume', volume_id)
        if waiting.is_failed(volume.status):
            raise self._failure('volume', volume, 'available')
        return volume if volume.status in ('available', 'in-use') else None

    def _get(self, kind, resource_id):
        return getattr(self.cinder, _MANAGERS[kind]).get(resource_id)

    def _until(self, look, limit, what):
        return waiting.until(look, limit, what, check=self.check,
                             explain=self.log)

    def _failure(self, kind, found, expected):
        messages = [message.user_message
                    for message in self.cinder.messages.list()
                    if message.resource_uuid == found.id]
        return errors.ResourceFailed(
            '%s %s is "%s", expected %s. %s' % (
                kind.capitalize(), found.id, found.status, expected,
                ' '.join(messages)), self.log())

    def _wait_ready(self, backends, limit):
        """Until the API answers and the scheduler knows the backends."""
        start = time.monotonic()
        ports = [port for port in (self.ports.cinder, self.ports.glance)
                 if port]
        self._until(lambda: all(map(_answers, ports)), limit,
                    'the cloud in %s to answer' % self.spec.root)
        # Their drivers were set up before the API began to answer; what is
        # missing is a heartbeat at most. Slow machines get more time.
        took = time.monotonic() - start
        self._until(lambda: set(backends) <= self._usable(),
                    _HEARTBEAT_LIMIT + _HEARTBEAT_PART * took,
                    'the backends %s to be up' % ', '.join(backends))
        self._make_types()

    def _usable(self):
        """Names of the backends that can take volumes."""
        up = {service.host.rpartition('@')[2]
              for service in self.cinder.services.list()
              if service.state == 'up'}
        pools = {pool.name.rpartition('@')[2].partition('#')[0]
                 for pool in self.cinder.pools.list()}
        return up & pools

    def _make_types(self):
        """A volume type for each backend, of the backend's name."""
        types = self.cinder.volume_types
        there = {volume_type.name for volume_type in types.list()}
        for name, options in self.spec.backends.items():
            if name not in there:
                backend = options.get('volume_backend_name', name)
                types.create(name).set_keys({'volume_backend_name': backend})


# Cinder clears the field, or says 'success', when a migration is over.
_MIGRATING = ('starting', 'migrating', 'completing')


@functools.lru_cache(maxsize=None)
def _cinder(port):
    auth = noauth.CinderNoAuthPlugin(config.USER_ID, config.PROJECT_ID,
                                     endpoint=config.url(port) + '/v3')
    ours = session.Session(auth=auth, timeout=_REQUEST_LIMIT)
    return cinder_client.Client(config.MICROVERSION, session=ours)


@functools.lru_cache(maxsize=None)
def _glance(port):
    return glance_client.Client('2', endpoint=config.url(port),
                                token='noauth', timeout=_REQUEST_LIMIT)


def _answers(port):
    """Whether the server answers quickly.

    Before it is up its socket takes connections already, and lets them
    wait: the clients above would, for minutes, while the server may have
    died.
    """
    try:
        with contextlib.closing(http.client.HTTPConnection(
                config.ADDRESS, port, timeout=_PROBE_LIMIT)) as connection:
            connection.request('GET', '/')
            return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
