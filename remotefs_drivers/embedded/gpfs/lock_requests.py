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

"""Requests for locks on open files."""

import errno
import fcntl
import functools

from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import locking

_FLOCK = 1 << 0


class Requests:
    """:param locks: locking.Locks of the cluster
    :param handles: handles.Handles
    :ivar answer: function that answers a request which had to wait; set by
                  who has the connection
    """

    def __init__(self, locks, handles):
        self._locks = locks
        self._handles = handles
        self._waiting = {}
        self.answer = None

    def getlk(self, request):
        handle, wanted, __ = self._lock(request)
        found = self._locks.find(handle.ino, wanted)
        if found is None:
            found = wanted._replace(kind=fcntl.F_UNLCK, pid=0)
        return kernel.LOCKED.pack(found.start, found.end, found.kind,
                                  found.pid)

    def setlk(self, request):
        handle, wanted, __ = self._lock(request)
        if not self._locks.set(handle.ino, wanted):
            raise OSError(errno.EAGAIN, 'locked')
        return b''

    def setlkw(self, request):
        handle, wanted, __ = self._lock(request)
        later = functools.partial(self._locked, request.unique)
        self._waiting[request.unique] = later
        if not self._locks.set(handle.ino, wanted, later):
            return kernel.LATER
        self._waiting.pop(request.unique)
        return b''

    def interrupt(self, request):
        unique, = kernel.U64.unpack_from(request.data)
        later = self._waiting.pop(unique, None)
        if later is not None and self._locks.give_up(later):
            self.answer(unique, errno.EINTR)

    def _lock(self, request):
        number, owner, start, end, kind, pid, flags, __ = (
            kernel.LOCK.unpack_from(request.data))
        if flags & _FLOCK:
            start, end = 0, locking.END
            # They have nothing to do with those of fcntl.
            owner = (owner, 'flock')
        handle = self._handles[number]
        key = -handle.ino if flags & _FLOCK else handle.ino
        return (handle._replace(ino=key), locking.Lock(
            self._handles.key(owner), self._handles.key(number), start, end,
            kind, pid), flags)

    def _locked(self, unique):
        self._waiting.pop(unique, None)
        self.answer(unique, 0)
