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

"""The reference server's answers, without sockets."""

import json

import pytest

from remotefs_drivers.appliances import rest_api
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded import rest_desk

SIZE = 1 << 20
GOOD = {'Authorization': 'Bearer token', rest_api.KEY_HEADER: 'key'}


@pytest.fixture
def appliance(tmp_path):
    return folders.at(tmp_path)


@pytest.fixture
def ask(appliance):
    desk = rest_desk.Desk(appliance, 'token')

    def ask(method, headers=GOOD, **arguments):
        verb, target, body = rest_api.CALLS[method].request(arguments)
        return desk.answer(verb, target, headers, body or b'')
    ask.desk = desk
    return ask


def test_it_does_what_is_asked(ask, appliance):
    status, body = ask('create_share', name='a', size=SIZE)
    assert status == 200
    share = rest_api.value_of(rest_api.CALLS['create_share'],
                              json.dumps(body))
    assert share == appliance.find_share('a')
    assert ask('check') == (200, {'about': {
        'version': 1, 'offers': list(rest_api.OPTIONAL)}})
    assert ask('find_share', name='b') == (200, {'found': None})


def test_what_it_offers(tmp_path):
    desk = rest_desk.Desk(folders.at(tmp_path, kind=rules.RIGID), 'token')
    verb, target, __ = rest_api.CALLS['check'].request({})
    assert desk.answer(verb, target, GOOD, b'')[1]['about']['offers'] == [
        'create_snapshots']


@pytest.mark.parametrize('authorization', [
    None, '', 'token', 'Bearer', 'Bearer ', 'Bearer toke', 'Bearer tokens',
    'bearer token', 'Basic token', 'Bearer tökén'])
@pytest.mark.parametrize('method', ['list_shares', 'promote'])
def test_who_may_not_ask(ask, appliance, authorization, method):
    appliance.faults.watch()
    headers = {**GOOD, 'Authorization': authorization}
    status, body = ask(method, headers)
    assert (status, body['error']) == (401, 'Denied')
    assert appliance.faults.calls() == []


@pytest.mark.parametrize('verb, target', [
    ('GET', '/'), ('GET', '/v1'), ('GET', '/v2/shares'),
    ('GET', '/v1/shares/create'), ('POST', '/v1/shares'),
    ('DELETE', '/v1/shares'), ('GET', '/v1/shares/'),
    ('GET', '/v1/shares/%66ind?name=a'), ('GET', '')])
def test_no_such_call(ask, verb, target):
    status, body = ask.desk.answer(verb, target, GOOD, b'{}')
    assert (status, body['error']) == (404, 'NoSuchCall')


def test_arguments_that_are_none(ask, appliance):
    for status, body in (
            ask('create_share', name='a'),
            ask('create_share', name='a', size='1'),
            ask('find_share'),
            ask.desk.answer('POST', '/v1/shares/create', GOOD, b'\xff')):
        assert (status, body['error']) == (400, 'RequestInvalid')
    assert appliance.list_shares() == []


def test_a_change_needs_a_key(ask, appliance):
    status, body = ask('create_share', {'Authorization': 'Bearer token'},
                       name='a', size=SIZE)
    assert (status, body['error']) == (400, 'RequestInvalid')
    assert appliance.list_shares() == []


def test_twice_with_one_key(ask, appliance):
    first = ask('create_share', name='a', size=SIZE)
    assert first == ask('create_share', name='a', size=SIZE)
    # Made by another request, it is there.
    status, body = ask('create_share', {**GOOD, rest_api.KEY_HEADER: 'k'},
                       name='a', size=SIZE)
    assert (status, body['error'], body['share']) == (409, 'ShareExists',
                                                      'a')


def test_a_key_of_another_request(ask, appliance):
    ask('create_share', name='a', size=SIZE)
    for method, arguments in (('create_share', {'name': 'b', 'size': SIZE}),
                              ('delete_share', {'name': 'a',
                                                'snapshots': []})):
        status, body = ask(method, **arguments)
        assert (status, body['error']) == (422, 'KeyReused')
    assert [share.name for share in appliance.list_shares()] == ['a']


def test_no_answer(ask, appliance):
    appliance.faults.add('create_share', faults.LOSE_ANSWER)
    with pytest.raises(rest_desk.NoAnswer):
        ask('create_share', name='a', size=SIZE)
    assert ask('create_share', name='a', size=SIZE)[0] == 200


@pytest.mark.parametrize('name', set(rest_api.ERRORS) - {'Unavailable'})
def test_errors_by_name(ask, appliance, name):
    each, expected = rest_api.ERRORS[name]
    appliance.faults.add('create_snapshot', faults.REFUSE, each.__name__)
    status, body = ask('create_snapshot', share='a', name='s')
    assert (status, body['error'], body['share'], body['snapshot']) == (
        expected, name, 'a', 's')
