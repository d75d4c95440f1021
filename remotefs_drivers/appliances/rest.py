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

"""RestAppliance: whatever serves our small HTTP API.

Each method is one request. One that changes something has a key of its own,
by which the server knows it again: when the answer is lost, the same request
is made again, and the server gives the first answer rather than do it twice.
Only when that does not help, nobody knows whether it was done.
"""

import uuid

import tenacity

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import rest_api
from remotefs_drivers.appliances import rest_channel
from remotefs_drivers import errors
from remotefs_drivers import options
from remotefs_drivers.settings import appliance_rest as rest_settings

#: How often a request is made, and the seconds between the first two.
_ATTEMPTS = 4
_WAIT = 1
#: None is made when so many timeouts have gone by since the first.
_PATIENCE = 2


class RestAppliance(interface.Appliance):
    """:param configuration: with the options appliance_url and so on"""

    def __init__(self, configuration):
        super().__init__(configuration)
        self._settings = rest_settings.read(configuration)
        self._channel = rest_channel.Channel(
            self._settings.host, self._settings.port, self._settings.ca_file,
            self._settings.timeout)
        self._offered = None

    @staticmethod
    def get_options():
        return options.appliance_rest_opts

    @property
    def name(self):
        return self._settings.url

    def check(self):
        try:
            self._offered = self._call('check', 'say which API it has')
        except errors.ApplianceUnsupported as error:
            raise errors.ApplianceNotReady(
                appliance=self.name, reason='it has no such API: %s' % error,
                remedy='Check the path in appliance_url.')

    def offers(self, method):
        if self._offered is None or method not in rest_api.OPTIONAL:
            return super().offers(method)
        return method in self._offered

    def close(self):
        self._channel.close()

    # Shares

    def create_share(self, name, size):
        return self._call('create_share', 'create share %s' % name,
                          name=name, size=size)

    def delete_share(self, name, snapshots=()):
        self._call('delete_share', 'delete share %s' % name, name=name,
                   snapshots=list(snapshots))

    def resize_share(self, name, size):
        self._call('resize_share', 'resize share %s to %d bytes'
                   % (name, size), name=name, size=size)

    def rename_share(self, name, new_name):
        return self._call('rename_share', 'rename share %s to %s'
                          % (name, new_name), name=name, new_name=new_name)

    def find_share(self, name):
        return self._call('find_share', 'find share %s' % name, name=name)

    def list_shares(self):
        return self._call('list_shares', 'list its shares')

    # Snapshots

    def create_snapshot(self, share, name):
        return self._call('create_snapshot', 'create snapshot %s of share %s'
                          % (name, share), share=share, name=name)

    def create_snapshots(self, shares, name):
        return self._call('create_snapshots', 'create a snapshot %s of each '
                          'of the shares %s' % (name, ', '.join(shares)),
                          shares=list(shares), name=name)

    def delete_snapshot(self, share, name):
        self._call('delete_snapshot', 'delete snapshot %s of share %s'
                   % (name, share), share=share, name=name)

    def rename_snapshot(self, share, name, new_name):
        return self._call('rename_snapshot', 'rename snapshot %s of share '
                          '%s to %s' % (name, share, new_name),
                          share=share, name=name, new_name=new_name)

    def clone_snapshot(self, share, snapshot, name, size):
        return self._call('clone_snapshot', 'clone snapshot %s of share %s '
                          'to share %s' % (snapshot, share, name),
                          share=share, snapshot=snapshot, name=name,
                          size=size)

    def promote(self, share):
        self._call('promote', 'promote share %s' % share, share=share)

    def roll_back(self, share, snapshot):
        self._call('roll_back', 'roll back share %s to snapshot %s'
                   % (share, snapshot), share=share, snapshot=snapshot)

    # Room

    def capacity(self):
        return self._call('capacity', 'tell its capacity')

    # How a call is made

    def _call(self, method, what, **arguments):
        call = rest_api.CALLS[method]
        headers = self._headers(call)
        attempt = None
        try:
            for attempt in self._attempts():
                with attempt:
                    return self._ask(call, what, arguments, headers)
        except rest_channel.Lost as error:
            raise self._unavailable(what, error)
        except _NotAsked as error:
            # An earlier attempt may have come through.
            if attempt.retry_state.attempt_number > 1:
                raise self._unavailable(what, error.error.msg)
            raise error.error

    def _attempts(self):
        return tenacity.Retrying(
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(_ATTEMPTS),
                tenacity.stop_after_delay(_PATIENCE *
                                          self._settings.timeout)),
            wait=tenacity.wait_exponential(multiplier=_WAIT),
            retry=tenacity.retry_if_exception_type(rest_channel.Lost),
            reraise=True)

    def _headers(self, call):
        headers = {'Authorization': 'Bearer %s' % self._settings.token,
                   'Accept': 'application/json',
                   'Cache-Control': 'no-store'}
        if call.changes:
            headers['Content-Type'] = 'application/json'
            headers[rest_api.KEY_HEADER] = str(uuid.uuid4())
        return headers

    def _ask(self, call, what, arguments, headers):
        verb, path, body = call.request(arguments)
        try:
            status, answer = self._channel.exchange(
                verb, self._settings.prefix + path, body, headers)
        except rest_channel.Untrusted as error:
            raise _NotAsked(self._untrusted(error))
        self._refuse_strangers(status, what)
        try:
            if status == 200:
                return rest_api.value_of(call, answer)
            error = rest_api.error_of(answer, self.name, what, arguments)
        except ValueError as error:
            raise rest_channel.Lost(
                'its answer, of status %d, is none of this API (is '
                'appliance_url right?): %s' % (status, error))
        if isinstance(error, errors.ApplianceUnavailable):
            raise rest_channel.Lost(error.msg)
        raise error

    def _refuse_strangers(self, status, what):
        """Nothing was asked where somebody else answers, or it refuses us.
        """
        if 300 <= status < 400:
            raise _NotAsked(errors.ApplianceNotReady(
                appliance=self.name,
                reason='it sends us elsewhere (status %d)' % status,
                remedy='Set appliance_url to the address of the API.'))
        if status in (401, 403):
            raise _NotAsked(errors.ApplianceDenied(
                appliance=self.name, what=what,
                reason='it answers with status %d, see appliance_token'
                       % status))

    def _untrusted(self, error):
        return errors.ApplianceNotReady(
            appliance=self.name, reason='it cannot be trusted, %s' % error,
            remedy='Check who answers there, and set appliance_ca_file to '
                   'the certificates of those who vouch for it.')

    def _unavailable(self, what, reason):
        return errors.ApplianceUnavailable(appliance=self.name, what=what,
                                           reason=str(reason))


class _NotAsked(Exception):
    """This attempt did nothing.

    :ivar error: what to say about it
    """

    def __init__(self, error):
        super().__init__(error)
        self.error = error
