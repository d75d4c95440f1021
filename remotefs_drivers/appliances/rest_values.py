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

"""Values of an appliance as plain ones, for JSON, and back. Pure.

What comes from the other side is judged: ValueError says what is wrong.
"""

import dataclasses
import json

from remotefs_drivers.appliances import interface

#: What a message may have of what is wrong.
_LONGEST = 500


def _about(plain):
    if number(plain, 'version') != 1:
        raise ValueError('it has version %s of the API, not 1'
                         % plain['version'])
    return tuple(names(field(plain, 'offers'), 'offers'))


def _write_about(offers):
    return {'version': 1, 'offers': list(offers)}


def _snapshot(plain):
    return interface.Snapshot(text(plain, 'name'), text(plain, 'id'),
                              tuple(names(field(plain, 'clones'),
                                          'clones')))


def _write_snapshot(snapshot):
    return {'name': snapshot.name, 'id': snapshot.id,
            'clones': list(snapshot.clones)}


def _share(plain):
    size, origin = field(plain, 'size'), field(plain, 'origin')
    snapshots = field(plain, 'snapshots')
    return interface.Share(
        text(plain, 'name'), text(plain, 'id'), _location(plain),
        None if size is None else number(plain, 'size'),
        origin and (text(origin, 'share'), text(origin, 'snapshot')),
        None if snapshots is None else _each(_snapshot, snapshots, tuple))


def _location(plain):
    """What hosts mount, as root: address:/path, and no option of mount(8).

    The path may hold anything, as the name of a share may.
    """
    found = text(plain, 'location')
    address, slash, __ = found.partition(':/')
    if not (slash and address) or address.startswith('-'):
        raise ValueError('location should be address:/path: %s'
                         % _short(found))
    return found


def _write_share(share):
    return {
        'name': share.name, 'id': share.id, 'location': share.location,
        'size': share.size,
        'origin': share.origin and dict(zip(('share', 'snapshot'),
                                            share.origin)),
        'snapshots': (None if share.snapshots is None else
                      _write_each(_write_snapshot)(share.snapshots))}


def _found(plain):
    return None if plain is None else _share(plain)


def _write_found(share):
    return None if share is None else _write_share(share)


def _capacity(plain):
    return interface.Capacity(number(plain, 'total'),
                              number(plain, 'free'))


def _each(read, plain, kind=list):
    if not isinstance(plain, list):
        raise ValueError('it should be a list: %s' % _short(plain))
    return kind(map(read, plain))


def _write_each(write):
    return lambda values: [write(value) for value in values]


#: Result of a call -> function that makes it of plain values ...
READ = {
    'about': _about,
    'share': _share,
    'found': _found,
    'shares': lambda plain: _each(_share, plain),
    'snapshot': _snapshot,
    'snapshots': lambda plain: _each(_snapshot, plain),
    'capacity': _capacity,
}
#: ... and one that makes plain values of it.
WRITE = {
    'about': _write_about,
    'share': _write_share,
    'found': _write_found,
    'shares': _write_each(_write_share),
    'snapshot': _write_snapshot,
    'snapshots': _write_each(_write_snapshot),
    'capacity': dataclasses.asdict,
}


# Plain values, judged


def object_of(body):
    """The JSON object in bytes, as a dict."""
    try:
        plain = json.loads(body)
    except RecursionError:
        raise ValueError('it is nested too deeply')
    if not isinstance(plain, dict):
        raise ValueError('it should be an object: %s' % _short(plain))
    return plain


def field(plain, name):
    """One field of an object."""
    if not isinstance(plain, dict) or name not in plain:
        raise ValueError('it has no field %s: %s' % (name, _short(plain)))
    return plain[name]


def text(plain, name):
    """The same, which is a text, and not empty."""
    return a_name(field(plain, name), name)


def number(plain, name):
    """The same, which is a number of bytes."""
    return a_size(field(plain, name), name)


def a_name(value, name):
    """The value, if it is a name; ``name`` is what a message calls it."""
    if not isinstance(value, str) or not value:
        raise ValueError('%s should be a text: %s' % (name, _short(value)))
    return value


def a_size(value, name):
    """The value, if it is a number of bytes."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError('%s should be a number of bytes: %s'
                         % (name, _short(value)))
    return value


def names(value, name):
    """The value, if it is a list of names."""
    return _each(lambda each: a_name(each, name), value)


def _short(plain):
    return repr(plain)[:_LONGEST]
