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

"""The shares of one backend, as the drivers see them.

Holds the table as the operator last wrote it, the shares that left it but
still hold volumes, and the gate to each. Nothing here is changed in place
while others read it: a new table takes the place of the old one.
"""

import contextlib

from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.share import capacity
from remotefs_drivers.share import choice
from remotefs_drivers.share import gate
from remotefs_drivers.share import table

LOG = logging.getLogger(__name__)


class Shares:
    """The shares of one backend.

    :param source: where the table comes from (share.sources)
    :param mounter: how a share gets to its path (share.mounter)
    :param settings: of the backend
    """

    def __init__(self, source, mounter, settings):
        self.source = source
        self._mounter = mounter
        self._settings = settings
        self._table = table.Table()
        self._left = {}
        self._gates = {}

    @property
    def table(self):
        """The shares that take new volumes, as last read."""
        return self._table

    @property
    def left(self):
        """Location -> Share of those that only serve old volumes."""
        return {location: share for location, share in self._left.items()
                if location not in self._table}

    @property
    def mount_point_base(self):
        return self._mounter.base

    def reload(self):
        """Read the table again, and keep the old one where that fails."""
        try:
            new = self.source.read()
        except errors.SharesConfigUnreadable as error:
            if not self._table:
                raise
            LOG.error('Going on with the shares as they were: %s', error)
            return
        for location in set(self._table) - set(new):
            LOG.warning('Share %s is no longer in %s: it takes no new '
                        'volumes, and serves those that it has', location,
                        self.source.name)
        self._left = {**self._left, **self._table}
        self._table = new

    def adopt(self, locations):
        """Serve the volumes on these shares, whatever the table says."""
        adopted = {location: table.Share(location)
                   for location in locations if location}
        self._left = {**adopted, **self._left}

    def forget(self, share):
        """Unmount a share that left the table and holds no volumes."""
        self._mounter.unmount(share)
        self._left = {location: other
                      for location, other in self._left.items()
                      if other is not share}

    def known(self, volume):
        """The share of a volume, without touching it.

        :raises LocationMissing, ShareUnknown: when it is none of ours
        """
        location = volume.provider_location
        if not location:
            raise errors.LocationMissing(volume=volume.id)
        share = self._table.get(location) or self._left.get(location)
        if share is None:
            raise errors.ShareUnknown(volume=volume.id, share=location,
                                      source=self.source.name)
        return share

    def path(self, share):
        """The share's folder on this host."""
        return self._mounter.path(share)

    def ensure_mounted(self, share, limit=None):
        """Mount a share that is not.

        :param limit: seconds to wait for somebody else who is mounting it,
                      and then for an attempt; None for all attempts
        :raises ShareUnavailable: when it cannot be
        """
        if self._mounter.is_there(share):
            return
        with self._mounting(share, limit):
            if not self._mounter.is_there(share):
                self._mounter.mount(share, limit)

    @contextlib.contextmanager
    def _mounting(self, share, limit):
        """Nobody else mounts it meanwhile; limit as in ensure_mounted."""
        mounting = self._gate(share).mounting
        if not mounting.acquire(timeout=-1 if limit is None else limit):
            raise errors.ShareUnavailable(
                share=share.location,
                reason='it is being mounted for more than %s seconds' % limit)
        try:
            yield
        finally:
            mounting.release()

    def call(self, share, what, function, *args, limit=None):
        """Call a function that touches the share, with a time limit.

        The share is mounted and proven to be itself before.

        :param what: for messages, such as 'create'
        :param limit: seconds, for a call that may take longer than usual
        :raises ShareUnavailable: when it cannot be used
        """
        self.ensure_mounted(share)
        return self._alive(share, None, self._call, share, what, function,
                           args, limit)

    def _call(self, share, what, function, args, limit):
        path = self.path(share)
        prove = self._mounter.prove
        the_gate = self._gate(share)
        if getattr(function, 'remote', False):
            the_gate.call('check', prove, path)
            return the_gate.call(what, function, *args, limit=limit)
        return the_gate.call(what, _proven, prove, path, function, *args,
                             limit=limit)

    def prover(self, share):
        """A function that proves that a share is there, and itself.

        For who makes several calls in one: between two of them, none of
        which is made again.
        """
        def prove():
            try:
                self._mounter.prove(self.path(share))
            except errors.MountDead as error:
                raise errors.ShareUnavailable(share=share.location,
                                              reason=str(error))
        return prove

    def check(self, share, limit=None):
        """The share's capacity, asked by a child process.

        :returns: capacity.Capacity
        :raises ShareUnavailable: when it cannot be used
        """
        self.ensure_mounted(share, limit)
        return self._alive(share, limit, self._check, share)

    def _check(self, share):
        answer = self._gate(share).check()
        self._gate(share).call('check', self._mounter.prove,
                               self.path(share))
        return answer

    def _alive(self, share, limit, function, *args):
        """Do something, once more where the mount turns out to be dead.

        Nothing was done yet then: by its proof that is known.
        """
        try:
            return function(*args)
        except errors.MountDead as error:
            self._renew(share, limit, error)
        return function(*args)

    def _renew(self, share, limit, reason):
        """Mount a share anew, unless somebody else just did."""
        with self._mounting(share, limit):
            try:
                self._check(share)
            except errors.MountDead:
                LOG.warning('%s; it is mounted anew', reason)
                self._mounter.renew(share, limit)

    def check_all(self):
        """Check all shares of the table at once.

        :returns: Share -> Capacity, or the error that says why there is none
        """
        shares = list(self._table.values())
        answers = offload.gather(self._check_soon, shares)
        return dict(zip(shares, answers))

    def mount_all(self):
        """Mount all shares of the table at once; keep going when one fails.

        :returns: Share -> None, or the error of the one that failed
        """
        shares = list(self._table.values())
        answers = offload.gather(self.check, shares)
        return {share: answer if isinstance(answer, Exception) else None
                for share, answer in zip(shares, answers)}

    def choose(self, size, pool=None):
        """The share for a new volume.

        Where one share only comes into question, a thin volume is not worth
        the question how much room it has. A thick one is, a copy too: what
        it shares with another volume now, it does not when it is written.

        :param size: GiB
        :param pool: location that the scheduler chose, or None
        :raises NoSuitableShare: when none, or not this one, can take it
        """
        shares = (list(self._table.values()) if pool is None
                  else [self._of_pool(pool, size)])
        if len(shares) == 1 and not self._settings.thick:
            return shares[0]
        answers = offload.gather(self._look, shares)
        return self._best(dict(zip(shares, answers)), size)

    def choose_beside(self, size, share):
        """The share for a copy of what is on another one.

        That one, whose blocks the copy may share, unless it is full or
        takes no new volumes.

        :param size: GiB
        :raises NoSuitableShare: when none can take it
        """
        if share.location not in self._table:
            return self.choose(size)
        if len(self._table) == 1:
            return self.choose(size, share.location)
        try:
            return self._best({share: self._look(share)}, size)
        except errors.NoSuitableShare as error:
            LOG.info('A copy goes to another share: %s', error)
            return self.choose(size)

    def _best(self, capacities, size):
        return choice.choose(capacities, size, self._settings.thick,
                             self._settings.reserved_percentage)

    def _of_pool(self, pool, size):
        try:
            return self._table[pool]
        except KeyError:
            raise errors.NoSuitableShare(
                volume_size=size,
                reasons='the scheduler chose %s, which is not, or no '
                        'longer, in %s' % (pool, self.source.name))

    def _look(self, share):
        return self.call(share, 'statfs', capacity.look, self.path(share))

    def _check_soon(self, share):
        return self.check(share, limit=self._settings.share_timeout)

    def _gate(self, share):
        try:
            return self._gates[share.location]
        except KeyError:
            return self._gates.setdefault(share.location,
                                          self._make_gate(share))

    def _make_gate(self, share):
        return gate.Gate(share.location, self.path(share),
                         self._settings.share_timeout,
                         self._settings.option('share_timeout'))


def _proven(prove, path, function, *args):
    prove(path)
    return function(*args)
