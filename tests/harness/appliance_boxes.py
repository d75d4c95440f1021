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


"""Appliances that are boxes on this host, see remotefs_drivers.embedded.box.

A place is one for all of a run; each test finds it empty and whole.
"""

import contextlib
import os

# It registers options that are set here.
from cinder import ssh_utils  # noqa: F401
from oslo_config import cfg
from oslo_utils import units
import pytest

from remotefs_drivers.appliances import btrfs
from remotefs_drivers.appliances import zfs
from remotefs_drivers.embedded import box as boxes
from remotefs_drivers.embedded import btrfs as disks
from remotefs_drivers.embedded import sshd
from remotefs_drivers.embedded import zfs as pools
from remotefs_drivers import errors
from tests.harness import patience

CONF = cfg.CONF
#: Of what there is to share, bytes.
SIZE = 256 * units.Mi
#: Owner of new shares: nobody whom this host has.
OWNER = '64061:64062'


class Place:
    """:ivar box: box.Box
    :ivar server: sshd.Sshd
    :ivar root: option appliance_root
    :ivar path: of that, here
    """

    appliance = None
    #: Whether a clone depends on its snapshot.
    clones_hang = False
    owner = OWNER
    size = SIZE

    def __init__(self, box, server):
        self.box = box
        self.server = server

    def options(self, **changes):
        """name -> value, of the section of cinder.conf."""
        return {**self.server.options(), 'appliance_root': self.root,
                'appliance_share_owner': OWNER,
                'appliance_ssh_timeout': patience.PATIENCE, **changes}

    def new(self, **changes):
        """An appliance as cinder-volume has it."""
        return self.appliance(section(self.appliance, self.options(
            **changes)))

    def folder(self, share):
        """Where a Share lies here: the box's paths are the same."""
        return share.location.partition(':')[2]

    @contextlib.contextmanager
    def ready(self):
        """For one test: empty, and this process lets itself be let in."""
        self.server.let_in()
        self.server.know()
        self.server.permit('/usr/bin/sh')
        self.prepare()
        CONF.set_override('ssh_hosts_key_file', self.server.known_hosts)
        CONF.set_override('strict_ssh_host_key_policy', True)
        try:
            yield self
        finally:
            CONF.clear_override('ssh_hosts_key_file')
            CONF.clear_override('strict_ssh_host_key_policy')
            self.clean()
            self.box.run('sh', '-c', 'rm -f /run/exports '
                         '/etc/exports.d/*.exports')

    def _commands(self):
        """Names of the programs that run in the box."""
        found = []
        for pid in self.box.pids():
            with contextlib.suppress(OSError):
                with open('/proc/%d/comm' % pid) as stream:
                    found.append(stream.read().strip())
        return [each for each in found if each != 'zfs-fuse']

    def prepare(self):
        """Make the root."""

    def clean(self):
        """Take the root away, with all that is in it; it may be gone."""


class ZfsPlace(Place):
    appliance = zfs.ZfsAppliance
    clones_hang = True

    def __init__(self, box, server, pool):
        super().__init__(box, server)
        self.pool = pool
        self.root = pool.name + '/cinder'
        self.path = os.path.join(pool.path, 'cinder')

    def prepare(self):
        self.box.run('zfs', 'create', self.root)

    def clean(self):
        self.pool.destroy(self.root)

    def fill(self):
        self.pool.fill()

    def drain(self):
        self.pool.drain()

    def expect_full(self, call):
        """That it fails for want of room."""
        with pytest.raises(errors.ApplianceFull):
            call()

    @contextlib.contextmanager
    def hanging(self):
        """What is asked of the file system is done after this block."""
        with self.pool.stopped():
            yield

    def is_asked(self):
        """Whether something hangs."""
        return any('zfs' in each for each in self._commands())

    @contextlib.contextmanager
    def down(self):
        self.pool.kill()
        try:
            yield
        finally:
            self.pool.restart()

    def crash(self):
        """What was not on disk is gone."""
        self.pool.kill()
        self.pool.restart()

    def make_by_hand(self, name):
        """A share of an administrator's."""
        self.box.run('zfs', 'create', '%s/%s' % (self.root, name))


class BtrfsPlace(Place):
    appliance = btrfs.BtrfsAppliance

    def __init__(self, box, server, disk):
        super().__init__(box, server)
        self.disk = disk
        self.root = self.path = os.path.join(disk.path, 'cinder')

    def prepare(self):
        os.makedirs(os.path.join(self.root, '.snapshots'))

    def clean(self):
        self.disk.remove(self.root)

    def fill(self):
        self.disk.fill()

    def drain(self):
        self.disk.drain()

    def expect_full(self, call):
        """That it works, in the room that is kept for this, or says why."""
        with contextlib.suppress(errors.ApplianceFull):
            call()

    @contextlib.contextmanager
    def hanging(self):
        self.box.run('fsfreeze', '-f', self.disk.path)
        try:
            yield
        finally:
            self.box.run('fsfreeze', '-u', self.disk.path)

    def is_asked(self):
        return bool({'btrfs', 'rmdir'} & set(self._commands()))

    @contextlib.contextmanager
    def down(self):
        self.disk.unmount()
        try:
            yield
        finally:
            self.disk.mount()

    def crash(self):
        self.disk.crash()

    def make_by_hand(self, name):
        self.box.run('btrfs', 'subvolume', 'create',
                     os.path.join(self.root, name))


def section(appliance, values):
    """A section of cinder.conf for an appliance, as oslo.config reads it."""
    conf = cfg.ConfigOpts()
    conf.register_opts(appliance.get_options(), group='backend')
    conf([], project='cinder', default_config_files=[])
    for name, value in values.items():
        conf.set_override(name, value, group='backend')
    return conf.backend


@contextlib.contextmanager
def with_zfs(folder, size=SIZE):
    """ZfsPlace on a box of its own; all of it is below the folder.

    :param size: of the pool, bytes
    """
    with _box(folder) as (box, server):
        with pools.Zfs(box, os.path.join(folder, 'pool'), size) as pool:
            yield ZfsPlace(box, server, pool)


@contextlib.contextmanager
def with_btrfs(folder, size=SIZE, quotas=False):
    """BtrfsPlace, the same."""
    with _box(folder) as (box, server):
        with disks.Btrfs(box, os.path.join(folder, 'disk'), size,
                         quotas) as disk:
            yield BtrfsPlace(box, server, disk)


@contextlib.contextmanager
def _box(folder):
    with boxes.Box(os.path.join(folder, 'box')) as box:
        server = sshd.Sshd(box, os.path.join(folder, 'ssh'))
        server.start()
        try:
            yield box, server
        finally:
            server.stop()
