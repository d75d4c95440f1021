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

"""Groups of volumes, each with a fileset of its own, in GPFS.

As the driver in Cinder's tree has them: the fileset is linked in the folder of
the volumes, under a name with the id of the group. Clones do not cross
filesets.
"""

import os

from cinder.objects import fields
from cinder.volume import volume_utils
from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import gpfs_snapshots
from remotefs_drivers import privileged
from remotefs_drivers.remotefs import clones
from remotefs_drivers.remotefs import groups
from remotefs_drivers import states

LOG = logging.getLogger(__name__)

#: Of the folder and fileset of a group.
_GROUP = 'consisgroup-%s'
_GROUP_MODE = 0o770


class GroupDriver(clones.CloneDriver):
    """Volumes of which some are in a group with a fileset.

    A subclass sets what is None here, when it is set up.

    :ivar _commands: gpfs_commands.Commands
    :ivar _site: gpfs_site.Site
    :ivar _share: the one that there is
    """

    _commands = _site = _share = None

    def _folder_of(self, volume):
        if volume.group_id and volume_utils.is_group_a_cg_snapshot_type(
                volume.group):
            return _GROUP % volume.group_id
        return ''

    def create_group(self, context, group):
        """Make the fileset of a group whose snapshots are consistent.

        Of other groups Cinder takes care.
        """
        groups.refuse_generic(group)
        name, device = _GROUP % group.id, self._site.device
        found = self._commands.fileset(device, name)
        if found is None:
            self._commands.create_fileset(device, name)
        path = os.path.join(self._shares.path(self._share), name)
        if found is None or not found.linked:
            self._commands.link_fileset(device, name, path)
        self._open_folder(path)
        return {'status': fields.GroupStatus.AVAILABLE}

    def _open_folder(self, path):
        """Let who works on the files work in a folder that root made."""
        work = self._means.files
        if not self._shares.call(self._share, 'look', work.is_own, path):
            work = privileged
        self._shares.call(self._share, 'chmod', work.open_folder, path,
                          os.geteuid(), os.getegid(), _GROUP_MODE)

    def delete_group(self, context, group, volumes):
        """Remove the volumes of a group, and its fileset."""
        groups.refuse_generic(group)
        done = groups.each(volumes, self.delete_volume,
                           fields.GroupStatus.DELETED,
                           fields.GroupStatus.ERROR_DELETING)
        if done[0]['status'] == fields.GroupStatus.DELETED:
            self._remove_fileset(group.id)
        return done

    def update_group(self, context, group, add_volumes=None,
                     remove_volumes=None):
        """:raises GroupUnsupported: since no file can change its fileset"""
        groups.refuse_generic(group)
        raise errors.GroupUnsupported(
            group=group.id, what='to let volumes join or leave it',
            reason='clones do not cross filesets. Make a volume in the '
                   'group, and copy')

    def create_group_from_src(self, context, group, volumes,
                              group_snapshot=None, snapshots=None,
                              source_group=None, source_vols=None):
        """:raises GroupUnsupported: clones do not cross filesets"""
        groups.refuse_generic(group)
        raise errors.GroupUnsupported(
            group=group.id, what='to make it of another one',
            reason='clones do not cross filesets. Make the volumes one by '
                   'one')

    def create_group_snapshot(self, context, group_snapshot, snapshots):
        """Make a snapshot of each volume of a group, all of one moment.

        For that GPFS makes a snapshot of the fileset, from which the data
        are copied. No guest is asked to be quiet. All or none are made.
        """
        groups.refuse_generic(group_snapshot)
        made = []
        try:
            with self._snapshots_of(group_snapshot.group_id).taken(
                    group_snapshot.id):
                for snapshot in snapshots:
                    self._take_frozen(snapshot, group_snapshot.id)
                    made.append(snapshot)
        except Exception:
            LOG.exception('Group snapshot %s could not be made, its %d '
                          'snapshots are taken back', group_snapshot.id,
                          len(made))
            groups.each(made, self.delete_snapshot, None, None)
            return groups.same(snapshots, fields.GroupSnapshotStatus.ERROR)
        return groups.same(snapshots, fields.GroupSnapshotStatus.AVAILABLE)

    def _take_frozen(self, snapshot, name):
        volume = snapshot.volume
        states.refuse_encrypted(volume)
        # The moment is over: this is for the files that are made.
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            file.take_frozen(snapshot, gpfs_snapshots.path(file.path, name),
                             lambda path: self._dress(volume, path))

    def delete_group_snapshot(self, context, group_snapshot, snapshots):
        """Delete them, and what a crash has left while they were made."""
        groups.refuse_generic(group_snapshot)
        try:
            # Clones of what is in the fileset's snapshot go before it.
            for snapshot in snapshots:
                with self._locks.volumes(snapshot.volume_id):
                    self._file_of(snapshot.volume).drop_unfinished()
            self._snapshots_of(group_snapshot.group_id).remove(
                group_snapshot.id)
        except Exception:
            LOG.exception('What is left of the creation of group snapshot '
                          '%s could not be removed', group_snapshot.id)
            return groups.same(
                snapshots, fields.GroupSnapshotStatus.ERROR_DELETING)
        return groups.each(snapshots, self.delete_snapshot,
                           fields.GroupSnapshotStatus.DELETED,
                           fields.GroupSnapshotStatus.ERROR_DELETING)

    def _snapshots_of(self, group_id):
        return gpfs_snapshots.Snapshots(self._commands, self._site.device,
                                        _GROUP % group_id)

    def _remove_fileset(self, group_id):
        name = _GROUP % group_id
        found = self._commands.fileset(self._site.device, name)
        if found is None:
            return
        # GPFS deletes no fileset that has any.
        self._snapshots_of(group_id).remove_all()
        if found.linked:
            self._commands.unlink_fileset(self._site.device, name)
        self._commands.delete_fileset(self._site.device, name)
