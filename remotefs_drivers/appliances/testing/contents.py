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


"""Ways from the location of a share to what is in it.

One is a class that is made of the backend's configuration and a folder that
it may use. It has the two methods of Content.
"""

import contextlib
import fcntl
import os

from os_brick.remotefs import remotefs as remotefs_brick
from oslo_utils import importutils

from remotefs_drivers import errors
from remotefs_drivers.share import mounter
from remotefs_drivers.share import table


class Content:
    """The base of the others.

    :param configuration: of the backend
    :param folder: absolute path of an empty one
    """

    def __init__(self, configuration, folder):
        self.configuration = configuration
        self.folder = folder

    def opened(self, location):
        """A context manager with the path of the share's root folder."""
        raise NotImplementedError()

    def writing(self, path):
        """A context manager, around each write to a file by the suite.

        For boxes that are folders with nothing below them that could make a
        snapshot of one moment.
        """
        return contextlib.nullcontext()


class Mount(Content):
    """Mounts it, by what mounts shares for the driver. For root."""

    def __init__(self, configuration, folder):
        super().__init__(configuration, folder)
        self._mounter = mounter.BrickMounter(
            remotefs_brick.RemoteFsClient, 'nfs', str(folder),
            configuration.appliance_mount_options,
            configuration.appliance_mount_timeout,
            configuration.appliance_mount_attempts)

    @contextlib.contextmanager
    def opened(self, location):
        share = table.Share(location)
        self._mounter.mount(share)
        try:
            yield self._mounter.path(share)
        finally:
            self._mounter.unmount(share)


class Local(Content):
    """Takes the path of a location for one of this host."""

    @contextlib.contextmanager
    def opened(self, location):
        yield location[location.index(':/') + 1:]

    @contextlib.contextmanager
    def writing(self, path):
        """Lock it (flock), for boxes that copy what is in a folder."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


NAMED = {'mount': Mount, 'local': Local}


def load(name):
    """A class.

    :param name: one of NAMED, or 'module:Class'
    :raises ShareConfigInvalid: there is none
    """
    if name in NAMED:
        return NAMED[name]
    try:
        return importutils.import_class(name.replace(':', '.'))
    except (ImportError, ValueError) as error:
        raise errors.ShareConfigInvalid(
            option='--appliance-content',
            reason='"%s" is neither of %s nor a module:Class: %s' % (
                name, ', '.join(sorted(NAMED)), error))
