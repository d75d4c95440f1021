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

"""The file of one volume, where the file system makes clones.

What lies there is in chain.clones, what is done to it in chain.cloning. All
else is as with any other raw volume, see volumefile.
"""

import contextlib
import os

from oslo_log import log as logging
from oslo_utils import units
from oslo_utils import uuidutils

from remotefs_drivers.chain import clones
from remotefs_drivers.chain import cloning
from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import names
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import mkfs
from remotefs_drivers import volumefile

LOG = logging.getLogger(__name__)


class CloneFile(volumefile.VolumeFile):
    """As VolumeFile, whose parameters it has.

    :raises VolumeNameInvalid: also for the name of a waiting parent
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not clones.is_bare(self.name) or clones.is_waiting(self.name):
            raise errors.VolumeNameInvalid(
                volume=self._volume.id, name=self.name,
                reason='it is not plain, or one of a clone parent that goes '
                       'with its last child')
        self._clones = self._hands.clones
        self._unfinished = self.path_of(
            names.temporary(self.name, names.NEW_SNAPSHOT))

    def recover(self):
        """Take back what a crash has left; the volume may be gone itself.

        :raises JournalInvalid: when it cannot be known
        """
        text = self._call('stat', 'journal', self.folder, self.name)
        if text is not None:
            self._executor().recover(text, None)

    def is_beside(self, other):
        """Whether clones can be made from the one to the other."""
        return self.folder == other.folder

    # Snapshots

    def take_snapshot(self, snapshot, depth):
        """Freeze what it holds.

        :param depth: as in cloning.create_snapshot
        """
        self.apply(cloning.create_snapshot(
            self.name, snapshot.id, names.of_snapshot(snapshot), depth))

    def take_frozen(self, snapshot, frozen, dress):
        """Make a snapshot of what a snapshot of the whole fileset holds.

        That one must not go as long as there are clones of its files. So the
        data are copied, to a clone that becomes a parent by itself. It gets
        its name last, and needs no journal: who deletes the snapshot, or the
        volume, removes what a crash has left.

        :param frozen: path of the volume in the snapshot of the fileset
        :param dress: called with the path of the file before it has data
        :raises VolumeFileExists: when the snapshot has a file already
        """
        path = self.path_of(names.of_snapshot(snapshot))
        self._call('look', 'expect_none', path)
        self.drop_unfinished()
        with self._hands.removed_on_error(self._unfinished):
            self._clones.copy(frozen, self._unfinished)
            dress(self._unfinished)
            self._clones.split(self._unfinished)
            self._clones.seal(self._unfinished)
            self._rename_parent(self._unfinished, path)

    def drop_unfinished(self):
        """Remove what a crash has left of take_frozen."""
        self._call('delete', 'remove', self._unfinished)

    def drop_snapshot(self, snapshot):
        """Remove a snapshot; returns False when it has no file.

        What it holds may stay, as long as others are based on it.
        """
        self.recover()
        name = names.of_snapshot(snapshot)
        waiting = clones.deleted(name)
        there, waits = self.has(name), self.has(waiting)
        if there and waits:
            # One of that id was deleted before, and is needed still.
            waiting = clones.deleted(_unique(name))
        if there or waits:
            self.apply(cloning.delete_snapshot(snapshot.id, name, waiting))
        return there or waits

    def revert_to(self, snapshot, depth):
        """Let it be what a snapshot holds, in its own size.

        :param depth: as in cloning.revert
        :raises SnapshotUnknown: when that has no file
        """
        self.recover()
        name = self._name_of(snapshot)
        self.apply(cloning.revert(
            self.name, snapshot.id, name, self._volume.size * units.Gi,
            names.temporary(self.name, names.NEW_CLONE),
            self._parent(self.path), depth))

    def rename_snapshot(self, name, snapshot):
        """Give a clone parent the name of a snapshot."""
        new = names.of_snapshot(snapshot)
        if name != new:
            self._rename_parent(self.path_of(name), self.path_of(new))

    def chain_of(self, snapshot):
        """What a snapshot of it holds, as the chain of a raw file.

        :raises SnapshotUnknown: when it has no file
        """
        return self.chain_at(self._name_of(snapshot))

    @contextlib.contextmanager
    def frozen(self, depth):
        """A chain of what it holds just now, whoever writes to it.

        :param depth: how many parents it may have afterwards, one over the
                      other; 0 for any number
        """
        name = self._unique_parent()
        self._clones.snap(self.path, self.path_of(name))
        try:
            yield self.chain_at(name)
        finally:
            # Not before: its last child is what keeps it.
            if depth:
                self._clones.redirect(self.path, depth)
            self._clones.prune(self.path_of(name))

    # Copies

    def copy_of(self, source, depth):
        """Make it, a copy of what another volume holds just now.

        :param source: CloneFile, beside this one
        :param depth: as in cloning.copy
        """
        self._begin_copy()
        self._make_way(clones.in_between(self.name))
        self.apply(cloning.copy(self.name, source.name,
                                self._volume.size * units.Gi, depth))

    def copy_of_snapshot(self, chain, depth):
        """Make it, a copy of what a snapshot beside it holds.

        :param chain: see chain_of
        :param depth: as in cloning.copy_parent
        """
        self._begin_copy()
        self.apply(cloning.copy_parent(self.name, chain.active.name,
                                       self._volume.size * units.Gi, depth))

    def copy_of_parent(self, path):
        """Make it, a copy of a clone parent anywhere in its fileset."""
        self._begin_copy()
        with self.removed_on_error():
            self._clones.copy(path, self.path)
            self._call('extend', 'grow', self.path,
                       self._volume.size * units.Gi)

    def _make_way(self, name):
        """Let nothing have the name of a parent that is about to be made.

        One is left of an attempt that failed, when it is the source's parent
        by now. It goes with the source, by whatever name.
        """
        path = self.path_of(name)
        if self.has(name):
            self._clones.prune(path)
        if self.has(name):
            self._rename_parent(path, self.path_of(self._unique_parent()))

    def _unique_parent(self):
        return clones.in_between(_unique(self.name))

    def _begin_copy(self):
        # What has the name is not ours to remove when it fails.
        self._call('look', 'expect_none', self.path)
        formats.record(self._volume, 'raw', self.share.location)

    # Filling a new one

    def removed_on_error(self):
        """A context that leaves no file of a new volume after an error."""
        return self._hands.removed_on_error(self.path)

    def make_filesystem(self, fstype, label):
        """Make a file system in it, as long as it is new and raw."""
        self.run(mkfs.make(self.path, fstype, label,
                           thick=self._means.thick))

    def fill(self, source, source_format):
        """Copy any image into it, as long as it is new and raw.

        :raises CommandFailed: when the image cannot be read
        """
        self.run(image.convert(source, source_format, self.path, 'raw'))

    # Removing

    def delete(self):
        """Remove it, and parents that nobody needs any more.

        :returns: whether there was anything
        """
        self.recover()
        there = self.has(self.name)
        between = clones.in_between(self.name)
        parents = {self._parent(self.path) if there else None,
                   between if self.has(between) else None}
        self.apply(cloning.delete(self.name, names.all_temporary(self.name),
                                  *sorted(filter(None, parents))))
        return there

    # Helpers

    def is_parent(self, name):
        """Whether a file beside it is a clone parent; 1 child process."""
        return bool(self._clones.is_parent(self.path_of(name)))

    def _name_of(self, snapshot):
        name = names.of_snapshot(snapshot)
        if not self.has(name):
            raise errors.SnapshotUnknown(snapshot=snapshot.id,
                                         volume=self._volume.id)
        return name

    def chain_at(self, name):
        """What a clone parent beside it holds, as chain_of."""
        size = self._call('stat', 'size_of', self.path_of(name))
        return model.Chain(self._volume.id, self.name,
                           (model.Layer(name, 'raw', size),))

    def _rename_parent(self, path, new_path):
        # By no second name, see there.
        self._call('rename', 'rename_new', path, new_path, False)

    def _parent(self, path):
        found = self._clones.parent(path)
        return None if found is None else os.path.basename(found)

    def has(self, name):
        """Whether there is a file of that name beside it.

        :raises VolumeFileInvalid: when it is no file
        """
        return self._call('stat', 'exists', self.path_of(name))


def _unique(name):
    """A name that nothing else has, to be seen whose it is."""
    return '%s.%s' % (name, uuidutils.generate_uuid())
