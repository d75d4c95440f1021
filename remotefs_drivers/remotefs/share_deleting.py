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

"""How the share of a volume goes, and what hangs on it or it hangs on.

Who takes over, and what is pruned, is in chain.sharing; here it is found out,
and whatever that may change is locked.
"""

import dataclasses

from cinder import context as cinder_context
from cinder import exception
from cinder import objects
from oslo_log import log as logging

from remotefs_drivers.chain import sharing as plans
from remotefs_drivers import errors
from remotefs_drivers.remotefs import owners
from remotefs_drivers.remotefs import reference
from remotefs_drivers.remotefs import sharing
from remotefs_drivers import states

LOG = logging.getLogger(__name__)


class DeletingDriver(sharing.ShareDriver):
    """Volumes that are shares of an appliance, and go with these."""

    def delete_volume(self, volume):
        """Remove a volume's share.

        One without provider_location was cut off while it was made: it is
        looked for by its name. One whose manage failed goes from Cinder
        only.

        :raises SnapshotsInTheWay, ClonesInTheWay: when it must stay
        :raises VolumeShareRenamed: when it is not found by its name
        """
        if states.is_failed_manage(volume):
            LOG.warning('Volume %s was not managed; what it was to be made '
                        'of stays', volume.id)
            return
        if volume.provider_location:
            self._shares.release(self._share_of(volume))
        # Most often what it depends on is what it was made of.
        wanted, related = set(), _made_of(volume) | {volume.id}
        while not related <= wanted:
            wanted |= related
            with self._locks.volumes(*wanted):
                related = self._delete(volume, wanted)

    def _delete(self, volume, locked):
        """Delete a volume, if that changes no other ones than are locked.

        :returns: the ids of those that it would change
        """
        share = self._of(volume)
        share.recover()
        found = share.look()
        related = _related(found) if found is not None else set()
        if related <= locked:
            self._delete_found(volume, share, found)
        return related

    def _delete_found(self, volume, share, found):
        if found is None:
            if volume.provider_location:
                self._refuse_renamed(volume, share)
            LOG.warning('Volume %s had no share %s on %s', volume.id,
                        share.name, self._appliance.name)
        else:
            try:
                share.delete(_without_stranger(found))
            except (errors.ApplianceUnsupported, errors.ApplianceShareInUse,
                    errors.ApplianceSnapshotExists,
                    # A clone that is none of its shares takes nothing over.
                    errors.ApplianceShareMissing) as error:
                raise errors.ClonesInTheWay(volume=volume.id, reason=error)
        if found is None or not volume.provider_location:
            self._forget_copy(volume, share)

    def _refuse_renamed(self, volume, share):
        """Leave no share behind that nobody would know any more.

        :raises VolumeShareRenamed: when it is there by another name
        """
        found = self._find_at(volume.provider_location)
        if found is not None:
            raise errors.VolumeShareRenamed(
                volume=volume.id, found=found.name, share=share.name,
                appliance=self._appliance.name)

    def _forget_copy(self, volume, share):
        """Remove what a copy that failed has left on its source.

        Where clones do not depend on it, only Cinder's record knows it.
        """
        source = _find_source(volume)
        if source is not None:
            share.forget_copy_of(source.name)


def _made_of(volume):
    """The ids of the volumes that it was made of, by Cinder's records."""
    found = {volume.source_volid}
    if volume.snapshot_id:
        try:
            found.add(objects.Snapshot.get_by_id(
                cinder_context.get_admin_context(read_deleted='yes'),
                volume.snapshot_id).volume_id)
        except exception.SnapshotNotFound:
            # It is asked for its origin.
            pass
    return found - {None}


def _related(found):
    """The ids of the volumes whose shares the deletion of one may change.

    :param found: appliances.interface.Share of the one
    """
    return {each.id for each in owners.of_shares(plans.related(found))}


def _without_stranger(found):
    """A share as it is to be deleted: made of a volume's share, or of none.

    One that was managed may hang on a snapshot of an operator's share. That
    is not ours to prune, whatever it is called.
    """
    if found.origin and reference.volume_id_of(found.origin[0]) is None:
        return dataclasses.replace(found, origin=None)
    return found


def _find_source(volume):
    """The volume that one was to be a copy of; None when it is gone."""
    if volume.source_volid is None:
        return None
    try:
        return objects.Volume.get_by_id(cinder_context.get_admin_context(),
                                        volume.source_volid)
    except exception.VolumeNotFound:
        return None
