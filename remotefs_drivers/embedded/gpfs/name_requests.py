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

"""Requests for names, and for the folders that they are in."""

import contextlib
import errno
import itertools
import os
import stat

from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import library
from remotefs_drivers.embedded.gpfs import nodes as the_nodes

_NO_REPLACE = 1


class Requests:
    """:param cluster: cluster.Cluster
    :param nodes: nodes.Nodes
    """

    def __init__(self, cluster, nodes):
        self._cluster = cluster
        self._nodes = nodes
        self._numbers = itertools.count(1)
        # Of each open folder, what was in it.
        self._folders = {}

    def lookup(self, request):
        name = kernel.words(request.data)[0]
        return self._nodes.entry(self._nodes[request.nodeid], name)

    def forget(self, request):
        lookups, = kernel.U64.unpack_from(request.data)
        self._nodes.forget(request.nodeid, lookups)

    def batch_forget(self, request):
        count, __ = kernel.XATTR.unpack_from(request.data)
        for nodeid, lookups in kernel.FORGET.iter_unpack(
                request.data[8:8 + 16 * count]):
            self._nodes.forget(nodeid, lookups)

    def mkdir(self, request):
        mode, __ = kernel.MKDIR.unpack_from(request.data)
        name = kernel.words(request.data[kernel.MKDIR.size:])[0]
        folder = self._nodes.writable(request.nodeid)
        os.mkdir(name, mode, dir_fd=folder.descriptor)
        the_nodes.own(folder, name, request)
        return self._nodes.entry(folder, name)

    def mknod(self, request):
        mode, device, __, __ = kernel.MKNOD.unpack_from(request.data)
        name = kernel.words(request.data[kernel.MKNOD.size:])[0]
        folder = self._nodes.writable(request.nodeid)
        os.mknod(name, mode, device, dir_fd=folder.descriptor)
        the_nodes.own(folder, name, request)
        return self._nodes.entry(folder, name)

    def symlink(self, request):
        name, target = kernel.words(request.data)[:2]
        folder = self._nodes.writable(request.nodeid)
        os.symlink(target, name, dir_fd=folder.descriptor)
        the_nodes.own(folder, name, request)
        return self._nodes.entry(folder, name)

    def link(self, request):
        old, = kernel.U64.unpack_from(request.data)
        name = kernel.words(request.data[8:])[0]
        folder, node = self._nodes.writable(request.nodeid), self._nodes[old]
        if folder.fileset != node.fileset or node.frozen:
            raise OSError(errno.EXDEV, 'in two filesets')
        os.link(node.path, name, dst_dir_fd=folder.descriptor)
        return self._nodes.entry(folder, name)

    def unlink(self, request):
        name = kernel.words(request.data)[0]
        folder = self._nodes.writable(request.nodeid)
        with self._cluster.removing(name, folder.descriptor):
            os.unlink(name, dir_fd=folder.descriptor)
        return b''

    def rmdir(self, request):
        name = kernel.words(request.data)[0]
        folder = self._nodes.writable(request.nodeid)
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
        source = self._nodes.writable(from_id)
        target = self._nodes.writable(to_id)
        if source.fileset != target.fileset:
            raise OSError(errno.EXDEV, 'in two filesets')
        if flags & ~_NO_REPLACE:
            raise OSError(errno.EINVAL, 'cannot be exchanged')
        self._cluster.check_folder(old, source.descriptor)
        if flags & _NO_REPLACE:
            library.call('renameat2', source.descriptor, old,
                         target.descriptor, new, flags)
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
            self._folders[handle] = _listed(self._nodes[request.nodeid])
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
        with _opened(self._nodes[request.nodeid]) as descriptor:
            os.fsync(descriptor)
        return b''


def _listed(node):
    with _opened(node) as descriptor:
        with os.scandir(descriptor) as entries:
            found = [(entry.inode(), _kind(entry),
                      os.fsencode(entry.name)) for entry in entries]
    return [(node.ino, stat.S_IFDIR, b'.'),
            (node.ino, stat.S_IFDIR, b'..')] + found


@contextlib.contextmanager
def _opened(folder):
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _kind(entry):
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
