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
"""The part of Nova's API that Cinder uses.

https://docs.openstack.org/api-ref/compute/ describes it; what is not here is
answered by 404.
"""

import re

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import keystone
from remotefs_drivers.embedded.hypervisor import server
from remotefs_drivers.embedded.hypervisor import validation

PREFIX = '/v2.1'

# The attachment's own id is shown from here on, and another one is not.
_WITH_ATTACHMENT_ID = (2, 89)

_HEADER = 'OpenStack-API-Version'


class Api:
    """:param compute: compute.Compute"""

    def __init__(self, compute):
        self._compute = compute
        self._routes = [
            ('GET', r'/?', self._version),
            ('POST', r'/os-assisted-volume-snapshots', self._create),
            ('DELETE', r'/os-assisted-volume-snapshots/([^/]+)',
             self._delete),
            ('POST', r'/os-server-external-events', self._events),
            ('GET', r'/servers/([^/]+)', self._server),
            ('GET', r'/servers/([^/]+)/os-volume_attachments',
             self._attachments),
            ('GET', r'/servers/([^/]+)/os-volume_attachments/([^/]+)',
             self._attachment),
        ]

    def answer(self, request):
        """:param request: server.Request
        :returns: server.Answer
        :raises Refused:
        """
        if request.path == '/':
            return server.Answer(200, {'versions': [self._describe()]})
        identity = keystone.answer(request, self._compute.url)
        if identity:
            return identity
        version = validation.microversion(request.headers)
        function, values = self._route(request)
        answer = function(request, version, *values)
        return answer._replace(headers={
            _HEADER: 'compute %d.%d' % version, 'Vary': _HEADER})

    def _route(self, request):
        for method, pattern, function in self._routes:
            found = re.fullmatch(PREFIX + pattern, request.path)
            if found and method == request.method:
                return function, found.groups()
        raise errors.Refused(404, 'There is no %s %s here.'
                             % (request.method, request.path))

    def _version(self, request, version):
        return server.Answer(200, {'version': self._describe()})

    def _describe(self):
        return {'id': 'v2.1', 'status': 'CURRENT',
                'min_version': '%d.%d' % validation.OLDEST,
                'version': '%d.%d' % validation.NEWEST,
                'links': [{'rel': 'self',
                           'href': self._compute.url + PREFIX + '/'}]}

    def _create(self, request, version):
        wanted = validation.create(request.body)
        self._compute.assisted.accept(wanted)
        # Nova asks for the key "id", which Cinder does not send.
        return server.Answer(200, {'snapshot': {
            'id': request.body['snapshot']['create_info'].get('id'),
            'volumeId': wanted.volume_id}})

    def _delete(self, request, version, snapshot_id):
        wanted = validation.delete(snapshot_id, request.query)
        self._compute.assisted.accept(wanted)
        return server.Answer(204)

    def _events(self, request, version):
        wanted = validation.events(request.body, version)
        codes = [self._event(event) for event in wanted]
        if set(codes) == {404}:
            raise errors.Refused(404, 'No server of these is here.')
        return server.Answer(200 if set(codes) == {200} else 207, {
            'events': [{'name': event.name, 'server_uuid': event.server_id,
                        'tag': event.tag, 'code': code,
                        'status': event.status if code == 200 else 'failed'}
                       for event, code in zip(wanted, codes)]})

    def _event(self, event):
        try:
            self._compute.hear(event)
        except errors.Refused as exc:
            return exc.code
        return 200

    def _server(self, request, version, server_id):
        found = self._compute.servers.get(server_id)
        return server.Answer(200, {'server': {
            'id': found.id, 'name': found.id, 'status': found.state,
            'OS-EXT-STS:task_state': found.task,
            'os-extended-volumes:volumes_attached':
                [{'id': volume_id} for volume_id in found.disks],
            'links': []}})

    def _attachments(self, request, version, server_id):
        found = self._compute.servers.get(server_id)
        return server.Answer(200, {'volumeAttachments': [
            _attachment(found, disk, version)
            for disk in found.disks.values()]})

    def _attachment(self, request, version, server_id, volume_id):
        disk = self._compute.servers.disk(server_id, volume_id)
        return server.Answer(200, {'volumeAttachment': _attachment(
            self._compute.servers.get(server_id), disk, version)})


def _attachment(found, disk, version):
    described = {'serverId': found.id, 'volumeId': disk.volume_id,
                 'device': '/dev/vdb'}
    if version < _WITH_ATTACHMENT_ID:
        return {'id': disk.volume_id, **described}
    return {'attachment_id': disk.attachment_id,
            'bdm_uuid': disk.attachment_id, 'tag': None,
            'delete_on_termination': False, **described}
