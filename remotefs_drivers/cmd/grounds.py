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

"""Where the demo keeps its volumes.

Each ground is a context manager: it gives the spec.Spec of a cloud with the
backends alpha (raw volumes) and beta (qcow2 volumes), and takes down what it
has made for them.
"""

import contextlib
import os

from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import network
from remotefs_drivers.embedded import spec

_GLUSTERFS_DRIVER = 'remotefs_drivers.glusterfs.GlusterfsDriver'


@contextlib.contextmanager
def posix(root, **fields):
    """Folders of this host, and PosixDriver. Needs no root."""
    yield spec.two_posix_backends(root, **fields)


@contextlib.contextmanager
def glusterfs(root, **fields):
    """A real GlusterFS of three replicas, and GlusterfsDriver. For root.

    :raises RuntimeError: when this cannot be
    """
    if os.geteuid() != 0:
        raise RuntimeError('Only root can mount a GlusterFS.')
    if os.path.exists(os.path.join(root, 'gluster')):
        raise RuntimeError('The GlusterFS of an earlier demo in %s is gone, '
                           'and its volumes with it. Name an empty folder.'
                           % root)
    with network.Network() as net, keeper.Keeper(root):
        served = gluster.Gluster(os.path.join(root, 'gluster'), net)
        served.start()
        shares = {name: served.create(name) for name in ('alpha', 'beta')}
        # As on a compute host, where Nova finds it mounted.
        guests = os.path.join(root, 'guests')
        points = {name: mounts.point_of(guests, share)
                  for name, share in shares.items()}
        for name, share in shares.items():
            mounts.mount('glusterfs', share, points[name], gluster.FRESH)
        yield spec.Spec(
            root=root, mounts=guests, folders=tuple(points.values()),
            backends={name: _backend(root, name, share)
                      for name, share in shares.items()}, **fields)


#: By their names on the command line.
GROUNDS = {'posix': posix, 'glusterfs': glusterfs}


def _backend(root, name, share):
    path = os.path.join(root, name + '.shares')
    with open(path, 'w') as stream:
        stream.write(share + '\n')
    return {'volume_driver': _GLUSTERFS_DRIVER,
            'glusterfs_shares_config': path,
            'glusterfs_mount_point_base': os.path.join(root, 'mnt'),
            'glusterfs_qcow2_volumes': name == 'beta'}
