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

"""The machine as a box with btrfs, reached by its own sshd."""

import contextlib
import functools
import os
import pathlib
import subprocess
import tempfile

# It registers options that are set here.
from cinder import ssh_utils  # noqa: F401
from oslo_config import cfg

from remotefs_drivers.appliances import btrfs
from remotefs_drivers.embedded import sshd
from tests.harness import appliance_boxes
from tests.harness import patience
from tests.realnfs.guest import layout
from tests.realnfs.guest import nfs_server
from tests.realnfs.inside import boxes

CONF = cfg.CONF
_EXPORTS = pathlib.Path('/etc/exports.d')
_LIMIT = 300


class Machine:
    """This machine, as embedded.sshd.Sshd has a box."""

    def inside(self, argv):
        return list(argv)

    def run(self, *argv, **options):
        subprocess.run(argv, check=True, timeout=_LIMIT, text=True, **options)

    def write(self, path, text, mode='0644'):
        path = pathlib.Path(path)
        path.write_text(text)
        path.chmod(int(mode, 8))

    def pids(self):
        return [int(name) for name in os.listdir('/proc') if name.isdigit()]


class Btrfs(boxes.Box):
    """Its shares are subvolumes of a file system that is exported whole.

    Clients come from there into each by crossmnt.
    """

    name = 'btrfs'
    exports = None

    @contextlib.contextmanager
    def ready(self, server):
        sshd = _sshd()
        CONF.set_override('ssh_hosts_key_file', sshd.known_hosts)
        CONF.set_override('strict_ssh_host_key_policy', True)
        with super().ready(server):
            os.mkdir(f'{self.root}/.snapshots')
            own = {name: value for name, value in self.options().items()
                   if name != 'appliance_type'}
            self.box = btrfs.BtrfsAppliance(appliance_boxes.section(
                btrfs.BtrfsAppliance, own))
            try:
                yield
            finally:
                self.box.close()

    def options(self, **changes):
        return {**_sshd().options(), 'appliance_type': 'btrfs',
                'appliance_root': self.root,
                'appliance_ssh_timeout': patience.PATIENCE,
                'appliance_export_address': self.address,
                'appliance_export_options': self.exports, **changes}


class ExportedBtrfs(Btrfs):
    """Each subvolume is exported by the appliance itself, and nothing else.
    """

    name = 'btrfs_exported'
    exports = '*(rw,no_root_squash,insecure,no_subtree_check)'

    @contextlib.contextmanager
    def ready(self, server):
        server.unexport(layout.BOX)
        try:
            with super().ready(server):
                yield
            assert self._exported() == {boxes.HOME}
        finally:
            for path in _EXPORTS.glob('*.exports'):
                path.unlink()
            nfs_server.run('exportfs', '-ra')

    def _exported(self):
        """Names of the shares that the NFS server has been told of."""
        lines = nfs_server.run('exportfs', '-s').splitlines()
        return {os.path.basename(line.split()[0]) for line in lines
                if line.startswith(self.root)}


class _Sshd(sshd.Sshd):
    # One of RSA takes half a minute on an emulated processor.
    kinds = ('ed25519',)


@functools.lru_cache(maxsize=None)
def _sshd():
    """One that runs as long as this process."""
    for name in ('/run/box', '/run/sshd'):
        pathlib.Path(name).mkdir(exist_ok=True)
    server = _Sshd(Machine(), tempfile.mkdtemp(dir='/run/box'))
    server.start()
    server.permit('/usr/bin/sh')
    return server
