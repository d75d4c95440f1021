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

"""Copying a file within the kernel, or on the server of the share.

copy_file_range(2) needs no process and moves no data through ours; NFS 4.2
copies on the server. It goes piece by piece, so that a copy can be followed
and stopped between two of them, and no call to the share takes long.

What the source has no blocks for, the copy has none for either. Where holes
cannot be seen (NFS before 4.2), nothing is copied here: qemu-img looks for
zeroes in what it reads.
"""

import ctypes
import errno
import os

from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers.store import files

#: Bytes of data in a piece: a fraction of a second, on slow shares too, and
#: far more than it costs to hand a piece over.
PIECE = 32 * units.Mi

#: Seconds for one piece, and for flushing what the disk has not got yet.
_LIMIT = 1800
#: Answers of file systems that cannot do it, or not with these two files.
_CANNOT_COPY = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL,
                errno.ENOSYS, errno.EPERM, errno.ETXTBSY, errno.EBADF)
#: Of st_blocks, bytes.
_BLOCK = 512
#: sync_file_range(2): begin to write dirty pages, and wait for none.
_SYNC_FILE_RANGE_WRITE = 2


def copy(call, source, target, aborted, progress):
    """Copy all of a file into one that is there; 0 children.

    Where the target has a hole or zeroes already it is left alone, and it is
    made larger where it is smaller. In the end it is on the disk.

    :param call: as the method of hands, see store.executor
    :param aborted: called before each piece: whether to stop
    :param progress: called with percentages, 0.0 to 100.0
    :returns: False where it cannot be done; some of it may be copied then
    :raises ServiceStopping: when aborted said so
    """
    start, size = 0, None
    while start != size:
        if aborted():
            raise errors.ServiceStopping(what='a copy to %s' % target)
        done = call('copy', 'copy_some', source, target, start, PIECE,
                    limit=_LIMIT)
        if done is None:
            return False
        start, size = done
        progress(100.0 * start / size if size else 100.0)
    call('flush', 'flush', target, limit=_LIMIT)
    return True


def copy_some(source, target, start, most):
    """Copy one piece of a file.

    The disk begins to write it at once: less is left for the flush.

    :param start: where to go on, bytes
    :param most: bytes of data to copy; holes do not count
    :returns: (where to go on, the size of the source), which are the same
              when all is copied; None where it cannot be done
    :raises OSError: with the path of the target, when there is no room, say
    """
    with files.opened(source, os.O_RDONLY) as origin:
        with files.opened(target, os.O_WRONLY) as copied:
            try:
                return _copy_some(origin, copied, start, most)
            except OSError as error:
                if error.errno in _CANNOT_COPY:
                    return None
                raise OSError(error.errno, error.strerror, target)


def _copy_some(origin, copied, start, most):
    status = os.fstat(origin)
    size = status.st_size
    if start == 0 and _hides_holes(origin, status):
        return None
    while most and start < size:
        begin, end = _next_data(origin, start, size)
        end = min(end, begin + most)
        _copy_range(origin, copied, begin, end)
        start, most = end, most - (end - begin)
    if start == size and os.fstat(copied).st_size < size:
        os.ftruncate(copied, size)
    return start, size


def _hides_holes(descriptor, status):
    """Whether it has less blocks than data, by what its file system says."""
    size = status.st_size
    return (status.st_blocks * _BLOCK < size and
            os.lseek(descriptor, 0, os.SEEK_HOLE) >= size)


def _next_data(descriptor, start, size):
    """(begin, end) of the next data; an empty range at the end."""
    try:
        begin = os.lseek(descriptor, start, os.SEEK_DATA)
        return begin, min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
    except OSError as error:
        # All the rest is a hole.
        if error.errno == errno.ENXIO:
            return size, size
        raise


def _copy_range(origin, copied, begin, end):
    start = begin
    while start < end:
        done = os.copy_file_range(origin, copied, end - start, start, start)
        if not done:
            # Some file systems of old kernels say so of what they cannot do.
            raise OSError(errno.EOPNOTSUPP, 'no data were copied')
        start += done
    _begin_to_write(copied, begin, end - begin)


def _begin_to_write(descriptor, start, length):
    """An error here is told by the flush, which waits for all of it."""
    sync = files.c_function('sync_file_range')
    if sync is not None:
        sync(descriptor, ctypes.c_int64(start), ctypes.c_int64(length),
             _SYNC_FILE_RANGE_WRITE)
