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

"""RestAppliance: what it asks, how often, and what it makes of answers.

The channel is a stub here; tests/functional has the real one.
"""

import json
import types

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import rest
from remotefs_drivers.appliances import rest_api
from remotefs_drivers.appliances import rest_channel
from remotefs_drivers import errors

SHARE = interface.Share('a', '1', 'nas:/a', 10, None, ())
SNAPSHOT = interface.Snapshot('s', '2')
DONE = (200, b'{}')

#: A call of each method, with what it returns.
CALLS = [
    ('create_share', ['a', 10], SHARE),
    ('delete_share', ['a', ('s', 't')], None),
    ('resize_share', ['a', 20], None),
    ('rename_share', ['a', 'b'], SHARE),
    ('find_share', ['a'], SHARE),
    ('find_share', ['a'], None),
    ('list_shares', [], [SHARE]),
    ('create_snapshot', ['a', 's'], SNAPSHOT),
    ('create_snapshots', [('a', 'b'), 's'], [SNAPSHOT, SNAPSHOT]),
    ('delete_snapshot', ['a', 's'], None),
    ('rename_snapshot', ['a', 's', 't'], SNAPSHOT),
    ('clone_snapshot', ['a', 's', 'b', 20], SHARE),
    ('promote', ['a'], None),
    ('roll_back', ['a', 's'], None),
    ('capacity', [], interface.Capacity(10, 5)),
]


class Stub:
    """A channel with answers that are laid out; errors are raised."""

    def __init__(self):
        self.answers = []
        self.requests = []

    def exchange(self, verb, path, body, headers):
        self.requests.append(types.SimpleNamespace(
            verb=verb, path=path, body=body, headers=dict(headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def appliance(monkeypatch):
    monkeypatch.setattr(rest, '_WAIT', 0)
    made = rest.RestAppliance(types.SimpleNamespace(
        appliance_url='https://nas.example.org:8443/cinder/',
        appliance_token='secret', appliance_ca_file=None,
        appliance_rest_timeout=60))
    monkeypatch.setattr(made, '_channel', Stub())
    return made


@pytest.fixture
def stub(appliance):
    return appliance._channel


def lost():
    return rest_channel.Lost('the network is down')


def refusal(name, **fields):
    status, body = rest_api.refusal(name, 409, 'for a reason', **fields)
    return status, json.dumps(body).encode()


@pytest.mark.parametrize('method, arguments, value', CALLS)
class TestCalls:
    def answer(self, method, value):
        return 200, json.dumps(rest_api.answer_of(rest_api.CALLS[method],
                                                  value)).encode()

    def test_one_request(self, appliance, stub, method, arguments, value):
        stub.answers = [self.answer(method, value)]
        assert getattr(appliance, method)(*arguments) == value
        request, = stub.requests
        call = rest_api.CALLS[method]
        path, __, query = request.path.partition('?')
        assert (request.verb, path) == (call.verb,
                                        '/cinder/v1%s' % call.path)
        assert rest_api.arguments_of(call, query, request.body) == [
            list(each) if isinstance(each, tuple) else each
            for each in arguments]
        assert request.headers['Authorization'] == 'Bearer secret'
        assert (rest_api.KEY_HEADER in request.headers) == call.changes

    def test_again_after_a_lost_answer(self, appliance, stub, method,
                                       arguments, value):
        stub.answers = [lost(), (502, b'<html>Bad gateway'),
                        refusal('Unavailable'), self.answer(method, value)]
        assert getattr(appliance, method)(*arguments) == value
        assert len(stub.requests) == 4
        assert all(each == stub.requests[0] for each in stub.requests)

    def test_not_for_ever(self, appliance, stub, method, arguments, value):
        stub.answers = [lost()] * 9
        with pytest.raises(errors.ApplianceUnavailable) as caught:
            getattr(appliance, method)(*arguments)
        assert len(stub.requests) == 4
        assert 'the network is down' in str(caught.value)

    @pytest.mark.parametrize('answer', [
        (200, b''), (200, b'<html>'), (200, b'[]'), (404, b'not here'),
        (500, b'{"error": 5}'), (204, b'')])
    def test_garbage_is_a_lost_answer(self, appliance, stub, method,
                                      arguments, value, answer):
        stub.answers = [answer] * 4
        with pytest.raises(errors.ApplianceUnavailable):
            getattr(appliance, method)(*arguments)
        assert stub.answers == []


def test_what_it_offers(appliance, stub):
    assert appliance.offers('promote')
    stub.answers = [(200, b'{"about": {"version": 1, "offers": '
                          b'["roll_back", "tea"]}}')]
    assert appliance.check() is None
    assert appliance.offers('roll_back')
    assert not appliance.offers('promote')
    assert appliance.offers('create_share')


def test_an_address_with_no_api(appliance, stub):
    stub.answers = [(404, b'{"error": "NoSuchCall", "message": "GET"}')]
    with pytest.raises(errors.ApplianceNotReady, match='appliance_url'):
        appliance.check()


def test_two_calls_have_two_keys(appliance, stub):
    stub.answers = [DONE, DONE]
    for __ in range(2):
        appliance.promote('a')
    first, second = (each.headers[rest_api.KEY_HEADER]
                     for each in stub.requests)
    assert first != second


@pytest.mark.parametrize('name', set(rest_api.ERRORS) - {'Unavailable'})
def test_errors_by_name(appliance, stub, name):
    stub.answers = [refusal(name, share='a', snapshot='s')]
    with pytest.raises(rest_api.ERRORS[name][0]) as caught:
        appliance.roll_back('a', 's')
    assert type(caught.value) is rest_api.ERRORS[name][0]
    assert caught.value.kwargs['appliance'] == (
        'https://nas.example.org:8443/cinder/')
    assert len(stub.requests) == 1


#: Answers that say that nothing was asked, and what comes of it.
NOT_ASKED = [
    ((301, b''), errors.ApplianceNotReady),
    ((307, b'{}'), errors.ApplianceNotReady),
    ((401, b''), errors.ApplianceDenied),
    ((403, b'<html>'), errors.ApplianceDenied),
    (rest_channel.Untrusted('self-signed'), errors.ApplianceNotReady),
]


@pytest.mark.parametrize('answer, error', NOT_ASKED)
class TestNotAsked:
    def test_at_first(self, appliance, stub, answer, error):
        stub.answers = [answer]
        with pytest.raises(error):
            appliance.promote('a')
        assert len(stub.requests) == 1

    def test_after_a_lost_answer(self, appliance, stub, answer, error):
        """The first attempt may have come through: nobody knows."""
        stub.answers = [lost(), answer]
        with pytest.raises(errors.ApplianceUnavailable):
            appliance.promote('a')


def test_an_error_after_a_lost_answer(appliance, stub):
    """It is the answer to both: the server knows the key."""
    stub.answers = [lost(), refusal('ShareExists', share='a')]
    with pytest.raises(errors.ApplianceShareExists):
        appliance.create_share('a', 10)


def test_the_token_is_nowhere(appliance, stub):
    stub.answers = [lost()] * 4
    with pytest.raises(errors.ApplianceUnavailable) as caught:
        appliance.promote('a')
    assert 'secret' not in '%r %r' % (caught.value, appliance._settings)
