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

"""PosixDriver: directories that are there already.

For whatever the operator mounts himself: CephFS, Lustre, BeeGFS, a SAN file
system, a local disk. The directory must be there, under the same path, on
every host of the backend.
"""

import os

from cinder import interface

from remotefs_drivers import connections
from remotefs_drivers import options
from remotefs_drivers import remotefs
from remotefs_drivers.settings import posix as posix_settings
from remotefs_drivers.share import directories
from remotefs_drivers.share import sources
from remotefs_drivers.share import table
from remotefs_drivers import states


@interface.volumedriver
class PosixDriver(remotefs.RemoteFSSnapDriverDistributed):
    """Volumes as files in directories that the operator mounts."""

    VERSION = '1.0.0'

    driver_prefix = 'posix'
    driver_volume_type = 'local'
    volume_backend_name = 'Posix'

    @staticmethod
    def get_driver_options():
        return options.nas_opts + options.posix_opts

    def do_setup(self, context):
        self._own = posix_settings.read(self.configuration)
        self.driver_volume_type = self._own.attach_type
        super().do_setup(context)

    def _make_source(self):
        return sources.Fixed('posix_directories',
                             map(table.Share, self._own.directories))

    def _make_mounter(self):
        return directories.DirectoryMounter(
            self._has_volumes, self._settings.share_timeout,
            as_root=self._settings.secure_operations == 'false')

    def _connection(self, volume, share, name, file_format):
        path = os.path.join(self._shares.path(share), name)
        if states.is_cinders_own(volume):
            # A host of Cinder's has the directory itself.
            return connections.device('local', path, file_format)
        if self.driver_volume_type == 'nfs':
            return connections.share('nfs', self._export(share), name,
                                     file_format)
        self._check_attachable(volume, file_format)
        return connections.device(self.driver_volume_type, path, file_format)

    def _export(self, share):
        """The export of a directory; its path, where none is configured."""
        return self._own.exports.get(share.location, share.location)
