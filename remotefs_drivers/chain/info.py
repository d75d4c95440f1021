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

"""The text of ``volume-<id>.info``: Cinder's table of a volume's snapshots.

A JSON object: "active" -> name of the active file, and the id of each
snapshot -> name of the file that it added. Written as the drivers in
Cinder's tree write it, since Icehouse, to the byte; they can go on with what
we leave, and we with what they leave.

What is read may be damaged, or have been written by anybody who can write to
the share. It is refused when any of it is not as it should be.
"""

import json

from oslo_utils import uuidutils

from remotefs_drivers.chain import ids
from remotefs_drivers.chain import model
from remotefs_drivers import errors

_ACTIVE = 'active'
#: Until Pike a clone was made by way of a snapshot with this and the id of
#: the volume as its id. Cut off, that is left in the table for good.
_OF_A_CLONE = 'tmp-snap-'


def dumps(info):
    """The text for an Info."""
    return json.dumps(as_table(info), indent=1, sort_keys=True)


def loads(text, base, path):
    """The Info that a text says.

    :param base: the name of the volume's base, which the names of all its
                 layers begin with
    :param path: of the file, for messages
    :raises InfoInvalid: when it is not such a text
    """
    try:
        table = json.loads(text, object_pairs_hook=_unique)
        return _checked(table, base)
    except (ValueError, RecursionError) as error:
        raise errors.InfoInvalid(path=path, reason=error)


def of_table(table, base):
    """The Info for a table of the same form, as read from a journal.

    :raises ValueError: when it is not such a table
    """
    return None if table is None else _checked(table, base)


def as_table(info):
    """The table for an Info, or None for None."""
    return None if info is None else dict(info.snapshots,
                                          **{_ACTIVE: info.active})


def _unique(pairs):
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError('it names a snapshot twice')
    return table


def _is_id(key):
    # To tell what Cinder writes costs a fifth of reading any id.
    return ids.is_id(key) or uuidutils.is_uuid_like(
        key.removeprefix(_OF_A_CLONE))


def _checked(table, base):
    if not isinstance(table, dict):
        raise ValueError('it is no JSON object')
    for key, name in table.items():
        if key != _ACTIVE and not _is_id(key):
            raise ValueError('"%s" is neither "active" nor the id of a '
                             'snapshot' % key)
        if not isinstance(name, str) or not model.is_layer(base, name):
            raise ValueError('"%s" is %r, which is not the name of a file '
                             'of this volume' % (key, name))
    if _ACTIVE not in table:
        raise ValueError('it does not say which file is active')
    active = table.pop(_ACTIVE)
    names = list(table.values())
    if len(set(names)) < len(names):
        raise ValueError('it gives two snapshots the same file')
    if base in names:
        raise ValueError('it says that a snapshot added the base itself')
    return model.Info(active, table)
