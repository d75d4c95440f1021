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

"""What the operator configured for the appliance behind our HTTP API."""

import dataclasses
from typing import Optional
import urllib.parse

from remotefs_drivers import errors


@dataclasses.dataclass(frozen=True)
class ApplianceRest:
    """The options of the appliance that is reached by our HTTP API.

    :ivar url: as the operator wrote it, for messages
    :ivar prefix: path before that of the API, '' for none
    :ivar ca_file: path, or None
    :ivar timeout: seconds
    """

    url: str
    host: str
    port: int
    prefix: str
    token: str = dataclasses.field(repr=False)
    ca_file: Optional[str]
    timeout: int


def read(configuration):
    """Read the options of the appliance that is reached by our HTTP API.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    host, port, prefix = _https(configuration.appliance_url)
    token = configuration.appliance_token
    # It is in no message: it is a secret.
    if not token or not (token.isascii() and token.isprintable()):
        raise errors.ShareConfigInvalid(
            option='appliance_token',
            reason='it should be the token that the API wants, of printable '
                   'ASCII characters')
    return ApplianceRest(url=configuration.appliance_url, host=host,
                         port=port, prefix=prefix, token=token,
                         ca_file=configuration.appliance_ca_file,
                         timeout=configuration.appliance_rest_timeout)


def _https(url):
    """(host, port, path) of the address of an API."""
    try:
        found = urllib.parse.urlsplit(url or '')
        port = found.port or 443
    except ValueError:
        found = None
    if (found is None or found.scheme != 'https' or not found.hostname or
            found.query or found.fragment or found.username or
            not (url.isascii() and url.isprintable() and ' ' not in url)):
        raise errors.ShareConfigInvalid(
            option='appliance_url',
            reason='"%s" is not of the form https://host:port' % url)
    return found.hostname, port, found.path.rstrip('/')
