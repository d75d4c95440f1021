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

"""The table of the HTTP API: the description of it says the same."""

import inspect
import json
import pathlib

import jsonschema
import pytest
import yaml

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import rest_api
from remotefs_drivers import errors

TOP = pathlib.Path(__file__).parents[2]
SNAPSHOT = interface.Snapshot('s', 'tank/a@s', ('clone', 'other'))
SHARE = interface.Share('a', 'tank/a', 'nas:/tank/a', 1 << 40,
                        ('parent', 'p'), (SNAPSHOT,))
BARE = interface.Share('a', 'tank/a', 'nas:/tank/a')
#: What a method may return, by the result of its call.
VALUES = {
    None: [None],
    'about': [('promote', 'roll_back'), ()],
    'share': [SHARE, BARE],
    'found': [SHARE, None],
    'shares': [[SHARE, BARE], []],
    'snapshot': [SNAPSHOT],
    'snapshots': [[SNAPSHOT, interface.Snapshot('t', '2')]],
    'capacity': [interface.Capacity(10, 3)],
}
#: Arguments as they travel.
ARGUMENTS = {rest_api.NAME: "it's; é%2F/..", rest_api.NAMES: ['a', 'b c'],
             rest_api.SIZE: 1 << 40}
#: What they may not be.
WRONG = {rest_api.NAME: [None, '', 1, ['a'], {}],
         rest_api.NAMES: [None, 'a', [1], [''], {'a': 'b'}],
         rest_api.SIZE: [None, -1, 1.5, '1', True, []]}


@pytest.fixture(scope='module')
def description():
    path = TOP / 'doc' / 'source' / 'drivers' / 'appliance-rest.yaml'
    return yaml.safe_load(path.read_text())


@pytest.fixture
def operations(description):
    """Method -> (verb, path, its operation)."""
    return {each['operationId']: (verb.upper(), path, each)
            for path, verbs in description['paths'].items()
            for verb, each in verbs.items()}


def resolved(node, description):
    """Without references, and as JSON Schema has it."""
    if isinstance(node, list):
        return [resolved(each, description) for each in node]
    if not isinstance(node, dict):
        return node
    if '$ref' in node:
        found = description
        for part in node['$ref'].split('/')[1:]:
            found = found[part]
        return resolved(found, description)
    plain = {name: resolved(each, description) for name, each
             in node.items() if name != 'nullable'}
    return ({'anyOf': [{'enum': [None]}, plain]} if node.get('nullable')
            else plain)


def schema_of(response, description):
    found = resolved(response, description)
    return found['content']['application/json']['schema']


def call_of(method):
    return rest_api.CALLS[method]


