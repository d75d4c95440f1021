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

"""Mounting and unmounting shares that come and go, while others do so too."""

import dataclasses
import errno
import os

from oslo_log import log as logging
import tenacity

from remotefs_drivers import errors
from remotefs_drivers.share import mounter
from remotefs_drivers.share import mountinfo

LOG = logging.getLogger(__name__)

#: What umount(8) says of a mount that somebody uses, in the C locale.
_BUSY = 'busy'
#: A child that some thread has just begun has all files of ours open, until
#: it closes them. Seconds.
_ATTEMPTS, _PAUSE = 5, 0.1
#: Beside a share's own options: with it the kernel takes nothing from what it
#: knows of the same file system already.
_APART = '-o nosharecache'


class VisitingMounter(mounter.BrickMounter):
    """As BrickMounter; a mount may be gone, or dead, at any time."""

    def prove(self, path):
        """:raises MountDead: when nothing, or what is gone, is mounted there
        """
        mount = mountinfo.find(path)
        if mount is None:
            raise errors.MountDead(share=path,
                                   reason='somebody has unmounted it')
        try:
            # Of stat(2) an NFS client knows the answer for a while.
            os.statvfs(path)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            raise errors.MountDead(share=mount.source, reason=str(error))

    def renew(self, share, limit=None):
        """Make a new mount in place of a dead one, or of none.

        :raises MountFailed: when that cannot be done
        """
        if self.is_there(share):
            self._detach(share)
        self.mount(share, limit)

    def _mount(self, share, limit):
        """A share may have had another name.

        NFS 3 has no names of shares: while anything of the same file system
        is mounted, the kernel calls a folder what it was called when it was
        mounted first.
        """
        try:
            return super()._mount(share, limit)
        except errors.ShareNotMounted as error:
            LOG.info('It is mounted apart: %s', error)
        self._detach(share)
        self._expect_gone(share)
        return super()._mount(_apart(share), limit)

    def unmount(self, share):
        """Unmount a share, by force where its server does not answer.

        :raises ShareUnavailable: when somebody uses it, or it stays mounted
        """
        if not self.is_there(share):
            return
        path = self.path(share)
        try:
            _umount(path, self._timeout)
        except errors.CommandTimeout as error:
            LOG.warning('Share %s: %s', share.location, error)
            self.detach(share)
            return
        except errors.CommandFailed as error:
            if _is_busy(error):
                raise errors.ShareUnavailable(share=share.location,
                                              reason=str(error))
            if self.is_there(share):
                self._detach(share)
        self._expect_gone(share)

    def detach(self, share):
        """Unmount a share that does not answer, whoever uses it.

        Calls that hang there end when the server is back. To let them fail
        (``umount -f``) would do the same to calls for other mounts of the
        same file system on this host: those of a guest, say.

        :raises ShareUnavailable: when it stays mounted
        """
        if not self.is_there(share):
            return
        LOG.warning('Share %s does not answer, and is detached',
                    share.location)
        self._detach(share)
        self._expect_gone(share)

    def _expect_gone(self, share):
        if self.is_there(share):
            raise errors.ShareUnavailable(share=share.location,
                                          reason='it stays mounted')
        self._remove_mount_point(self.path(share))

    def _remove_mount_point(self, path):
        try:
            os.rmdir(path)
        except OSError as error:
            # Somebody may be about to mount it.
            LOG.info('%s stays: %s', path, error)

    def mounted(self):
        """The sources of what is mounted below our folder, by whomever."""
        return {mount.source
                for mount in mountinfo.below(self.base).values()}


def _apart(share):
    return dataclasses.replace(
        share, options=' '.join(filter(None, [share.options, _APART])))


def _is_busy(error):
    return isinstance(error, errors.CommandFailed) and _BUSY in str(error)


@tenacity.retry(retry=tenacity.retry_if_exception(_is_busy),
                stop=tenacity.stop_after_attempt(_ATTEMPTS),
                wait=tenacity.wait_fixed(_PAUSE), reraise=True)
def _umount(path, timeout):
    mounter.run_as_root(['umount', path], timeout)
