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
"""What a hypervisor asks of Cinder, as Nova does it.
"""

import os
import socket

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import mounts

# Whatever happened, Nova says so.
_PROGRESS = '90%'

_CONNECTOR = {'ip': config.ADDRESS, 'host': socket.gethostname(),
              'initiator': 'iqn.2026-01.org.example:hypervisor',
              'platform': 'x86_64', 'os_type': 'linux', 'multipath': False}


class Cinder:
    """:param cloud: cloud.Cloud; it may be restarted"""

    def __init__(self, cloud):
        self._cloud = cloud

    def report(self, snapshot_id, status):
        """Say how a request ended.

        :param status: 'creating' or 'deleting' when it was done, 'error' or
            'error_deleting' when not
        """
        self._client.volume_snapshots.update_snapshot_status(
            snapshot_id, {'status': status, 'progress': _PROGRESS})

    def volume_size(self, volume_id):
        """:returns: GiB"""
        return self._client.volumes.get(volume_id).size

    def reserve(self, volume_id, server_id, mode):
        """:param server_id: may be None
        :param mode: 'rw' or 'ro'
        :returns: id of an attachment
        """
        return self._client.attachments.create(volume_id, None, server_id,
                                               mode=mode)['id']

    def connect(self, attachment_id):
        """:returns: the connection_info that the driver gives"""
        return self._client.attachments.update(
            attachment_id, _CONNECTOR).connection_info

    def complete(self, attachment_id, volume_id):
        """The volume is attached now."""
        self._client.attachments.complete(attachment_id)
        self._cloud.wait_volume(volume_id, 'in-use')

    def connection_info(self, attachment_id):
        """:returns: the connection_info that is stored"""
        return self._client.attachments.show(attachment_id).connection_info

    def release(self, attachment_id):
        """The volume is attached no more."""
        self._client.attachments.delete(attachment_id)

    @property
    def _client(self):
        return self._cloud.cinder


def local_path(connection_info, mount_base=None):
    """Where the file is on this host.

    :param mount_base: where shares are mounted, as os-brick does it; a
        share that is a folder of this host needs none
    """
    if connection_info.get('device_path'):
        return connection_info['device_path']
    export = connection_info['export']
    if not os.path.isdir(export):
        export = mounts.point_of(
            mount_base or connection_info['mount_point_base'], export)
    return os.path.join(export, connection_info['name'])
