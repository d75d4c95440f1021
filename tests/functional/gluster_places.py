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

"""Drivers on volumes of a real GlusterFS, each test with one of its own."""

import itertools
import os
import pathlib

from remotefs_drivers.embedded import gluster as harness
from remotefs_drivers.embedded import mounts
from tests.functional import stages
from tests.functional import story
from tests.harness import backends
from tests.harness import impatience

PATH = backends.GLUSTERFS_DRIVER
#: Where all that is mounted is dead.
QUICK = {'glusterfs_share_timeout': impatience.SHORT,
         'glusterfs_mount_timeout': impatience.SHORT}


class Place:
    """A GlusterFS volume, and drivers that use it.

    :param gluster: gluster.Gluster
    :param folder: for mounts and shares files
    :ivar name: of the volume
    :ivar share: as in a shares file
    """

    _numbers = itertools.count()

    def __init__(self, rig, gluster, folder):
        self.rig = rig
        self.gluster = gluster
        self.name = 'place%d' % next(self._numbers)
        self.share = gluster.create(self.name)
        self._folder = str(folder)

    def driver(self, *lines, host='mnt', **options):
        """A GlusterfsDriver on these lines of a shares file, or the share.

        :param host: name of the folder with its mount points
        """
        folder = os.path.join(self._folder, host)
        section = stages.section()
        values = backends.glusterfs(folder, section, lines or [self.share])
        values.pop('volume_driver')
        return self.rig.driver(PATH, section,
                               **{**values, **options})

    def story(self, driver, **fields):
        return story.Story(self.rig, driver, self._folder, **fields)

    def mount_point(self, driver):
        return driver._shares.path(driver._shares.table[self.share])

    @property
    def brick(self):
        """pathlib.Path of the first one: the files, as no client sees them."""
        return pathlib.Path(self.gluster.brick_folders(self.name)[0])

    def be_patient(self):
        """Clients wait for bricks that are silent until these go on."""
        self.gluster.command('volume', 'set', self.name,
                             'network.ping-timeout', '600')

    def hasty(self, driver):
        """In this block the driver does not wait for it long."""
        return impatience.share_and_mounts(driver, self.share)

    def look(self):
        """A mount of the test's own, which remembers nothing; its path."""
        mounts.mount('glusterfs', self.share, self.looking, harness.FRESH)
        return self.looking

    @property
    def looking(self):
        """Where that is."""
        return os.path.join(self._folder, 'looking')

    def kill_bricks(self, count=None):
        self.gluster.kill_bricks(self.name, count)

    def stopped_bricks(self):
        return self.gluster.stopped_bricks(self.name)

    def bring_back(self):
        self.gluster.bring_back(self.name)

    def close(self):
        self.gluster.delete(self.name)
