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
"""What a hypervisor answers to requests that Nova would not take."""

import json

import pytest

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import api
from remotefs_drivers.embedded.hypervisor import server
from remotefs_drivers.embedded.hypervisor import servers
from remotefs_drivers.embedded.hypervisor import validation

SERVER = '11111111-2222-3333-4444-555555555555'
INFO = {'snapshot_id': 'S', 'type': 'qcow2', 'new_file': 'volume-V.S'}
CREATE = {'snapshot': {'volume_id': 'V', 'create_info': INFO}}
DELETE = {'type': 'qcow2', 'volume_id': 'V', 'file_to_merge': 'top',
          'merge_target_file': 'base'}
EVENT = {'name': 'volume-extended', 'server_uuid': SERVER, 'tag': 'V'}


def _without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


def _create(info):
    return {'snapshot': {'volume_id': 'V', 'create_info': info}}


def _query(info):
    return {'delete_info': [json.dumps(info)]}


def _code(function, *arguments):
    with pytest.raises(errors.Refused) as caught:
        function(*arguments)
    return caught.value.code


def test_create():
    expected = validation.Create('V', 'S', 'volume-V.S')
    assert validation.create(CREATE) == expected
    assert validation.create(_create({**INFO, 'id': 'any'})) == expected


@pytest.mark.parametrize('body', [
    None, [], {}, {'snapshot': None}, {**CREATE, 'more': 1},
    {'snapshot': _without(CREATE['snapshot'], 'volume_id')},
    {'snapshot': {**CREATE['snapshot'], 'more': 1}},
    {'snapshot': {**CREATE['snapshot'], 'volume_id': ''}},
    *(_create(_without(INFO, name)) for name in INFO),
    *(_create({**INFO, name: 1}) for name in INFO),
    _create({**INFO, 'more': 'any'}), _create({**INFO, 'type': 'raw'}),
    _create({**INFO, 'new_file': ''}), _create({**INFO, 'new_file': None}),
])
def test_create_that_is_refused(body):
    assert _code(validation.create, body) == 400


@pytest.mark.parametrize('merge, target', [
    ('top', 'base'), ('base', None), (None, None)])
def test_delete(merge, target):
    info = {**DELETE, 'file_to_merge': merge, 'merge_target_file': target}
    assert (validation.delete('S', _query(info))
            == validation.Delete('V', 'S', merge, target))


@pytest.mark.parametrize('query', [
    {}, {'delete_info': []}, {'delete_info': ['{}', '{}']},
    {'delete_info': ['no JSON']}, _query(None), _query([]),
    *(_query(_without(DELETE, name)) for name in DELETE),
    _query({**DELETE, 'more': 1}), _query({**DELETE, 'type': 'raw'}),
    _query({**DELETE, 'file_to_merge': None}),
    _query({**DELETE, 'merge_target_file': ''}),
])
def test_delete_that_is_refused(query):
    assert _code(validation.delete, 'S', query) == 400


def test_events():
    assert validation.events({'events': [EVENT]}, (2, 51)) == [
        validation.Event('volume-extended', SERVER, 'V', 'completed')]


@pytest.mark.parametrize('body, version', [
    (None, (2, 51)), ({}, (2, 51)), ({'events': []}, (2, 51)),
    ({'events': [EVENT]}, (2, 50)),
    ({'events': [{**EVENT, 'name': 'volume-reimaged'}]}, (2, 92)),
    ({'events': [{**EVENT, 'name': 'other'}]}, (2, 51)),
    ({'events': [{**EVENT, 'name': []}]}, (2, 51)),
    ({'events': [{**EVENT, 'more': 1}]}, (2, 51)),
    ({'events': [{**EVENT, 'server_uuid': 'no id'}]}, (2, 51)),
    ({'events': [{**EVENT, 'server_uuid': None}]}, (2, 51)),
    ({'events': [{**EVENT, 'status': 'unknown'}]}, (2, 51)),
])
def test_events_that_are_refused(body, version):
    assert _code(validation.events, body, version) == 400


