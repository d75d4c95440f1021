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

"""What the operator configured for a driver, whichever it is."""

import dataclasses
from typing import Optional

from cinder.volume import volume_utils

from remotefs_drivers.settings import values


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options that all drivers share.

    :ivar prefix: what the driver's own options start with, as 'nfs'
    :ivar share_timeout: seconds a share may take to answer
    :ivar thick: whether the whole size of a volume is reserved
    :ivar assisted_create_timeout: seconds that Nova may take for its part
                                   of a snapshot of an attached volume
    :ivar assisted_delete_timeout: the same, of its deletion
    :ivar legacy_format: of volumes whose format nobody recorded, or None
    :ivar reserved_percentage: share of the capacity kept free, 0 to 100
    :ivar over_subscription: how often the capacity may be promised
    """

    prefix: str
    backend_name: str
    qcow2: bool
    sparse: bool
    thick: bool
    share_timeout: int
    pool_per_share: bool
    legacy_format: Optional[str]
    assisted_create_timeout: int
    assisted_delete_timeout: int
    secure_operations: str
    secure_permissions: str
    reserved_percentage: int
    over_subscription: float

    def option(self, name):
        """The full name of one of the driver's own options."""
        return '%s_%s' % (self.prefix, name)

    @property
    def file_format(self):
        """The format of new volumes, 'raw' or 'qcow2'."""
        return 'qcow2' if self.qcow2 else 'raw'


def read(configuration, prefix, default_backend_name):
    """Read the section of a backend.

    :param configuration: the cinder.volume.configuration object
    :param default_backend_name: used where volume_backend_name is not set
    """
    def own(name):
        return values.own(configuration, prefix, name)
    sparse = own('sparsed_volumes')
    thin = configuration.nas_volume_prov_type == 'thin'
    return _read(
        configuration, prefix, default_backend_name,
        qcow2=own('qcow2_volumes'), sparse=sparse,
        thick=not (thin and sparse), pool_per_share=own('pool_per_share'),
        legacy_format=own('legacy_base_format'),
        assisted_create_timeout=own('assisted_create_timeout'),
        assisted_delete_timeout=own('assisted_delete_timeout'),
        secure_permissions=values.secure(configuration,
                                         'nas_secure_file_permissions'))


def read_raw_only(configuration, prefix, default_backend_name, **fields):
    """Where all volumes are raw, those without a record are as well.

    :param fields: of Settings, what the driver has other options for
    """
    return _read(
        configuration, prefix, default_backend_name, qcow2=False,
        pool_per_share=False, legacy_format='raw', assisted_create_timeout=0,
        assisted_delete_timeout=0, **fields)


def _read(configuration, prefix, default_backend_name, **fields):
    return Settings(
        prefix=prefix,
        backend_name=(configuration.safe_get('volume_backend_name') or
                      default_backend_name),
        share_timeout=values.own(configuration, prefix, 'share_timeout'),
        secure_operations=values.secure(configuration,
                                        'nas_secure_file_operations'),
        reserved_percentage=configuration.reserved_percentage,
        over_subscription=volume_utils.get_max_over_subscription_ratio(
            configuration.max_over_subscription_ratio,
            supports_auto=False),
        **fields)
