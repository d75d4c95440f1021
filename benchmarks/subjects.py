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

"""The two drivers that are measured, on local folders.

Both are NFS drivers with their real code; only mounting does nothing, for
both alike: the mount point is a folder of the file system under test.
"""

from os_brick.remotefs import remotefs as brick

from remotefs_drivers import nfs
from remotefs_drivers.share import mountinfo

try:
    from cinder.volume.drivers import nfs as in_tree
except ImportError:  # pragma: no cover
    raise SystemExit('benchmarks need Cinder itself')


def mounting_does_nothing():
    """Let every mount point that exists count as mounted, for both."""
    brick.RemoteFsClient.mount = lambda self, share, flags=None: None
    mountinfo.find = _read_and_believe(mountinfo.find)


def _read_and_believe(find):
    def believe(mount_point, path=mountinfo.PATH):
        # The real cost is paid: the kernel's table is read.
        find(mount_point, path)
        return mountinfo.Mount(SOURCES[mount_point], 'nfs4', False)
    return believe


#: Mount point -> share, of the shares that the benchmark laid out.
SOURCES = {}


class InTree(in_tree.NfsDriver):
    """Cinder's NFS driver; no mount.nfs needs to be installed."""

    def _execute(self, *command, **kwargs):
        if command[0] == 'mount.nfs':
            return '', ''
        return super()._execute(*command, **kwargs)


class Ours(nfs.NfsDriver):
    """Our NFS driver, as it is."""
