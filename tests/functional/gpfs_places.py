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

"""Backends of GPFSDriver on an emulated GPFS.

Where Glance keeps its images is in it as well. As root the emulation shares
blocks by XFS, and everything in it is made by root, unless it is given away.
"""

import contextlib
import os
from unittest import mock

from remotefs_drivers.embedded import cloud as clouds
from tests.functional import root_helper
from tests.functional import stages
from tests.functional import steps
from tests.harness import emulated
from tests.harness import users

DRIVER = 'remotefs_drivers.gpfs.GPFSDriver'
IN_TREE = 'cinder.volume.drivers.ibm.gpfs.GPFSDriver'
HOST = 'a'
BACKEND = 'sigma'


class Place:
    """An emulated file system that this host has mounted.

    :ivar storage: embedded.gpfs.storage.Storage
    :ivar folder: that volumes are in
    :ivar images: that images are in
    """

    def __init__(self, stack, folder, **site):
        self.storage = emulated.gpfs(stack, os.path.join(folder, 'gpfs'),
                                     **site)
        self.point = os.path.join(folder, 'mnt')
        self.storage.mount(HOST, self.point)
        self.folder = os.path.join(self.point, 'volumes')
        self.images = os.path.join(self.point, 'images')
        for path in self.folder, self.images:
            os.mkdir(path)

    def options(self, **own):
        """Of a backend, without the driver."""
        return {'gpfs_mount_point_base': self.folder,
                'gpfs_images_dir': self.images,
                'gpfs_images_share_mode': 'copy_on_write', **own}

    def path(self, name=''):
        """Of a file in the folder of the volumes."""
        return os.path.join(self.folder, name)

    def names(self, folder=''):
        """What is there, but for the markers."""
        return stages.left(self.path(folder))

    def programs(self):
        """A context in which the programs of GPFS are found."""
        return mock.patch.dict(os.environ, PATH=self.storage.path(HOST))

    @contextlib.contextmanager
    def for_root(self):
        """The same for drivers of this process, which is root's."""
        with self.programs(), stages.no_daemons():
            yield

    def asked(self):
        """What GPFS was asked for since the last time; without hosts."""
        return [' '.join(call[1:3]) if call[1] == 'mmclone' else call[1]
                for call in self.storage.calls()]


class OrdinaryCloud(clouds.Cloud):
    """An embedded cloud that finds the programs of an emulated GPFS.

    It is an ordinary user's, who becomes root as an operator allows.

    :param configuration: see root_helper.configuration
    """

    def __init__(self, wanted, place, configuration):
        super().__init__(wanted)
        self._place = place
        self._configuration = configuration
        for path in place.folder, place.images:
            root_helper.give(path)

    def start(self, *args, **kwargs):
        store = self.spec.path('glance', 'images')
        os.makedirs(os.path.dirname(store), exist_ok=True)
        os.symlink(self._place.images, store)
        with self._place.programs():
            super().start(*args, **kwargs)

    @property
    def conf(self):
        # Where the filters have it.
        return os.path.join(self._configuration, 'cinder.conf')

    def _write_config(self):
        super()._write_config()
        users.give(self.spec.root, root_helper.user())

    def _child(self, name, command, server, environment):
        return super()._child(
            name, users.command(root_helper.user(), command), server,
            {**environment,
             **root_helper.environment(self.spec.path('state'))})


class Steps(steps.Steps):
    """A user of such a cloud, whose pools are all on the same directory."""

    def __init__(self, cloud, folder, place):
        super().__init__(cloud, folder, {'raw': BACKEND}, dict.fromkeys(
            (BACKEND, *place.storage.site.pools), place.folder))
        self.place = place

    def location(self, backend):
        return BACKEND
