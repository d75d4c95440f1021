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

"""Volume files on a share: make, grow, share blocks, replace, remove.

Everything here blocks, works on absolute paths and raises OSError. The last
part of a path is never followed when it is a symbolic link: whoever can
write to the share, a compute host for example, could otherwise let the
service write elsewhere.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
import tempfile

import six

#: ioctl_ficlone(2): let the target share the blocks of the source.
_FICLONE = 0x40049409
#: Answers of file systems that cannot share blocks, or not these.
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL,
                 errno.ENOSYS, errno.EPERM, errno.ETXTBSY)
#: renameat2(2): relative to the working directory; replace nothing.
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
#: statx(2): of a descriptor, asking the server again; the number of names,
#: where it is in the answer, and how long that is.
_AT_EMPTY_PATH = 0x1000
_AT_STATX_FORCE_SYNC = 0x2000
_STATX_NLINK = 4
_STATX_NLINK_AT = 16
_STATX_LENGTH = 256
#: Answers of file systems, NFS among them, that have no such rename.
_CANNOT_RENAME_NEW = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
#: Around the name that a file will have once it is written.
_TEMPORARY_PREFIX = '.%s.'
_TEMPORARY_SUFFIX = '.tmp'


def create(path, size, mode):
    """Make a new file, sparse, of so many bytes.

    :param mode: its permissions, whatever the umask says
    :raises FileExistsError: when anything, a symbolic link too, has the name
    """
    with created(path, mode) as descriptor:
        os.ftruncate(descriptor, size)
        if size:
            # Who fills an empty one flushes it then.
            os.fsync(descriptor)


@contextlib.contextmanager
def created(path, mode):
    """The descriptor of a new file, whose name is durable in the end.

    Nothing is left of it after an error.

    :param mode: as in create
    :raises FileExistsError: as in create
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, mode)
        yield descriptor
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(path))


def size_of(path):
    """The size of a regular file, bytes.

    :raises OSError: ELOOP for a symbolic link, EINVAL for anything else
                     that is not a regular file
    """
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, 'it is a symbolic link', path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, 'it is not a regular file', path)
    return status.st_size


def blank(path, size):
    """Make a file sparse and all zeroes, of so many bytes."""
    with opened(path, os.O_WRONLY) as descriptor:
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, size)


def grow(path, size):
    """Make a file larger, the new part a hole; size in bytes.

    A file that is as large already is left alone: the call was made before
    and cut off. One that is larger is never cut. Nothing is flushed: what a
    guest writes there and flushes takes the size to the disk with it, and a
    size that was lost with nothing behind it is set again at attach.

    :returns: the size before, which shrink_back takes
    """
    with opened(path, os.O_WRONLY) as descriptor:
        before = os.fstat(descriptor).st_size
        if before < size:
            os.ftruncate(descriptor, size)
    return before


def shrink_back(path, size):
    """Undo a growth that failed in the middle; nothing was written there."""
    with opened(path, os.O_WRONLY) as descriptor:
        os.ftruncate(descriptor, size)


def clone(source, target):
    """Let an empty file share all blocks of another one.

    :returns: False when the file system cannot do that
    """
    with opened(source, os.O_RDONLY) as origin:
        with opened(target, os.O_WRONLY) as copy:
            try:
                fcntl.ioctl(copy, _FICLONE, origin)
            except OSError as error:
                if error.errno in _CANNOT_CLONE:
                    return False
                raise
            os.fsync(copy)
    return True


def flush(path):
    """Make all that was written to a file durable, and its mode."""
    with opened(path, os.O_WRONLY) as descriptor:
        os.fsync(descriptor)


