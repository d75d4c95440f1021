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

"""What a volume's state tells a driver. Pure.

Nova and Cinder attach volumes by the same call. They are told apart by the
states that Cinder sets around its own copies.
"""

from remotefs_drivers import errors

#: States in which nobody writes to a volume, so that it can be copied.
_COPYABLE = ('available', 'backing-up', 'downloading')
#: States in which cinder-backup reads or writes the bytes of the file.
_BACKUP = ('backing-up', 'restoring-backup')


def refuse_encrypted(volume):
    """Keep nothing in plain text that should be encrypted.

    :raises EncryptionUnsupported: when the volume's type says so
    """
    if volume.encryption_key_id:
        raise errors.EncryptionUnsupported(volume=volume.id)


def refuse_busy_source(volume):
    """Copy no volume that somebody may write to.

    :raises SourceBusy: unless the state excludes it
    """
    if volume.status not in _COPYABLE:
        raise errors.SourceBusy(volume=volume.id, status=volume.status,
                                expected=', '.join(_COPYABLE))


def refuse_backup_of(volume, file_format):
    """Let cinder-backup have plain bytes only.

    :raises RawDataOnly: when it would take a qcow2 file, or overwrite one,
                         for the bytes of the volume
    """
    if volume.status in _BACKUP and file_format != 'raw':
        raise errors.RawDataOnly(volume=volume.id, format=file_format,
                                 status=volume.status)


def is_migration_target(volume):
    """Whether Cinder will copy plain bytes into this new volume."""
    return (volume.migration_status or '').startswith('target:')


def is_migration_source(volume):
    """Whether Cinder is about to copy the plain bytes of this volume.

    A volume that a guest has is copied by the guest's host instead.
    """
    return (volume.migration_status == 'migrating' and
            not volume.volume_attachment)


def is_cinders_own(volume):
    """Whether it is Cinder, and no compute host, that attaches now."""
    return (volume.status in _BACKUP or
            is_migration_source(volume) or
            (is_migration_target(volume) and volume.status == 'available'))
