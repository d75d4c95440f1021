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

"""Directories that somebody else mounts, as shares.

Nobody mounts them here, so a directory whose file system is not mounted
looks like an empty one. A marker file tells them apart: it is made once, in
an empty directory that is no volume's home yet, and from then on a
directory without it is refused.
"""

import os

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.store import files

MARKER = '.remotefs-posix-directory'

_TEXT = ('This directory holds Cinder volumes. Do not delete this file: '
         'without it the directory\nis taken for the mount point of a file '
         'system that is not mounted.\n')
#: What an empty file system has of its own.
_NOTHING = frozenset(['lost+found'])


class DirectoryMounter:
    """The mounter (see share.mounter) of directories: it mounts nothing.

    :param is_home: called with a directory's path, tells whether volumes
                    are recorded there
    :param timeout: seconds that looking at a directory may take
    :param as_root: root does the file work, so that the service's user need
                    not have the right to write
    """

    base = None

    def __init__(self, is_home, timeout, as_root=False):
        self._is_home = is_home
        self._as_root = as_root
        self._timeout = timeout
        self._accepted = frozenset()
        self._workers = {}

    def path(self, share):
        return share.location

    def is_there(self, share):
        """Whether it was accepted once; what became of it, ``prove`` sees."""
        return share.location in self._accepted

    def mount(self, share, limit=None):
        """Accept a directory: by its marker, or by making that.

        :raises ShareNotMounted: when it is not what it should be
        """
        path = share.location
        if not self._ask(share, _is_marked, self._as_root):
            if self._is_home(path):
                raise _unusable(path, 'it is empty, while volumes are '
                                      'recorded there. Is its file system '
                                      'mounted?')
            self._ask(share, _make_marker)
        self._accepted |= {path}

    def unmount(self, share):
        """Nothing: it is the operator's."""

    def prove(self, path):
        """Raise unless the directory has its marker file."""
        try:
            files.size_of(os.path.join(path, MARKER))
        except OSError as error:
            raise _unusable(
                path, 'its marker file %s cannot be read (%s). Is the file '
                      'system mounted? Where it is, and the directory '
                      'really the one with the volumes, make the file by '
                      'hand' % (MARKER, error.strerror))

    def _ask(self, share, function, *args):
        # One thread for each: it is all that a dead one may cost.
        workers = self._workers.setdefault(share.location,
                                           offload.Workers(1))
        try:
            return workers.call(self._timeout, function, share.location,
                                *args)
        except offload.Hung:
            raise _unusable(share.location, 'it does not answer within %d '
                                            'seconds' % self._timeout)


def _is_marked(path, as_root):
    """Whether a directory is marked; where not, it is empty.

    :raises ShareNotMounted: when it can be neither
    """
    if not os.path.isdir(path):
        raise _unusable(path, 'there is no such directory')
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        raise _unusable(path, 'it is not writable: its file system is '
                              'read-only')
    needed = os.R_OK | os.X_OK | (0 if as_root else os.W_OK)
    if not os.access(path, needed):
        raise _unusable(path, 'it is not writable, or not readable, for the '
                              'user of cinder-volume (uid %d)'
                              % os.geteuid())
    found = {name for name in os.listdir(path) if name not in _NOTHING and
             not files.is_rest_of(name, MARKER)}
    if found and MARKER not in found:
        raise _unusable(path, 'it is not empty and has no marker file %s. '
                              'Where these files are Cinder volumes, make '
                              'that file by hand' % MARKER)
    return MARKER in found


def _make_marker(path):
    try:
        files.write_atomic(os.path.join(path, MARKER), _TEXT, 0o644)
    except OSError as error:
        raise _unusable(path, 'the marker file %s cannot be made: %s'
                              % (MARKER, error.strerror))


def _unusable(path, reason):
    return errors.ShareNotMounted(share=path, path=path, reason=reason)
