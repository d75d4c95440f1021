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

"""A folder as a file system: each request is passed on to what is beneath.

What GPFS would refuse is refused: ``cluster`` says so. Inode numbers, sizes,
holes and errors are those beneath. Nothing is remembered by the kernel, so
that each mount sees at once what happens in another one.
"""

import collections
import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import stat
import time

from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import locking

# Not by the library's own functions: all of Cinder would come along.
_LIBRARY = ctypes.CDLL(None, use_errno=True)

_ROOT = 1
#: Flags of open that are the kernel's business, or need aligned buffers.
_NOT_PASSED = os.O_DIRECT | os.O_APPEND | os.O_EXCL | os.O_CREAT | os.O_TRUNC
_NO_REPLACE = 1

# What setattr is to set.
_MODE, _UID, _GID, _SIZE = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ATIME, _MTIME, _HANDLE = 1 << 4, 1 << 5, 1 << 6
_ATIME_NOW, _MTIME_NOW = 1 << 7, 1 << 8

_FLOCK = 1 << 0

#: An open file.
Handle = collections.namedtuple('Handle', 'descriptor ino writes')


class Node:
    """What the kernel has a number for.

    :ivar descriptor: of it, opened by O_PATH
    :ivar fileset: the name of the one that it is in
    :ivar frozen: whether it is part of a snapshot
    """

    def __init__(self, descriptor, ino, fileset, frozen):
        self.descriptor = descriptor
        self.ino = ino
        self.fileset = fileset
        self.frozen = frozen
        self.lookups = 0

    @property
    def path(self):
        """Of exactly this file, however it is called now."""
        return '/proc/self/fd/%d' % self.descriptor


