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

"""The verbs where each volume has a share of its own, on an appliance.

Volumes are raw files, and a guest that has one notices nothing: it goes on
with its file, of which the appliance keeps the content. Nova has no part in
any of this. What lies there is in chain.sharing.
"""

import os

from cinder import exception
from oslo_log import log as logging

from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.remotefs import clustered
from remotefs_drivers.remotefs import owners
from remotefs_drivers.remotefs import reference
from remotefs_drivers.remotefs import volumes
from remotefs_drivers.share import capacity
from remotefs_drivers.share import table
from remotefs_drivers.share import visited
from remotefs_drivers import states
from remotefs_drivers import volumeshare

LOG = logging.getLogger(__name__)

#: Names in one message.
_LISTED = 20


class ShareDriver(clustered.Clustered, volumes.RemoteFSDriver):
    """Volumes that are shares of an appliance.

    A subclass sets what is None here when it is set up, and implements
    ``_make_source``, of the one share with the journals, ``_make_mounter``
    and ``_connection``.

    :ivar _appliance: appliances.interface.Appliance
    :ivar _home: share.table.Share with the journals
    """

    shares_class = visited.VisitedShares
    _appliance = _home = None

    # Start

    def check_for_setup_error(self):
        """Finish what a crash has left of any volume.

        What cannot be finished now is left to the next verb of its volume.
        So is what another service of a cluster is at, which may take hours.
        """
        super().check_for_setup_error()
        for volume in self._interrupted():
            try:
                with self._locks.at_once(volume.id) as held:
                    if held:
                        self._of(volume).tidy()
                    else:
                        LOG.info('Volume %s is being worked on by another '
                                 'service', volume.id)
            except exception.CinderException as error:
                LOG.error('What was under way with volume %s is not '
                          'finished yet: %s', volume.id, error)
        self._tell_of_lost()

    def _tell_of_lost(self):
        """Log the shares that seem to be volumes' and are not.

        An appliance may make one long after it was asked, when Cinder has
        put the volume elsewhere. That one is another cloud's, or the only
        copy of something, nobody can tell: so none is deleted.
        """
        try:
            lost = self._lost()
        except errors.ApplianceError as error:
            LOG.warning('Shares that nobody uses are not looked for: %s',
                        error)
            return
        if lost:
            LOG.warning('%d shares on %s are called like volumes that Cinder '
                        'does not have there: %s. They were unmanaged, or are '
                        'of another cloud, or of a request whose answer was '
                        'lost: look into them, and delete those that nobody '
                        'needs.', len(lost), self._appliance.name,
                        ', '.join(lost[:_LISTED]))

    def _lost(self):
        """Names."""
        shares = [each for each in self._appliance.list_shares()
                  if reference.volume_id_of(each.name) is not None]
        known = owners.find([each.name for each in shares])
        return [each.name for each in shares
                if each.name not in known or
                known[each.name].provider_location not in (None,
                                                           each.location)]

    def _interrupted(self):
        """Those of which there is a journal; also if they are gone.

        Or one that was not written to its end.
        """
        found = self._shares.call(
            self._home, 'look', self._means.files.names_on,
            self._shares.path(self._home))
        return owners.of_shares(sorted(set(filter(
            None, map(names.of_journal, found)))))

    def update_provider_info(self, volumes, snapshots):
        """At start: unmount what an earlier service has left mounted."""
        used = {volume.provider_location for volume in volumes
                if states.is_attached(volume)} | self._shares.held()
        for location in self._shares.mounted():
            if location not in used and self._is_ours(location):
                LOG.warning('Share %s is still mounted, and no volume on it '
                            'is attached: it is unmounted', location)
                self._shares.release(table.Share(location))
        return None, None

    def _is_ours(self, location):
        """Whether it is the location of a volume's share on our appliance.
        """
        folder, name = os.path.split(location)
        return (folder == os.path.dirname(self._home.location) and
                reference.volume_id_of(sharing.owner(name)) is not None)

    # Volumes

    def create_volume(self, volume):
        """Make the share of a new volume, and the file in it.

        :returns: for the database
        """
        states.refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            return self._of(volume).create()

    def extend_volume(self, volume, new_size):
        """Make a volume larger, whoever has it.

        :param new_size: GiB
        """
        states.refuse_shrink(volume, new_size)
        with self._locks.volumes(volume.id):
            try:
                self._of(volume).extend(new_size)
            except (errors.ApplianceError,
                    exception.RemoteFSException) as error:
                raise errors.ExtendFailed(volume=volume.id,
                                          new_size=new_size, reason=error)

    # Snapshots and copies

    def create_snapshot(self, snapshot):
        """Keep what a volume holds, whoever writes to it.

        :returns: for the database
        """
        volume = snapshot.volume
        states.refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            return self._of(volume).take_snapshot(snapshot)

    def delete_snapshot(self, snapshot):
        """Remove a snapshot, or let it wait for the end of its last clone.

        :raises SnapshotKept: when the appliance can do neither
        """
        volume = snapshot.volume
        with self._locks.volumes(volume.id):
            try:
                self._of(volume).drop_snapshot(snapshot)
            except (errors.ApplianceUnsupported,
                    errors.ApplianceSnapshotInUse) as error:
                raise errors.SnapshotKept(snapshot=snapshot.id,
                                          volume=volume.id, reason=error)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Let the volume be what a snapshot holds."""
        states.refuse_revert_of(volume)
        with self._locks.volumes(volume.id):
            self._of(volume).revert_to(snapshot)

    def snapshot_revert_use_temp_snapshot(self):
        """No: a revert that fails leaves the volume as it was."""
        return False

    def create_volume_from_snapshot(self, volume, snapshot):
        """Make a clone of a snapshot, larger if asked to.

        :returns: for the database
        """
        states.refuse_encrypted(volume)
        states.refuse_busy_snapshot(snapshot)
        with self._locks.volumes(volume.id, snapshot.volume_id):
            return self._of(volume).copy_of_snapshot(
                self._of(snapshot.volume), snapshot)

    def create_cloned_volume(self, volume, src_vref):
        """Make a clone of what a volume holds just now, larger if asked to.

        :returns: for the database
        """
        states.refuse_encrypted(volume)
        states.refuse_busy_source(src_vref)
        with self._locks.volumes(volume.id, src_vref.id):
            return self._of(volume).copy_of(self._of(src_vref))

    # Attach

    def ensure_export(self, context, volume):
        """Mount the share of an attached volume; Cinder calls this at start.

        A server that is away for a while is no reason to call the volume
        broken, which Cinder would do after an error.
        """
        try:
            self._shares.hold(self._share_of(volume))
        except exception.CinderException as error:
            LOG.error('The share of volume %s is not mounted: %s', volume.id,
                      error)

    def create_export(self, context, volume, connector):
        """Mount the share of a volume that is about to be attached.

        :raises ShareUnavailable: when it cannot be
        """
        self._shares.hold(self._share_of(volume))

    def remove_export(self, context, volume):
        """Unmount the share of a volume that is attached nowhere."""
        if volume.provider_location:
            self._shares.release(self._share_of(volume))

    def initialize_connection(self, volume, connector):
        with self._visit(volume):
            return super().initialize_connection(volume, connector)

    def terminate_connection(self, volume, connector, **kwargs):
        """As for other volumes.

        :returns: whether the volume is attached elsewhere too, in which case
                  Cinder does not remove the export
        """
        with self._visit(volume):
            super().terminate_connection(volume, connector, **kwargs)
        # One that is only reserved has no connector, nor an end that we are
        # told of.
        return len([each for each in volume.volume_attachment
                    if each.connector]) > 1

    def local_path(self, volume):
        """The path of the volume's file on this host, while it is mounted."""
        with self._visit(volume):
            return super().local_path(volume)

    # Images

    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        with self._visit(volume):
            super().copy_image_to_volume(context, volume, image_service,
                                         image_id, disable_sparse)

    def copy_volume_to_image(self, context, volume, image_service,
                             image_meta):
        """Make an image of what a volume holds just now."""
        with self._visit(volume):
            if not states.is_attached(volume):
                super().copy_volume_to_image(context, volume, image_service,
                                             image_meta)
                return
            with self._locks.volumes(volume.id), \
                    self._of(volume).lent() as file:
                self._upload(context, volume, file, file.peek(),
                             image_service, image_meta)

    # Stats

    def _capacities(self):
        """One, of the appliance; the share with the journals is no pool.

        Where that one cannot be used there is no room for volumes: hardly a
        verb can do without, and the others are most likely as dead.
        """
        if self.cluster_name:
            self._let_go()
        self._shares.tidy()
        found = self._shares.check_all()[self._home]
        return {self._home: self._capacity() if isinstance(
            found, capacity.Capacity) else self._full(found)}

    def _let_go(self):
        """Unmount what was attached here, and detached by another service.

        One that is attached here again meanwhile is mounted by whoever needs
        it next.
        """
        held = self._shares.held()
        used = {volume.provider_location for volume in owners.at(held)
                if not states.is_idle(volume)}
        for location in held - used:
            LOG.info('Share %s is no longer attached, and is unmounted',
                     location)
            self._shares.release(table.Share(location))

    def _capacity(self):
        try:
            found = self._appliance.capacity()
            return capacity.Capacity(found.total, found.free)
        except errors.ApplianceError as error:
            return self._full(error)

    def _full(self, error):
        LOG.error('%s counts as full: %s', self._settings.backend_name,
                  error)
        return error

    # Helpers

    def _of(self, volume):
        return volumeshare.VolumeShare(self._appliance, self._means, volume,
                                       self._home)

    def _share_of(self, volume):
        """:raises LocationMissing: when it is not known"""
        if not volume.provider_location:
            raise errors.LocationMissing(volume=volume.id)
        return table.Share(volume.provider_location)

    def _find_at(self, location):
        """The appliances.interface.Share at a location, or None."""
        return next((each for each in self._appliance.list_shares()
                     if each.location == location), None)

    def _visit(self, volume):
        return self._shares.visit(self._share_of(volume))

    def _file_on(self, share, volume):
        return volumeshare.file_in(self._means, volume, share)
