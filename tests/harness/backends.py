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

"""Backends for specs: the drivers under test, as operators configure them."""

import hashlib
import os

from remotefs_drivers.embedded import spec as specs

NFS_DRIVER = 'remotefs_drivers.nfs.NfsDriver'


def nfs(folder, name, shares, qcow2=False, **options):
    """The options of a backend with NfsDriver.

    :param folder: an absolute path, for its shares file and mount points
    :param name: of the backend, unique in the folder
    :param shares: lines of the shares file, as 'host:/export'
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, '%s.shares' % name)
    with open(path, 'w') as lines:
        lines.writelines(share.replace(' ', '\\040') + '\n'
                         for share in shares)
    # Those who attach by os-brick have one base for all backends.
    return {'volume_driver': NFS_DRIVER,
            'nfs_shares_config': path,
            'nfs_mount_point_base': os.path.join(folder, 'mnt'),
            'nfs_mount_attempts': 1,
            'nfs_qcow2_volumes': qcow2,
            **options}


def mount_point(options, share):
    """Where a backend of :func:`nfs` mounts a share."""
    return os.path.join(
        os.path.realpath(options['nfs_mount_point_base']),
        hashlib.md5(share.encode(), usedforsecurity=False).hexdigest())


def with_nfs(spec, shares):
    """The spec, with the backends gamma (raw) and delta (qcow2) as well.

    :param shares: share for each of the two names
    """
    added = {name: nfs(spec.path('nfs'), name, [shares[name]],
                       qcow2=(name == 'delta'))
             for name in ('gamma', 'delta')}
    return spec.replace(backends={**spec.backends, **added})


def with_layered(spec):
    """The spec, with omega as well: raw volumes that can have snapshots."""
    share = spec.path('shares', 'omega')
    added = specs.posix_backend([share], posix_attach_type='nfs')
    return spec.replace(backends={**spec.backends, 'omega': added},
                        folders=(*spec.folders, share))


def posix(root, **fields):
    """The spec with alpha (raw) and beta (qcow2), on two folders."""
    return specs.two_posix_backends(str(root), **fields)
