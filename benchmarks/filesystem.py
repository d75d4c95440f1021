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

"""An XFS on a loop device, with shared blocks or without, and its end.

It is mounted in a mount namespace of the measuring process's own, and its
image loses its name as soon as it is mounted. So whatever ends the process,
kill -9 included, the kernel unmounts it and frees loop device and image. A
GlusterFS may have its bricks on one.
"""

import contextlib
import os
import subprocess

from oslo_utils import units

from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import network

#: Of the image, which is sparse; bytes.
_SIZE = 8 * units.Gi


def in_namespace(command):
    """The command, started in a mount namespace of its own. Needs root."""
    return ['unshare', '--mount', '--propagation', 'private'] + command


def mount_xfs(folder, shares_blocks=True):
    """Mount a new XFS in an empty folder. Returns its mount point."""
    image, mount_point = (os.path.join(folder, name)
                          for name in ('image', 'mnt'))
    os.mkdir(mount_point)
    with open(image, 'xb') as stream:
        stream.truncate(_SIZE)
    try:
        _run('mkfs.xfs', '-q', '-m', 'reflink=%d' % shares_blocks, image)
        _run('mount', '-o', 'loop', image, mount_point)
    finally:
        os.unlink(image)
    return mount_point


@contextlib.contextmanager
def glusterfs(folder):
    """A GlusterFS of three replicas below a folder, mounted there.

    In a network of its own; yields the mount point.
    """
    point = os.path.join(folder, 'mnt')
    with network.Network() as net, keeper.Keeper(point):
        served = gluster.Gluster(folder, net)
        served.start()
        mounts.mount('glusterfs', served.create('bench'), point,
                     gluster.FRESH)
        yield point


def kind(path):
    """The type of the file system that a path is on, as 'xfs'."""
    return _run('stat', '--file-system', '--format', '%T', path).strip()


def _run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode:
        raise SystemExit('%s: %s (--directory names a folder to work in '
                         'instead)' % (' '.join(command),
                                       done.stderr.strip()))
    return done.stdout