@pytest.mark.parametrize('headers, expected', [
    ({}, (2, 1)),
    ({'OpenStack-API-Version': 'compute 2.89'}, (2, 89)),
    ({'OpenStack-API-Version': 'volume 3.70'}, (2, 1)),
    ({'X-OpenStack-Nova-API-Version': '2.51'}, (2, 51)),
    ({'OpenStack-API-Version': 'compute latest'}, validation.NEWEST),
])
def test_microversion(headers, expected):
    assert validation.microversion(headers) == expected


@pytest.mark.parametrize('version, code', [
    ('2.500', 406), ('3.1', 406), ('2.0', 406), ('two', 400), ('2', 400)])
def test_microversion_that_is_refused(version, code):
    headers = {'OpenStack-API-Version': 'compute ' + version}
    assert _code(validation.microversion, headers) == code


class Nova:
    """Remembers what goes through the API."""

    url = 'http://here'

    def __init__(self):
        self.servers = servers.Servers()
        self.assisted = self
        self.seen = []

    def accept(self, wanted):
        self.seen.append(wanted)

    def hear(self, event):
        self.servers.get(event.server_id)
        self.seen.append(event)


@pytest.fixture
def nova():
    made = Nova()
    made.servers.add(SERVER).disks['V'] = servers.Disk('V', 'A', None)
    return made


def _ask(nova, method, path, query=None, body=None, version='2.89'):
    return api.Api(nova).answer(server.Request(
        method, path, query or {},
        {'OpenStack-API-Version': 'compute ' + version}, body))


def test_api_of_snapshots(nova):
    path = '/v2.1/os-assisted-volume-snapshots'
    answer = _ask(nova, 'POST', path, body=CREATE)
    assert (answer.code, answer.body) == (
        200, {'snapshot': {'id': None, 'volumeId': 'V'}})
    assert _ask(nova, 'DELETE', path + '/S', _query(DELETE)).code == 204
    assert nova.seen == [validation.create(CREATE),
                         validation.delete('S', _query(DELETE))]


def test_api_of_events(nova):
    path = '/v2.1/os-server-external-events'
    other = {**EVENT, 'server_uuid': SERVER.replace('1', '9')}
    assert _ask(nova, 'POST', path, body={'events': [EVENT]}).code == 200
    answer = _ask(nova, 'POST', path, body={'events': [EVENT, other]})
    assert answer.code == 207
    assert [each['code'] for each in answer.body['events']] == [200, 404]
    assert _code(_ask, nova, 'POST', path, None, {'events': [other]}) == 404


def test_api_of_servers(nova):
    path = '/v2.1/servers/' + SERVER
    assert _ask(nova, 'GET', path).body['server']['status'] == 'ACTIVE'
    path += '/os-volume_attachments'
    new = _ask(nova, 'GET', path + '/V').body['volumeAttachment']
    old = _ask(nova, 'GET', path + '/V',
               version='2.88').body['volumeAttachment']
    assert (new['attachment_id'], old['id']) == ('A', 'V')
    assert 'id' not in new and 'attachment_id' not in old
    assert _ask(nova, 'GET', path).body == {'volumeAttachments': [new]}


@pytest.mark.parametrize('method, path', [
    ('GET', '/v2.1/servers/unknown'),
    ('GET', '/v2.1/servers/%s/os-volume_attachments/unknown' % SERVER),
    ('GET', '/v2.1/flavors'), ('POST', '/v2.1/servers/' + SERVER),
    ('GET', '/v2/servers/' + SERVER),
])
def test_api_does_not_find(nova, method, path):
    assert _code(_ask, nova, method, path) == 404


@pytest.mark.parametrize('path', ['/', '/v2.1', '/v2.1/'])
def test_api_tells_its_versions(nova, path):
    body = _ask(nova, 'GET', path).body
    version = body['version'] if path != '/' else body['versions'][0]
    assert (version['id'], version['version']) == (
        'v2.1', '%d.%d' % validation.NEWEST)


def test_a_token_for_everybody(nova):
    for path, code in (('', 300), ('/v3', 200), ('/v3/users', 404)):
        assert _ask(nova, 'GET', '/identity' + path).code == code
    answer = _ask(nova, 'POST', '/identity/v3/auth/tokens', body={})
    assert answer.code == 201 and answer.headers['X-Subject-Token']
    service, = answer.body['token']['catalog']
    assert {each['url'] for each in service['endpoints']} == {
        'http://here/v2.1'}
