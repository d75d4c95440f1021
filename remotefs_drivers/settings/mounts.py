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

"""What the operator configured for drivers that mount shares."""

import dataclasses

from remotefs_drivers.settings import values


@dataclasses.dataclass(frozen=True)
class Mounts:
    """How shares are mounted; part of what such a driver has of its own.

    :ivar mount_timeout: seconds for one attempt
    """

    mount_point_base: str
    mount_attempts: int
    mount_timeout: int


def read(configuration, prefix):
    """name -> value, of Mounts.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    return {
        'mount_point_base': values.mount_point_base(configuration, prefix),
        'mount_attempts': values.own(configuration, prefix,
                                     'mount_attempts'),
        'mount_timeout': values.own(configuration, prefix, 'mount_timeout')}
