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

"""Shares of an appliance become volumes, and volumes shares.

An operator names a share by its name, or by its location (``source-name``),
or by the id of the volume that it was (``source-id``). There must be one file
in it, which can be a raw volume, besides those whose names begin with a dot:
the share will go with its volume, and whatever is in it. The share gets the
name of the volume, last of all, and where it is mounted changes with that on
most appliances.

What an unmanage leaves is the share as it is. Its snapshots can be managed
again once the volume is.
"""

import os

from cinder import context as cinder_context
from cinder import objects
from cinder.volume import volume_utils
from oslo_log import log as logging

from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers.remotefs import manageable
from remotefs_drivers.remotefs import managing
from remotefs_drivers.remotefs import owners
from remotefs_drivers.remotefs import reference
from remotefs_drivers.remotefs import share_groups
from remotefs_drivers.share import table
from remotefs_drivers import states
from remotefs_drivers import volumeshare

LOG = logging.getLogger(__name__)


class ManagingDriver(share_groups.GroupDriver, managing.ManagingDriver):
    """Volumes that may have been shares before."""

    # Volumes

    def manage_existing_get_size(self, volume, existing_ref):
        """The size of the file in a share as a volume, GiB, rounded up.

        :param existing_ref: see remotefs.reference
        :raises ReferenceInvalid, ReferenceManaged: when it cannot be managed
        """
        __, __, size = self._find_share(volume, existing_ref)
        return manageable.whole(size)

    def manage_existing(self, volume, existing_ref):
        """Make a share of the appliance a volume.

        :returns: for the database
        :raises: as manage_existing_get_size
        """
        states.refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            share, file, size = self._find_share(volume, existing_ref)
            volume.size = manageable.whole(size)
            LOG.info('Share %s on %s becomes volume %s', share.name,
                     self._appliance.name, volume.id)
            try:
                return self._of(volume).take(share.name, file)
            except (errors.ApplianceUnsupported,
                    errors.ApplianceShareExists) as error:
                raise _refused(volume, existing_ref, error)

    def unmanage(self, volume):
        """Leave the share as it is, for another Cinder or for this."""
        if volume.provider_location:
            self._shares.release(self._share_of(volume))
        super().unmanage(volume)

    def get_manageable_volumes(self, cinder_volumes, marker, limit, offset,
                               sort_keys, sort_dirs):
        """The shares on the appliance, and whether they are volumes.

        None is looked into: the size is what the share can hold.
        """
        shares = list(filter(self._is_for_volumes,
                             self._appliance.list_shares()))
        known = owners.find([each.name for each in shares])
        entries = [manageable.share(each, known.get(each.name))
                   for each in shares]
        return volume_utils.paginate_entries_list(
            entries, marker, limit, offset, sort_keys, sort_dirs)

    def _is_for_volumes(self, share):
        """Not the one with the journals, nor one while a verb runs."""
        name = share.name
        return (share.location != self._home.location and
                not (sharing.is_temporary(name) and
                     reference.volume_id_of(sharing.owner(name))))

    def _find_share(self, volume, existing_ref):
        """(appliances.interface.Share, name of the file in it, its size)"""
        try:
            name, said = reference.named(existing_ref)
        except ValueError as error:
            raise _refused(volume, existing_ref, error)
        # The second one where it was cut off after the last step.
        found = self._look_for_share(name) or self._of(volume).look()
        if found is None or not self._is_for_volumes(found):
            raise _refused(volume, existing_ref,
                           'there is no share of that name for volumes on '
                           '%s' % self._appliance.name)
        self._refuse_managed(volume, found.name, existing_ref)
        share = table.Share(found.location)
        with self._shares.visit(share):
            file, size = self._find_file(volume, existing_ref, share, said)
        self._refuse_unnamed(volume, found.name, existing_ref)
        return found, file, size

    def _refuse_unnamed(self, volume, name, existing_ref):
        """Where a share cannot get the volume's name, nothing in it changes.
        """
        if (name != self._of(volume).name and
                not self._appliance.offers('rename_share')):
            raise _refused(volume, existing_ref,
                           '%s has no way to rename a share. Copy the file '
                           'into a new volume instead' % self._appliance.name)

    def _look_for_share(self, name):
        """By its name, or by its location."""
        if '/' not in name:
            return self._appliance.find_share(name)
        return self._find_at(name.rstrip('/'))

    def _find_file(self, volume, existing_ref, share, said):
        """(name, size in bytes) of the file that will be the volume's."""
        some = [name for name in self._names_on(share)
                if not name.startswith('.')]
        half = self._half_renamed(share, some)
        left = [half] if half else some
        if len(left) != 1:
            raise _refused(volume, existing_ref, 'there are %d files in it, '
                           'expected one: all that is in a share goes with '
                           'the volume that it becomes' % len(left))
        name, = left
        judged, = self._judge(share, [name], said,
                              own=half and sharing.FILE)
        if judged.problem is not None:
            raise _refused(volume, existing_ref, judged.problem)
        if judged.layers is not None or judged.format != 'raw':
            raise _refused(volume, existing_ref,
                           'its %s is %s, expected a raw file without '
                           'overlays: convert it' % (name, judged.format))
        return name, judged.size

    def _half_renamed(self, share, some):
        """The old name of a file that has its new one as well, or None.

        A manage was cut off there: see store.files.rename_new.
        """
        if len(some) != 2 or sharing.FILE not in some:
            return None
        old, = set(some) - {sharing.FILE}
        folder = self._shares.path(share)
        return old if self._shares.call(
            share, 'look', self._means.files.is_same,
            os.path.join(folder, old),
            os.path.join(folder, sharing.FILE)) else None

    # Snapshots

    def manage_existing_snapshot_get_size(self, snapshot, existing_ref):
        """The size of the volume, GiB: no snapshot is known to be smaller.

        :raises SnapshotReferenceInvalid, ReferenceManaged: when there is no
            such snapshot
        """
        self._find_snapshot(snapshot, existing_ref)
        return snapshot.volume.size

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Give a snapshot of a volume's share the name of one of Cinder's.

        :returns: for the database
        :raises: as manage_existing_snapshot_get_size
        """
        volume = snapshot.volume
        with self._locks.volumes(volume.id):
            name = self._find_snapshot(snapshot, existing_ref)
            try:
                return self._of(volume).manage_snapshot(name, snapshot)
            except errors.ApplianceUnsupported as error:
                raise _snapshot_refused(snapshot, existing_ref, error)

    def unmanage_snapshot(self, snapshot):
        """Leave it as it is."""
        LOG.info('Snapshot %s stays on the share of volume %s', snapshot.id,
                 snapshot.volume_id)

    def get_manageable_snapshots(self, cinder_snapshots, marker, limit,
                                 offset, sort_keys, sort_dirs):
        """The snapshots of this backend's volumes on the appliance."""
        known = {(each.volume_id, volumeshare.name_of(each)): each
                 for each in cinder_snapshots}
        entries = [
            manageable.snapshot_of_share(
                found, each.name, volume, known.get((volume.id, each.name)))
            for volume, found in self._with_shares()
            for each in found.snapshots
            if not sharing.is_made_here(each.name)]
        return volume_utils.paginate_entries_list(
            entries, marker, limit, offset, sort_keys, sort_dirs)

    def _with_shares(self):
        """(volume, appliances.interface.Share) of those of this backend."""
        for volume in self._own_volumes({}):
            found = self._of(volume).look()
            if found is not None:
                yield volume, found

    def _find_snapshot(self, snapshot, existing_ref):
        """The name that the snapshot has on the appliance."""
        try:
            name, __ = reference.named(existing_ref)
        except ValueError as error:
            raise _snapshot_refused(snapshot, existing_ref, error)
        found = self._of(snapshot.volume).look()
        some = [each.name for each in found.snapshots] if found else []
        if name not in some and volumeshare.name_of(snapshot) in some:
            # Cut off after the last step.
            return volumeshare.name_of(snapshot)
        if name not in some or sharing.is_made_here(name):
            raise _snapshot_refused(
                snapshot, existing_ref,
                'its share has no such snapshot, but: %s'
                % (', '.join(some) or 'none'))
        self._refuse_snapshot_managed(snapshot, name, existing_ref)
        return name

    def _refuse_snapshot_managed(self, snapshot, name, existing_ref):
        """Those of a group snapshot have no id of theirs in their name."""
        for each in objects.SnapshotList.get_all_for_volume(
                cinder_context.get_admin_context(), snapshot.volume_id):
            if each.id != snapshot.id and volumeshare.name_of(each) == name:
                raise errors.ReferenceManaged(volume_ref=each.id,
                                              existing_ref=existing_ref)


def _refused(volume, existing_ref, reason):
    return errors.ReferenceInvalid(volume=volume.id,
                                   existing_ref=existing_ref, reason=reason)


def _snapshot_refused(snapshot, existing_ref, reason):
    return errors.SnapshotReferenceInvalid(
        snapshot=snapshot.id, volume=snapshot.volume_id,
        existing_ref=existing_ref, reason=reason)
