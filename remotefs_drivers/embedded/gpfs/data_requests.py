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

"""Requests for the data of files, which are opened for that."""

import ctypes
import errno
import os
import stat

from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import library
from remotefs_drivers.embedded.gpfs import nodes as the_nodes

#: Flags of open that are the kernel's business, or need aligned buffers.
_NOT_PASSED = os.O_DIRECT | os.O_APPEND | os.O_EXCL | os.O_CREAT | os.O_TRUNC


class Requests:
    """:param cluster: cluster.Cluster
    :param nodes: nodes.Nodes
    :param handles: handles.Handles
    """

    def __init__(self, cluster, nodes, handles):
        self._cluster = cluster
        self._nodes = nodes
        self._handles = handles

    def open(self, request):
        flags, __ = kernel.OPEN.unpack_from(request.data)
        node = self._nodes[request.nodeid]
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        if writes and node.frozen:
            raise OSError(errno.EROFS, 'part of a snapshot')
        with self._cluster.lock:
            if writes:
                self._cluster.check_written(node.ino, node.descriptor)
            return self._handles.add(node.ino, os.open(
                node.path, flags & ~_NOT_PASSED & ~os.O_NOFOLLOW), writes)

    def create(self, request):
        flags, mode, __, __ = kernel.CREATE.unpack_from(request.data)
        name = kernel.words(request.data[kernel.CREATE.size:])[0]
        folder = self._nodes.writable(request.nodeid)
        descriptor = os.open(
            name, (flags & ~_NOT_PASSED) | os.O_CREAT | os.O_EXCL, mode,
            dir_fd=folder.descriptor)
        # The umask was applied by the kernel.
        os.fchmod(descriptor, stat.S_IMODE(mode))
        the_nodes.own(folder, name, request)
        return (self._nodes.entry(folder, name) + self._handles.add(
            os.fstat(descriptor).st_ino, descriptor, True))

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
            library.call('fallocate64', self._handles[handle].descriptor,
                         mode, ctypes.c_int64(offset),
                         ctypes.c_int64(length))
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
                                 owner=self._handles.key(owner))
        return b''

    def release(self, request):
        self._handles.release(kernel.RELEASE.unpack_from(request.data)[0])
        return b''
