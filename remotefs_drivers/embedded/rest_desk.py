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

"""What a server of the appliances' HTTP API answers, without sockets.

The reference for vendors: who may ask, what is asked, once for each key, and
what is said when it fails.
"""

import functools
import hashlib
import hmac
import json

from remotefs_drivers.appliances import rest_api
from remotefs_drivers.embedded.folders import appliance as folders
from remotefs_drivers import errors


class NoAnswer(Exception):
    """It was done or not, and nobody is told: the connection is cut."""


class Desk:
    """:param appliance: folders.FolderAppliance
    :param token: that clients must have
    """

    def __init__(self, appliance, token):
        self._appliance = appliance
        self._token = token

    def answer(self, verb, target, headers, body):
        """Answer a request.

        :param target: path and query
        :param headers: name -> text; get() takes any case
        :param body: bytes
        :returns: (status, plain values)
        :raises NoAnswer:
        """
        if not self._may_ask(headers.get('Authorization') or ''):
            return rest_api.refusal('Denied', 401, 'the token is wrong')
        path, __, query = target.partition('?')
        found = rest_api.find(verb, path)
        if found is None:
            return rest_api.refusal(*rest_api.NO_SUCH_CALL, '%s %s'
                                    % (verb, path))
        method, call = found
        try:
            arguments = rest_api.arguments_of(call, query, body)
            key = self._key(call, headers)
        except ValueError as error:
            return rest_api.refusal(*rest_api.REQUEST_INVALID, error)
        return self._do(method, call, arguments, key)

    def _may_ask(self, authorization):
        # In a time that does not tell how much of it is right.
        return hmac.compare_digest(authorization.encode(),
                                   ('Bearer %s' % self._token).encode())

    def _key(self, call, headers):
        """The key of a request; None for one that changes nothing."""
        if not call.changes:
            return None
        key = headers.get(rest_api.KEY_HEADER)
        if not key:
            raise ValueError('it has no %s' % rest_api.KEY_HEADER)
        return key

    def _do(self, method, call, arguments, key):
        ask = functools.partial(
            self._check if method == 'check' else
            getattr(self._appliance, method), *arguments)
        try:
            if key is None:
                return 200, rest_api.answer_of(call, ask())
            with self._appliance.once(
                    key, _digest(method, arguments),
                    functools.partial(rest_api.answer_of, call),
                    functools.partial(_value, call)):
                return 200, rest_api.answer_of(call, ask())
        except errors.ApplianceUnavailable as error:
            raise NoAnswer(error.msg)
        except errors.ApplianceError as error:
            return rest_api.error_answer(error)
        except folders.KeyReused:
            return rest_api.refusal(*rest_api.KEY_REUSED,
                                    'the key was of another request')

    def _check(self):
        """What it has of what it need not have."""
        self._appliance.check()
        return list(filter(self._appliance.offers, rest_api.OPTIONAL))


def _digest(method, arguments):
    """Says whether two requests are the same."""
    return hashlib.sha256(json.dumps([method, arguments])
                          .encode()).hexdigest()


def _value(call, plain):
    return rest_api.value_of(call, json.dumps(plain))
