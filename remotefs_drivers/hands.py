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

"""How work on the files of one volume is done: calls, and programs.

Every call goes through the share's gate, and what the file system says of it
comes back as an error that names the volume and the file.
"""

import contextlib
import dataclasses
import errno
from typing import Any
from typing import Callable
from typing import Optional

from cinder import exception
from oslo_log import log as logging
from oslo_utils import excutils

from remotefs_drivers import cloner
from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers import offload
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import progress
from remotefs_drivers.share import rights as share_rights
from remotefs_drivers.share import shares as share_shares

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Means:
    """What it takes to work on files; frozen, replaced as a whole.

    :ivar thick: whether the whole size of a volume is reserved
    :ivar legacy_format: of volumes whose format nobody recorded, or None
    :ivar files: the module store.direct, or privileged, which is the same
                 as root
    :ivar run: command.run, or the same as root
    :ivar kernel_copies: whether the file system may copy files by itself
    :ivar clones: where it makes clones, how it is asked for them: a
                  gpfs_commands.Commands; else None
    """

    shares: share_shares.Shares
    rights: share_rights.Rights
    thick: bool
    legacy_format: Optional[str]
    files: Any
    run: Callable
    kernel_copies: bool = True
    clones: Any = None


class Hands:
    """Work on one volume's files.

    :param means: Means
    """

    def __init__(self, means, volume, share):
        self._means = means
        self._volume = volume
        self._share = share
        self.mode = means.rights.mode
        self.clones = cloner.Cloner(means.clones, self.call, self.mode)

    def call(self, what, function, *args, limit=None):
        """Call a function of Means.files by its name.

        :param what: for messages, as in share.shares.Shares.call
        :param args: of it; the first one is the path that it is about
        :param limit: seconds, for what may take longer than usual
        """
        with _explained(self._volume, self._share, args[0]):
            return self._means.shares.call(
                self._share, what, getattr(self._means.files, function),
                *args, limit=limit)

    def call_all(self, what, calls):
        """Make several calls, one after the other, in one hand-over.

        As root they are made one by one: each goes to another process, and
        what proves the share must not be called where the way there is.

        :param calls: (function, its arguments) of each
        """
        some = [(getattr(self._means.files, function), args)
                for function, args in calls]
        if any(getattr(function, 'remote', False) for function, __ in some):
            for function, args in calls:
                self.call(what, function, *args)
            return
        row = offload.Row(some, self._means.shares.prover(self._share))
        with _explained(self._volume, self._share, calls[0][1][0]):
            try:
                self._means.shares.call(self._share, what, row)
            except errors.ShareTimeout:
                row.stop()
                raise

    def run(self, operation, watcher=None):
        """Run a program, which may take long, and log how it goes.

        :param operation: qemu.command.Operation
        :param watcher: called with percentages, as the log is
        """
        operation.run(self._means.run, **self.watching(watcher))

    def watching(self, watcher=None):
        """How a program can be followed and stopped, by who runs it."""
        if self._means.run is not command.run:
            return {}
        return self.watch(watcher)

    def watch(self, watcher=None):
        """How work in many calls is followed, and stopped between two."""
        return {'aborted': locks.until_stop(),
                'progress': progress.Log(
                    'Working on volume %s' % self._volume.id, watcher)}

    @contextlib.contextmanager
    def removed_on_error(self, path):
        """Leave no half-made file behind."""
        try:
            yield
        except BaseException:
            with excutils.save_and_reraise_exception():
                try:
                    self.call('delete', 'remove', path)
                except exception.RemoteFSException as error:
                    LOG.error('%s is left behind, delete the volume: %s',
                              path, error)


class OfExecutor:
    """What an executor works with, see store.executor.

    :param hands: Hands
    :param box: sharer.Sharer, where there is an appliance
    """

    def __init__(self, hands, watcher, ask, has_guest, box=None):
        self._hands = hands
        self._watcher = watcher
        self.ask = ask
        self.has_guest = has_guest
        self.box = box
        self.call = hands.call
        self.call_all = hands.call_all
        self.mode = hands.mode
        self.clones = hands.clones

    def run(self, operation):
        self._hands.run(operation, self._watcher)


@contextlib.contextmanager
def _explained(volume, share, path):
    """Turn what the file system says into what the operator understands."""
    try:
        yield
    except FileExistsError as error:
        raise errors.VolumeFileExists(volume=volume.id,
                                      path=error.filename or path)
    except FileNotFoundError as error:
        raise errors.VolumeFileMissing(volume=volume.id,
                                       path=error.filename or path,
                                       share=share.location)
    except OSError as error:
        raise errors.VolumeFileInvalid(
            volume=volume.id, path=error.filename or path,
            reason='%s (%s)' % (error.strerror,
                                errno.errorcode.get(error.errno, '?')))
