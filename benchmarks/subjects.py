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

"""The two drivers that are measured, on folders of one file system.

Both are NFS drivers with their real code (where it is a GlusterFS, ours is
the one for that); only mounting does nothing, for both alike: a mount point
is a folder of the file system under test. What
each of them reads of the kernel's table of mounts, it still reads. Cinder's
NFS driver cannot revert; it gets what other drivers in the tree do that by.
"""

import dataclasses
import os

from os_brick.remotefs import remotefs as brick

from cinder.volume.drivers import nfs as in_tree
from cinder.volume.drivers import remotefs as in_tree_remotefs

from remotefs_drivers.embedded import mounts
from remotefs_drivers import glusterfs
from remotefs_drivers import nfs
from remotefs_drivers.share import mountinfo

#: Mount point -> share, of the shares that were laid out.
_SOURCES = {}
#: As in the measurements that the goals come from.
_RIGHTS = {'nas_secure_file_operations': 'false',
           'nas_secure_file_permissions': 'false'}
#: Without these a driver makes no snapshots.
_SNAPSHOTS = ({'nfs_snapshot_support': True}, {})


@dataclasses.dataclass(frozen=True)
class Subject:
    """A driver, set up.

    :ivar place: 0 for the in-tree driver, 1 for ours
    :ivar folders: of its shares
    :ivar locations: of its shares, as the volumes have them
    """

    place: int
    driver: object
    rig: object
    folders: tuple
    locations: tuple


class InTree(in_tree_remotefs.RevertToSnapshotMixin, in_tree.NfsDriver):
    """Cinder's NFS driver; no mount.nfs needs to be installed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        execute = self._execute

        def without_nfs_client(*command, **options):
            if command[0] == 'mount.nfs':
                return '', ''
            return execute(*command, **options)
        self._execute = without_nfs_client


class Ours(nfs.NfsDriver):
    """Our NFS driver, as it is."""


class OursOnGlusterfs(glusterfs.GlusterfsDriver):
    """Our GlusterFS driver, as it is."""


def mounting_does_nothing():
    """Let every mount point that was laid out count as mounted."""
    brick.RemoteFsClient.mount = _read_mounts
    mountinfo.find = _read_and_believe(mountinfo.find)


def _read_mounts(client, share, flags=None):
    client._read_mounts()


def _read_and_believe(find):
    def believe(mount_point):
        find(mount_point)
        return mountinfo.Mount(_SOURCES[mount_point], 'nfs4', False)
    return believe


class Builder:
    """Makes the subjects of one operation after the other.

    :param rig: tests.rig.Rig
    :param root: a folder on the file system under test
    :param ours: the class of our driver
    :param points: a folder elsewhere; the shares are mounted there, as
                   operators have them. None: the shares are their own mount
                   points. It matters where each folder on the way to a file
                   costs a round trip.
    """

    def __init__(self, rig, root, ours=Ours, points=None):
        self._rig = rig
        self.root = root
        self._classes = (InTree, ours)
        self._points = points

    def pair(self, operation):
        """(in-tree subject, our subject) for an operation."""
        return tuple(self._subject(operation, place, each.__name__)
                     for place, each in enumerate(self._classes))

    def _subject(self, operation, place, name):
        section = '%s-%s' % (operation.name, name)
        # The in-tree driver's "du" leaves out what has "snapshot" in its path.
        section_folder = section.replace('snapshot', 'snap')
        served = os.path.join(self.root, section_folder)
        base = served if self._points is None else os.path.join(
            self._points, section_folder)
        shares = ['192.0.2.1:/%s-%d' % (section, number)
                  for number in range(operation.shares)]
        folders = tuple(_lay_out(served, base, share) for share in shares)
        config = base + '.shares'
        with open(config, 'w') as stream:
            stream.writelines(share + '\n' for share in shares)
        own = {'shares_config': config, 'mount_point_base': base,
               'qcow2_volumes': operation.qcow2}
        prefix = getattr(self._classes[place], 'driver_prefix', 'nfs')
        driver = self._rig.driver(
            '%s.%s' % (__name__, name), section, **_RIGHTS,
            **_SNAPSHOTS[place],
            **{'%s_%s' % (prefix, option): value
               for option, value in own.items()})
        return Subject(place, driver, self._rig, folders, tuple(shares))


def _lay_out(served, base, share):
    """A folder for a share, where os-brick would mount it.

    :param served: folder of the shares
    :param base: folder of the mount points, which may be the same
    """
    folder, point = (mounts.point_of(each, share) for each in (served, base))
    os.makedirs(folder)
    if point != folder:
        mounts.mount('none', folder, point, 'bind')
    _SOURCES[point] = share
    return point
