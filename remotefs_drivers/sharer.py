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

"""Has an appliance do what a plan says, and does it to the files in shares.

A share is visited while there is anything to do in it. What the steps are is
in chain.share_steps, what the appliance promises in appliances.interface.
"""

import contextlib
import os

from oslo_log import log as logging
from oslo_utils import excutils

from remotefs_drivers.chain import share_steps
from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers import hands
from remotefs_drivers import names
from remotefs_drivers.qemu import image
from remotefs_drivers.share import table
from remotefs_drivers.store import copying

LOG = logging.getLogger(__name__)

#: Of a copy, until it takes the place of the volume's file.
_COPY = names.temporary(sharing.FILE, names.NEW_CLONE)

#: After these, what is there has not been made just now.
_NOT_MADE = (errors.ApplianceShareExists, errors.ApplianceSnapshotExists,
             errors.ApplianceUnreached, errors.ApplianceDenied,
             errors.ApplianceHostKeyChanged, errors.ApplianceNotReady)


class Sharer:
    """Works for one verb on one volume.

    :param appliance: appliances.interface.Appliance
    :param means: hands.Means, whose shares are share.visited.VisitedShares
    :param volume: whose location is known without asking
    :param name: of its share
    :ivar made: name -> appliances.interface.Share, of those that this verb
                made
    :ivar taken: name of a share -> appliances.interface.Snapshot, the same
    """

    def __init__(self, appliance, means, volume, name):
        self._appliance = appliance
        self._means = means
        self._volume = volume
        self._name = name
        self._begun = set()
        self._foreign = set()
        self._of_snapshots = set()
        self.made = {}
        self.taken = {}

    def do(self, step):
        """Do a step.

        :raises ApplianceError: what the appliance says
        :raises RemoteFSException: what becomes of files
        """
        self._STEPS[type(step)](self, step)

    # What only the appliance does

    def _make_share(self, step):
        with self._new((step.share,)):
            self.made[step.share] = self._appliance.create_share(
                step.share, step.size)

    def _clone_share(self, step):
        with self._new((step.share,)):
            self.made[step.share] = self._appliance.clone_snapshot(
                step.source, step.snapshot, step.share, step.size)
        self._of_snapshots.add(step.share)

    def _take_snapshot(self, step):
        with self._new((step.share, step.snapshot)):
            self.taken[step.share] = self._appliance.create_snapshot(
                step.share, step.snapshot)

    def _take_snapshots(self, step):
        # All or none: when there is one, none is new.
        with self._new(*((share, step.snapshot) for share in step.shares)):
            self.taken.update(zip(
                step.shares, self._appliance.create_snapshots(
                    step.shares, step.snapshot)))

    def _rename_share(self, step):
        # It has the name, if it was cut off after that: boxes refuse that.
        self.made[step.new_name] = (
            self._found(step.share) if step.share == step.new_name else
            self._appliance.rename_share(step.share, step.new_name))

    def _rename_snapshot(self, step):
        self.taken[step.share] = (
            self._found_snapshot(step.share, step.snapshot)
            if step.snapshot == step.new_name else
            self._appliance.rename_snapshot(step.share, step.snapshot,
                                            step.new_name))

    def _resize_share(self, step):
        self._appliance.resize_share(step.share, step.size)

    def _roll_back(self, step):
        self._appliance.roll_back(step.share, step.snapshot)
        self._of_snapshots.add(step.share)

    def _promote_share(self, step):
        self._appliance.promote(step.share)

    def _drop_share(self, step):
        if (step.share,) not in self._foreign:
            self._appliance.delete_share(step.share, step.snapshots)
            self.made.pop(step.share, None)

    def _drop_new_share(self, step):
        if (step.share,) in self._begun:
            self._drop_share(share_steps.DropShare(step.share))

    def _drop_snapshot(self, step):
        if (step.share, step.snapshot) not in self._foreign:
            self._appliance.delete_snapshot(step.share, step.snapshot)

    def _let_snapshot_go(self, step):
        try:
            self._appliance.delete_snapshot(step.share, step.snapshot)
        except errors.ApplianceSnapshotInUse as error:
            LOG.info('It waits for the last clone: %s', error)
            self._appliance.rename_snapshot(step.share, step.snapshot,
                                            step.waiting)

    def _prune_snapshot(self, step):
        name = step.share, step.snapshot
        if any(each.origin == name for each in self.made.values()):
            # What was just made of it hangs on it: no need to ask.
            return
        try:
            self._drop_snapshot(step)
        except errors.ApplianceSnapshotInUse as error:
            LOG.debug('It waits: %s', error)

    @contextlib.contextmanager
    def _new(self, *some):
        """What has the name of something new is not ours to take back.

        But for what is the volume's own while a verb runs: an answer that
        came late, after its journal had gone, would be in the way for ever.
        """
        self._begun.update(some)
        try:
            yield
        except _NOT_MADE:
            with excutils.save_and_reraise_exception():
                self._foreign.update(
                    name for name in some
                    if name[-1] != sharing.temporary(self._name))

    # What is done in shares

    def _make_file(self, step):
        with self._inside(step.share) as (work, path):
            work.call('create', 'create', path(sharing.FILE), step.size,
                      work.mode)

    def _fit_file(self, step):
        with self._inside(step.share) as (work, path):
            found = self._find_file(work, path, step.old_name,
                                    older=step.share in self._of_snapshots)
            if os.path.basename(found) not in (sharing.FILE, step.old_name):
                self._take(work, path, found, step.size)
                return
            if found != path(sharing.FILE) and step.share in self.made:
                work.call('rename', 'rename_new', found, path(sharing.FILE))
                found = path(sharing.FILE)
            work.call('extend', 'grow', found, step.size)

    def _take_file(self, step):
        with self._inside(step.share) as (work, path):
            self._take(work, path, path(step.name), step.size)

    @staticmethod
    def _take(work, path, found, size):
        """Let a file of somebody else's be that of a volume."""
        work.call('extend', 'grow', found, size)
        work.call('chmod', 'set_mode', found, work.mode)
        if found != path(sharing.FILE):
            work.call('rename', 'rename_new', found, path(sharing.FILE))

    def _copy_file(self, step):
        with self._inside(step.source) as (source_work, source_path), \
                self._inside(step.share) as (work, path):
            target = self._find_file(work, path, step.old_name)
            source = self._find_file(source_work, source_path, step.old_name,
                                     older=True)
            new = path(_COPY)
            work.call('delete', 'remove', new)
            size = max(step.size,
                       source_work.call('stat', 'size_of', source))
            work.call('create', 'create', new, size, work.mode)
            with work.removed_on_error(new):
                if not copying.copy(work.call, source, new, **work.watch()):
                    work.run(image.convert(source, 'raw', new, 'raw'))
                work.call('rename', 'replace', new, target)

    def _drop_copy(self, step):
        try:
            # What is gone cannot be mounted, whatever Cinder's record says.
            self._found(step.share)
            with self._inside(step.share) as (work, path):
                work.call('delete', 'remove', path(_COPY))
        except errors.ApplianceShareMissing as error:
            LOG.debug('It went with all of it: %s', error)

    @contextlib.contextmanager
    def _inside(self, name):
        """(hands.Hands, path of a file) in a share, which is mounted."""
        share = table.Share(self.location(name))
        shares = self._means.shares
        with shares.visit(share):
            shares.ensure_mounted(share)
            try:
                yield (hands.Hands(self._means, self._volume, share),
                       lambda name: '%s/%s' % (shares.path(share), name))
            except errors.VolumeFileExists as error:
                # The share is ours all the same, and is taken back.
                raise errors.VolumeFileInvalid(
                    volume=self._volume.id, path=shares.path(share),
                    reason=error)

    def location(self, name):
        """The location of a share.

        :raises ApplianceShareMissing: when there is none of the name
        """
        if name in self.made:
            return self.made[name].location
        if name == self._name and self._volume.provider_location:
            return self._volume.provider_location
        return self._found(name).location

    def _found(self, name):
        """appliances.interface.Share

        :raises ApplianceShareMissing: when there is none of the name
        """
        found = self._appliance.find_share(name)
        if found is None:
            raise errors.ApplianceShareMissing(
                appliance=self._appliance.name, share=name,
                what='find the share of volume %s' % self._volume.id)
        return found

    def _found_snapshot(self, share, name):
        for each in self._found(share).snapshots:
            if each.name == name:
                return each
        raise errors.ApplianceSnapshotMissing(
            appliance=self._appliance.name, share=share, snapshot=name,
            what='find a snapshot of volume %s' % self._volume.id)

    def _find_file(self, work, path, old_name, older=False):
        """The path of the file that is the volume's.

        :param older: it may be as it was before the share was managed: the
                      only one there, by whatever name
        :raises VolumeFileMissing: when there is none
        """
        for name in sharing.FILE, old_name:
            if work.call('stat', 'exists', path(name)):
                return path(name)
        if older:
            folder = os.path.dirname(path(sharing.FILE))
            some = [name for name in work.call('look', 'names_on', folder)
                    if not name.startswith('.')]
            if len(some) == 1:
                return path(some[0])
        # Says so.
        work.call('stat', 'size_of', path(sharing.FILE))

    _STEPS = {share_steps.MakeShare: _make_share,
              share_steps.MakeFile: _make_file,
              share_steps.TakeSnapshot: _take_snapshot,
              share_steps.TakeSnapshots: _take_snapshots,
              share_steps.CloneShare: _clone_share,
              share_steps.TakeFile: _take_file,
              share_steps.RenameShare: _rename_share,
              share_steps.RenameSnapshot: _rename_snapshot,
              share_steps.FitFile: _fit_file,
              share_steps.CopyFile: _copy_file,
              share_steps.DropCopy: _drop_copy,
              share_steps.ResizeShare: _resize_share,
              share_steps.RollBack: _roll_back,
              share_steps.PromoteShare: _promote_share,
              share_steps.DropShare: _drop_share,
              share_steps.DropNewShare: _drop_new_share,
              share_steps.DropSnapshot: _drop_snapshot,
              share_steps.LetSnapshotGo: _let_snapshot_go,
              share_steps.PruneSnapshot: _prune_snapshot}
