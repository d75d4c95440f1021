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

"""A volume attached to this host, as Nova attaches one to a hypervisor."""

import os
import socket

from os_brick.initiator import connector as brick

from remotefs_drivers.embedded import config

_CONNECTOR = {'ip': config.ADDRESS, 'host': socket.gethostname(),
              'initiator': 'iqn.2026-01.org.example:embedded',
              'platform': 'x86_64', 'os_type': 'linux', 'multipath': False}


class Attachment:
    """Attached while the ``with`` block runs.

        with attachment.Attachment(cloud, volume_id) as attached:
            with open(attached.path, 'r+b') as disk: ...

    :param cloud: cloud.Cloud
    :param mode: 'rw' or 'ro', for Cinder's records
    :param mount_base: folder below which os-brick mounts shares, or finds
        them mounted; that of the cloud's spec unless given
    :ivar path: the file, as os-brick found it
    :ivar format: 'raw' or 'qcow2', as the driver recorded it
    :ivar connection_info: what the driver gave
    """

    def __init__(self, cloud, volume_id, mode='rw', mount_base=None):
        self._cloud = cloud
        self._volume_id = volume_id
        self._mode = mode
        self._mount_base = mount_base or cloud.spec.mounts
        self._id = None
        self._connector = None
        self._device = None

    def __enter__(self):
        # Without a server: Cinder would ask Nova before it lets go of it.
        attachments = self._cloud.cinder.attachments
        self._id = attachments.create(self._volume_id, None,
                                      mode=self._mode)['id']
        try:
            self.connection_info = attachments.update(
                self._id, _CONNECTOR).connection_info
            self._connect()
            attachments.complete(self._id)
            self._cloud.wait_volume(self._volume_id, 'in-use')
        except BaseException:
            attachments.delete(self._id)
            raise
        return self

    def __exit__(self, *exc_info):
        if self._connector:
            self._connector.disconnect_volume(self.connection_info,
                                              self._device)
        self._cloud.cinder.attachments.delete(self._id)
        self._cloud.wait_volume(self._volume_id)

    @property
    def path(self):
        return self._device['path']

    @property
    def format(self):
        return self.connection_info['format']

    def _connect(self):
        local = local_path(self.connection_info)
        if local:
            # The share is a directory of this host: nothing to mount.
            self._device = {'path': local}
            return
        self._connector = brick.InitiatorConnector.factory(
            self.connection_info['driver_volume_type'], config.SAME_USER,
            conn=self.connection_info,
            nfs_mount_point_base=self._mount_base)
        self._device = self._connector.connect_volume(self.connection_info)


def local_path(connection_info):
    """The file, where the export is a directory of this host; else None."""
    export = connection_info.get('export', '')
    if os.path.isdir(export):
        return os.path.join(export, connection_info['name'])
    return None
