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

"""The open files of one mount."""

import collections
import itertools
import os

from remotefs_drivers.embedded.gpfs import kernel

#: An open file.
Handle = collections.namedtuple('Handle', 'descriptor ino writes')


class Handles:
    """:param cluster: cluster.Cluster"""

    def __init__(self, cluster):
        self._cluster = cluster
        self._numbers = itertools.count(1)
        self._handles = {}

    def __getitem__(self, number):
        return self._handles[number]

    def add(self, ino, descriptor, writes):
        """:returns: the answer to whoever opened it"""
        number = next(self._numbers)
        self._handles[number] = Handle(descriptor, ino, writes)
        self._cluster.opened(ino, writes)
        return kernel.OPENED.pack(number, kernel.DIRECT_IO, 0)

    def release(self, number):
        handle = self._handles.pop(number)
        for key in handle.ino, -handle.ino:
            self._cluster.locks.drop(key, handle=self.key(number))
        self._cluster.closed(handle.ino, handle.writes)
        os.close(handle.descriptor)

    def close(self):
        """The mount is gone."""
        for number in list(self._handles):
            self.release(number)

    def key(self, owner):
        """Of an owner of locks; other mounts have other ones."""
        return id(self), owner
