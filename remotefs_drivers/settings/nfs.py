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

"""What the operator configured for NfsDriver."""

import dataclasses
from typing import Optional

from remotefs_drivers import errors
from remotefs_drivers.settings import mounts
from remotefs_drivers.settings import values
from remotefs_drivers.share import table


@dataclasses.dataclass(frozen=True)
class Nfs(mounts.Mounts):
    """The options of NfsDriver.

    :ivar nas_location: 'address:/export' of nas_host and nas_share_path, or
                        None when they are not set
    :ivar mount_options: for all shares, or None
    """

    nas_location: Optional[str]
    shares_config: str
    mount_options: Optional[str]


def read(configuration):
    """Read the options of NfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    return Nfs(nas_location=_nas_location(configuration),
               shares_config=configuration.nfs_shares_config,
               mount_options=values.mount_options(configuration, 'nfs'),
               **mounts.read(configuration, 'nfs'))


def _nas_location(configuration):
    host, path = configuration.nas_host, configuration.nas_share_path
    if not (host and path):
        return None
    location = '%s:%s' % (host, path)
    if not table.is_location(location):
        raise errors.ShareConfigInvalid(
            option='nas_host, nas_share_path',
            reason='"%s" is not of the form address:/export' % location)
    return location
