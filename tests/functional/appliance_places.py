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

"""Appliances for tests, and backends of ApplianceNfsDriver on them."""

import contextlib
import os
from unittest import mock

from oslo_config import cfg
from oslo_privsep import priv_context

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import folders
from tests.functional import stages
from tests.functional import steps
from tests.harness import user_mount

DRIVER = 'remotefs_drivers.appliance.ApplianceNfsDriver'
ADDRESS = '127.0.0.1'
HOME = 'cinder-journal'
#: A backend on an appliance, and one on a folder of this host.
BACKEND, OTHER = 'tau', 'upsilon'
KINDS = ('independent', 'dependent', 'rigid')


class FolderPlace:
    """A box whose shares are folders; this host mounts them.

    :param stack: contextlib.ExitStack, ends it
    :ivar root: the folder of the shares, on the box
    :ivar box: an appliance of its own, to look at it
    """

    def __init__(self, stack, folder, kind='dependent'):
        self.root = os.path.join(str(folder), 'box')
        os.makedirs(self.root)
        self.base = os.path.join(str(folder), 'mnt')
        self.kind = kind
        self.mounter = stack.enter_context(
            user_mount.UserMount(os.path.join(str(folder), 'mounter')))
        self.mounter.export_below(ADDRESS, self.root)
        self.box = folders.at(self.root, kind=kind)

    def options(self, **own):
        """Of a backend, without the driver."""
        return {'appliance_type': 'folders',
                'folders_root': self.root,
                'folders_kind': self.kind,
                'appliance_mount_point_base': self.base,
                'appliance_mount_attempts': 1,
                'nas_secure_file_operations': 'true',
                'nas_secure_file_permissions': 'true', **own}

    def driver(self, rig, section=None, **own):
        section = section or stages.section()
        # A file would have them anyway.
        cfg.CONF.register_opts(folders.FolderAppliance.get_options(),
                               group=section)
        return rig.driver(DRIVER, section, **self.options(**own))

    @contextlib.contextmanager
    def programs(self):
        """A context in which mount(8) finds the box, for whoever this is.

        Nobody has to be root for that: see gpfs_places.Place.for_root.
        """
        nobody_else = property(lambda context: False,
                               lambda context, value: None)
        with mock.patch.dict(os.environ, PATH=self.mounter.path()), \
                mock.patch.object(priv_context.PrivContext, 'client_mode',
                                  nobody_else, create=True):
            yield

    # What is there

    def path(self, volume):
        """Of the file of a volume, on the box."""
        return os.path.join(self.root, volume.name, 'volume')

    def shares(self):
        """Name -> names of its snapshots, of all but the home."""
        return {each.name: [one.name for one in each.snapshots or
                            self.box.find_share(each.name).snapshots]
                for each in self.box.list_shares() if each.name != HOME}

    def journals(self):
        return [name for name in os.listdir(os.path.join(self.root, HOME))
                if name.endswith('.intent')]

    def mounted(self):
        """The names of the shares that are mounted, but for the home."""
        return {os.path.basename(share)
                for share in self.mounter.mounted().values()} - {HOME}


class Cloud(clouds.Cloud):
    """An embedded cloud whose hosts can mount the shares of a place."""

    def __init__(self, wanted, place):
        super().__init__(wanted)
        self._place = place

    def start(self, *args, **kwargs):
        with mock.patch.dict(os.environ, PATH=self._place.mounter.path()):
            super().start(*args, **kwargs)


class Steps(steps.Steps):
    """A user of such a cloud."""

    def __init__(self, cloud, folder, place):
        super().__init__(cloud, folder, {'raw': BACKEND})
        self.place = place

    def location(self, backend):
        return self._name(backend)

    def path(self, volume):
        """On the appliance."""
        found = self.cloud.cinder.volumes.get(volume.id)
        name_id = getattr(found, 'os-vol-mig-status-attr:name_id', None)
        return os.path.join(self.place.root,
                            'volume-%s' % (name_id or found.id), 'volume')


#: Name -> makes an appliance of which this host can mount the shares, of
#: (contextlib.ExitStack, folder).
PLACES = {'folders': FolderPlace}
