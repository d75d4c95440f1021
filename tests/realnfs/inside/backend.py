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

"""A backend on real shares, and a compute host that attaches its volumes."""

import os
import pathlib

from os_brick.initiator import connector
from os_brick import privileged as brick_privileged
from oslo_utils import units

from tests.harness import patience

DRIVER = 'remotefs_drivers.nfs.NfsDriver'


class Backend:
    """An NfsDriver as cinder-volume has it, with some shares.

    :param rig: the tests.rig.Rig of this process
    :param folder: an empty path of its own
    :param shares: layout.Share objects; more can be added to the file
    :param version: of NFS, such as '4.2', or None: not said
    :param options: of the driver's section of the configuration
    """

    def __init__(self, rig, folder, shares, version='4.2', setup=True,
                 **options):
        self.rig = rig
        self.base = folder / 'mnt'
        self._shares_file = folder / 'shares'
        self.write_shares(shares)
        if version:
            options['nfs_mount_options'] = f'vers={version}'
        self.driver = rig.driver(
            DRIVER, section=f'nfs-{folder.name}', setup=setup,
            nfs_shares_config=str(self._shares_file),
            nfs_mount_point_base=str(self.base),
            **{'nas_secure_file_operations': 'true',
               'nas_secure_file_permissions': 'true',
               'nfs_mount_timeout': patience.PATIENCE, **options})

    def write_shares(self, shares):
        """What the operator's shares file says from now on."""
        self._shares_file.write_text(
            ''.join(f'{share.line}\n' for share in shares))

    def volume(self, share=None, size=1, **fields):
        """A new volume of so many GiB, on this share if one is named."""
        pool = share.location if share else None
        return self.rig.volume(self.driver, size, pool=pool, **fields)

    def clone(self, source, **fields):
        """A volume made from another."""
        clone = self.rig.new_volume(
            self.driver, **{'size': source.size,
                            'pool': source.provider_location,
                            'source_volid': source.id, **fields})
        clone.update(self.driver.create_cloned_volume(clone, source))
        clone.status = 'available'
        clone.save()
        return clone

    def pools(self):
        """What the scheduler is told, by name of the pool."""
        stats = self.driver.get_volume_stats(refresh=True)
        return {pool['pool_name']: pool for pool in stats['pools']}

    def mounts(self):
        """Mount point -> (source, type, options) of this backend's."""
        return mounts_below(self.base)


class Host:
    """A compute host: attaches volumes by os-brick, at a base of its own.

    :param folder: for its mount points
    :param version: of NFS, or None: not said, or by the connection
    """

    def __init__(self, folder, version='4.2'):
        self.base = folder
        self._version = version
        if os.geteuid() == 0:
            # In this process: a daemon would only cost time here.
            brick_privileged.default.set_client_mode(False)

    def attach(self, backend, volume):
        """Attach a volume; gives the path of its file and its format."""
        connection = backend.driver.initialize_connection(volume, {})
        assert connection['driver_volume_type'] == 'nfs'
        return self.connect(connection['data'])

    def connect(self, data):
        """The same, by what Cinder hands out for it."""
        brick = connector.InitiatorConnector.factory(
            'NFS', 'sudo', conn=data, nfs_mount_point_base=str(self.base),
            nfs_mount_options=self._version and f'vers={self._version}')
        return brick.connect_volume(data)['path'], data['format']


def mounts_below(folder):
    """Mount point -> (source, type, options) of what is mounted below."""
    lines = pathlib.Path('/proc/mounts').read_text().splitlines()
    fields = (line.split() for line in lines)
    return {point: (source, kind, options.split(','))
            for source, point, kind, options, *_rest in fields
            if point.startswith(f'{folder}/')}


def gib(size):
    """Bytes as stats have them."""
    return round(size / units.Gi, 2)
