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

"""Whose volume is what has a name: Cinder's database knows.

A volume that was migrated has the name of the one that it was moved to, which
Cinder calls its name_id.
"""

import itertools
import types

from cinder import context as cinder_context
from cinder import objects

from remotefs_drivers.remotefs import reference

#: Names in one question to the database.
_AT_ONCE = 500


def find(names):
    """Name -> the volume, any that Cinder has, that it is, or was, of."""
    ids = {reference.volume_id_of(name): name for name in names}
    ids.pop(None, None)
    return {ids[volume[field]]: volume
            for field, volume in _ask(('id', '_name_id'), ids)}


def of_shares(some):
    """Of names of shares: Cinder's volumes, or what is left of some.

    What has to be locked is a volume's id, which is not the one in the name
    of its share once the volume was migrated.
    """
    known = find(some)
    for name in some:
        volume_id = reference.volume_id_of(name)
        volume = known.get(name)
        if volume is not None and volume.name == name:
            yield volume
        elif volume_id is not None:
            yield types.SimpleNamespace(
                id=volume.id if volume is not None else volume_id, name=name,
                size=0, provider_location=None)


def at(locations):
    """Cinder's volumes that are at one of these locations."""
    return [volume for __, volume in _ask(('provider_location',), locations)]


def _ask(fields, values):
    """(field, volume) of each that has one of these values in a field."""
    left = iter(values)
    while chunk := list(itertools.islice(left, _AT_ONCE)):
        for field in fields:
            for volume in objects.VolumeList.get_all(
                    cinder_context.get_admin_context(),
                    filters={field: chunk}):
                yield field, volume
