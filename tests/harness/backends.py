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

import os

from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import spec as specs

NFS_DRIVER = 'remotefs_drivers.nfs.NfsDriver'
GLUSTERFS_DRIVER = 'remotefs_drivers.glusterfs.GlusterfsDriver'


def nfs(folder, name, shares, qcow2=False, **options):
    """The options of a backend with NfsDriver.

    :param folder: an absolute path, for its shares file and mount points
    :param name: of the backend, unique in the folder
    :param shares: for the shares file, as 'host:/export -o options'
    """
    return _mounting('nfs', NFS_DRIVER, folder, name, shares, qcow2, options)


def glusterfs(folder, name, shares, qcow2=False, **options):
    """The same, with GlusterfsDriver."""
    return _mounting('glusterfs', GLUSTERFS_DRIVER, folder, name, shares,
                     qcow2, options)


def _mounting(prefix, driver, folder, name, shares, qcow2, options):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, '%s.shares' % name)
    with open(path, 'w') as lines:
        lines.writelines(map(_line, shares))
    # Those who attach by os-brick have one base for all backends.
    own = {'shares_config': path,
           'mount_point_base': os.path.join(folder, 'mnt'),
           'mount_attempts': 1,
           'qcow2_volumes': qcow2}
    return {'volume_driver': driver,
            **{'%s_%s' % (prefix, option): value
               for option, value in own.items()},
            **options}


def _line(share):
    location, dash, options = share.partition(' -o ')
    return location.replace(' ', '\\040') + dash + options + '\n'


def mount_point(options, share):
    """Where a backend of those above mounts a share."""
    return mount_point_below(mount_point_base(options), share)


def mount_point_base(options):
    """Of any backend; None where nothing is mounted."""
    return _find(options, '_mount_point_base')


def shares_file(options):
    """The path of a backend's, or None."""
    return _find(options, '_shares_config')


def _find(options, ending):
    return next((value for option, value in options.items()
                 if option.endswith(ending)), None)


def mount_point_below(base, share):
    return mounts.point_of(os.path.realpath(base), share)


def with_nfs(spec, shares):
    """The spec, with the backends gamma (raw) and delta (qcow2) as well.

    :param shares: share for each of the two names
    """
    return _with_gamma_and_delta(spec, nfs, shares)


def with_glusterfs(spec, shares):
    """The same on GlusterFS."""
    # A pool tells the user of a cloud where a volume is.
    return _with_gamma_and_delta(spec, glusterfs, shares,
                                 glusterfs_pool_per_share=True)


def _with_gamma_and_delta(spec, make, shares, **options):
    added = {name: make(spec.path(make.__name__), name, [shares[name]],
                        qcow2=(name == 'delta'), **options)
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
