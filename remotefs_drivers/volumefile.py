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

"""The files of one volume on its share: all that verbs do to them.

Each method does one thing, wholly or not at all: what was made is removed
when a later step fails. Locks and decisions are the driver's.
"""

import dataclasses
import os

from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import units

from remotefs_drivers import attachments
from remotefs_drivers.chain import plan as plans
from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import hands
from remotefs_drivers import names
from remotefs_drivers.qemu import image
from remotefs_drivers import states
from remotefs_drivers.store import allocate
from remotefs_drivers.store import copying
from remotefs_drivers.store import executor
from remotefs_drivers.store import journal as journals
from remotefs_drivers.store import loader

LOG = logging.getLogger(__name__)

#: Seconds for sharing the blocks of a large, scattered file.
_CLONE_LIMIT = 600


class VolumeFile:
    """The files of a volume on a share.

    :param means: hands.Means
    :param folder: in the share, relative to it; '' for the share itself
    :param name: of the file, None for the volume's
    :ivar run: runs a program on it, see hands.Hands
    :ivar watching: how that can be followed, see there
    :raises VolumeNameInvalid: when the volume's name is no file name
    """

    def __init__(self, means, volume, share, folder='', name=None):
        self._means = means
        self._volume = volume
        self._hands = hands.Hands(means, volume, share)
        self._call = self._hands.call
        self.run = self._hands.run
        self.watching = self._hands.watching
        self.share = share
        self.name = names.of(volume) if name is None else name
        self.folder = os.path.join(means.shares.path(share),
                                   folder).rstrip('/')
        self.path = self.path_of(self.name)
        self._pending = None

    def path_of(self, name):
        return os.path.join(self.folder, name)

    def is_there(self):
        """Whether there is such a file.

        :raises VolumeFileInvalid: when it is no file
        """
        return self._call('stat', 'exists', self.path)

    def check_readable(self, chain):
        """Let no program open a chain whose overlays leave formats open.

        One that a guest may have is not mended, and programs would look
        into a layer for what no overlay says of it.

        :raises ChainNotMended: when it is so
        """
        plans.check_mended(chain)

    def readable(self, chain):
        """The path by which programs may open all of a chain.

        :raises ChainNotMended: see check_readable
        """
        self.check_readable(chain)
        return self.path_of(chain.active.name)

    # The chain

    def chain(self, changing=False, again=None, reading=None):
        """The layers of the volume, made whole where a crash left any rest.

        :param changing: the caller is about to change the chain, or to read
                         a snapshot, so that a merge that was cut off must
                         come to its end; whoever only reads or writes the
                         volume need not wait for that
        :param again: id of the snapshot whose deletion the caller is about
                      to have done, whether it was begun already or not
        :param reading: id of the snapshot that the caller is about to read,
                        if that is all that it does
        :returns: chain.model.Chain
        :raises VolumeFileMissing, VolumeFileInvalid, LayerInvalid,
                InfoInvalid: when it is not all there
        :raises MergePending: when it cannot come to its end now
        """
        chain, table, journal = self._load()
        attached = states.is_attached(self._volume)
        self._pending = None
        if journal is not None:
            chain = self._recovered(chain, table, journal, changing, again,
                                    reading)
        elif not attached:
            chain = self._mended(chain)
        self.settle(chain)
        return chain

    def begun(self):
        """The id of the snapshot that a journal is about.

        :returns: None when there is no journal, or it is about none
        """
        text = self._call('stat', 'journal', self.folder, self.name)
        if text is None:
            return None
        return journals.loads(text, self.name, self.path_of(
            names.journal(self.name))).snapshot

    def is_used(self, chain):
        """Whether it is seen that a guest writes to the active overlay."""
        below = chain.below(chain.active.name)
        return below is not None and self._call(
            'look', 'is_switched', self.path_of(chain.active.name),
            self.path_of(below.name))

    def settle(self, chain):
        """Write down what follows from a chain, in Cinder's database."""
        formats.settle(self._volume, chain)
        if states.is_attached(self._volume):
            attachments.settle(self._volume, chain)

    def _recovered(self, chain, table, journal, changing, again, reading):
        """The chain, once what a crash left is finished, or may wait."""
        attached = states.is_attached(self._volume)
        pending = self._executor().recover(
            journal, table, forward=changing and not attached)
        if pending is None:
            return self._load()[0]
        if not changing or pending.snapshot == again:
            self._pending = pending
            return chain
        if attached:
            # Of a merge that is under way, all but what is merged into
            # reads the same before, after, and meanwhile.
            if reading is not None and reading != pending.snapshot:
                return chain
            raise errors.MergePending(
                volume=self._volume.id, snapshot=pending.snapshot,
                path=self.path_of(names.journal(self.name)))
        # Whose part it was has no part in it any more.
        self._executor().run(plans.delete_snapshot(chain, pending.snapshot))
        return self._load()[0]

    def to_be_changed(self, chain, again=None):
        """The same as chain(changing=True), for who has just got a chain.

        It is looked at again only where a merge that was cut off waits.
        """
        if self._pending is None:
            return chain
        return self.chain(changing=True, again=again)

    def _mended(self, chain):
        """The chain, once all headers are as they should be.

        Not while somebody has it open, nor while a journal waits, which was
        written after this.
        """
        mending = plans.mend(chain)
        if mending is None:
            return chain
        self._executor().run(mending)
        return self._load()[0]

    def peek(self):
        """The layers as they lie there; nothing is made whole.

        :raises: as chain
        """
        return self._load()[0]

    def apply(self, plan, watcher=None, ask=None):
        """Do what a plan says.

        :param watcher: called with percentages of long work
        :param ask: has a guest do its part, see store.executor
        """
        self._executor(watcher, ask).run(
            plan, again=self._pending is not None)

    def _load(self):
        """(chain, text of the table, text of the journal)"""
        recorded = formats.recorded(self._volume,
                                    self._means.legacy_format)
        found = self._call('stat', 'look', self.folder, self.name,
                           dataclasses.astuple(recorded))
        chain = loader.chain_of(
            self._volume.id, self.name, found, recorded,
            self.path_of(names.snapshot_table(self.name)))
        return chain, found[0], found[1]

    def _executor(self, watcher=None, ask=None):
        return executor.Executor(
            hands.OfExecutor(self._hands, watcher, ask,
                             states.is_attached(self._volume)),
            self.folder, self.name)

    # Making, growing, removing

    def create(self, file_format, dress=None):
        """Make it, for a volume that is new.

        :param dress: called with the path of the file as long as it is empty
        """
        size = self._volume.size * units.Gi
        formats.record(self._volume, file_format, self.share.location)
        self._create_empty(self.path, size if file_format == 'raw' else 0)
        with self._hands.removed_on_error(self.path):
            if dress is not None:
                dress(self.path)
            self._lay_out(self.path, file_format, size, self._means.thick)

    def create_from(self, source, chain, file_format):
        """Make it as a copy of what a chain of another volume holds.

        Where the file system can share blocks, none is copied.

        :param source: VolumeFile
        :param chain: of the other volume, up to what is copied
        :param file_format: where it cannot be the source's own: of several
                            layers, or qcow2 for who may have raw only
        """
        alone = len(chain.layers) == 1 and (
            chain.active.format == 'raw' or
            not states.is_raw_only(self._volume))
        file_format = chain.active.format if alone else file_format
        path = source.readable(chain)
        formats.record(self._volume, file_format, self.share.location)
        self._create_empty(self.path, 0)
        with self._hands.removed_on_error(self.path):
            if alone and self._call('clone', 'clone', path, self.path,
                                    limit=_CLONE_LIMIT):
                self._grow(self.path, file_format, chain.active.size,
                           self._volume.size * units.Gi)
            else:
                self._fill(path, chain.active, file_format, alone)

    def _fill(self, path, layer, file_format, alone):
        """Copy what a chain holds into the empty file.

        By the kernel, else by qemu-img: in a raw file, that does no harm to
        what the kernel has copied before it could not.

        :param path: by which programs open the chain
        :param layer: its active one
        :param alone: whether a copy of that file is all that is wanted
        """
        raw, thick = file_format == 'raw', self._means.thick
        if raw:
            self._blank(self.path, file_format, thick)
        # Only a program knows what to reserve in a qcow2 file.
        if alone and (raw or not thick) and self._copy_bytes(path):
            if not raw:
                self._grow(self.path, file_format, layer.size,
                           self._volume.size * units.Gi)
            return
        if not raw:
            self._blank(self.path, file_format, thick)
        self.run(image.convert(path, layer.format, self.path, file_format))

    def _copy_bytes(self, path):
        """Copy a file as it is. Returns False where that cannot be done."""
        return self._means.kernel_copies and copying.copy(
            self._hands.call, path, self.path, **self._hands.watch())

    def take(self, name, file_format, size, new_size):
        """Make a file that lies on the share its own.

        The new name comes last: until then it is still the file that it
        was. Nothing is ever overwritten.

        :param size: its virtual size, bytes
        :param new_size: what it is made, GiB
        """
        path = self.path_of(name)
        self._grow(path, file_format, size, new_size * units.Gi)
        self.open_for_hosts(name)
        self._call('rename', 'rename_new', path, self.path)

    def open_for_hosts(self, name):
        """Give a file that somebody else made the mode of a volume's."""
        self._call('chmod', 'set_mode', self.path_of(name),
                   self._hands.mode)

    def blank(self, path, file_format, thick=False):
        """Make a file of it all zeroes: it may be filled a second time.

        :param thick: reserve the whole size, whatever the options say
        """
        thick = thick or self._means.thick
        if file_format == 'raw':
            self._blank(path, file_format, thick)
            return
        # An empty file is not qcow2, and could not be filled again if this
        # is cut off: a new one takes its place by a rename.
        new = self.path_of(names.temporary(self.name, names.NEW_BASE))
        self._call('delete', 'remove', new)
        self._create_empty(new, 0)
        with self._hands.removed_on_error(new):
            self._lay_out(new, file_format, self._volume.size * units.Gi,
                          thick)
            self._call('rename', 'replace', new, path)

    def _blank(self, path, file_format, thick):
        """Empty a file that nobody needs any more, and prepare it."""
        size = self._volume.size * units.Gi
        self._call('truncate', 'blank', path,
                   size if file_format == 'raw' else 0)
        self._lay_out(path, file_format, size, thick)

    def grow(self, chain, new_size):
        """Make it larger, to so many GiB. When it fails it is as it was."""
        active = chain.active
        self._grow(self.readable(chain), active.format, active.size,
                   new_size * units.Gi)

    def restore_size(self, chain):
        """Make one that nobody has open as large as its volume, if it is not.

        Growth of a raw one is not flushed to the disk, and a crash of the
        host may have taken it back. Growth under a guest is left to its
        host, which may have failed to.
        """
        active, size = chain.active, self._volume.size * units.Gi
        if active.size >= size:
            return
        LOG.warning('%s has %d bytes, less than the %d GiB of its volume: '
                    'it is made as large', self.path_of(active.name),
                    active.size, self._volume.size)
        if active.format == 'raw':
            self._call('extend', 'grow', self.path_of(active.name), size)
        else:
            self.grow(chain, self._volume.size)

    def delete(self):
        """Remove all that there is. Returns whether there was anything."""
        return self._call('delete', 'remove_volume', self.folder, self.name)

    def _grow(self, path, file_format, size, new_size):
        """Sizes in bytes."""
        if new_size <= size:
            return
        if file_format == 'qcow2':
            self.run(image.resize(path, file_format, new_size))
            return
        before = self._call('extend', 'grow', path, new_size)
        if self._means.thick:
            try:
                allocate.reserve(path, size, new_size - size,
                                 self._means.run)
            except BaseException:
                with excutils.save_and_reraise_exception():
                    self._call('extend', 'shrink_back', path, before)

    # Plain bytes, for those that can read or write nothing else

    def make_plain_copy(self, chain):
        """Make a raw copy of what it holds beside it; returns its name."""
        path = self.readable(chain)
        self.remove_plain_copy()
        name = names.temporary(self.name, names.PLAIN_COPY)
        copy = self.path_of(name)
        self._create_empty(copy, chain.active.size)
        with self._hands.removed_on_error(copy):
            self.run(image.convert(path, chain.active.format, copy, 'raw'))
        return name

    def take_plain_copy(self, chain):
        """Write what the copy holds into the volume, and remove it."""
        copy = self.path_of(names.temporary(self.name, names.PLAIN_COPY))
        self._call('stat', 'size_of', copy)
        self.run(image.overwrite(copy, 'raw', self.readable(chain),
                                 chain.active.format))
        self.remove_plain_copy()

    def remove_plain_copy(self):
        self._call('delete', 'remove', self.path_of(
            names.temporary(self.name, names.PLAIN_COPY)))

    # How a file is made

    def _create_empty(self, path, size):
        self._call('create', 'create', path, size, self._hands.mode)
        if self._means.rights.are_open:
            LOG.warning('%s can be read and written by everyone', path)

    def _lay_out(self, path, file_format, size, thick):
        """Prepare an empty file for its format; size in bytes."""
        if file_format == 'qcow2' and thick:
            image.create_thick(path, size).run(self._means.run)
        elif file_format == 'qcow2':
            self._call('write', 'lay_out', path, size)
        elif thick:
            allocate.reserve(path, 0, size, self._means.run)