class TestDescription:
    def test_the_same_methods(self, operations):
        assert {method: (verb, path) for method, (verb, path, __)
                in operations.items()} == {
            method: (call.verb, rest_api.VERSION + call.path)
            for method, call in rest_api.CALLS.items()}

    @pytest.mark.parametrize('method', rest_api.CALLS)
    def test_the_same_arguments(self, description, operations, method):
        call = call_of(method)
        operation = resolved(operations[method][2], description)
        parameters = operation.get('parameters', [])
        schema = {name: resolved({'$ref': '#/components/schemas/%s' % kind},
                                 description)
                  for name, kind in ((rest_api.NAME, 'Name'),
                                     (rest_api.NAMES, 'Names'),
                                     (rest_api.SIZE, 'Size'))}
        expected = {name: schema[kind]
                    for name, kind in call.arguments.items()}
        if call.changes:
            key, = parameters
            assert (key['name'], key['in'], key['required']) == (
                rest_api.KEY_HEADER, 'header', True)
            body = (operation['requestBody']['content']['application/json']
                    ['schema'])
            assert body['properties'] == expected
            assert body['required'] == list(expected)
            assert body['additionalProperties'] is False
        else:
            assert {each['name']: each['schema'] for each in parameters
                    if each['in'] == 'query'} == expected

    @pytest.mark.parametrize('method', rest_api.CALLS)
    def test_the_same_answers(self, description, operations, method):
        call = call_of(method)
        schema = schema_of(operations[method][2]['responses']['200'],
                           description)
        for value in VALUES[call.result]:
            jsonschema.validate(rest_api.answer_of(call, value), schema)
        if call.result:
            assert schema['required'] == [call.result]
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({call.result: 'garbage'}, schema)

    def test_the_same_that_need_not_be_there(self, operations):
        response = operations['check'][2]['responses']['200']
        about = (response['content']['application/json']['schema']
                 ['properties']['about'])
        assert about['properties']['offers']['items']['enum'] == list(
            rest_api.OPTIONAL)

    def test_the_same_errors(self, description):
        schema = resolved(description['components']['schemas']['Error'],
                          description)
        found = schema['properties']['error']
        ours = {name: status for name, (__, status)
                in rest_api.ERRORS.items()}
        ours.update([rest_api.REQUEST_INVALID, rest_api.NO_SUCH_CALL,
                     rest_api.KEY_REUSED])
        assert found['x-statuses'] == ours
        assert set(found['enum']) == set(ours)
        for each, __ in rest_api.ERRORS.values():
            __, body = rest_api.error_answer(made(each))
            jsonschema.validate(body, schema)


def made(error):
    return error(appliance='box', what='do it', reason='no', remedy='Wait.',
                 share='a', snapshot='s')


@pytest.mark.parametrize('method', rest_api.CALLS)
class TestCalls:
    def test_they_are_those_of_the_interface(self, method):
        function = getattr(interface.Appliance, method)
        names = list(inspect.signature(function).parameters)[1:]
        assert list(call_of(method).arguments) == names

    def test_a_request_comes_over(self, method):
        call = call_of(method)
        arguments = {name: ARGUMENTS[kind]
                     for name, kind in call.arguments.items()}
        verb, target, body = call.request(arguments)
        path, __, query = target.partition('?')
        assert target.isascii() and target.isprintable()
        assert rest_api.find(verb, path) == (method, call)
        assert rest_api.arguments_of(call, query, body) == list(
            arguments.values())

    def test_an_answer_comes_over(self, method):
        call = call_of(method)
        for value in VALUES[call.result]:
            body = json.dumps(rest_api.answer_of(call, value))
            assert rest_api.value_of(call, body.encode()) == value

    @pytest.mark.parametrize('body', [
        b'', b'null', b'[]', b'"share"', b'<html>', b'\xff\xfe', b'[' * 99999,
        b'{"share": {"name": 1}}'])
    def test_garbage(self, method, body):
        call = call_of(method)
        if call.result or not body.startswith(b'{'):
            with pytest.raises(ValueError):
                rest_api.value_of(call, body)

    def test_other_arguments(self, method):
        call = call_of(method)
        __, target, body = call.request({'more': 'than it takes'})
        with pytest.raises(ValueError):
            rest_api.arguments_of(call, target.partition('?')[2], body)


@pytest.mark.parametrize('method, name, kind', [
    (method, name, kind) for method, call in rest_api.CALLS.items()
    for name, kind in call.arguments.items() if call.changes])
def test_arguments_that_are_none(method, name, kind):
    call = rest_api.CALLS[method]
    arguments = {each: ARGUMENTS[other]
                 for each, other in call.arguments.items()}
    for wrong in WRONG[kind]:
        __, __, body = call.request({**arguments, name: wrong})
        with pytest.raises(ValueError):
            rest_api.arguments_of(call, '', body)


@pytest.mark.parametrize('query', ['', 'name=', 'name=a&more=b', 'a=name'])
def test_queries_that_are_none(query):
    with pytest.raises(ValueError):
        rest_api.arguments_of(rest_api.CALLS['find_share'], query, None)


