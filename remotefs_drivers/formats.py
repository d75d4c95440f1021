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

"""The recorded format of a volume's base file: what we trust instead of it.

A tenant writes what it likes into a raw volume, so the file is never asked.
The record is ``admin_metadata['format']`` in Cinder's database, written and
read by Cinder's own NFS drivers as well.
"""

from remotefs_drivers import errors
from remotefs_drivers.qemu import image

KEY = 'format'


def of(volume):
    """The recorded format of a volume's base file, 'raw' or 'qcow2'.

    :raises FormatUnknown: when none, or none of these, is recorded
    """
    metadata = _metadata(volume)
    recorded = metadata.get(_moved_key(volume.name_id), metadata.get(KEY))
    if recorded not in image.FORMATS:
        raise errors.FormatUnknown(volume=volume.id, value=recorded)
    if recorded != metadata.get(KEY):
        _save(volume, {KEY: recorded})
    return recorded


def record(volume, file_format, location):
    """Write down a volume's format and its share, before its file exists.

    A service that is killed afterwards leaves a volume of which Cinder
    knows where its file is, or would be.

    :param location: of the share
    """
    volume.provider_location = location
    _save(volume, {KEY: file_format})


def record_moved(volume, new_volume):
    """Write down what a migrated volume will be once it is the new one.

    Cinder swaps the admin metadata of the two volumes in the end when the
    migration was asked for by an admin, and does not otherwise. So the
    format is noted under the file that it belongs to, which is the volume's
    own only from the moment on that Cinder says so (name_id).
    """
    _save(volume, {_moved_key(new_volume.name_id): of(new_volume)})


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
