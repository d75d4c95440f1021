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

"""Requests for what is known of a file beside its data and names."""

import errno
import os
import stat
import time

from remotefs_drivers.embedded.gpfs import kernel

# What setattr is to set.
_MODE, _UID, _GID, _SIZE = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ATIME, _MTIME, _HANDLE = 1 << 4, 1 << 5, 1 << 6
_ATIME_NOW, _MTIME_NOW = 1 << 7, 1 << 8


class Requests:
    """:param cluster: cluster.Cluster
    :param nodes: nodes.Nodes
    :param handles: handles.Handles
    """

    def __init__(self, cluster, nodes, handles):
        self._cluster = cluster
        self._nodes = nodes
        self._handles = handles

    def getattr(self, request):
        node = self._nodes[request.nodeid]
        return self._nodes.attributes(node)

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
        return self._nodes.attributes(node)

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
        os.setxattr(self._nodes.writable(request.nodeid).path, name,
                    rest[:size], flags)
        return b''

    def removexattr(self, request):
        os.removexattr(self._nodes.writable(request.nodeid).path,
                       kernel.words(request.data)[0])
        return b''

    @staticmethod
    def _touch(node, valid, atime, mtime):
        was, now = os.fstat(node.descriptor), time.time_ns()
        os.utime(node.path, ns=(
            now if valid & _ATIME_NOW else
            atime if valid & _ATIME else was.st_atime_ns,
            now if valid & _MTIME_NOW else
            mtime if valid & _MTIME else was.st_mtime_ns))


def _sized(value, size):
    """An extended attribute, or how long it is."""
    if size == 0:
        return kernel.XATTR.pack(len(value), 0)
    if len(value) > size:
        raise OSError(errno.ERANGE, 'longer than wanted')
    return value
