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

"""A random walk of one volume: attached and not, its service killed.

What it must hold is known from the journal of the guest that writes to it
all the time. The service dies by SIGKILL now and then, and Nova lets Cinder
down; the user of it then does what a user would.
"""

import contextlib
import dataclasses
import random
import threading
import time

from tests.crash import explorer
from tests.crash import service
from tests.crash import tenant
from tests.functional import stages

_MOST_SNAPSHOTS, _MOST_GIB = 4, 4
#: One verb in so many is killed, within so many seconds, and one request in
#: so many is treated badly.
_KILLED, _SOON, _LET_DOWN = 4, 0.25, 6

_ATTACHED = ('write', 'snap', 'snap', 'snap', 'drop', 'drop', 'reboot',
             'clone', 'extend', 'detach')
_DETACHED = ('snap', 'drop', 'revert', 'clone', 'extend', 'attach', 'attach',
             'attach')
#: Ways of tests.harness.misbehaviour -> options.
_BADLY = {'slow': {'seconds': 0.5}, 'error': {}, 'error_after': {},
          'refuse': {}, 'duplicate': {'seconds': 0.2}, 'early': {},
          'answer_lost': {}, 'silent_done': {}}


class Walk:
    """:param bench: online.Bench
    :ivar told: what was done, a line for each
    """

    def __init__(self, bench, backend, seed):
        self._bench, self._backend = bench, backend
        self._service, self._user = bench.service, bench.user
        self._dice = random.Random(seed)
        self._life = None
        self.told, self.kills, self.badly = [], 0, 0

    def go(self, seconds):
        """Walk so long, and delete everything in the end."""
        end = time.monotonic() + seconds
        self._bench.have(self._backend)
        with tenant.Life(self._user, self._bench.nova,
                         self._backend) as self._life:
            while time.monotonic() < end:
                self._step()
            if self._attached:
                self._life.check()
            else:
                self._life.attach()
        self._end()

    @property
    def _attached(self):
        return self._life.disk is not None

    def _step(self):
        verb = self._dice.choice(_ATTACHED if self._attached else _DETACHED)
        held = list(self._life.held)
        possible = {'snap': len(held) < _MOST_SNAPSHOTS, 'drop': held,
                    'revert': held,
                    'extend': self._life.volume.size < _MOST_GIB}
        if not possible.get(verb, True):
            return
        self.told.append('%s %s' % (
            'attached' if self._attached else 'detached', verb))
        getattr(self, '_' + verb)()
        self._check()

    def _check(self):
        if self._attached:
            self._life.check_guest()
            return
        self._life.check_at_rest()
        for snapshot_id in list(self._life.held):
            self._life.check_beneath(snapshot_id)

    # What the guest and its host do

    def _write(self):
        self._life.write()

    def _reboot(self):
        self._life.reboot()

    def _attach(self):
        self._life.attach()

    def _detach(self):
        self._life.detach()

    # What the user does

    def _snap(self):
        if self._attached:
            with self._life.snapping() as made:
                snapshot = self._new_snapshot()
                if self._try('create_snapshot', snapshot.id):
                    made(snapshot)
            return
        snapshot, number = self._new_snapshot(), self._life.numbers
        if self._try('create_snapshot', snapshot.id):
            self._life.held[snapshot.id] = (self._life._history, number,
                                            number)

    def _new_snapshot(self):
        return tenant.Thing(self._service.do('new_snapshot',
                                             self._life.volume.id))

    def _drop(self):
        snapshot_id = self._dice.choice(sorted(self._life.held))
        del self._life.held[snapshot_id]
        # When it does not come to its end, it is deleted again.
        self._try('delete_snapshot', snapshot_id)

    def _revert(self):
        newest = list(self._life.held)[-1]
        self._life.check_beneath(newest)
        if not self._try('revert', self._life.volume.id, newest):
            self._service.do('revert', self._life.volume.id, newest)
        self._life.start_over(newest)

    def _extend(self):
        volume = dataclasses.replace(self._life.volume,
                                     size=self._life.volume.size + 1)
        if not self._try('extend_volume', volume.id, volume.size):
            self._service.do('extend_volume', volume.id, volume.size)
        self._life.volume = volume
        if self._attached:
            self._life.wait_size(volume.size)

    def _clone(self):
        numbers = [self._numbers()]
        if self._try('create_volume', self._life.volume.size, None,
                     self._life.volume.id):
            numbers.append(self._life.numbers)
            clone, = set(self._service.do('volumes')) - {self._life.volume.id}
            with explorer.finding(explorer.LOST):
                self._life.check_volume(tenant.Thing(clone), *numbers)
            self._service.do('delete_volume', clone)

    def _numbers(self):
        return (self._life.writer.finished if self._attached
                else self._life.numbers)

    # How it ends

    def _try(self, *what):
        """Do it; returns False when it failed or was killed, and is well."""
        if self._attached and self._dice.randrange(_LET_DOWN) == 0:
            name = self._dice.choice(sorted(_BADLY))
            self._bench.nova.assisted.next(name, **_BADLY[name])
            self.told.append('  Nova: %s' % name)
            self.badly += 1
        with self._in_danger():
            well = self._do(what)
        self._bench.nova.assisted._next.clear()
        if not well:
            self._tidy()
        return well

    def _do(self, what):
        try:
            self._service.do(*what)
            return True
        except service.Died:
            return False
        except service.Failed as error:
            self.told.append('  failed: %s' % str(error).splitlines()[-1])
            return False

    @contextlib.contextmanager
    def _in_danger(self):
        """Around what may be killed: another service is there afterwards."""
        struck = []

        def strike():
            struck.append(True)
            self._service.strike()
        kill = threading.Timer(self._dice.uniform(0, _SOON), strike)
        if self._dice.randrange(_KILLED) == 0:
            kill.start()
        yield
        kill.cancel()
        if kill.ident is not None:
            kill.join()
        if struck:
            self.told.append('  killed')
            self.kills += 1
            self._begin_again()

    def _begin_again(self):
        self._service.bury()
        if self._dice.randrange(2):
            self._bench.nova.wait()
        self._bench.start(self._backend)
        self._service.do('start')

    def _tidy(self):
        """Delete all that failed to be made, or to be deleted."""
        volume = self._life.volume.id
        for each in self._service.do('volumes'):
            if each != volume:
                self._service.do('delete_volume', each)
        for snapshot_id in self._service.do('snapshots', volume):
            if snapshot_id not in self._life.held:
                self._service.do('delete_snapshot', snapshot_id)

    def _end(self):
        life = self._life
        life.check_at_rest()
        with explorer.finding(explorer.LOST):
            life.check_snapshots()
        some = list(life.held)
        self._dice.shuffle(some)
        for snapshot_id in some:
            life.drop_detached(tenant.Thing(snapshot_id))
        life.check_at_rest()
        self._user.delete(life.volume)
        with explorer.finding(explorer.ORPHANED):
            assert stages.left(self._user.share) == set()


@dataclasses.dataclass(frozen=True)
class Done:
    """:ivar line: what was done, in short
    :ivar told: all of it
    :ivar finding: (kind, reason) or None
    """

    line: str
    told: tuple
    finding: object


def walk(bench, backend, seed, seconds):
    """:returns: Done"""
    one = Walk(bench, backend, seed)
    found = None
    try:
        with explorer.finding(explorer.STUCK):
            one.go(seconds)
    except explorer.Finding as error:
        found = error.kind, error.reason
        bench.clear(backend)
    steps = [each for each in one.told if not each.startswith(' ')]
    return Done('%d verbs, %d kills, %d times let down by Nova' % (
        len(steps), one.kills, one.badly), tuple(one.told), found)
