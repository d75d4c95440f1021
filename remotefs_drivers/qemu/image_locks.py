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
"""QEMU's image locks: who has a file open, without starting a process.

As file-posix.c of QEMU has it. Each process that opens an image tells by
shared locks on single bytes of the file what it does to it, from byte 100
on, and what it lets nobody else do, from byte 200 on; one byte for each of
its permissions. Before that it looks whether anybody forbids what it wants.
The locks are those of open file descriptions (OFD), so that they are seen
from the same process as well, and from other hosts where the file system
carries locks: NFS does, unless it is mounted with "nolock".
"""

import errno
import fcntl
import os
import struct

_DOES = 100
_FORBIDS = 200
#: Bytes of each kind; QEMU uses four of them today.
_COUNT = 8
#: The permission to write, among them.
_WRITE = 1
#: struct flock of 64 bits: type, whence, start, length, process id.
_FLOCK = struct.Struct('hhqqi4x')
#: Answers of file systems that carry no locks.
_NONE = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def is_open(descriptor):
    """Whether a program of QEMU's has the file open.

    :returns: False also where the file system carries no locks
    """
    return (_is_locked(descriptor, _DOES) or
            _is_locked(descriptor, _FORBIDS))


def is_written(descriptor):
    """Whether a program of QEMU's may write to the file.

    :returns: as is_open
    """
    return _is_locked(descriptor, _DOES + _WRITE, 1)


def exclude(descriptor):
    """Let nobody open the file any more, until the descriptor is closed.

    Whoever opened it before and comes to lock it now fails as well.

    :param descriptor: open for reading, at least
    :returns: whether nobody has it open
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK,
                    _flock(fcntl.F_RDLCK, _FORBIDS))
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return True
    return not _is_locked(descriptor, _DOES)


def _is_locked(descriptor, start, count=_COUNT):
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK,
                             _flock(fcntl.F_WRLCK, start, count))
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return False
    return _FLOCK.unpack(answer)[0] != fcntl.F_UNLCK


def _flock(kind, start, count=_COUNT):
    return _FLOCK.pack(kind, os.SEEK_SET, start, count, 0)
