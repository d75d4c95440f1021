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

"""What the operator configured for ApplianceNfsDriver."""

import dataclasses
import re
from typing import Optional

from cinder.volume import volume_utils

from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers.settings import common
from remotefs_drivers.settings import mounts
from remotefs_drivers.settings import values

_SHARE_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*\Z')


@dataclasses.dataclass(frozen=True)
class Appliance(mounts.Mounts):
    """The options of ApplianceNfsDriver.

    :ivar type: of the appliance, an entry point
    :ivar journal_share: name of the share with the journals
    :ivar mount_options: for all shares, or None
    """

    type: str
    journal_share: str
    mount_options: Optional[str]


def read(configuration):
    """Read the options of ApplianceNfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    if not configuration.appliance_type:
        raise errors.ShareConfigInvalid(
            option='appliance_type',
            reason='it is not set, expected the name of an appliance, such '
                   'as zfs, btrfs or rest')
    return Appliance(
        type=configuration.appliance_type,
        journal_share=_journal_share(configuration.appliance_journal_share),
        mount_options=values.mount_options(configuration, 'appliance'),
        **mounts.read(configuration, 'appliance'))


def read_common(configuration, default_backend_name):
    """What all drivers have, of ApplianceNfsDriver: common.Settings.

    :raises ShareConfigInvalid: when volumes are to be thick
    """
    if configuration.nas_volume_prov_type != 'thin':
        raise errors.ShareConfigInvalid(
            option='nas_volume_prov_type',
            reason='it is "%s", but what room is reserved is for the '
                   'appliance to say. Set it to thin'
                   % configuration.nas_volume_prov_type)
    return common.read_raw_only(
        configuration, 'appliance', default_backend_name, sparse=True,
        thick=False,
        secure_permissions=values.secure(configuration,
                                         'nas_secure_file_permissions'))


def _journal_share(name):
    """A name that no share of a volume can have."""
    if (not _SHARE_NAME.match(name) or sharing.is_temporary(name) or
            volume_utils.extract_id_from_volume_name(name) is not None):
        raise errors.ShareConfigInvalid(
            option='appliance_journal_share',
            reason='"%s" is no name for it, expected letters, digits and '
                   '._- that no volume could have' % name)
    return name
