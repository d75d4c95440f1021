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

"""Shares of which there may be thousands: mounted only while needed.

Those in the table, which are few, stay mounted as ever. Any other is mounted
when somebody comes to visit it and unmounted when the last visitor leaves,
whatever came of the visit. Who calls a function on a share visits it for that
time; who does more with it begins with a visit of its own.

One that does not answer is detached instead: the call that hangs there is one
of ours, and would keep it busy for as long as its server is away.

Guests of a share are counted within this process. Another one of this host
may have it mounted too, an os-brick of cinder-backup say: what is busy stays
mounted, and what was unmounted in between is mounted anew by who comes next.
"""

import contextlib
import threading
import weakref

from cinder import exception
from oslo_log import log as logging

from remotefs_drivers.share import shares

LOG = logging.getLogger(__name__)


class VisitedShares(shares.Shares):
    """As Shares, whose parameters it has."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._lock = threading.Lock()
        # Location -> _Use, for as long as somebody has that.
        self._uses = weakref.WeakValueDictionary()
        self._held = {}
        # Location -> Share of those that could not be unmounted.
        self._busy = {}

    @contextlib.contextmanager
    def visit(self, share):
        """A share stays mounted within, once it is; and is not afterwards,
        unless others visit it.
        """
        if share.location in self.table:
            yield
            return
        use = self._use(share)
        use.enter()
        try:
            yield
        finally:
            use.leave(self._unmount)

    def hold(self, share):
        """Mount a share, and keep it so until release().

        Done already, nothing is done.

        :raises ShareUnavailable: when it cannot be mounted
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.visit(share))
            self.ensure_mounted(share)
            with self._lock:
                if share.location in self._held:
                    # What is entered here is left at the end of this block.
                    return
                self._held[share.location] = stack.pop_all()

    def release(self, share):
        """End what hold() began. One that is not held is unmounted as well,
        unless somebody visits it: an earlier service may have held it.
        """
        with self._lock:
            held = self._held.pop(share.location, contextlib.nullcontext())
        with self.visit(share), held:
            pass

    def held(self):
        """The locations of the shares that are held."""
        with self._lock:
            return set(self._held)

    def mounted(self):
        """The sources of what is mounted among our mount points."""
        return self._mounter.mounted()

    def call(self, share, what, function, *args, limit=None):
        with self.visit(share):
            return super().call(share, what, function, *args, limit=limit)

    def _check(self, share):
        # That a mount is dead must be said by the proof: the child that is
        # asked next would only fail.
        self._gate(share).call('check', self._mounter.prove,
                               self.path(share))
        return super()._check(share)

    def check(self, share, limit=None):
        with self.visit(share):
            return super().check(share, limit)

    def _use(self, share):
        with self._lock:
            use = self._uses.get(share.location)
            if use is None:
                use = self._uses[share.location] = _Use(
                    share, super()._make_gate(share))
            return use

    def _gate(self, share):
        if share.location in self.table:
            return super()._gate(share)
        return self._use(share).gate

    def tidy(self):
        """Unmount those that were busy when their last visitor left."""
        with self._lock:
            busy = list(self._busy.values())
        for share in busy:
            with self.visit(share):
                pass

    def _unmount(self, share, its_gate):
        try:
            if its_gate.is_silent():
                self._mounter.detach(share)
            else:
                self._mounter.unmount(share)
        except exception.RemoteFSException as error:
            # Whatever the visit was for is done, or has an error of its own.
            LOG.warning('Share %s stays mounted for now: %s',
                        share.location, error)
            with self._lock:
                self._busy[share.location] = share
        else:
            with self._lock:
                self._busy.pop(share.location, None)


class _Use:
    """The visitors of one share."""

    def __init__(self, share, its_gate):
        self.gate = its_gate
        self._share = share
        self._visitors = 0
        self._lock = threading.Lock()

    def enter(self):
        """Be counted; whoever unmounts the share has done so by then."""
        with self._lock:
            self._visitors += 1

    def leave(self, unmount):
        with self._lock:
            self._visitors -= 1
            if not self._visitors:
                self.gate.close()
                unmount(self._share, self.gate)
