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

"""Groups of volumes that have a share each, on an appliance.

A group is nothing but its volumes: all that the appliance does for one is to
make snapshots of several shares at one moment. These have one name.
"""

from cinder.objects import fields

from remotefs_drivers import errors
from remotefs_drivers.remotefs import groups
from remotefs_drivers.remotefs import share_deleting
from remotefs_drivers import states


class GroupDriver(share_deleting.DeletingDriver):
    """Volumes of which some are in a group."""

    def create_group(self, context, group):
        """Nothing, where snapshots of one moment can be had.

        :raises ApplianceGroupUnsupported: where they can not
        """
        groups.refuse_generic(group)
        if not self._makes_snapshots_together():
            raise errors.ApplianceGroupUnsupported(
                group=group.id, appliance=self._appliance.name)
        return {'status': fields.GroupStatus.AVAILABLE}

    def delete_group(self, context, group, volumes):
        """Delete the volumes of a group."""
        groups.refuse_generic(group)
        return groups.each(volumes, self.delete_volume,
                           fields.GroupStatus.DELETED,
                           fields.GroupStatus.ERROR_DELETING)

    def update_group(self, context, group, add_volumes=None,
                     remove_volumes=None):
        """Nothing: Cinder knows which volumes are in a group."""
        groups.refuse_generic(group)
        return None, None, None

    def create_group_from_src(self, context, group, volumes,
                              group_snapshot=None, snapshots=None,
                              source_group=None, source_vols=None):
        """Make the volumes of a group of those of another, of one moment."""
        groups.refuse_generic(group)
        if group_snapshot is not None:
            updates = [dict(self.create_volume_from_snapshot(*pair))
                       for pair in zip(volumes, snapshots)]
        else:
            updates = self._copy_group(group, volumes, source_vols)
        return ({'status': fields.GroupStatus.AVAILABLE},
                [dict(update, id=volume.id, status='available')
                 for volume, update in zip(volumes, updates)])

    def _copy_group(self, group, volumes, sources):
        for each in volumes:
            states.refuse_encrypted(each)
        for each in sources:
            states.refuse_busy_source(each)
        some = [*volumes, *sources]
        with self._locks.volumes(*(each.id for each in some)):
            shares = [self._of(each) for each in sources]
            with shares[0].moment(shares, group.id):
                return [self._of(volume).copy_of_moment(share, group.id)
                        for volume, share in zip(volumes, shares)]

    def create_group_snapshot(self, context, group_snapshot, snapshots):
        """Keep what all volumes of a group hold at one moment."""
        groups.refuse_generic(group_snapshot)
        for snapshot in snapshots:
            states.refuse_encrypted(snapshot.volume)
        with self._locks.volumes(*(each.volume_id for each in snapshots)):
            shares = [self._of(each.volume) for each in snapshots]
            taken = (shares[0].take_snapshots(shares, snapshots[0])
                     if shares else [])
        update, updates = groups.same(snapshots,
                                      fields.GroupSnapshotStatus.AVAILABLE)
        return update, [dict(each, **values)
                        for each, values in zip(updates, taken)]

    def delete_group_snapshot(self, context, group_snapshot, snapshots):
        """Delete the snapshots, one by one."""
        groups.refuse_generic(group_snapshot)
        return groups.each(snapshots, self.delete_snapshot,
                           fields.GroupSnapshotStatus.DELETED,
                           fields.GroupSnapshotStatus.ERROR_DELETING)

    def _makes_snapshots_together(self):
        return self._appliance.offers('create_snapshots')

    def _features(self):
        return dict(
            super()._features(),
            consistent_group_snapshot_enabled=(
                self._makes_snapshots_together()))
