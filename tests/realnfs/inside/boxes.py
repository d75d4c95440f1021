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

"""Appliances in the machine, whose shares its own NFS server exports.

The box that they are is the machine itself. Tests look at shares where the
box has them.
"""

import contextlib
import os
import pathlib
import shutil

from oslo_config import cfg

from remotefs_drivers.embedded import folders
from tests.harness import box_shares
from tests.harness import patience
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends

DRIVER = 'remotefs_drivers.appliance.ApplianceNfsDriver'
#: The share of a backend's own.
HOME = 'cinder-journal'


class Box:
    """:param share: layout.Share with all of its shares
    :param folder: in it, for another box than others of its kind
    :ivar name: to say it in a test's id
    :ivar root: the folder that its shares are in, for it and for clients
    :ivar box: an appliance of its own, to look at it
    """

    name = box = None
    #: Whether it can where there are newer snapshots; if not, we copy, which
    #: v3 cannot leave to the server.
    rolls_back = True

    def __init__(self, share=layout.BOX, folder=None):
        self.share = share
        self.address = share.address
        self.root = f'/{share.name}/{folder or self.name}'

    @contextlib.contextmanager
    def ready(self, server):
        """For one test, on a share that is empty."""
        os.mkdir(self.root)
        shutil.chown(self.root, self.share.owner, self.share.owner)
        yield

    def options(self, **changes):
        """Of a backend, without the driver."""
        raise NotImplementedError()

    def location(self, volume):
        return f'{self.address}:{self.root}/{volume.name}'

    def path(self, volume):
        """The file of a volume, on the server."""
        return f'{self.root}/{volume.name}/volume'

    def shares(self):
        """Name -> names of its snapshots, of all but the home."""
        return box_shares.snapshots_by_share(self.box, HOME)

    def journals(self):
        return [path.name for path
                in pathlib.Path(self.root, HOME).glob('*.intent')]


class Folders(Box):
    """Its shares are folders: nothing that a client sees sets them apart."""

    name = 'folders'
    rolls_back = False

    @contextlib.contextmanager
    def ready(self, server):
        with super().ready(server):
            self.box = folders.at(self.root, address=self.address)
            yield

    def options(self, **changes):
        return {'appliance_type': 'folders', 'folders_root': self.root,
                'folders_address': self.address, **changes}


class Backend(backends.Backend):
    """An ApplianceNfsDriver as cinder-volume has it.

    :param box: Box
    :param folder: an empty path of its own
    :param version: of NFS
    :param options: of the driver's section of the configuration
    """

    def __init__(self, rig, folder, box, version='4.2', setup=True,
                 **options):
        self.rig = rig
        self.box = box
        self.base = folder / 'mnt'
        section = f'appliance-{folder.name}'
        # A file would have them anyway.
        cfg.CONF.register_opts(folders.FolderAppliance.get_options(),
                               group=section)
        self.driver = rig.driver(
            DRIVER, section=section, setup=setup, **box.options(**{
                'appliance_mount_point_base': str(self.base),
                'appliance_mount_options': f'vers={version}',
                'appliance_mount_attempts': 1,
                'appliance_mount_timeout': patience.PATIENCE,
                'nas_secure_file_operations': 'true',
                'nas_secure_file_permissions': 'true', **options}))

    def clone(self, source, size=None):
        """A volume made from another."""
        clone = self.rig.new_volume(self.driver, size or source.size,
                                    source_volid=source.id)
        return self._made(clone, self.driver.create_cloned_volume(
            clone, source))

    def copy(self, snapshot, size=None):
        """A volume made from a snapshot."""
        copy = self.rig.new_volume(self.driver, size or snapshot.volume_size,
                                   snapshot_id=snapshot.id)
        return self._made(copy, self.driver.create_volume_from_snapshot(
            copy, snapshot))

    def mounted(self):
        """The names of the shares that it has mounted, but for the home."""
        return {os.path.basename(source) for source, *_rest
                in self.mounts().values()} - {HOME}

    def _made(self, volume, update):
        volume.update(update)
        volume.status = 'available'
        volume.save()
        return volume
