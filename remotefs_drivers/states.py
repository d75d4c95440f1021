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
#: States for snapshots, as the drivers in Cinder's tree have them.
_SNAPSHOT = ('available', 'backing-up')
#: The same, while a guest has the volume, whose QEMU does its part.
_GUEST = ('in-use', 'backing-up')
_DELETE_SNAPSHOT = ('available', 'backing-up', 'deleting', 'downloading')
_REVERT = ('available', 'reverting')
_COPYABLE_SNAPSHOT = ('available', 'backing-up', 'restoring')
#: Migrations that are not under way.
_NO_MIGRATION = (None, 'success', 'error', 'deleting')
#: Names of the snapshots that Cinder makes to fill its image cache.
_OF_IMAGE_CACHE = 'tmp-snap-'


def refuse_encrypted(volume):
    """Keep nothing in plain text that should be encrypted.

    :raises EncryptionUnsupported: when the volume's type says so
    """
    if volume.encryption_key_id:
        raise errors.EncryptionUnsupported(volume=volume.id)


def refuse_busy_source(volume):
    """Copy no volume in the middle of something else.

    :raises SourceBusy: unless the state excludes it
    """
    expected = _GUEST if is_attached(volume) else _COPYABLE
    if volume.status not in expected:
        raise errors.SourceBusy(volume=volume.id, status=volume.status,
                                expected=', '.join(expected))


def refuse_snapshot_of(volume, snapshot):
    """Make no snapshot of a volume in the middle of something else.

    :raises VolumeBusy, VolumeShared, GuestUnknown: unless the state allows
                                                    it
    """
    expected = _SNAPSHOT
    if (snapshot.display_name or '').startswith(_OF_IMAGE_CACHE):
        expected += ('downloading',)
    _refuse_unless(volume, expected)


def refuse_delete_snapshot_of(volume):
    """Delete no snapshot of a volume in the middle of something else.

    :raises VolumeBusy, VolumeShared, GuestUnknown: unless the state allows
                                                    it
    """
    _refuse_unless(volume, _DELETE_SNAPSHOT)


def refuse_revert_of(volume):
    """Throw nothing away that somebody may be writing.

    :raises VolumeBusy, VolumeAttached: unless the state allows it
    """
    refuse_attached(volume)
    _refuse_unless(volume, _REVERT)


def refuse_shrink(volume, new_size):
    """:param new_size: GiB
    :raises ShrinkRefused: when that is less than it has
    """
    if new_size < volume.size:
        raise errors.ShrinkRefused(volume=volume.id, size=volume.size,
                                   new_size=new_size)


def refuse_attached(volume):
    """:raises VolumeAttached: when a guest may have the volume"""
    if is_attached(volume):
        raise errors.VolumeAttached(volume=volume.id)


def refuse_guest(volume):
    """Ask nothing of a guest that there is not, or not one of.

    :raises VolumeShared, GuestUnknown: unless there is one
    """
    if volume.multiattach:
        raise errors.VolumeShared(
            volume=volume.id, reason='Nova makes and deletes no snapshots of '
            'it while it is attached. Detach it from all of them')
    if not volume.volume_attachment:
        raise errors.GuestUnknown(volume=volume.id, status=volume.status)


def refuse_shared(volume, file_format):
    """Let nobody else write to a file that one QEMU alone can write to.

    Of a volume that is not to be shared, hosts that move an instance from
    one to the other have it both for a while, and take care of that.

    :param file_format: of the active file
    :raises VolumeShared: when another server has it already
    """
    if volume.multiattach and file_format != 'raw' and is_attached(volume):
        raise errors.VolumeShared(
            volume=volume.id, reason='it is kept as %s, and is attached '
            'already. Delete its snapshots once it is detached' % file_format)


def refuse_busy_snapshot(snapshot):
    """Copy no snapshot that is being made or deleted.

    :raises SnapshotBusy: unless the state allows it
    """
    if snapshot.status not in _COPYABLE_SNAPSHOT:
        raise errors.SnapshotBusy(snapshot=snapshot.id,
                                  status=snapshot.status,
                                  expected=', '.join(_COPYABLE_SNAPSHOT))


def _refuse_unless(volume, expected):
    if is_attached(volume):
        refuse_guest(volume)
        expected = _GUEST
    if volume.status not in expected:
        raise errors.VolumeBusy(volume=volume.id, status=volume.status,
                                expected=', '.join(expected))


def is_attached(volume):
    """Whether a host may have the volume open."""
    return volume.attach_status == 'attached'


def is_idle(volume):
    """Whether no host has the volume, nor is about to, whatever for.

    Before a host is told of it Cinder gives it another status, or a record of
    the attachment, or of the migration.
    """
    return (volume.status == 'available' and not is_attached(volume) and
            not volume.volume_attachment and
            volume.migration_status in _NO_MIGRATION)


def is_plain_bytes_only(volume):
    """Whether it is Cinder that attaches, to read or write plain bytes."""
    return volume.status in _BACKUP or is_migration_source(volume)


def is_failed_manage(volume):
    """Whether it is deleted because its files never came to be managed."""
    return volume.status == 'error_managing_deleting'


def is_restored(volume):
    """Whether cinder-backup writes to the volume."""
    return volume.status == 'restoring-backup'


def is_migration_target(volume):
    """Whether Cinder will copy plain bytes into this new volume."""
    return (volume.migration_status or '').startswith('target:')


def is_raw_only(volume):
    """Whether this new volume can be nothing but a raw file.

    One QEMU alone can write to a qcow2 file.
    """
    return is_migration_target(volume) or bool(volume.multiattach)


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
