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

"""What the operator configured for PosixDriver."""

import dataclasses
import types
from typing import Mapping

from remotefs_drivers import errors
from remotefs_drivers.settings import values


@dataclasses.dataclass(frozen=True)
class Posix:
    """The options of PosixDriver.

    :ivar directories: absolute paths, in the operator's order
    :ivar exports: directory -> NFS export that hosts attach it by
    """

    directories: tuple
    attach_type: str
    exports: Mapping[str, str]


def read(configuration):
    """Read the options of PosixDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    directories = tuple(values.absolute(path, 'posix_directories')
                        for path in configuration.posix_directories)
    if not directories:
        raise errors.ShareConfigInvalid(
            option='posix_directories',
            reason='it names no directory, expected at least one')
    attach_type = values.attach_type(configuration, 'posix')
    exports = {values.absolute(path, 'posix_nfs_exports'): export
               for path, export in configuration.posix_nfs_exports.items()}
    return Posix(directories, attach_type, types.MappingProxyType(exports))
