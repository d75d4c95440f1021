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

"""What the operator configured for GPFSDriver."""

import dataclasses
import os
from typing import Optional

from remotefs_drivers import errors
from remotefs_drivers.settings import common
from remotefs_drivers.settings import values


@dataclasses.dataclass(frozen=True)
class Gpfs:
    """The options of GPFSDriver.

    :ivar mount_point_base: an absolute path, links in it followed
    :ivar images_dir: the same, or None
    :ivar share_mode: 'copy', 'copy_on_write' or None
    :ivar clone_depth: most parents of a volume, 0 for any number
    """

    mount_point_base: str
    images_dir: Optional[str]
    share_mode: Optional[str]
    clone_depth: int
    storage_pool: str
    pool_per_storage_pool: bool
    attach_type: str


def read(configuration):
    """Read the options of GPFSDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    images_dir = configuration.gpfs_images_dir
    share_mode = configuration.gpfs_images_share_mode
    if share_mode and not images_dir:
        raise errors.ShareConfigInvalid(
            option='gpfs_images_dir',
            reason='it is not set, while gpfs_images_share_mode is "%s". Set '
                   'it to the directory of Glance\'s images, or set neither'
                   % share_mode)
    return Gpfs(
        mount_point_base=values.mount_point_base(configuration, 'gpfs'),
        images_dir=images_dir and os.path.realpath(
            values.absolute(images_dir, 'gpfs_images_dir')),
        share_mode=share_mode,
        clone_depth=configuration.gpfs_max_clone_depth,
        storage_pool=configuration.gpfs_storage_pool,
        pool_per_storage_pool=configuration.gpfs_pool_per_storage_pool,
        attach_type=configuration.gpfs_attach_type)


def read_common(configuration, default_backend_name):
    """What all drivers have, of GPFSDriver: common.Settings.

    Its options have names of their own.

    Volume files are closed to others, as they always were.
    """
    sparse = configuration.gpfs_sparse_volumes
    return common.read_raw_only(
        configuration, 'gpfs', default_backend_name, sparse=sparse,
        thick=not (sparse and configuration.nas_volume_prov_type == 'thin'),
        secure_permissions='true')
