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

"""GlusterfsDriver: GlusterFS volumes, mounted by FUSE.

Takes the options, the shares file, the mount points and the files of the
driver that Cinder had until 2016. Nova lost its part of it at the same time:
how a host gets at the files is for the operator to say.
"""

import os

from cinder import interface

from remotefs_drivers import connections
from remotefs_drivers import options
from remotefs_drivers import remotefs
from remotefs_drivers.settings import glusterfs as glusterfs_settings
from remotefs_drivers.share import gluster
from remotefs_drivers.share import sources
from remotefs_drivers import states


@interface.volumedriver
class GlusterfsDriver(remotefs.RemoteFSSnapDriverDistributed):
    """Volumes as files on GlusterFS."""

    VERSION = '1.0.0'

    driver_prefix = 'glusterfs'
    driver_volume_type = 'nfs'
    volume_backend_name = 'GlusterFS'
    #: While a brick is away, copy_file_range(2) of GlusterFS 10 copies what
    #: that brick has, and says nothing.
    kernel_copies = False

    @staticmethod
    def get_driver_options():
        return options.nas_opts + options.glusterfs_opts

    def do_setup(self, context):
        self._own = glusterfs_settings.read(self.configuration)
        self.driver_volume_type = self._own.attach_type
        super().do_setup(context)

    def _make_source(self):
        return sources.SharesFile(self._own.shares_config,
                                  'glusterfs_shares_config', bare=True)

    def _make_mounter(self):
        return gluster.Mounter(self._own.mount_point_base,
                               self._own.mount_timeout,
                               self._own.mount_attempts)

    def _connection(self, volume, share, name, file_format):
        attach_type = self.driver_volume_type
        if states.is_cinders_own(volume) or attach_type == 'glusterfs':
            # A host of Cinder's mounts it as we do.
            return connections.share('glusterfs', gluster.name_of(share), name,
                                     file_format, share.options)
        if attach_type == 'nfs':
            return connections.share(
                'nfs', self._own.exports.get(share.location,
                                             gluster.name_of(share)),
                name, file_format)
        self._check_attachable(volume, file_format)
        return connections.device(
            attach_type, os.path.join(self._shares.path(share), name),
            file_format)
