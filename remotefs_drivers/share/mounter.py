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

"""Mounting and unmounting shares, and proof of what is mounted.

A mounter has

* ``path(share)``: where the share is, mounted or not;
* ``is_there(share)``: whether it is mounted there, asked without touching
  the share;
* ``mount(share, limit=None)`` and ``unmount(share)``;
* ``prove(path)``: called in the same breath as the work on the share; it
  raises when the path is not the share, MountDead where a new mount would
  help;
* ``renew(share, limit=None)``: makes that, where MountDead is raised.
"""

import functools
import os

import six
import tenacity

from os_brick import exception as brick_exception
from oslo_concurrency import processutils
from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.share import failures
from remotefs_drivers.share import mount_options
from remotefs_drivers.share import mountinfo

LOG = logging.getLogger(__name__)

#: Shares of which the mount point is known without another md5.
_REMEMBERED = 4096


class BrickMounter:
    """Mounts by os-brick's client, so at the same place as other services.

    :param client_class: os_brick.remotefs.remotefs.RemoteFsClient or alike
    :param mount_type: as os-brick calls it, 'nfs'
    :param base: folder of the mount points
    :param options: mount options for all shares, or None
    :param timeout: seconds for one attempt
    :param attempts: how often to try, at least once
    """

    def __init__(self, client_class, mount_type, base, options, timeout,
                 attempts):
        self.base = base
        self._client_class = client_class
        self._mount_type = mount_type
        self._options = options
        self._timeout = timeout
        self._attempts = max(attempts, 1)
        self._failures = failures.Failures()
        # Asked for several times in each call to a share.
        self._mount_point = functools.lru_cache(maxsize=_REMEMBERED)(
            self._client(None, options).get_mount_point)

    def path(self, share):
        return self._mount_point(self._name(share))

    def is_there(self, share):
        return self._find(share) is not None

    def mount(self, share, limit=None):
        """Mount a share, unless it is mounted already.

        :param limit: seconds, for a single attempt that must not take as
                      long as usual
        :raises MountFailed: when it could not be in any attempt, now or a
                             short while ago (see share.failures)
        """
        with self._failures.remembered(share):
            self._mount(share, limit)

    def unmount(self, share):
        """Unmount a share, and remove its mount point. Busy is an error.

        :raises ShareUnavailable: when it stays mounted
        """
        if not self.is_there(share):
            return
        try:
            run_as_root(['umount', self.path(share)], self._timeout)
            os.rmdir(self.path(share))
        except (errors.CommandFailed, errors.CommandTimeout,
                OSError) as error:
            raise errors.ShareUnavailable(share=share.location,
                                          reason=str(error))

    def prove(self, path):
        """Nothing: mountinfo has said so just before."""

    def _name(self, share):
        """What mount is told."""
        return share.location

    def _mount(self, share, limit):
        """:returns: what would explain that it is not there after all"""
        commands = _Commands(limit or self._timeout)
        retry = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(1 if limit else self._attempts),
            wait=tenacity.wait_fixed(1),
            retry=tenacity.retry_if_exception(lambda _: not commands.hung),
            reraise=True)
        options, flags = mount_options.merge(self._options, share.options)
        failure = 'mount ended without an error, but nothing is mounted there'
        try:
            retry(self._client(commands, options).mount, self._name(share),
                  flags)
        except (brick_exception.BrickException, errors.CommandFailed,
                errors.CommandTimeout, OSError,
                processutils.ProcessExecutionError) as error:
            failure = error
        if commands.hung:
            self._undo_late(share)
            raise self._failed(share, commands.hung)
        # After an error too: another backend may have been faster.
        if not self.is_there(share):
            raise self._failed(share, failure)
        return failure

    def _client(self, commands, options):
        arguments = {'%s_mount_point_base' % self._mount_type: self.base,
                     '%s_mount_options' % self._mount_type: options}
        return self._client_class(self._mount_type, 'no root helper',
                                  execute=commands, **arguments)

    def _find(self, share):
        """The mount of the share.

        :raises ShareNotMounted: when it is another share's
        """
        mount = mountinfo.find(self.path(share))
        if mount is not None and not _same(mount.source, self._name(share)):
            raise errors.ShareNotMounted(
                share=share.location, path=self.path(share),
                reason='%s is mounted there; unmount it' % mount.source)
        return mount

    def _undo_late(self, share):
        """Take down what a mount that was killed has still finished."""
        if self.is_there(share):
            self._detach(share)

    def _detach(self, share):
        """Take a mount down that does not answer, whoever uses it."""
        try:
            run_as_root(['umount', '-l', self.path(share)], self._timeout)
        except (errors.CommandFailed, errors.CommandTimeout) as error:
            LOG.error('Share %s does not answer and stays mounted: %s',
                      share.location, error)

    def _failed(self, share, reason):
        return errors.MountFailed(share=share.location,
                                  mount_point=self.path(share),
                                  reason=_reason(reason))


class _Commands:
    """How os-brick runs commands during one attempt to mount.

    It tries several NFS versions, one after the other; when the server did
    not answer the first, the rest are not asked.
    """

    def __init__(self, timeout):
        self._timeout = timeout
        self.hung = None

    def __call__(self, *argv, **kwargs):
        """Run a command; the arguments are those of processutils."""
        if self.hung:
            raise self.hung
        run = run_as_root if kwargs.get('run_as_root') else command.run
        try:
            return run(list(argv), timeout=self._timeout)
        except errors.CommandTimeout as error:
            self.hung = error
            raise
        except errors.CommandFailed as error:
            # os-brick looks at stderr to tell one failure from another.
            raise processutils.ProcessExecutionError(
                stderr=six.text_type(error), cmd=' '.join(argv))


def run_as_root(argv, timeout):
    """As command.run, by whoever is root."""
    run = command.run if os.geteuid() == 0 else privileged.run
    return run(argv, timeout=timeout)


def _same(source, location):
    """Whether a mount's source is the share: NFS drops a slash at the end."""
    return source.rstrip('/') == location.rstrip('/')


def _reason(error):
    return getattr(error, 'stderr', None) or six.text_type(error)
