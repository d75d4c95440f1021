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

"""The share of one volume on an appliance: all that verbs do to it.

Each method does one thing, wholly or not at all, by a plan of chain.sharing.
Journals are in a share of the backend's own, which is always mounted. Locks
and decisions are the driver's.
"""

import contextlib

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import units

from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import hands
from remotefs_drivers import names
from remotefs_drivers.share import table
from remotefs_drivers import sharer
from remotefs_drivers.store import executor
from remotefs_drivers import volumefile

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


class VolumeShare:
    """The share of a volume.

    :param appliance: appliances.interface.Appliance
    :param means: hands.Means, whose shares are share.visited.VisitedShares
    :param home: share.table.Share that journals are in
    :ivar name: of the share on the appliance
    :raises VolumeNameInvalid: when the volume's name is none of a share
    """

    def __init__(self, appliance, means, volume, home):
        self._appliance = appliance
        self._means = means
        self._volume = volume
        self.name = names.of(volume)
        self._size = volume.size * units.Gi
        self._sharer = sharer.Sharer(appliance, means, volume, self.name)
        self._home = hands.Hands(means, volume, home)
        self._folder = means.shares.path(home)

    # Making

    def create(self):
        """Make it, with the file of a new volume.

        :returns: for the database
        """
        self._apply(sharing.create(self.name, self._size))
        return self._recorded()

    def copy_of(self, source):
        """Make it, a copy of what another volume holds just now.

        :param source: VolumeShare
        :returns: for the database
        """
        source.recover()
        self._apply(sharing.copy(self.name, source.name, self._size,
                                 source.name))
        return self._recorded()

    def copy_of_snapshot(self, source, snapshot):
        """Make it, a copy of what a snapshot of another volume holds.

        :returns: for the database
        """
        return self._copy_of(source, name_of(snapshot))

    def copy_of_moment(self, source, group_id):
        """Make it, a copy of what moment() keeps of another volume.

        :returns: for the database
        """
        return self._copy_of(source, sharing.between(group_id))

    def _copy_of(self, source, snapshot):
        self._apply(sharing.copy_snapshot(self.name, source.name, snapshot,
                                          self._size, source.name))
        return self._recorded()

    def take(self, share, file):
        """Let a share that is there be it.

        :param share: the name of that share
        :param file: the name of the file in it
        :returns: for the database
        """
        self._apply(sharing.take(share, file, self.name, self._size))
        return self._recorded()

    def _recorded(self):
        made = self._sharer.made[self.name]
        formats.record(self._volume, 'raw', made.location)
        return {'provider_location': made.location, 'provider_id': made.id}

    # Changing

    def extend(self, new_size):
        """Let it, and the file in it, be larger; GiB."""
        self._apply(sharing.extend(self.name, new_size * units.Gi,
                                   self._size, self.name))

    def take_snapshot(self, snapshot):
        """Keep what it holds, whoever writes to it.

        But for what a crash left beside the file, which would be in the way
        of whatever is made of it.

        :returns: for the database
        """
        self.recover()
        self._apply(sharing.create_snapshot(self.name, name_of(snapshot)))
        return {'provider_id': self._sharer.taken[self.name].id}

    def manage_snapshot(self, old_name, snapshot):
        """Let a snapshot that is there be one of Cinder's.

        :returns: for the database
        """
        self._apply(sharing.take_snapshot(self.name, old_name,
                                          name_of(snapshot)))
        return {'provider_id': self._sharer.taken[self.name].id}

    def drop_snapshot(self, snapshot):
        """Remove a snapshot, at the latest with the last clone of it.

        One that is not there is removed already.
        """
        self.recover()
        self._apply(sharing.delete_snapshot(self.name, name_of(snapshot)))

    def revert_to(self, snapshot):
        """Let it be what a snapshot holds, in its own size."""
        self.recover()
        name = name_of(snapshot)
        try:
            self._apply(sharing.roll_back(self.name, name, self._size,
                                          self.name))
        except (errors.ApplianceUnsupported,
                errors.ApplianceRollbackRefused) as error:
            LOG.info('Volume %s is reverted by a copy: %s', self._volume.id,
                     error)
            self._apply(sharing.revert_by_copy(self.name, name, self._size,
                                               self.name))

    def look(self):
        """appliances.interface.Share, or None when there is none.

        :raises ApplianceError: when it is another one, which may be deleted
                                for this
        """
        found = self._appliance.find_share(self.name)
        if found is not None and found.name != self.name:
            raise errors.ApplianceError(
                appliance=self._appliance.name,
                what='find share %s' % self.name,
                reason='it told of %s instead' % found.name)
        return found

    def delete(self, found):
        """Remove it, and snapshots that nobody needs any more.

        :param found: what look() returned, and is so still
        :raises SnapshotsInTheWay: when there are snapshots of it that are
                                   not ours to delete
        """
        asked_for = sharing.asked_for(found)
        if asked_for:
            raise errors.SnapshotsInTheWay(
                volume=self._volume.id, share=self.name,
                appliance=self._appliance.name,
                snapshots=', '.join(asked_for))
        self._apply(sharing.delete(found))

    def forget_copy_of(self, source):
        """Remove what is left of a copy, when it has no share itself.

        :param source: the name of the share that was to be copied
        """
        self._apply(sharing.prune([source], sharing.between(self.name)))

    # Together with others

    def take_snapshots(self, shares, snapshot):
        """Keep what all of these hold at one moment; VolumeShares.

        :param snapshot: one of a group snapshot, for its name
        :returns: for the database, of each
        """
        for each in shares:
            each.recover()
        self._apply(sharing.create_snapshots(_names(shares),
                                             name_of(snapshot)))
        return [{'provider_id': self._sharer.taken[name].id}
                for name in _names(shares)]

    @contextlib.contextmanager
    def moment(self, shares, group_id):
        """What all of these hold at one moment, for a group made of them.

        It is forgotten afterwards, but for what clones hang on.

        :param shares: VolumeShares, this among them
        """
        for each in shares:
            each.recover()
        with self._executor().prepared(sharing.moment(
                _names(shares), sharing.between(group_id))):
            yield

    # Reading

    @contextlib.contextmanager
    def lent(self):
        """A VolumeFile of what it holds just now, whoever writes to it."""
        self.recover()
        with self._executor().prepared(sharing.lend(self.name, self._size)):
            share = table.Share(self._sharer.location(
                sharing.temporary(self.name)))
            with self._means.shares.visit(share):
                yield file_in(self._means, self._volume, share)

    # What a crash left

    def recover(self):
        """Take back what a crash has left; the volume may be gone itself.

        :raises JournalInvalid: when it cannot be known
        """
        text = self._home.call('stat', 'journal', self._folder, self.name)
        if text is not None:
            self._executor().recover(text, None)

    def tidy(self):
        """The same, and remove a journal that was not written to its end.

        Of which nothing was done: no verb has to look for it.
        """
        self.recover()
        self._home.call('delete', 'remove', '%s/%s' % (
            self._folder, names.temporary(self.name, names.NEW_TEXT)))

    def _apply(self, plan):
        self._executor().run(plan)

    def _executor(self):
        return executor.Executor(
            hands.OfExecutor(self._home, None, None, False,
                             box=self._sharer), self._folder, self.name)


def name_of(snapshot):
    """The name of a snapshot on the appliance.

    Those of one group snapshot have one name, each in its volume's share.

    :raises VolumeNameInvalid: when it would be none of a snapshot
    """
    if snapshot.group_snapshot_id is None:
        return names.of_snapshot(snapshot)
    return CONF.snapshot_name_template % snapshot.group_snapshot_id


def _names(shares):
    return [each.name for each in shares]


def file_in(means, volume, share):
    """The file of a volume in its share, which is visited: VolumeFile.

    Another driver may have named it after the volume.
    """
    def file(name):
        return volumefile.VolumeFile(means, volume, share, name=name)

    ours, old = file(sharing.FILE), file(names.of(volume))
    return old if not ours.is_there() and old.is_there() else ours
