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

"""What the operator configured for GlusterfsDriver."""

import dataclasses
import types
from typing import Mapping

from remotefs_drivers import errors
from remotefs_drivers.settings import mounts
from remotefs_drivers.settings import values
from remotefs_drivers.share import table


@dataclasses.dataclass(frozen=True)
class Glusterfs(mounts.Mounts):
    """The options of GlusterfsDriver.

    :ivar exports: share -> NFS export that hosts attach it by
    """

    shares_config: str
    attach_type: str
    exports: Mapping[str, str]


def read(configuration):
    """Read the options of GlusterfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    return Glusterfs(
        shares_config=configuration.glusterfs_shares_config,
        attach_type=values.attach_type(configuration, 'glusterfs'),
        exports=types.MappingProxyType(dict(map(
            _export, configuration.glusterfs_nfs_exports))),
        **mounts.read(configuration, 'glusterfs'))


def _export(pair):
    """(share, export) of 'share=address:/export'."""
    location, __, export = (part.strip() for part in pair.partition('='))
    for part in location, export:
        if not table.is_location(part, bare=True):
            raise errors.ShareConfigInvalid(
                option='glusterfs_nfs_exports',
                reason='"%s" is not of the form share=address:/export'
                       % pair)
    return location, export
