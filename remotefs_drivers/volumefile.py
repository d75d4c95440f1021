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

"""The file of one volume on its share: all that verbs do to it.

Each method does one thing, wholly or not at all: what was made is removed
when a later step fails. Locks and decisions are the driver's.
"""

import contextlib
import dataclasses
import errno
import os
from typing import Any
from typing import Callable

from cinder import exception
from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import names
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import progress
from remotefs_drivers.share import rights as share_rights
from remotefs_drivers.share import shares as share_shares
from remotefs_drivers.store import allocate

LOG = logging.getLogger(__name__)

#: Seconds for sharing the blocks of a large, scattered file.
_CLONE_LIMIT = 600


@dataclasses.dataclass(frozen=True)
class Means:
    """What it takes to work on files; frozen, replaced as a whole.

    :ivar thick: whether the whole size of a volume is reserved
    :ivar files: the module store.files, or privileged, which is the same
                 as root
    :ivar run: command.run, or the same as root
    """

    shares: share_shares.Shares
    rights: share_rights.Rights
    thick: bool
    files: Any
    run: Callable


class VolumeFile:
    """The file of a volume on a share.

    :param means: Means
    :raises VolumeNameInvalid: when the volume's name is no file name
    """

    def __init__(self, means, volume, share):
        self._means = means
        self._volume = volume
        self.share = share
        self.name = names.of(volume)
        self.path = self._beside(self.name)

    def size(self):
        """The size of the file, bytes.

        :raises VolumeFileMissing, VolumeFileInvalid: when there is none
        :raises VolumeHasSnapshots: when it is not the whole volume
        """
        return self._call_alone('stat', 'size_alone', self.path)

    def create(self, file_format):
        """Make it, for a volume that is new."""
        size = self._volume.size * units.Gi
        formats.record(self._volume, file_format, self.share.location)
        self._create_empty(self.path, size if file_format == 'raw' else 0)
        with self._removed_on_error(self.path):
            self._lay_out(file_format, size, self._means.thick)

    def create_from(self, source, file_format, source_size):
        """Make it as a copy of another volume's file.

        Where the file system can share blocks, none is copied.

        :param source: VolumeFile
        :param source_size: of the other volume, GiB
        """
        formats.record(self._volume, file_format, self.share.location)
        self._create_empty(self.path, 0)
        with self._removed_on_error(self.path):
            if self._call('clone', 'clone', source.path, self.path,
                          limit=_CLONE_LIMIT):
                if self._volume.size > source_size:
                    self.grow(file_format, source_size, self._volume.size)
            else:
                self.blank(file_format)
                self.run_watched(image.convert(source.path, file_format,
                                               self.path, file_format))

    def blank(self, file_format, thick=False):
        """Make it all zeroes: it may be filled a second time.

        :param thick: reserve the whole size, whatever the options say
        """
        size = self._volume.size * units.Gi
        self._call('truncate', 'blank', self.path,
                   size if file_format == 'raw' else 0)
        self._lay_out(file_format, size, thick or self._means.thick)

    def grow(self, file_format, size, new_size):
        """Make it larger; sizes in GiB. When it fails it is as it was."""
        if file_format == 'qcow2':
            image.resize(self.path, file_format, new_size * units.Gi).run(
                self._means.run)
            return
        before = self._call('extend', 'grow', self.path, new_size * units.Gi)
        if self._means.thick:
            try:
                allocate.reserve(self.path, size * units.Gi,
                                 (new_size - size) * units.Gi,
                                 self._means.run)
            except BaseException:
                with excutils.save_and_reraise_exception():
                    self._call('extend', 'shrink_back', self.path, before)

    def restore_size(self):
        """Make a raw one as large as its volume, if it is not.

        Growth is not flushed to the disk, and a crash of the host may have
        taken it back.
        """
        size = self.size()
        if size >= self._volume.size * units.Gi:
            return
        LOG.warning('%s has %d bytes, less than the %d GiB of its volume: '
                    'it is made as large again', self.path, size,
                    self._volume.size)
        self._call('extend', 'grow', self.path, self._volume.size * units.Gi)

    def delete(self):
        """Remove it and what goes with it. Returns whether it was there."""
        others = [self._beside(name)
                  for name in names.all_temporary(self.name)]
        return self._call_alone('delete', 'remove_alone', self.path, others)

    def make_plain_copy(self):
        """Make a raw copy of a qcow2 one beside it; returns its name."""
        self.remove_plain_copy()
        name = names.temporary(self.name, names.PLAIN_COPY)
        copy = self._beside(name)
        self._create_empty(copy, self._volume.size * units.Gi)
        with self._removed_on_error(copy):
            self.run_watched(image.convert(self.path, 'qcow2', copy, 'raw'))
        return name

    def remove_plain_copy(self):
        self._call('delete', 'remove', self._beside(
            names.temporary(self.name, names.PLAIN_COPY)))

    def run_watched(self, operation):
        """Run long work on it, and log how it goes."""
        operation.run(self._means.run, **self.watching())

    def watching(self):
        """How long work can be followed, by who runs it."""
        if self._means.run is not command.run:
            return {}
        return {'progress': progress.Log('Copying volume %s'
                                         % self._volume.id)}

    def _beside(self, name):
        return os.path.join(self._means.shares.path(self.share), name)

    def _call_alone(self, what, function, *args):
        """Call a function that refuses to touch a file with snapshots."""
        table = self._beside(names.snapshot_table(self.name))
        try:
            return self._call(what, function, *args, table)
        except errors.VolumeFileExists:
            raise errors.VolumeHasSnapshots(volume=self._volume.id,
                                            path=table)

    def _call(self, what, function, *args, limit=None):
        with _explained(self._volume, self.share, args[0]):
            return self._means.shares.call(
                self.share, what, getattr(self._means.files, function),
                *args, limit=limit)

    def _create_empty(self, path, size):
        self._call('create', 'create', path, size, self._means.rights.mode)
        if self._means.rights.are_open:
            LOG.warning('%s can be read and written by everyone', path)

    def _lay_out(self, file_format, size, thick):
        """Prepare an empty file for its format; size in bytes."""
        if file_format == 'qcow2':
            image.create_qcow2(self.path, size,
                               'falloc' if thick else 'off').run(
                                   self._means.run)
        elif thick:
            allocate.reserve(self.path, 0, size, self._means.run)

    @contextlib.contextmanager
    def _removed_on_error(self, path):
        """Leave no half-made file behind."""
        try:
            yield
        except BaseException:
            with excutils.save_and_reraise_exception():
                try:
                    self._call('delete', 'remove', path)
                except exception.RemoteFSException as error:
                    LOG.error('%s is left behind, delete the volume: %s',
                              path, error)


@contextlib.contextmanager
def _explained(volume, share, path):
    """Turn what the file system says into what the operator understands."""
    try:
        yield
    except FileExistsError:
        raise errors.VolumeFileExists(volume=volume.id, path=path)
    except FileNotFoundError:
        raise errors.VolumeFileMissing(volume=volume.id, path=path,
                                       share=share.location)
    except OSError as error:
        raise errors.VolumeFileInvalid(
            volume=volume.id, path=path,
            reason='%s (%s)' % (error.strerror,
                                errno.errorcode.get(error.errno, '?')))
