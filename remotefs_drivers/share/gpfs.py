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

"""A directory in a GPFS file system, as a share.

The operator mounts the file system. That it is one of GPFS, mmlsattr says
once; that it is still the one that is mounted there, the kernel says before
every call, which asks no server.
"""

import errno
import os

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.share import mountinfo


def mounted(path):
    """(mount point, source) of the file system that a path is in."""
    point, mount = mountinfo.holding(path) or ('/', None)
    return point, mount and mount.source


class Mounter:
    """The mounter (see share.mounter) of that directory: it mounts nothing.

    :param commands: gpfs_commands.Commands
    :param timeout: seconds that looking at the directory may take
    :param as_root: root does the file work, so that the service's user need
                    not have the right to write
    """

    base = None

    def __init__(self, commands, timeout, as_root=False):
        self._commands = commands
        self._as_root = as_root
        self._timeout = timeout
        self._accepted = {}
        self._workers = offload.Workers(1)

    def path(self, share):
        return share.location

    def is_there(self, share):
        return self._accepted.get(share.location) == mounted(share.location)

    def mount(self, share, limit=None):
        """Accept the directory, if GPFS says that it is its own.

        :raises ShareNotMounted: when it is not what it should be
        """
        path, found = share.location, mounted(share.location)
        try:
            self._workers.call(self._timeout, _check, path, self._as_root)
            self._commands.attributes(path)
        except offload.Hung:
            raise _unusable(path, 'it does not answer within %d seconds'
                                  % self._timeout)
        except (errors.CommandFailed, errors.CommandTimeout) as error:
            raise _unusable(path, 'it is not in a GPFS file system, or that '
                                  'is not mounted: mount it (mmmount). %s'
                                  % error)
        self._accepted = {**self._accepted, path: found}

    def unmount(self, share):
        """Nothing: it is the operator's."""

    def prove(self, path):
        """Raise unless the same file system is mounted there as before.

        And alive: where the daemon of GPFS has ended, its mounts are stale.
        """
        now, before = mounted(path), self._accepted.get(path)
        if now != before:
            raise _unusable(path, 'the file system %s is not mounted at %s '
                                  'any more: mount it (mmmount)'
                                  % tuple(reversed(before or now)))
        try:
            os.stat(path)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            raise _unusable(path, 'GPFS is down on this host, or was started '
                                  'again (%s): see "mmgetstate", start it '
                                  '(mmstartup), and mount the file system '
                                  '(mmmount)' % error.strerror)


def _check(path, as_root):
    if not os.path.isdir(path):
        raise _unusable(path, 'there is no such directory: make it, or mount '
                              'its file system (mmmount)')
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise _unusable(path, 'its file system is read-only')
    needed = os.R_OK | os.X_OK | (0 if as_root else os.W_OK)
    if not os.access(path, needed):
        raise _unusable(path, 'it is not writable, or not readable, for the '
                              'user of cinder-volume (uid %d): give it to '
                              'that user, or set nas_secure_file_operations '
                              '= false' % os.geteuid())


def _unusable(path, reason):
    return errors.ShareNotMounted(share=path, path=path, reason=reason)