def remove(path):
    """Remove a file. Returns False when there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def replace(path, new_path):
    """Give a file another name, in place of the file that has it."""
    os.rename(path, new_path)
    sync_folder(os.path.dirname(new_path))


def rename_new(path, new_path, link=True):
    """Give a file another name, which nothing else may have.

    Where the file system cannot do that in one step, the file has both
    names for a moment. Cut off there, it can be done again.

    :param link: False for a clone parent, which may not have two. GPFS counts
                 its children as links, and removes no name of one that has
                 any. It is looked then whether the new name is free: the
                 caller holds the lock of the volume that has a right to it.
    :raises FileExistsError: when anything else has the name
    """
    try:
        _rename_new(path, new_path, link)
    except FileExistsError:
        if not (link and is_same(path, new_path)):
            raise
        # One file: with two names, or is it the same name, whatever the
        # file system takes for that?
        if os.lstat(path).st_nlink > 1 and path != new_path:
            os.unlink(path)
    sync_folder(os.path.dirname(new_path))


def _rename_new(path, new_path, link):
    try:
        _rename_no_replace(path, new_path)
    except OSError as error:
        if error.errno not in _CANNOT_RENAME_NEW:
            raise
        if link:
            _rename_by_link(path, new_path)
        elif os.path.lexists(new_path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST),
                                  new_path)
        else:
            os.rename(path, new_path)


def _rename_by_link(path, new_path):
    os.link(path, new_path, follow_symlinks=False)
    # Both names are durable before one goes.
    sync_folder(os.path.dirname(new_path))
    os.unlink(path)


def _rename_no_replace(path, new_path):
    """rename(2) with RENAME_NOREPLACE, which Python does not have."""
    rename = c_function('renameat2')
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    if rename(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(new_path),
              _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number),
                      new_path if number == errno.EEXIST else path)


def links_of(descriptor):
    """How many names an open file has.

    A client may know the number of before one was removed, for a second or
    a minute: the server is asked.
    """
    links = os.fstat(descriptor).st_nlink
    statx = c_function('statx')
    if links < 2 or statx is None:
        return links
    answer = ctypes.create_string_buffer(_STATX_LENGTH)
    if statx(descriptor, b'', _AT_EMPTY_PATH | _AT_STATX_FORCE_SYNC,
             _STATX_NLINK, answer):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return struct.unpack_from('=I', answer, _STATX_NLINK_AT)[0]


def c_function(name):
    """A function of the C library that Python does not have, or None."""
    return getattr(ctypes.CDLL(None, use_errno=True), name, None)


def is_same(path, other):
    """Whether two names are of the same file, no link being followed."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except FileNotFoundError:
        return False


def set_mode(path, mode):
    """Set the permissions of a file that somebody else has made.

    :raises OSError: which says whose it is, when they cannot be set
    """
    with opened(path, os.O_RDONLY) as descriptor:
        status = os.fstat(descriptor)
        if stat.S_IMODE(status.st_mode) == mode:
            return
        try:
            os.fchmod(descriptor, mode)
        except PermissionError as error:
            raise OSError(
                error.errno, 'it has the mode %o, and belongs to user %d, so '
                'that it cannot be given the mode %o'
                % (stat.S_IMODE(status.st_mode), status.st_uid, mode), path)


def give(path, uid, gid):
    """Give a regular file to a user and a group."""
    with opened(path, os.O_RDONLY) as descriptor:
        os.fchown(descriptor, uid, gid)


def open_folder(path, uid, gid, mode):
    """Give a folder to a user and a group, with a mode."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY |
                         os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def write_atomic(path, text, mode, temporary=None, sync=True):
    """Write a small file so that a crash leaves the old or the new one.

    The data reach the disk before the name does, and the name before this
    returns.

    :param temporary: path that it has until it is written, for a caller who
                      holds a lock: what is there was cut off, and goes.
                      Else one that nobody else has.
    :param sync: False for a caller who syncs the folder before anything
                 else is done that depends on the file
    """
    folder, name = os.path.split(path)
    if temporary is None:
        descriptor, temporary = tempfile.mkstemp(
            prefix=_TEMPORARY_PREFIX % name, suffix=_TEMPORARY_SUFFIX,
            dir=folder)
    else:
        descriptor = _new(temporary)
    try:
        # Without a stream of Python, which asks about the file first.
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, six.ensure_binary(text), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    if sync:
        sync_folder(folder)


def write_all(descriptor, data, offset):
    """Write bytes to a place; a full file system may take a part at first."""
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def _new(path):
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:
        remove(path)
        return os.open(path, flags, 0o600)


def is_rest_of(found, name):
    """Whether a name is what a cut off write_atomic of another one left."""
    return (found.startswith(_TEMPORARY_PREFIX % name) and
            found.endswith(_TEMPORARY_SUFFIX))


def refresh(path):
    """See the names in a folder as they are now, not as they were a while ago.

    The NFS client remembers names, and that there are none, for up to a
    minute; other hosts of a cluster may have made or replaced files since.
    When a folder is opened, it asks the server whether it has changed
    (close-to-open consistency, see nfs(5)).
    """
    os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def sync_folder(path):
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some FUSE file systems have no fsync for folders; they write
        # through.
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(path, flags):
    """The descriptor of a regular file, no link being followed.

    :raises OSError: as size_of
    """
    with opened_and_seen(path, flags) as (descriptor, __):
        yield descriptor


@contextlib.contextmanager
def opened_and_seen(path, flags):
    """The same, with what fstat(2) says of it."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC |
                             os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, 'it is a symbolic link', path)
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, 'it is not a regular file', path)
        yield descriptor, status
    finally:
        os.close(descriptor)
