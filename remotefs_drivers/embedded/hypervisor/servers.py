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
"""Servers as Nova has them, and the disks that are attached to them.
"""

import dataclasses
import os
import threading

from remotefs_drivers.embedded import errors

ACTIVE = 'ACTIVE'
SHUTOFF = 'SHUTOFF'


@dataclasses.dataclass
class Disk:
    """A volume that is attached.

    :param guest: guest.Guest
    :param attachment_id: Cinder's
    """

    volume_id: str
    attachment_id: str
    guest: object

    def beside(self, name):
        """The path of a file in the folder of the active one.

        :raises GuestFailed: when it is not there
        """
        path = os.path.join(os.path.dirname(self.guest.path), name)
        if not os.path.exists(path):
            raise errors.GuestFailed('%s is not there.' % path)
        return path


@dataclasses.dataclass
class Server:
    """:param task: what is done with it right now, or None
    :param disks: volume id -> Disk
    """

    id: str
    state: str = ACTIVE
    task: str = None
    disks: dict = dataclasses.field(default_factory=dict)
    lock: object = dataclasses.field(default_factory=threading.RLock)

    @property
    def active(self):
        return self.state == ACTIVE


class Servers:
    """All that there are."""

    def __init__(self):
        self._servers = {}

    def __iter__(self):
        return iter(list(self._servers.values()))

    def add(self, server_id):
        """:returns: the server, made when there is none"""
        return self._servers.setdefault(server_id, Server(server_id))

    def get(self, server_id):
        """:raises Refused: 404"""
        try:
            return self._servers[server_id]
        except KeyError:
            raise errors.Refused(404, 'Instance %s could not be found.'
                                 % server_id)

    def disk(self, server_id, volume_id):
        """:raises Refused: 404"""
        try:
            return self.get(server_id).disks[volume_id]
        except KeyError:
            raise errors.Refused(404, 'Volume %s is not attached to %s.'
                                 % (volume_id, server_id))

    def owner(self, volume_id):
        """The server that has a volume.

        :raises Refused: 400, when it is none, or more than one
        """
        owners = [server for server in self if volume_id in server.disks]
        if len(owners) == 1:
            return owners[0]
        raise errors.Refused(400, 'Volume %s is attached to %d servers.'
                             % (volume_id, len(owners)))
