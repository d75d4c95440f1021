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

"""The files beneath an emulated GPFS, in a folder of this machine."""

import ctypes
import errno
import fcntl
import os
import stat
import struct

_GET_VERSION = 0x80087601
_FICLONE = 0x40049409
_CHUNK = 1 << 30


def share_blocks(source, target, mode):
    """Make a new file with the data of another one.

    :param mode: of the new file
    :raises FileExistsError: when it is there
    """
    with open(source, 'rb', buffering=0) as origin:
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.fchmod(descriptor, mode)
            try:
                fcntl.ioctl(descriptor, _FICLONE, origin.fileno())
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL,
                                       errno.ENOTTY):
                    raise
                # Without blocks to share, it is only slower.
                _copy(origin.fileno(), descriptor)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(descriptor)


def _copy(origin, target):
    size = os.fstat(origin).st_size
    os.ftruncate(target, size)
    start = 0
    while start < size:
        try:
            start = os.lseek(origin, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        end = os.lseek(origin, start, os.SEEK_HOLE)
        while start < end:
            start += os.copy_file_range(origin, target,
                                        min(end - start, _CHUNK), start,
                                        start)


def identity(path):
    """The inode number and generation of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(descriptor, _GET_VERSION,
                             bytes(ctypes.sizeof(ctypes.c_long)))
        generation = struct.unpack_from('=I', answer)[0]
    except OSError as error:
        # A file system without such numbers.
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EPERM):
            raise
        generation = 0
    finally:
        ino = os.fstat(descriptor).st_ino
        os.close(descriptor)
    return ino, generation


def status(name, folder=None):
    """Of a name itself, or None when it is not there."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def same(one, other):
    return other is not None and (one.st_dev, one.st_ino) == (
        other.st_dev, other.st_ino)


def is_regular(path):
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)
