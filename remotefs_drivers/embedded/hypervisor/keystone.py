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
"""As much of an identity service as hands out a token.

Cinder asks Nova for a server's volume in the name of the user, with the
user's token (``cinder.compute.nova.API.get_server_volume``, before somebody
may delete the attachment of a server), for which it wants a Keystone. This
one believes everybody.
"""

from remotefs_drivers.embedded.hypervisor import server

#: Where it is below the address of the server.
PREFIX = '/identity'

_VERSIONS = ('', '/', '/v3', '/v3/')


def answer(request, url):
    """:param request: server.Request
    :param url: of the server
    :returns: server.Answer, or None when it is for somebody else
    """
    if not request.path.startswith(PREFIX):
        return None
    rest = request.path[len(PREFIX):]
    if request.method == 'GET' and rest in _VERSIONS:
        return _versions(url + PREFIX, is_one=rest.startswith('/v3'))
    if request.method == 'POST' and rest == '/v3/auth/tokens':
        return server.Answer(201, {'token': _token(url)},
                             {'X-Subject-Token': 'anybody'})
    return server.Answer(404)


def _versions(url, is_one):
    version = {'id': 'v3.14', 'status': 'stable',
               'links': [{'rel': 'self', 'href': url + '/v3/'}]}
    if is_one:
        return server.Answer(200, {'version': version})
    return server.Answer(300, {'versions': {'values': [version]}})


def _token(url):
    endpoints = [{'interface': interface, 'region': 'RegionOne',
                  'region_id': 'RegionOne', 'url': url + '/v2.1',
                  'id': interface}
                 for interface in ('public', 'internal', 'admin')]
    user = {'id': 'anybody', 'name': 'anybody',
            'domain': {'id': 'default', 'name': 'Default'}}
    return {'methods': ['token'], 'user': user,
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'catalog': [{'type': 'compute', 'name': 'nova', 'id': 'nova',
                         'endpoints': endpoints}]}