class Files:
    """What the requests of one mount do.

    :param cluster: cluster.Cluster, with ``root``, the folder beneath
    """

    def __init__(self, cluster):
        self._cluster = cluster
        self._numbers = iter(range(_ROOT, 1 << 62))
        self._nodes = {}
        self._of_ino = {}
        self._handles = {}
        self._folders = {}
        self._waiting = {}
        self._add(os.open(cluster.root, os.O_PATH | os.O_DIRECTORY),
                  os.stat(cluster.root), cluster.ROOT, False)
        #: Answers a request that had to wait; set by who has the connection.
        self.answer = None

    def close(self):
        """Give all of it back: the mount is gone."""
        for handle in list(self._handles):
            self._release(handle)
        for node in self._nodes.values():
            os.close(node.descriptor)
        self._nodes.clear()
        self._of_ino.clear()

    # Names.

    def lookup(self, request):
        name = kernel.words(request.data)[0]
        return self._entry(self._nodes[request.nodeid], name)

    def forget(self, request):
        self._forget(request.nodeid, kernel.U64.unpack_from(request.data)[0])

    def batch_forget(self, request):
        count, __ = kernel.XATTR.unpack_from(request.data)
        for nodeid, lookups in kernel.FORGET.iter_unpack(
                request.data[8:8 + 16 * count]):
            self._forget(nodeid, lookups)

    def mkdir(self, request):
        mode, __ = kernel.MKDIR.unpack_from(request.data)
        name = kernel.words(request.data[kernel.MKDIR.size:])[0]
        folder = self._writable(request.nodeid)
        os.mkdir(name, mode, dir_fd=folder.descriptor)
        self._own(folder, name, request)
        return self._entry(folder, name)

    def mknod(self, request):
        mode, device, __, __ = kernel.MKNOD.unpack_from(request.data)
        name = kernel.words(request.data[kernel.MKNOD.size:])[0]
        folder = self._writable(request.nodeid)
        os.mknod(name, mode, device, dir_fd=folder.descriptor)
        self._own(folder, name, request)
        return self._entry(folder, name)

    def symlink(self, request):
        name, target = kernel.words(request.data)[:2]
        folder = self._writable(request.nodeid)
        os.symlink(target, name, dir_fd=folder.descriptor)
        self._own(folder, name, request)
        return self._entry(folder, name)

    def link(self, request):
        old, = kernel.U64.unpack_from(request.data)
        name = kernel.words(request.data[8:])[0]
        folder, node = self._writable(request.nodeid), self._nodes[old]
        if folder.fileset != node.fileset or node.frozen:
            raise OSError(errno.EXDEV, 'in two filesets')
        os.link(node.path, name, dst_dir_fd=folder.descriptor)
        return self._entry(folder, name)

    def unlink(self, request):
        name = kernel.words(request.data)[0]
        folder = self._writable(request.nodeid)
        with self._cluster.removing(name, folder.descriptor):
            os.unlink(name, dir_fd=folder.descriptor)
        return b''

    def rmdir(self, request):
        name = kernel.words(request.data)[0]
        folder = self._writable(request.nodeid)
        self._cluster.check_folder(name, folder.descriptor)
        os.rmdir(name, dir_fd=folder.descriptor)
        return b''

    def rename(self, request):
        to, = kernel.U64.unpack_from(request.data)
        return self._rename(request.nodeid, to, request.data[8:], 0)

    def rename2(self, request):
        to, flags, __ = kernel.RENAME2.unpack_from(request.data)
        return self._rename(request.nodeid, to,
                            request.data[kernel.RENAME2.size:], flags)

    def _rename(self, from_id, to_id, data, flags):
        old, new = kernel.words(data)[:2]
        source, target = self._writable(from_id), self._writable(to_id)
        if source.fileset != target.fileset:
            raise OSError(errno.EXDEV, 'in two filesets')
        if flags & ~_NO_REPLACE:
            raise OSError(errno.EINVAL, 'cannot be exchanged')
        self._cluster.check_folder(old, source.descriptor)
        if flags & _NO_REPLACE:
            _call('renameat2', source.descriptor, old, target.descriptor,
                  new, flags)
            return b''
        with self._cluster.removing(new, target.descriptor,
                                    by=(old, source.descriptor)):
            os.rename(old, new, src_dir_fd=source.descriptor,
                      dst_dir_fd=target.descriptor)
        return b''

    def readlink(self, request):
        return os.readlink(b'', dir_fd=self._nodes[request.nodeid].descriptor)

    def opendir(self, request):
        handle = next(self._numbers)
        self._folders[handle] = []
        return kernel.OPENED.pack(handle, 0, 0)

    def readdir(self, request):
        handle, offset, size = kernel.READ.unpack_from(request.data)[:3]
        if offset == 0:
            self._folders[handle] = self._listed(self._nodes[request.nodeid])
        found = b''
        for number, entry in enumerate(self._folders[handle][offset:],
                                       offset + 1):
            one = kernel.folder_entry(entry[0], number, *entry[1:])
            if len(found) + len(one) > size:
                break
            found += one
        return found

    def releasedir(self, request):
        self._folders.pop(kernel.RELEASE.unpack_from(request.data)[0], None)
        return b''

    def fsyncdir(self, request):
        with self._opened(self._nodes[request.nodeid],
                          os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)
        return b''

    # What is known of a file.

    def getattr(self, request):
        node = self._nodes[request.nodeid]
        return self._attributes(node)

    def setattr(self, request):
        (valid, __, handle, size, __, atime, mtime, __, atime_ns, mtime_ns,
         __, mode, __, uid, gid, __) = kernel.SETATTR.unpack_from(
             request.data)
        node = self._nodes[request.nodeid]
        if node.frozen:
            raise OSError(errno.EROFS, 'part of a snapshot')
        if valid & _SIZE:
            self._cluster.check_written(node.ino, node.descriptor)
            with self._cluster.lock:
                if valid & _HANDLE:
                    os.ftruncate(self._handles[handle].descriptor, size)
                else:
                    os.truncate(node.path, size)
        if valid & (_UID | _GID):
            os.chown(node.path, uid if valid & _UID else -1,
                     gid if valid & _GID else -1)
        if valid & _MODE:
            os.chmod(node.path, stat.S_IMODE(mode))
        if valid & (_ATIME | _MTIME):
            self._touch(node, valid, atime * 10 ** 9 + atime_ns,
                        mtime * 10 ** 9 + mtime_ns)
        return self._attributes(node)

    def statfs(self, request):
        return kernel.statfs_out(os.statvfs(
            self._nodes[request.nodeid].path))

    def getxattr(self, request):
        size, __ = kernel.XATTR.unpack_from(request.data)
        name = kernel.words(request.data[kernel.XATTR.size:])[0]
        value = os.getxattr(self._nodes[request.nodeid].path, name)
        return _sized(value, size)

    def listxattr(self, request):
        size, __ = kernel.XATTR.unpack_from(request.data)
        names = os.listxattr(self._nodes[request.nodeid].path)
        return _sized(b''.join(os.fsencode(name) + b'\0' for name in names),
                      size)

    def setxattr(self, request):
        size, flags = kernel.XATTR.unpack_from(request.data)
        name, __, rest = bytes(
            request.data[kernel.XATTR.size:]).partition(b'\0')
        os.setxattr(self._writable(request.nodeid).path, name, rest[:size],
                    flags)
        return b''

    def removexattr(self, request):
        os.removexattr(self._writable(request.nodeid).path,
                       kernel.words(request.data)[0])
        return b''

    # Data.

    def open(self, request):
        flags, __ = kernel.OPEN.unpack_from(request.data)
        node = self._nodes[request.nodeid]
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        if writes and node.frozen:
            raise OSError(errno.EROFS, 'part of a snapshot')
        with self._cluster.lock:
            if writes:
                self._cluster.check_written(node.ino, node.descriptor)
            return self._open(node.ino, os.open(
                node.path, flags & ~_NOT_PASSED & ~os.O_NOFOLLOW), writes)

    def create(self, request):
        flags, mode, __, __ = kernel.CREATE.unpack_from(request.data)
        name = kernel.words(request.data[kernel.CREATE.size:])[0]
        folder = self._writable(request.nodeid)
        descriptor = os.open(
            name, (flags & ~_NOT_PASSED) | os.O_CREAT | os.O_EXCL, mode,
            dir_fd=folder.descriptor)
        # The umask was applied by the kernel.
        os.fchmod(descriptor, stat.S_IMODE(mode))
        self._own(folder, name, request)
        return (self._entry(folder, name) +
                self._open(os.fstat(descriptor).st_ino, descriptor, True))

    def read(self, request):
        handle, offset, size = kernel.READ.unpack_from(request.data)[:3]
        found = self._handles[handle]
        self._cluster.check_read(found.ino)
        return os.pread(found.descriptor, size, offset)

    def write(self, request):
        handle, offset, size = kernel.WRITE.unpack_from(request.data)[:3]
        start = kernel.WRITE.size
        # Not in the midst of a snapshot, which is of one moment.
        with self._cluster.lock:
            done = os.pwrite(self._handles[handle].descriptor,
                             request.data[start:start + size], offset)
        return kernel.WRITTEN.pack(done, 0)

    def fsync(self, request):
        handle, flags, __ = kernel.FSYNC.unpack_from(request.data)
        sync = os.fdatasync if flags & 1 else os.fsync
        sync(self._handles[handle].descriptor)
        return b''

    def fallocate(self, request):
        handle, offset, length, mode, __ = kernel.FALLOCATE.unpack_from(
            request.data)
        with self._cluster.lock:
            _call('fallocate64', self._handles[handle].descriptor, mode,
                  ctypes.c_int64(offset), ctypes.c_int64(length))
        return b''

    def lseek(self, request):
        handle, offset, whence, __ = kernel.LSEEK.unpack_from(request.data)
        return kernel.U64.pack(os.lseek(self._handles[handle].descriptor,
                                        offset, whence))

    def copy_file_range(self, request):
        (source, start, __, target, to, size, __) = kernel.COPY.unpack_from(
            request.data)
        # What is beneath would share blocks, and the answer has 32 bits.
        with self._cluster.lock:
            done = os.copy_file_range(
                self._handles[source].descriptor,
                self._handles[target].descriptor, min(size, 1 << 30), start,
                to)
        return kernel.WRITTEN.pack(done, 0)

    def flush(self, request):
        handle, __, __, owner = kernel.FLUSH.unpack_from(request.data)
        self._cluster.locks.drop(self._handles[handle].ino,
                                 owner=(id(self), owner))
        return b''

    def release(self, request):
        self._release(kernel.RELEASE.unpack_from(request.data)[0])
        return b''

    # Locks.

    def getlk(self, request):
        handle, wanted, __ = self._lock(request)
        found = self._cluster.locks.find(handle.ino, wanted)
        if found is None:
            found = wanted._replace(kind=fcntl.F_UNLCK, pid=0)
        return kernel.LOCKED.pack(found.start, found.end, found.kind,
                                  found.pid)

    def setlk(self, request):
        handle, wanted, __ = self._lock(request)
        if not self._cluster.locks.set(handle.ino, wanted):
            raise OSError(errno.EAGAIN, 'locked')
        return b''

    def setlkw(self, request):
        handle, wanted, __ = self._lock(request)
        later = functools.partial(self._locked, request.unique)
        self._waiting[request.unique] = later
        if not self._cluster.locks.set(handle.ino, wanted, later):
            return kernel.LATER
        self._waiting.pop(request.unique)
        return b''

    def interrupt(self, request):
        unique, = kernel.U64.unpack_from(request.data)
        later = self._waiting.pop(unique, None)
        if later is not None and self._cluster.locks.give_up(later):
            self.answer(unique, errno.EINTR)

    def destroy(self, request):
        """Nothing: the mount goes, and serving it ends."""

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
            (id(self), owner), (id(self), number), start, end, kind, pid),
            flags)

    def _locked(self, unique):
        self._waiting.pop(unique, None)
        self.answer(unique, 0)

    # Helpers.

    def _writable(self, nodeid):
        node = self._nodes[nodeid]
        if node.frozen:
            raise OSError(errno.EROFS, 'part of a snapshot')
        return node

    def _entry(self, folder, name):
        """A file in a folder, as the answer to whoever has looked it up."""
        if len(name) > 255:
            raise OSError(errno.ENAMETOOLONG, 'too long')
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW,
                             dir_fd=folder.descriptor)
        status = os.fstat(descriptor)
        number = self._of_ino.get(status.st_ino)
        if number is None:
            fileset = self._cluster.junctions.get(status.st_ino)
            number = self._add(
                descriptor, status, fileset or folder.fileset,
                folder.frozen or (name == self._cluster.SNAPSHOTS and
                                  self._is_top(folder)))
        else:
            os.close(descriptor)
        self._nodes[number].lookups += 1
        return kernel.entry_out(number, status, self._cluster.links(status))

    def _attributes(self, node):
        status = os.fstat(node.descriptor)
        return kernel.attributes_out(status, self._cluster.links(status))

    def _is_top(self, folder):
        """Whether it is the root of a fileset."""
        return (folder is self._nodes[_ROOT] or
                folder.ino in self._cluster.junctions)

    def _add(self, descriptor, status, fileset, frozen):
        number = next(self._numbers)
        self._nodes[number] = Node(descriptor, status.st_ino, fileset,
                                   frozen)
        self._of_ino[status.st_ino] = number
        return number

    def _forget(self, nodeid, lookups):
        node = self._nodes.get(nodeid)
        if node is None or nodeid == _ROOT:
            return
        node.lookups -= lookups
        if node.lookups <= 0:
            del self._nodes[nodeid], self._of_ino[node.ino]
            os.close(node.descriptor)

    def _own(self, folder, name, request):
        """Give what root has just made to whoever wanted it."""
        if os.geteuid() != 0:
            return
        of_folder = os.fstat(folder.descriptor)
        gid = -1 if of_folder.st_mode & stat.S_ISGID else request.gid
        os.chown(name, request.uid, gid, dir_fd=folder.descriptor,
                 follow_symlinks=False)

    def _listed(self, node):
        with self._opened(node, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            with os.scandir(descriptor) as entries:
                found = [(entry.inode(), _kind(entry),
                          os.fsencode(entry.name)) for entry in entries]
        return [(node.ino, stat.S_IFDIR, b'.'),
                (node.ino, stat.S_IFDIR, b'..')] + found

    @staticmethod
    def _touch(node, valid, atime, mtime):
        was, now = os.fstat(node.descriptor), time.time_ns()
        os.utime(node.path, ns=(
            now if valid & _ATIME_NOW else
            atime if valid & _ATIME else was.st_atime_ns,
            now if valid & _MTIME_NOW else
            mtime if valid & _MTIME else was.st_mtime_ns))

    def _open(self, ino, descriptor, writes):
        number = next(self._numbers)
        self._handles[number] = Handle(descriptor, ino, writes)
        self._cluster.opened(ino, writes)
        return kernel.OPENED.pack(number, kernel.DIRECT_IO, 0)

    def _release(self, number):
        handle = self._handles.pop(number)
        for key in handle.ino, -handle.ino:
            self._cluster.locks.drop(key, handle=(id(self), number))
        self._cluster.closed(handle.ino, handle.writes)
        os.close(handle.descriptor)

    @contextlib.contextmanager
    def _opened(self, node, flags):
        descriptor = os.open(node.path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _call(name, *arguments):
    """A function of the C library that Python does not have."""
    if getattr(_LIBRARY, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _kind(entry):
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0


def _sized(value, size):
    """An extended attribute, or how long it is."""
    if size == 0:
        return kernel.XATTR.pack(len(value), 0)
    if len(value) > size:
        raise OSError(errno.ERANGE, 'longer than wanted')
    return value
