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

"""What GPFSDriver must find when it starts, and what it learns from it."""

import dataclasses
import os

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands as gpfs
from remotefs_drivers.share import gpfs as share_gpfs

_ACTIVE = 'active'


@dataclasses.dataclass(frozen=True)
class Site:
    """The GPFS that a backend is in.

    :ivar device: of the file system, for the mm* commands
    :ivar fileset: that the directory of the volumes is in
    :ivar encryption: whether the file system can encrypt files at rest
    """

    cluster_id: str
    device: str
    fileset: str
    encryption: bool


def look(commands, own, backend):
    """Look whether all is there.

    :param commands: gpfs_commands.Commands
    :param own: settings.gpfs.Gpfs
    :param backend: its name, for messages
    :returns: Site
    :raises GpfsNotReady: with the reason, and what the operator can do
    """
    try:
        return _look(commands, own)
    except _NotReady as error:
        raise errors.GpfsNotReady(backend=backend, reason=error)
    except (errors.CommandFailed, errors.CommandTimeout,
            errors.GpfsRequestInvalid, errors.PrivilegeMissing) as error:
        raise errors.GpfsNotReady(backend=backend, reason=error)


class _NotReady(Exception):
    """Says why."""


def _look(commands, own):
    state = commands.state()
    if state != _ACTIVE:
        raise _NotReady('GPFS is "%s" on this host, expected "%s": start it '
                        '(mmstartup)' % (state, _ACTIVE))
    release = commands.release()
    _check_release(release, 'the cluster', 'mmchconfig release=LATEST')
    device = _device_of(commands, own.mount_point_base,
                        'gpfs_mount_point_base')
    _check_pool(commands, device, own.storage_pool)
    fileset = commands.attributes(own.mount_point_base).fileset
    if own.images_dir:
        _check_images(commands, own, device, fileset)
    return Site(cluster_id=commands.cluster_id(), device=device,
                fileset=fileset,
                encryption=(release >= gpfs.ENCRYPTION and
                            commands.has_encryption(device)))


def _device_of(commands, path, option):
    """The file system of a directory, if that can make clones."""
    if not os.path.isdir(path):
        raise _NotReady('%s, by the option %s, is no directory: make it, or '
                        'mount its file system (mmmount)' % (path, option))
    commands.attributes(path)
    mount_point, source = share_gpfs.mounted(path)
    if source is None:
        raise _NotReady('%s, by the option %s, is in no mounted file system '
                        'that could be found' % (path, option))
    _check_release(commands.filesystem_release(source),
                   'the file system %s at %s' % (source, mount_point),
                   'mmchfs %s -V full' % source)
    return source


def _check_release(found, what, remedy):
    if found < gpfs.CLONES:
        raise _NotReady('%s is at release %s, and file clones need %s: '
                        'upgrade it (%s)' % (what, _dotted(found),
                                             _dotted(gpfs.CLONES), remedy))


def _check_pool(commands, device, pool):
    if not commands.has_pool(device, pool):
        raise _NotReady('the file system %s has no storage pool "%s", which '
                        'the option gpfs_storage_pool names: see "mmlspool '
                        '%s"' % (device, pool, device))


def _check_images(commands, own, device, fileset):
    """Images that cannot be cloned are no use for copy_on_write."""
    if own.share_mode != 'copy_on_write':
        if not os.path.isdir(own.images_dir):
            raise _NotReady('%s, by the option gpfs_images_dir, is no '
                            'directory' % own.images_dir)
        return
    images = _device_of(commands, own.images_dir, 'gpfs_images_dir')
    images_fileset = commands.attributes(own.images_dir).fileset
    if (images, images_fileset) != (device, fileset):
        raise _NotReady('gpfs_images_share_mode is copy_on_write, but %s is '
                        'in fileset %s of %s, and %s in %s of %s: put them '
                        'in one, or set it to copy' % (
                            own.mount_point_base, fileset, device,
                            own.images_dir, images_fileset, images))


def _dotted(release):
    return '.'.join(map(str, release))
