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

"""Snapshots and copies of volumes where the file system makes clones.

Volumes are raw files, and a guest that has one notices nothing: it goes on
with its file, of which the file system freezes the content. Nova has no part
in any of this. What lies on a share is in chain.clones.
"""

import contextlib

from oslo_config import cfg
from oslo_log import log as logging

from remotefs_drivers.chain import clones
from remotefs_drivers import clonefile
from remotefs_drivers import errors
from remotefs_drivers.remotefs import clustered
from remotefs_drivers.remotefs import manageable
from remotefs_drivers.remotefs import managing
from remotefs_drivers import states

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


class CloneDriver(clustered.Clustered, managing.ManagingDriver):
    """Volumes whose snapshots and copies are clones.

    A subclass implements ``_make_clones`` besides what RemoteFSDriver wants
    of it.
    """

    # What a driver may say

    #: How many clone parents a volume may have, one over the other; 0 for
    #: any number.
    _clone_depth = 0

    def _folder_of(self, volume):
        """The folder of a volume, in its share."""
        return ''

    def _dress(self, volume, path):
        """Give the file of a new or copied volume what its user asks for."""

    def _check_attachable(self, volume, file_format):
        """:raises RawOnly: for all but raw files"""
        if file_format != 'raw':
            raise errors.RawOnly(volume=volume.id, format=file_format)

    # Snapshots

    def create_snapshot(self, snapshot):
        """Freeze what the volume holds, whoever writes to it."""
        volume = snapshot.volume
        states.refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            file.chain()
            file.take_snapshot(snapshot, self._clone_depth)

    def delete_snapshot(self, snapshot):
        """Remove what a snapshot holds, once nothing is based on it.

        One that has no file is gone already.
        """
        volume = snapshot.volume
        with self._locks.volumes(volume.id):
            if not self._file_of(volume).drop_snapshot(snapshot):
                LOG.info('Snapshot %s of volume %s has no file: there is '
                         'nothing to delete', snapshot.id, volume.id)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Let the volume be what a snapshot holds."""
        states.refuse_revert_of(volume)
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            file.chain()
            file.revert_to(snapshot, self._clone_depth)
            self._dress(volume, file.path)

    def snapshot_revert_use_temp_snapshot(self):
        """No: a revert is a rename, and cannot fail half way."""
        return False

    # Copies

    def create_volume_from_snapshot(self, volume, snapshot):
        """Make a clone of a snapshot, larger if asked to."""
        states.refuse_encrypted(volume)
        states.refuse_busy_snapshot(snapshot)
        with self._locks.volumes(volume.id, snapshot.volume_id):
            source = self._file_of(snapshot.volume)
            source.recover()
            chain = source.chain_of(snapshot)
            copied = self._new_file(volume)
            if copied.is_beside(source):
                copied.copy_of_snapshot(chain, self._clone_depth)
            else:
                copied.create_from(source, chain, 'raw')
            return self._dressed(volume, copied)

    def create_cloned_volume(self, volume, src_vref):
        """Make a clone of what a volume holds just now, larger if asked to.

        Where the file system makes none from one place to the other, it is
        a copy.
        """
        states.refuse_encrypted(volume)
        states.refuse_busy_source(src_vref)
        with self._locks.volumes(volume.id, src_vref.id):
            source = self._file_of(src_vref)
            copied = self._new_file(volume)
            if copied.is_beside(source):
                source.chain()
                copied.copy_of(source, self._clone_depth)
            else:
                with self._still(source, src_vref) as chain:
                    copied.create_from(source, chain, 'raw')
            return self._dressed(volume, copied)

    def _new_file(self, volume):
        """The file of a volume that is to be made; it is not there yet."""
        return self._file_on(self._shares.choose(
            volume.size, self._pool_of(volume)), volume)

    def _dressed(self, volume, file):
        with file.removed_on_error():
            self._dress(volume, file.path)
        return {'provider_location': file.share.location}

    @contextlib.contextmanager
    def _still(self, file, volume):
        """A chain of a volume that nobody writes to, as it is now."""
        chain = file.chain()
        if states.is_attached(volume):
            with file.frozen(self._clone_depth) as chain:
                yield chain
        else:
            yield chain

    # Files

    def _file_on(self, share, volume):
        return clonefile.CloneFile(self._means, volume, share,
                                   self._folder_of(volume))

    def _create(self, file, volume):
        file.create('raw', lambda path: self._dress(volume, path))

    # Manage

    def _find(self, volume, wanted, existing_ref):
        share, name, found = super()._find(volume, wanted, existing_ref)
        if self._file_on(share, volume).is_parent(name):
            raise errors.ReferenceInvalid(
                volume=volume.id, existing_ref=existing_ref,
                reason='"%s" is a clone parent, to which nobody can write: '
                       'copy it' % name)
        return share, name, found

    def manage_existing_snapshot_get_size(self, snapshot, existing_ref):
        """The size of a clone parent, GiB, rounded up.

        :param existing_ref: see remotefs.reference
        :raises SnapshotReferenceInvalid, ReferenceManaged: when it cannot be
            managed
        """
        with self._locks.volumes(snapshot.volume_id):
            file = self._file_of(snapshot.volume)
            chain = file.chain_at(self._find_snapshot(file, snapshot,
                                                      existing_ref))
            return manageable.whole(chain.active.size)

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Give a clone parent beside a volume the name of a snapshot of it.

        That it is one of that volume is for the administrator to know.

        :raises: as manage_existing_snapshot_get_size
        """
        with self._locks.volumes(snapshot.volume_id):
            file = self._file_of(snapshot.volume)
            file.rename_snapshot(
                self._find_snapshot(file, snapshot, existing_ref), snapshot)

    def get_manageable_snapshots(self, cinder_snapshots, marker, limit,
                                 offset, sort_keys, sort_dirs):
        """None: of a clone parent nobody can tell whose snapshot it was."""
        return []

    def _find_snapshot(self, file, snapshot, existing_ref):
        """The name of the clone parent that is to be managed."""
        def name_of(snapshot_id):
            return CONF.snapshot_name_template % snapshot_id

        def reason(old_id):
            name = name_of(old_id)
            if not file.has(name):
                return 'there is no file %s beside it' % name
            if not file.is_parent(name):
                return '%s is no clone parent' % name

        return name_of(self._old_id(
            snapshot, existing_ref,
            lambda snapshot_id: file.has(name_of(snapshot_id)), reason))

    def _names_on(self, share):
        """Without those of clone parents, which are no volumes."""
        return [name for name in super()._names_on(share)
                if not clones.is_waiting(name)]
