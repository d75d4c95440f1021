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
"""What Cinder may ask for, checked as Nova checks it.

Nova's schemas are in nova/api/openstack/compute/schemas; they take no key
that they do not name. Of a delete request Nova itself only looks at
``volume_id`` before it answers, and fails later on the rest; here that is
refused at once, where it is seen.
"""

import dataclasses
import json
import typing
import uuid

from remotefs_drivers.embedded import errors

#: The first and the last microversion that are answered.
OLDEST = (2, 1)
NEWEST = (2, 96)

# Kind of an event -> the microversion that it came with.
_EVENTS = {'volume-extended': (2, 51), 'volume-reimaged': (2, 93)}
_EVENT_STATES = ('completed', 'failed', 'in-progress')


@dataclasses.dataclass(frozen=True)
class Create:
    """Go on in ``new_file``, a name in the folder of the active file."""

    volume_id: str
    snapshot_id: str
    new_file: str

    done, failed = 'creating', 'error'


@dataclasses.dataclass(frozen=True)
class Delete:
    """Merge; see :func:`delete`."""

    volume_id: str
    snapshot_id: str
    file_to_merge: typing.Optional[str]
    merge_target_file: typing.Optional[str]

    done, failed = 'deleting', 'error_deleting'


@dataclasses.dataclass(frozen=True)
class Event:
    """Something happened to ``tag``, a volume."""

    name: str
    server_id: str
    tag: typing.Optional[str]
    status: str


def create(body):
    """The body of a POST to os-assisted-volume-snapshots.

    :raises Refused:
    """
    snapshot = _object('body', body, {'snapshot'})['snapshot']
    _object('snapshot', snapshot, {'volume_id', 'create_info'})
    info = _object('create_info', snapshot['create_info'],
                   {'snapshot_id', 'type', 'new_file'}, {'id'})
    for name in info:
        _text(name, info[name])
    _is_qcow2(info)
    return Create(_text('volume_id', snapshot['volume_id']),
                  info['snapshot_id'], info['new_file'])


def delete(snapshot_id, query):
    """A DELETE of an assisted snapshot.

    Without a target everything above ``file_to_merge`` (None: everything)
    is pulled into the active file; with one ``file_to_merge`` goes into it.

    :param query: parameter -> list of values
    :raises Refused:
    """
    values = query.get('delete_info', ())
    if len(values) != 1:
        raise _bad('There must be one delete_info in the query.')
    try:
        info = json.loads(values[0])
    except ValueError as exc:
        raise _bad('delete_info is no JSON: %s.' % exc)
    _object('delete_info', info,
            {'type', 'volume_id', 'file_to_merge', 'merge_target_file'})
    _is_qcow2(info)
    merge, target = info['file_to_merge'], info['merge_target_file']
    if target is not None:
        _text('merge_target_file', target)
    if merge is not None or target is not None:
        _text('file_to_merge', merge)
    return Delete(_text('volume_id', info['volume_id']), snapshot_id, merge,
                  target)


def events(body, version):
    """The body of a POST to os-server-external-events.

    :param version: see :func:`microversion`
    :returns: list of Event
    :raises Refused:
    """
    wanted = _object('body', body, {'events'})['events']
    if not isinstance(wanted, list) or not wanted:
        raise _bad('events must be a list with something in it.')
    return [_event(each, version) for each in wanted]


def microversion(headers):
    """The microversion that a request asks for, as two numbers.

    :param headers: mapping
    :raises Refused:
    """
    text = headers.get('OpenStack-API-Version', '')
    service, __, wanted = text.partition(' ')
    if service != 'compute':
        wanted = headers.get('X-OpenStack-Nova-API-Version') or '2.1'
    if wanted == 'latest':
        return NEWEST
    try:
        major, minor = map(int, wanted.split('.'))
    except ValueError:
        raise _bad('%r is no version of this API.' % wanted)
    if not OLDEST <= (major, minor) <= NEWEST:
        raise errors.Refused(406, 'Version %s is not supported.' % wanted)
    return major, minor


def _event(wanted, version):
    _object('event', wanted, {'name', 'server_uuid'}, {'tag', 'status'})
    name = wanted['name']
    if not isinstance(name, str) or version < _EVENTS.get(name, (9, 0)):
        raise _bad('%r is no event of version %d.%d.' % (name, *version))
    status = wanted.get('status', 'completed')
    if status not in _EVENT_STATES:
        raise _bad('%r is no status of an event.' % status)
    try:
        uuid.UUID(wanted['server_uuid'])
    except (ValueError, AttributeError, TypeError):
        raise _bad('server_uuid is %r.' % (wanted['server_uuid'],))
    return Event(name, wanted['server_uuid'], wanted.get('tag'), status)


def _object(where, value, needed, allowed=frozenset()):
    if not isinstance(value, dict):
        raise _bad('%s must be an object, not %r.' % (where, value))
    missing = needed - value.keys()
    unknown = value.keys() - needed - allowed
    if missing or unknown:
        raise _bad('%s lacks %s, and has besides %s.'
                   % (where, sorted(missing), sorted(unknown)))
    return value


def _text(name, value):
    if not isinstance(value, str) or not value:
        raise _bad('%s must be a text, not %r.' % (name, value))
    return value


def _is_qcow2(info):
    if info['type'] != 'qcow2':
        raise _bad('The type must be qcow2, not %r.' % (info['type'],))


def _bad(message):
    return errors.Refused(400, message)
