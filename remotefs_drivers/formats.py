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

"""The recorded formats of a volume: what we trust instead of its files.

A tenant writes what it likes into a raw volume, so the file is never asked.
The records are in the admin metadata of the volume in Cinder's database,
written and read by Cinder's own NFS drivers as well: ``format``, of the file
that hosts attach, and ``base_format``, of the base below the snapshots.
"""

from remotefs_drivers.chain import model

KEY = 'format'
BASE_KEY = 'base_format'


def recorded(volume, legacy=None):
    """What is on record for a volume.

    :param legacy: what the operator says of volumes without a record
    :returns: chain.model.Recorded
    """
    metadata = _metadata(volume)
    moved = metadata.get(_moved_key(volume.name_id))
    return model.Recorded(base=moved or metadata.get(BASE_KEY),
                          active=moved or metadata.get(KEY), legacy=legacy)


def record(volume, file_format, location, base=None):
    """Write down a volume's format and its share, before its file exists.

    A service that is killed afterwards leaves a volume of which Cinder
    knows where its file is, or would be.

    :param location: of the share
    :param base: the format of its base, when it comes with overlays
    """
    volume.provider_location = location
    _save(volume, {KEY: file_format, **({BASE_KEY: base} if base else {})})


def settle(volume, chain):
    """Write down what follows from a chain, where that is not on record.

    For the drivers in Cinder's tree; what we trust ourselves is the base's.
    """
    metadata = _metadata(volume)
    wanted = {KEY: chain.active.format}
    if len(chain.layers) > 1 or BASE_KEY in metadata:
        wanted[BASE_KEY] = chain.lowest.format
    if wanted.items() - metadata.items():
        _save(volume, wanted)


def record_moved(volume, new_volume):
    """Write down what a migrated volume will be once it is the new one.

    Cinder swaps the admin metadata of the two volumes in the end when the
    migration was asked for by an admin, and does not otherwise. So the
    format is noted under the file that it belongs to, which is the volume's
    own only from the moment on that Cinder says so (name_id).
    """
    found = recorded(new_volume)
    _save(volume, {_moved_key(new_volume.name_id): found.base or
                   found.active})


def _moved_key(name_id):
    return '%s:%s' % (KEY, name_id)


def _save(volume, changes):
    with volume.obj_as_admin():
        volume.admin_metadata = dict(_metadata(volume), **changes)
        volume.save()


def _metadata(volume):
    if not volume.obj_attr_is_set('admin_metadata'):
        # Loaded for an admin only.
        with volume.obj_as_admin():
            volume.obj_load_attr('admin_metadata')
    return volume.admin_metadata or {}
