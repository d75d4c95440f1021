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

"""NFS drivers, ours and the one in Cinder's tree, on plain folders.

Both are real; only mounting does nothing, for both alike: the mount point
of a share is a folder, and counts as mounted.
"""

import hashlib
import os

from os_brick.remotefs import remotefs as brick

from benchmarks import subjects
from cinder import privsep
from cinder import utils
from remotefs_drivers.share import mountinfo
from tests.functional import stages

IN_TREE = subjects.__name__ + '.InTree'
LOCATION = '192.0.2.1:/volumes'


class Folders:
    """Shares for drivers of both kinds, on the same mount points.

    :param base: the folder of the mount points
    """

    def __init__(self, rig, base, monkeypatch):
        self.rig = rig
        self.base = str(base)
        self._sources = {}
        monkeypatch.setattr(brick.RemoteFsClient, 'mount',
                            lambda client, share, flags=None: None)
        monkeypatch.setattr(
            mountinfo, 'find',
            lambda mount_point, path=None: mountinfo.Mount(
                self._sources[mount_point], 'nfs4', False))
        # Whoever runs the test may do all that the one in the tree does as
        # root.
        monkeypatch.setattr(utils, 'get_root_helper', lambda: 'env')
        monkeypatch.setattr(privsep.sys_admin_pctxt, 'client_mode', False)

    def folder(self, location=LOCATION):
        """Where a share is, or would be, mounted."""
        digest = hashlib.md5(location.encode(), usedforsecurity=False)
        path = os.path.join(self.base, digest.hexdigest())
        os.makedirs(path, exist_ok=True)
        self._sources[path] = location
        return path

    def ours(self, location=LOCATION, **options):
        """Our driver, set up as where another one's shares are taken over."""
        return self._driver(stages.NFS, location, dict({
            'nfs_pool_per_share': False,
            'nas_secure_file_operations': 'true',
            'nas_secure_file_permissions': 'false'}, **options))

    def in_tree(self, location=LOCATION, **options):
        """The driver in Cinder's tree, which makes snapshots as root only."""
        return self._driver(IN_TREE, location, dict({
            'nfs_snapshot_support': True,
            'nas_secure_file_operations': 'false',
            'nas_secure_file_permissions': 'false'}, **options))

    def _driver(self, path, location, options):
        self.folder(location)
        section = stages.section()
        config = os.path.join(self.base, section + '.shares')
        with open(config, 'w') as stream:
            stream.write(location + '\n')
        return self.rig.driver(path, section, new_installation=False,
                               nfs_shares_config=config,
                               nfs_mount_point_base=self.base, **options)
