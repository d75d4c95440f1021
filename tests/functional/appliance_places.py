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
import functools
import os
from unittest import mock

from oslo_config import cfg
from oslo_utils import units

from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded import rest
from remotefs_drivers.embedded import rest_server
from tests.functional import stages
from tests.functional import steps
from tests.harness import appliance_boxes
from tests.harness import box_shares
from tests.harness import patience
from tests.harness import user_mount

DRIVER = 'remotefs_drivers.appliance.ApplianceNfsDriver'
ADDRESS = '127.0.0.1'
HOME = 'cinder-journal'
#: A backend on an appliance, and one on a folder of this host.
BACKEND, OTHER = 'tau', 'upsilon'
#: Bytes that a real one has, of which volumes take what is written.
_SIZE = 4 * units.Gi
KINDS = ('independent', 'dependent', 'rigid')


class Place:
    """An appliance, and how this host mounts its shares.

    :param stack: contextlib.ExitStack, ends it
    :param root: the folder of the shares, on the appliance
    :param by_handles: see user_mount.UserMount.export_below
    :ivar box: an appliance of its own, to look at it
    :ivar base: of the mount points
    """

    def __init__(self, stack, folder, root, by_handles=False):
        self.root = root
        self.base = os.path.join(str(folder), 'mnt')
        self.mounter = stack.enter_context(
            user_mount.UserMount(os.path.join(str(folder), 'mounter')))
        self.mounter.export_below(ADDRESS, self.root, by_handles)

    def options(self, **own):
        """Of a backend, without the driver."""
        return {'appliance_mount_point_base': self.base,
                'appliance_mount_attempts': 1,
                'appliance_mount_timeout': patience.PATIENCE,
                'nas_secure_file_operations': 'true',
                'nas_secure_file_permissions': 'true', **own}

    def global_options(self):
        """Of all services, in [DEFAULT]."""
        return {}

    def driver(self, rig, section=None, **own):
        section = section or stages.section()
        # A file would have them anyway.
        cfg.CONF.register_opts(self.box.get_options(), group=section)
        return rig.driver(DRIVER, section, **self.options(**own))

    @contextlib.contextmanager
    def programs(self):
        """A context in which mount(8) finds the box, for whoever this is.

        Nobody has to be root for that: see stages.no_daemons.
        """
        with mock.patch.dict(os.environ, PATH=self.mounter.path()), \
                stages.no_daemons():
            yield

    # What is there

    def path(self, volume):
        """Of the file of a volume, on the box."""
        return os.path.join(self.root, volume.name, 'volume')

    def shares(self):
        """Name -> names of its snapshots, of all but the home."""
        return box_shares.snapshots_by_share(self.box, HOME)

    def journals(self):
        return [name for name in os.listdir(os.path.join(self.root, HOME))
                if name.endswith('.intent')]

    def mounted(self):
        """The names of the shares that are mounted, but for the home."""
        return {os.path.basename(share)
                for share in self.mounter.mounted().values()} - {HOME}


class FolderPlace(Place):
    """A box whose shares are folders."""

    def __init__(self, stack, folder, kind='dependent', by_handles=False):
        root = os.path.join(str(folder), 'box')
        os.makedirs(root)
        super().__init__(stack, folder, root, by_handles)
        self.kind = kind
        self.box = folders.at(root, kind=kind)

    def options(self, **own):
        return super().options(appliance_type='folders',
                               folders_root=self.root,
                               folders_kind=self.kind, **own)


class BoxPlace(Place):
    """A real one, over SSH.

    :param kind: entry point of the appliance
    :param make: of appliance_boxes
    """

    def __init__(self, kind, make, stack, folder):
        folder = str(folder)
        self._kind = kind
        self._place = stack.enter_context(make(folder, _SIZE))
        super().__init__(stack, folder, self._place.path)
        stack.enter_context(self._place.ready())
        self.box = self._place.new()
        self.box.check()
        stack.callback(self.box.close)

    def options(self, **own):
        options = self._place.options()
        # It is this service that makes the files.
        del options['appliance_share_owner']
        return super().options(appliance_type=self._kind, **options, **own)

    def global_options(self):
        return {'ssh_hosts_key_file': self._place.server.known_hosts,
                'strict_ssh_host_key_policy': True}


class RestPlace(Place):
    """Folders behind the HTTP API."""

    def __init__(self, stack, folder):
        self._server = stack.enter_context(
            rest.RestServer(os.path.join(str(folder), 'api')))
        self.box = self._server.appliance
        super().__init__(stack, folder, os.path.join(self._server.folder,
                                                     rest_server.SHARES))

    def options(self, **own):
        return super().options(**self._server.options(), **{
            'appliance_rest_timeout': patience.PATIENCE, **own})


class Steps(steps.Steps):
    """A user of such a cloud."""

    def __init__(self, cloud, folder, place):
        super().__init__(cloud, folder, {'raw': BACKEND})
        self.place = place

    def location(self, backend):
        return self._name(backend)

    def path(self, volume):
        """Where the file of a volume is, at its end."""
        found = self.cloud.cinder.volumes.get(volume.id)
        name_id = getattr(found, 'os-vol-mig-status-attr:name_id', None)
        name = 'volume-%s' % (name_id or found.id)
        if OTHER in getattr(found, 'os-vol-host-attr:host'):
            return os.path.join(*self.cloud.spec.folders, name)
        return os.path.join(self.place.root, name, 'volume')


#: Name -> makes an appliance of which this host can mount the shares, of
#: (contextlib.ExitStack, folder).
PLACES = {'btrfs': functools.partial(BoxPlace, 'btrfs',
                                     appliance_boxes.with_btrfs),
          'rest': RestPlace,
          'zfs': functools.partial(BoxPlace, 'zfs',
                                   appliance_boxes.with_zfs)}
