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

"""NfsDriver: plain NFS shares, many volumes on each.

Takes the options, the shares file and the mount points of the NFS driver in
Cinder's tree.
"""

from cinder import interface
from os_brick.remotefs import remotefs as remotefs_brick

from remotefs_drivers import connections
from remotefs_drivers import options
from remotefs_drivers import remotefs
from remotefs_drivers.settings import nfs as nfs_settings
from remotefs_drivers.share import mounter
from remotefs_drivers.share import sources
from remotefs_drivers.share import table


@interface.volumedriver
class NfsDriver(remotefs.RemoteFSSnapDriverDistributed):
    """Volumes as files on NFS shares."""

    VERSION = '1.0.0'

    driver_prefix = 'nfs'
    driver_volume_type = 'nfs'
    volume_backend_name = 'Generic_NFS'

    @staticmethod
    def get_driver_options():
        return options.nas_opts + options.nfs_opts

    def do_setup(self, context):
        self._own = nfs_settings.read(self.configuration)
        super().do_setup(context)

    def _make_source(self):
        if self._own.nas_location:
            return sources.Fixed('nas_host and nas_share_path',
                                 [table.Share(self._own.nas_location)])
        return sources.SharesFile(self._own.shares_config,
                                  'nfs_shares_config')

    def _make_mounter(self):
        return mounter.BrickMounter(
            remotefs_brick.RemoteFsClient, 'nfs', self._own.mount_point_base,
            self._own.mount_options, self._own.mount_timeout,
            self._own.mount_attempts)

    def _connection(self, volume, share, name, file_format):
        return connections.share('nfs', share.location, name, file_format,
                                 share.options)
