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
"""Mounts that are symbolic links, for a driver in this process.

Stands for share.visiting.VisitingMounter where shares come and go by the
hundred and a service is killed over and over: as with mounts of the kernel's,
a link outlives who made it. It is called after the share alone and leads to
where that is beside it, so that a folder with both can be copied.

It cannot be busy, and it does not hang. With tests of its own.
"""

import os

from remotefs_drivers import errors


class Mounter:
    """One host's mounts.

    :param base: folder of the links, made when it is not there
    :param root: of the shares, in the same folder as that
    :param address: what stands before it in locations
    """

    def __init__(self, base, root, address):
        self.base = base
        self._root = root
        self._place = '%s:%s/' % (address, root)
        os.makedirs(base, exist_ok=True)

    def path(self, share):
        return os.path.join(self.base, os.path.basename(share.location))

    def is_there(self, share):
        return os.path.islink(self.path(share))

    def mount(self, share, limit=None):
        """:raises MountFailed: when there is no such share"""
        target = os.path.join(self._root, os.path.basename(share.location))
        if not os.path.isdir(target):
            raise errors.MountFailed(share=share.location,
                                     mount_point=self.path(share),
                                     reason='there is none')
        os.symlink(os.path.relpath(target, self.base), self.path(share))

    def unmount(self, share):
        if self.is_there(share):
            os.unlink(self.path(share))

    detach = unmount

    def prove(self, path):
        """:raises MountDead: when nothing, or what is gone, is mounted there
        """
        if not os.path.isdir(path):
            raise errors.MountDead(
                share=path, reason='what is gone is mounted there'
                if os.path.islink(path) else 'nothing is mounted there')

    def renew(self, share, limit=None):
        self.unmount(share)
        self.mount(share, limit)

    def mounted(self):
        return {self._place + name for name in os.listdir(self.base)}
