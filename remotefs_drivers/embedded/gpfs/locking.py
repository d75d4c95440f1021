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

"""Locks on files, which all hosts of a cluster see.

Those of fcntl(2), of processes and of open files alike, and of flock(2). An
owner is one mount's number for a process or an open file.
"""

import collections
import fcntl
import threading

#: A lock on bytes from start to end, both included.
Lock = collections.namedtuple('Lock', 'owner handle start end kind pid')

#: The last byte that there can be.
END = (1 << 63) - 1


class Locks:
    """Of all files: inode number -> locks."""

    def __init__(self):
        self._mutex = threading.Lock()
        self._held = collections.defaultdict(list)
        self._waiting = []

    def find(self, ino, wanted):
        """A lock of somebody else's that is in the way, or None."""
        with self._mutex:
            return self._conflict(ino, wanted)

    def set(self, ino, wanted, later=None):
        """Take a lock, or give it back (F_UNLCK).

        :param later: function, called without arguments when the lock was
                      taken after all; None for not to wait
        :returns: whether it is taken now
        """
        with self._mutex:
            if wanted.kind != fcntl.F_UNLCK and self._conflict(ino, wanted):
                if later is not None:
                    self._waiting.append((ino, wanted, later))
                return False
            self._put(ino, wanted)
            woken = self._wake()
        _call(woken)
        return True

    def drop(self, ino, owner=None, handle=None):
        """All of an owner's, or all that were taken by an open file."""
        with self._mutex:
            kept = [lock for lock in self._held.pop(ino, ())
                    if lock.owner != owner and lock.handle != handle]
            if kept:
                self._held[ino] = kept
            woken = self._wake()
        _call(woken)

    def give_up(self, later):
        """Wait no longer.

        :returns: whether it was waited for
        """
        with self._mutex:
            left = [each for each in self._waiting if each[2] != later]
            found = len(left) != len(self._waiting)
            self._waiting = left
        return found

    def _conflict(self, ino, wanted):
        return next((
            lock for lock in self._held.get(ino, ())
            if lock.owner != wanted.owner and
            lock.start <= wanted.end and wanted.start <= lock.end and
            fcntl.F_WRLCK in (lock.kind, wanted.kind)), None)

    def _put(self, ino, wanted):
        """In place of what its owner has there."""
        kept = []
        for lock in self._held.pop(ino, ()):
            if lock.owner != wanted.owner:
                kept.append(lock)
                continue
            if lock.start < wanted.start:
                kept.append(lock._replace(end=min(lock.end,
                                                  wanted.start - 1)))
            if lock.end > wanted.end:
                kept.append(lock._replace(start=max(lock.start,
                                                    wanted.end + 1)))
        if wanted.kind != fcntl.F_UNLCK:
            kept.append(wanted)
        if kept:
            self._held[ino] = kept

    def _wake(self):
        woken = []
        for each in list(self._waiting):
            ino, wanted, later = each
            if not self._conflict(ino, wanted):
                self._waiting.remove(each)
                self._put(ino, wanted)
                woken.append(later)
        return woken


def _call(functions):
    for function in functions:
        function()
