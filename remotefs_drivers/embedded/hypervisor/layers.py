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

"""The files that QEMU has open for a disk, as nodes of its block graph.

Formats are named for each layer and never probed, as libvirt does it: the
active file's is what the attachment says, that of a layer below is what the
header above it says.
"""

import dataclasses
import os

from remotefs_drivers.embedded import errors
from remotefs_drivers.qemu import header

#: The node that the guest sees.
DISK = 'disk'

# More than any test makes; a circle has no end.
_DEEPEST = 1000


@dataclasses.dataclass(frozen=True)
class Layer:
    """:param path: absolute
    :param format: 'raw' or 'qcow2'
    :param node: the name of its node; that of its file has '-file' as well
    """

    path: str
    format: str
    node: str = ''


def read(path, format):
    """The layers from the active one down, by the headers.

    :param path: of the active file
    :param format: of the active file: 'raw' or 'qcow2'
    :returns: list of Layer without nodes
    :raises GuestFailed: when a header is none, or leaves a format open
    """
    found = []
    while path:
        if len(found) == _DEEPEST:
            raise errors.GuestFailed('%s has more than %d layers.'
                                     % (found[0].path, _DEEPEST))
        found.append(Layer(path, format))
        path, format = _below(path, format)
    return found


def _below(path, format):
    """:returns: path and format of the backing file, or None twice"""
    if format == 'raw':
        return None, None
    try:
        read_header = header.read(path)
    except (OSError, ValueError) as exc:
        raise errors.GuestFailed('%s can\'t be opened: %s' % (path, exc))
    if read_header is None:
        raise errors.GuestFailed('%s is no qcow2 file, as it was said to be.'
                                 % path)
    if not read_header.backing_file:
        return None, None
    if read_header.backing_format not in ('raw', 'qcow2'):
        raise errors.GuestFailed(
            'The header of %s names its backing file %s, but as the format '
            'of that %s.' % (path, read_header.backing_file,
                             read_header.backing_format))
    return (os.path.join(os.path.dirname(path), read_header.backing_file),
            read_header.backing_format)


class Graph:
    """The nodes of one disk.

    :param execute: function that runs a QMP command
    :param read_only: nothing may be written
    :ivar active: name of the node that the guest reads and writes
    """

    def __init__(self, execute, read_only=False):
        self._execute = execute
        self._read_only = read_only
        self._layers = {}
        self._count = 0
        self.active = None

    def open(self, path, format):
        """Open a file and all that is below it, the lowest first.

        A guest's disk lets nobody else write to the file; an NBD export by
        itself would. The filter on top is there to forbid it.
        """
        node = None
        found = read(path, format)
        for layer in reversed(found):
            node = self.add(layer, node,
                            self._read_only or layer is not found[0])
        self.active = node
        self._execute('blockdev-add', driver='blkdebug', image=node,
                      node_name=DISK, read_only=self._read_only,
                      unshare_child_perms=['write'])

    def add(self, layer, backing, read_only=False):
        """Open a single file.

        :param backing: name of the node below, or None
        :returns: the name of its node
        """
        self._count += 1
        node = 'layer%d' % self._count
        self._execute('blockdev-add', driver='file', filename=layer.path,
                      node_name=node + '-file', discard='unmap',
                      # As libvirt has it: a merge makes it writable.
                      read_only=self._read_only, auto_read_only=True,
                      locking='on')
        options = {} if layer.format == 'raw' else {'backing': backing}
        try:
            self._execute('blockdev-add', driver=layer.format,
                          file=node + '-file', node_name=node,
                          read_only=read_only, discard='unmap', **options)
        except errors.GuestFailed:
            self._execute('blockdev-del', node_name=node + '-file')
            raise
        self._layers[node] = dataclasses.replace(layer, node=node)
        return node

    def chain(self):
        """:returns: list of Layer from the active one down, as QEMU has it"""
        below = self._edges()
        chain, node = [], self.active
        while node:
            # While a job runs there are nodes of its own between ours.
            if node in self._layers:
                chain.append(self._layers[node])
            node = below.get(node)
        return chain

    def find(self, name):
        """The layer with this file name or path.

        :raises GuestFailed: when the chain has none
        """
        chain = self.chain()
        for layer in chain:
            if os.path.basename(layer.path) == os.path.basename(name):
                return layer
        raise errors.GuestFailed('%s is no layer of the disk; those are %s.'
                                 % (name, [layer.path for layer in chain]))

    def close_others(self):
        """Let go of the files, and their locks, that left the chain."""
        keep = {layer.node for layer in self.chain()}
        # From the top: a node that another one uses can't be closed.
        for node in sorted(set(self._layers) - keep, reverse=True,
                           key=lambda name: int(name[len('layer'):])):
            self._execute('blockdev-del', node_name=node)
            self._execute('blockdev-del', node_name=node + '-file')
            del self._layers[node]

    def _edges(self):
        """Name of a node -> name of the node that shows through it."""
        graph = self._execute('x-debug-query-block-graph')
        names = {node['id']: node['name'] for node in graph['nodes']}
        below = {}
        for edge in graph['edges']:
            # Filters show their "file", where they have no "backing".
            if edge['name'] == 'backing' or edge['name'] == 'file':
                parent, child = names[edge['parent']], names[edge['child']]
                if edge['name'] == 'backing' or not child.endswith('-file'):
                    below[parent] = child
        return below
