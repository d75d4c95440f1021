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


"""An appliance whose answers get lost, or who refuses, on demand.

It stands before any other one::

    faulty = faults.Faulty(appliance)
    faulty.lose('create_share', after=True)
    faulty.create_share('volume-1', size)   # ApplianceUnavailable
    appliance.find_share('volume-1')        # it was made

So what a driver does then, looking by name and taking back, is tested on the
real thing.
"""

from remotefs_drivers.appliances import interface
from remotefs_drivers import errors

METHODS = frozenset([
    'check', 'create_share', 'delete_share', 'resize_share', 'rename_share',
    'find_share', 'list_shares', 'create_snapshot', 'create_snapshots',
    'delete_snapshot', 'rename_snapshot', 'clone_snapshot', 'promote',
    'roll_back', 'capacity'])


class Faulty:
    """An appliance between the other one and its user.

    :param appliance: interface.Appliance
    :ivar calls: (method, its arguments) of all that were made, in order
    """

    def __init__(self, appliance):
        self._appliance = appliance
        self._faults = {}
        self.calls = []

    def lose(self, method, after, times=1):
        """Lose the answers to the next calls of a method.

        :param after: True: it is done, and then nobody hears of it; False:
                      the request gets lost
        :param times: how many calls; None for all that will be made
        """
        self.fail(method, errors.ApplianceUnavailable(
            appliance=self._appliance.name, what=method,
            reason='the answer was lost, as a test wanted it'), after, times)

    def fail(self, method, error, after=False, times=1):
        """The same with an exception of the caller's choice."""
        if method not in METHODS:
            raise ValueError('an appliance has no method %s' % method)
        self._faults[method] = [error, after, times]

    def mend(self):
        """Take all faults away."""
        self._faults.clear()

    def __getattr__(self, name):
        found = getattr(self._appliance, name)
        if name not in METHODS:
            return found

        def call(*args, **kwargs):
            return self._call(name, found, args, kwargs)
        return call

    def _call(self, name, method, args, kwargs):
        self.calls.append((name, args))
        error, after = self._due(name)
        if error and not after:
            raise error
        answer = method(*args, **kwargs)
        if error:
            raise error
        return answer

    def _due(self, name):
        """(error, after) of a fault that is due now; (None, False) else."""
        error, after, times = self._faults.get(name, (None, False, None))
        if times is not None:
            self._faults[name][2] -= 1
            if times == 1:
                del self._faults[name]
        return error, after


# A driver may ask whether it is one.
interface.Appliance.register(Faulty)
