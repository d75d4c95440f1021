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

"""What the operator configured for an appliance that is reached by SSH."""

import dataclasses
import os
import re
from typing import Optional

from remotefs_drivers import errors
from remotefs_drivers.settings import values

#: A client and its options, as exports(5) has them.
_CLIENT = re.compile(r'[^\s()"\'\\#]+\([^\s()"\'\\#]*\)\Z')
_OWNER = re.compile(r'[0-9]+:[0-9]+\Z')


@dataclasses.dataclass(frozen=True)
class ApplianceSsh:
    """The options of an appliance that is reached by SSH.

    :ivar key: path of the private key, or None
    :ivar limit: seconds that one answer may take
    :ivar root: what the shares are made in
    :ivar address: that hosts mount the shares by
    :ivar exports: clients and options of each share, as exports(5) has
                   them; '' when the shares are not exported one by one
    :ivar owner: 'uid:gid' that shares are given to
    :ivar sudo: whether commands are run by sudo
    :ivar program: path of our program there, or None
    """

    host: str
    port: int
    login: str
    password: str = dataclasses.field(repr=False)
    key: Optional[str]
    limit: int
    root: str
    address: str
    exports: str
    owner: str
    sudo: bool
    program: Optional[str]


def read(configuration):
    """Read the options of an appliance that is reached by SSH.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    host = values.given(configuration, 'nas_host')
    if not (configuration.nas_private_key or configuration.nas_password):
        raise errors.ShareConfigInvalid(
            option='nas_private_key',
            reason='it is not set, and nas_password neither')
    return ApplianceSsh(
        host=host, port=configuration.nas_ssh_port,
        login=configuration.nas_login, password=configuration.nas_password,
        key=configuration.nas_private_key,
        limit=configuration.appliance_ssh_timeout,
        root=values.given(configuration, 'appliance_root'),
        address=configuration.appliance_export_address or host,
        exports=_exports(configuration.appliance_export_options or ''),
        owner=_owner(configuration.appliance_share_owner),
        sudo=configuration.appliance_sudo,
        program=configuration.appliance_program)


def _exports(text):
    """Clients of a line of exports(5), one blank between two."""
    for word in text.split():
        if not _CLIENT.match(word):
            raise errors.ShareConfigInvalid(
                option='appliance_export_options',
                reason='"%s" is not of the form client(option,option)' % word)
    return ' '.join(text.split())


def _owner(text):
    if text is None:
        return '%d:%d' % (os.getuid(), os.getgid())
    if not _OWNER.match(text):
        raise errors.ShareConfigInvalid(
            option='appliance_share_owner',
            reason='"%s" is not of the form uid:gid, two numbers' % text)
    return text