def test_all_of_the_interface_is_there():
    methods = {name for name, each in vars(interface.Appliance).items()
               if inspect.isfunction(each) and not name.startswith('_')}
    assert set(rest_api.CALLS) == methods - {'close', 'offers'}


@pytest.mark.parametrize('wrong', [
    {'size': '1'}, {'size': -1}, {'size': True}, {'size': 1.0},
    {'origin': ['a', 's']}, {'origin': 'a@s'}, {'origin': {'share': 'a'}},
    {'snapshots': {}}, {'snapshots': ['s']}, {'name': ''}, {'id': None},
    {'location': 7}, {'location': 'nas'}, {'location': '/a'},
    # To mount(8) it would say where to read what is mounted.
    {'location': '-T/tmp/fstab:/a'}, {'location': ':/a'}])
def test_a_share_that_is_none(wrong):
    call = call_of('create_share')
    answer = rest_api.answer_of(call, SHARE)
    answer['share'].update(wrong)
    with pytest.raises(ValueError):
        rest_api.value_of(call, json.dumps(answer))


def test_what_is_new_in_an_answer_is_ignored():
    call = call_of('create_share')
    answer = rest_api.answer_of(call, SHARE)
    answer['share']['colour'] = answer['more'] = 'blue'
    assert rest_api.value_of(call, json.dumps(answer)) == SHARE


def test_those_that_need_not_be_there():
    """The interface has something for them, and for nothing else."""
    optional = [method for method in rest_api.CALLS if method != 'check' and
                not getattr(getattr(interface.Appliance, method),
                            '__isabstractmethod__', False)]
    assert set(rest_api.OPTIONAL) == set(optional)


def test_another_version():
    with pytest.raises(ValueError):
        rest_api.value_of(call_of('check'),
                          b'{"about": {"version": 2, "offers": []}}')


class TestErrors:
    def test_all_are_there(self):
        ours = {each for each in vars(errors).values()
                if isinstance(each, type) and
                issubclass(each, errors.ApplianceError)}
        assert {each for each, __ in rest_api.ERRORS.values()} == ours - {
            # Of SSH only, and no answer.
            errors.ApplianceHostKeyChanged, errors.ApplianceUnreached}

    @pytest.mark.parametrize('name', rest_api.ERRORS)
    def test_it_comes_over(self, name):
        each, status = rest_api.ERRORS[name]
        told, body = rest_api.error_answer(made(each))
        assert (told, body['error']) == (status, name)
        error = rest_api.error_of(json.dumps(body), 'client', 'try', {})
        assert type(error) is each
        assert '%(' not in error.msg
        assert (error.kwargs['share'], error.kwargs['snapshot'],
                error.kwargs['what']) == ('a', 's', 'try')

    def test_one_that_says_little(self):
        error = rest_api.error_of(
            b'{"error": "SnapshotMissing", "message": "it has none"}', 'box',
            'clone it', {'share': 'a', 'snapshot': 's', 'name': 'n'})
        assert (error.kwargs['share'], error.kwargs['snapshot']) == (
            'a', 's')

    def test_one_that_is_new(self):
        error = rest_api.error_of(b'{"error": "Tired", "message": "so"}',
                                  'box', 'go', {})
        assert type(error) is errors.ApplianceError
        assert 'Tired, so' in error.msg

    def test_a_call_that_is_not_there(self):
        error = rest_api.error_of(
            b'{"error": "NoSuchCall", "message": "POST"}', 'box', 'go', {})
        assert type(error) is errors.ApplianceUnsupported

    @pytest.mark.parametrize('body', [
        b'', b'<html>', b'[]', b'{}', b'{"error": "Full"}',
        b'{"error": 1, "message": "x"}'])
    def test_garbage(self, body):
        with pytest.raises(ValueError):
            rest_api.error_of(body, 'box', 'go', {})

    def test_a_message_without_an_end(self):
        body = json.dumps({'error': 'Full', 'message': 'x' * 100000})
        error = rest_api.error_of(body, 'box', 'go', {})
        assert len(error.msg) < 1000
