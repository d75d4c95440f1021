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

"""Where the share of a stage is, and what dies along with a service there.

A ground belongs to a folder, which has its files in ``share``.
"""

import os
import signal
import subprocess
from unittest import mock

from oslo_config import cfg

from remotefs_drivers import appliance
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded import mounts
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.share import gpfs as share_gpfs
from remotefs_drivers import volumeshare
from tests.crash import worlds
from tests.functional import appliance_places
from tests.functional import gpfs_places
from tests.functional import stages
from tests.harness import backends
from tests.harness import linked_mounts
from tests.harness import pretended_gpfs


#: The folder of images on a share of GPFS.
IMAGES = 'images'


class Folder:
    """A folder of this host, with PosixDriver.

    A service that is killed leaves all that it has written.

    :param folder: exists
    :ivar location: of the share, as its volumes have it on record
    """

    def __init__(self, folder):
        self.location = os.path.join(folder, worlds.SHARE)
        os.makedirs(self.location, exist_ok=True)

    def driver(self, rig, options):
        """:param options: (name, value) of each, as PosixDriver calls them"""
        return rig.driver(stages.POSIX, posix_directories=[self.location],
                          **dict(options))

    def moved(self, location):
        """Where a volume is here that was somewhere in another world."""
        return self.location

    def die(self):
        """What else ends, just before the service does."""

    def come_back(self):
        """After that."""


class Gpfs(Folder):
    """A folder that is a pretended GPFS, with GPFSDriver.

    Where the driver is told how to use images, they are in ``images`` in it.
    """

    def driver(self, rig, options):
        pretended = pretended_gpfs.Gpfs(self.location)
        pretended.install(setattr)
        commands.Commands = lambda *unused: pretended
        share_gpfs.mounted = lambda path: (self.location, pretended.device)
        return rig.driver(gpfs_places.DRIVER,
                          gpfs_mount_point_base=self.location,
                          **self._of_images(dict(options)))

    def _of_images(self, options):
        if 'gpfs_images_share_mode' not in options:
            return options
        folder = os.path.join(self.location, IMAGES)
        os.makedirs(folder, exist_ok=True)
        return dict(options, gpfs_images_dir=folder)


def _only_tidy(share):
    """What nobody looks for later goes; all else is for the next verb."""
    with mock.patch.object(share, 'recover'):
        _tidy(share)


_tidy = volumeshare.VolumeShare.tidy


class Box(Folder):
    """A folder that is an appliance, with ApplianceNfsDriver.

    Of the options, ``recovers`` says whether a service finishes at its start
    what a crash has left; else each verb is on its own.
    """

    def driver(self, rig, options):
        own = dict(options)
        if not own.pop('recovers', True):
            volumeshare.VolumeShare.tidy = _only_tidy
        folder = os.path.dirname(self.location)
        mounter = linked_mounts.Mounter(
            os.path.join(folder, worlds.MOUNTS), self.location,
            appliance_places.ADDRESS)
        appliance.ApplianceNfsDriver._make_mounter = lambda self: mounter
        cfg.CONF.register_opts(folders.FolderAppliance.get_options(),
                               group='alpha')
        return rig.driver(
            appliance_places.DRIVER, appliance_type='folders',
            folders_root=self.location,
            folders_faults=os.path.join(folder, 'faults'),
            nas_secure_file_operations='true',
            nas_secure_file_permissions='true', **own)

    def moved(self, location):
        return '%s:%s/%s' % (appliance_places.ADDRESS, self.location,
                             os.path.basename(location))


class Glusterfs(Folder):
    """A GlusterFS that is mounted here, with GlusterfsDriver.

    A whole host dies: the client of the mount goes first, with all that it
    had not yet sent to the bricks. So what was not flushed may be lost.

    :param location: of the share, of which nobody else makes use
    """

    def __init__(self, folder, location):
        self.location = location
        # Beside it: what is in it is another world's each time.
        self._options = backends.glusterfs(folder + '-host', 'alpha',
                                           [location])
        self._driver = self._options.pop('volume_driver')
        self._point = backends.mount_point(self._options, location)
        self._mount()
        os.symlink(self._point, os.path.join(folder, worlds.SHARE))

    def driver(self, rig, options):
        own = {name.replace('posix_', 'glusterfs_', 1): value
               for name, value in options}
        return rig.driver(self._driver, **{**self._options, **own})

    def die(self):
        for pid in gluster.clients(self._point):
            os.kill(pid, signal.SIGKILL)

    def come_back(self):
        subprocess.run(['umount', '-l', self._point], check=True,
                       stdin=subprocess.DEVNULL)
        self._mount()

    def _mount(self):
        mounts.mount('glusterfs', self.location, self._point, gluster.FRESH)
