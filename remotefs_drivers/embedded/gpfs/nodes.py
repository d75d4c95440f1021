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

"""The files that the kernel has numbers for, of one mount."""

import errno
import itertools
import os
import stat

from remotefs_drivers.embedded.gpfs import kernel

_ROOT = 1


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


class Nodes:
    """:param cluster: cluster.Cluster, with ``root``, the folder beneath"""

    def __init__(self, cluster):
        self._cluster = cluster
        self._numbers = itertools.count(_ROOT)
        self._nodes = {}
        self._of_ino = {}
        self._add(os.open(cluster.root, os.O_PATH | os.O_DIRECTORY),
                  os.stat(cluster.root), cluster.ROOT, False)

    def __getitem__(self, nodeid):
        return self._nodes[nodeid]

    def close(self):
        """The mount is gone."""
        for node in self._nodes.values():
            os.close(node.descriptor)
        self._nodes.clear()
        self._of_ino.clear()

    def writable(self, nodeid):
        """:raises OSError: EROFS for what is part of a snapshot"""
        node = self._nodes[nodeid]
        if node.frozen:
            raise OSError(errno.EROFS, 'part of a snapshot')
        return node

    def entry(self, folder, name):
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

    def attributes(self, node):
        """What is known of it, as the answer to whoever asks."""
        status = os.fstat(node.descriptor)
        return kernel.attributes_out(status, self._cluster.links(status))

    def forget(self, nodeid, lookups):
        """The kernel needs no number any more that it got so many times."""
        node = self._nodes.get(nodeid)
        if node is None or nodeid == _ROOT:
            return
        node.lookups -= lookups
        if node.lookups <= 0:
            del self._nodes[nodeid], self._of_ino[node.ino]
            os.close(node.descriptor)

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


def own(folder, name, request):
    """Give what root has just made to whoever wanted it."""
    if os.geteuid() != 0:
        return
    of_folder = os.fstat(folder.descriptor)
    gid = -1 if of_folder.st_mode & stat.S_ISGID else request.gid
    os.chown(name, request.uid, gid, dir_fd=folder.descriptor,
             follow_symlinks=False)
