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


"""An appliance, as the tests call it."""

import functools
import time

import pytest

from remotefs_drivers import errors
from remotefs_drivers import offload

#: Methods that a vendor may leave out -> what the driver then cannot do.
OPTIONAL = {
    'rename_share': 'shares that are there cannot be managed',
    'create_snapshots': 'snapshots of a group are not of one moment',
    'rename_snapshot': 'a snapshot that clones hang on cannot be deleted '
                       'before them',
    'promote': 'a volume whose snapshots clones hang on cannot be deleted '
               'before them',
    'roll_back': 'a revert copies all data of the volume',
}
#: Those of them that matter only where clones hang on their snapshots.
OF_DEPENDENT = frozenset(['rename_snapshot', 'promote'])

_THREADS = 32


class Seen:
    """What of the optional an appliance does, as seen so far.

    :ivar done: methods that were done at least once
    :ivar refused: methods that raised ApplianceUnsupported
    :ivar depends: whether clones hang on their snapshots; None for unknown
    """

    def __init__(self):
        self.done = set()
        self.refused = set()
        self.depends = None

    def lines(self):
        """What an operator would like to know of it, in sentences."""
        for method in sorted(self.refused):
            if self.depends or method not in OF_DEPENDENT:
                yield 'not offered: %s, so %s' % (method, OPTIONAL[method])
            else:
                yield 'not offered: %s, which is not needed' % method
        if self.depends is not None:
            yield 'clones hang on their snapshots: %s' % (
                'yes' if self.depends else 'no')
        missing = self.refused & OF_DEPENDENT
        if self.depends and missing:
            yield ('WARNING: clones hang on their snapshots, and it has no '
                   '%s: users cannot delete what they made clones of' %
                   ' and no '.join(sorted(missing)))


class Box:
    """Passes calls on, each with an end.

    A method that is left out ends the test as skipped. One that once did
    what it was asked and at another time knows no way to do it does not.

    :param appliance: interface.Appliance, or a Faulty one
    :param limit: seconds after which a call counts as hanging
    :param seen: Seen
    :param slowest: method -> seconds of its slowest call, kept up to date
    """

    def __init__(self, appliance, limit, seen, slowest):
        self.appliance = appliance
        self.seen = seen
        self._limit = limit
        self._slowest = slowest
        self._workers = offload.Workers(_THREADS)

    def __getattr__(self, name):
        found = getattr(self.appliance, name)
        return functools.partial(self._call, name) if callable(found) else (
            found)

    def like(self, appliance):
        """The same for another one, of the same kind."""
        return Box(appliance, self._limit, self.seen, self._slowest)

    def can(self, method, *args):
        """Call an optional method, and say whether it is offered."""
        try:
            self._timed(method, *args)
        except errors.ApplianceUnsupported:
            self.seen.refused.add(method)
            return False
        self.seen.done.add(method)
        return True

    def _call(self, name, *args):
        try:
            answer = self._timed(name, *args)
        except errors.ApplianceUnsupported:
            if name not in OPTIONAL or name in self.seen.done:
                raise
            self.seen.refused.add(name)
            pytest.skip('not offered: %s' % name)
        self.seen.done.add(name)
        return answer

    def _timed(self, name, *args):
        begin = time.monotonic()
        try:
            return self._workers.call(
                self._limit, getattr(self.appliance, name), *args)
        except offload.Hung:
            raise AssertionError('%s%r did not return within %d seconds' % (
                name, args, self._limit))
        finally:
            self._slowest[name] = max(self._slowest.get(name, 0),
                                      time.monotonic() - begin)
