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

"""The HTTP API of an appliance, as a table that client and server share.

Pure. doc/source/drivers/appliance-rest.yaml says the same to a vendor, and a
test holds the two together. Names are in the query of what is read and in
the body of what is changed, never in the path: what is on the way may change
``..`` or ``%2F`` in a path.
"""

import dataclasses
import json
import urllib.parse

from remotefs_drivers.appliances import rest_values
from remotefs_drivers import errors

#: What all paths begin with.
VERSION = '/v1'
#: Says to the server that two requests are one.
KEY_HEADER = 'Idempotency-Key'
#: What a message may have of it: the other side is not trusted that far.
_LONGEST_MESSAGE = 500

NAME = 'a name'
NAMES = 'a list of names'
SIZE = 'a size in bytes'


@dataclasses.dataclass(frozen=True)
class Call:
    """A method of the appliance.

    :ivar verb: of HTTP: GET changes nothing
    :ivar arguments: name -> NAME, NAMES or SIZE, in the method's order
    :ivar result: the one field of the answer, a key of rest_values.READ;
                  None for none
    """

    verb: str
    path: str
    arguments: dict
    result: str = None

    @property
    def changes(self):
        return self.verb != 'GET'

    def request(self, arguments):
        """(verb, path and query, body) of a request; body bytes or None."""
        path = VERSION + self.path
        if self.changes:
            return self.verb, path, json.dumps(arguments).encode()
        query = urllib.parse.urlencode(arguments, errors='surrogateescape')
        return self.verb, '?'.join(filter(None, [path, query])), None


#: Method -> Call.
CALLS = {
    'check': Call('GET', '/about', {}, 'about'),
    'create_share': Call('POST', '/shares/create',
                         {'name': NAME, 'size': SIZE}, 'share'),
    'delete_share': Call('POST', '/shares/delete',
                         {'name': NAME, 'snapshots': NAMES}),
    'resize_share': Call('POST', '/shares/resize',
                         {'name': NAME, 'size': SIZE}),
    'rename_share': Call('POST', '/shares/rename',
                         {'name': NAME, 'new_name': NAME}, 'share'),
    'find_share': Call('GET', '/shares/find', {'name': NAME}, 'found'),
    'list_shares': Call('GET', '/shares', {}, 'shares'),
    'create_snapshot': Call('POST', '/snapshots/create',
                            {'share': NAME, 'name': NAME}, 'snapshot'),
    'create_snapshots': Call('POST', '/snapshots/create-several',
                             {'shares': NAMES, 'name': NAME}, 'snapshots'),
    'delete_snapshot': Call('POST', '/snapshots/delete',
                            {'share': NAME, 'name': NAME}),
    'rename_snapshot': Call('POST', '/snapshots/rename',
                            {'share': NAME, 'name': NAME, 'new_name': NAME},
                            'snapshot'),
    'clone_snapshot': Call('POST', '/snapshots/clone',
                           {'share': NAME, 'snapshot': NAME, 'name': NAME,
                            'size': SIZE}, 'share'),
    'promote': Call('POST', '/shares/promote', {'share': NAME}),
    'roll_back': Call('POST', '/shares/roll-back',
                      {'share': NAME, 'snapshot': NAME}),
    'capacity': Call('GET', '/capacity', {}, 'capacity'),
}

#: Methods that a server need not have; it says which it has.
OPTIONAL = ('rename_share', 'create_snapshots', 'rename_snapshot', 'promote',
            'roll_back')

#: Name of an error in an answer -> (the class, status of HTTP).
ERRORS = {
    'Failed': (errors.ApplianceError, 500),
    'Unavailable': (errors.ApplianceUnavailable, 503),
    'Denied': (errors.ApplianceDenied, 401),
    'NotReady': (errors.ApplianceNotReady, 409),
    'Full': (errors.ApplianceFull, 507),
    'Unsupported': (errors.ApplianceUnsupported, 501),
    'ShareExists': (errors.ApplianceShareExists, 409),
    'ShareMissing': (errors.ApplianceShareMissing, 404),
    'ShareInUse': (errors.ApplianceShareInUse, 409),
    'SnapshotExists': (errors.ApplianceSnapshotExists, 409),
    'SnapshotMissing': (errors.ApplianceSnapshotMissing, 404),
    'SnapshotInUse': (errors.ApplianceSnapshotInUse, 409),
    'RollbackRefused': (errors.ApplianceRollbackRefused, 409),
}
#: Those that speak of the request itself. To the client, it failed; but a
#: call that the server does not have is one that it cannot do.
REQUEST_INVALID = ('RequestInvalid', 400)
NO_SUCH_CALL = ('NoSuchCall', 404)
KEY_REUSED = ('KeyReused', 422)

_JUDGED = {NAME: rest_values.a_name, NAMES: rest_values.names,
           SIZE: rest_values.a_size}
_NAMES = {each: (name, status) for name, (each, status) in ERRORS.items()}
_READ_ERRORS = {NO_SUCH_CALL[0]: errors.ApplianceUnsupported,
                **{name: each for name, (each, __) in ERRORS.items()}}


def find(verb, path):
    """(method, Call) of a request; None when there is none."""
    for method, call in CALLS.items():
        if (call.verb, VERSION + call.path) == (verb, path):
            return method, call
    return None


def arguments_of(call, query, body):
    """The arguments of a request, in the method's order.

    :param query: text after the question mark
    :param body: bytes
    :raises ValueError: when they are not those of the method
    """
    found = (rest_values.object_of(body) if call.changes
             else _fields_of(query))
    if set(found) != set(call.arguments):
        raise ValueError('it needs %s, and has %s' % (
            sorted(call.arguments), sorted(found)))
    for name, kind in call.arguments.items():
        _JUDGED[kind](found[name], name)
    return [found[name] for name in call.arguments]


def _fields_of(query):
    return dict(urllib.parse.parse_qsl(query, keep_blank_values=True,
                                       errors='surrogateescape'))


def answer_of(call, value):
    """What a method returned, as the body of an answer: plain values."""
    if call.result is None:
        return {}
    return {call.result: rest_values.WRITE[call.result](value)}


def value_of(call, body):
    """What a method returns.

    :param body: bytes of an answer
    :raises ValueError: when it is no answer to this
    """
    plain = rest_values.object_of(body)
    if call.result is None:
        return None
    return rest_values.READ[call.result](
        rest_values.field(plain, call.result))


def error_answer(error):
    """(status, body) of an error of the appliance."""
    name, status = _NAMES.get(type(error), ('Failed', 500))
    fields = {field: error.kwargs[field] for field in ('share', 'snapshot')
              if error.kwargs.get(field)}
    reason = error.kwargs.get('reason') or error.msg
    return refusal(name, status, reason, **fields)


def refusal(name, status, message, **fields):
    """(status, body) of an error by its name."""
    return status, {'error': name, 'message': str(message), **fields}


def error_of(body, appliance, what, arguments):
    """The error that an answer tells of.

    :param arguments: of the call, by name
    :raises ValueError: when it tells of none
    """
    plain = rest_values.object_of(body)
    name, message = (rest_values.text(plain, each)[:_LONGEST_MESSAGE]
                     for each in ('error', 'message'))
    error = _READ_ERRORS.get(name, errors.ApplianceError)
    return error(
        appliance=appliance, what=what,
        reason=message if name in ERRORS else '%s, %s' % (name, message),
        remedy='Ask its vendor.',
        share=plain.get('share') or arguments.get(
            'share', arguments.get('name', '')),
        snapshot=plain.get('snapshot') or arguments.get(
            'snapshot', arguments.get('name', '')))
