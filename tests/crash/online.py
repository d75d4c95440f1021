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

"""A verb on a volume whose guest writes, cut anywhere, and what comes next.

One ``Bench`` for each process: a hypervisor and a service that is killed.
After each cut the guest goes on, a new service does what cinder-volume does
at start, and its user tries again; then all that there is is compared with
what the guest has written.
"""

import logging
import os
import shutil
import threading

from remotefs_drivers.embedded.hypervisor import compute
from tests.crash import explorer
from tests.crash import holding
from tests.crash import office
from tests.crash import online_jobs
from tests.crash import places
from tests.crash import service
from tests.crash import tenant
from tests.functional import stages

LOST, STUCK, ORPHANED = explorer.LOST, explorer.STUCK, explorer.ORPHANED

#: Seconds until the retry has sent a request of its own.
_RETRIED = 0.3


class Bench:
    """To be made while this process has no threads.

    :param folder: an empty one
    :param database: an empty database of Cinder's
    """

    def __init__(self, folder, database):
        self.folder = folder
        os.makedirs(os.path.join(folder, office.SHARE))
        shutil.copy(database, os.path.join(folder, office.DATABASE))
        self.service = service.Service(lambda: office.prepare(folder),
                                       office.Office)
        logging.getLogger('remotefs_drivers.embedded').setLevel(
            logging.CRITICAL)
        self.nova = compute.Compute(os.path.join(folder, 'nova'),
                                    work=holding.Assisted)
        self.nova.start()
        self.nova.cinder = holding.Records(folder, self.service)
        self._configure()
        self._what = None
        self.user = tenant.User(folder, self.service)

    def _configure(self):
        with open(os.path.join(self.folder, office.CONFIG), 'w') as stream:
            for section, values in self.nova.options().items():
                stream.write('[%s]\n' % section)
                for name, value in values.items():
                    stream.write('%s = %s\n' % (name, value))

    def start(self, backend, sabotage=None, fine=False):
        """A new service, in place of the one that there is."""
        self.service.kill()
        self._what = backend, sabotage, fine
        self.service.start(tenant.BACKENDS[backend], sabotage, fine)

    def have(self, backend, sabotage=None, fine=False):
        """A service; the one that there is, if it is like that."""
        if (self.service.pid is None or
                self._what != (backend, sabotage, fine)):
            self.start(backend, sabotage, fine)

    def clear(self, backend):
        """Away with everything, after a finding."""
        self.nova.assisted.let_go()
        self.service.kill()
        self.nova.wait()
        self.start(backend)
        self.service.do('forget')
        share = os.path.join(self.folder, office.SHARE)
        for name in stages.left(share):
            os.unlink(os.path.join(share, name))

    def play(self, job):
        """:param job: online_jobs.Job
        :returns: online_jobs.Done
        """
        act = _Act(self, job)
        found = None
        try:
            with explorer.finding(STUCK):
                act.play()
        except explorer.Finding as error:
            found = error.kind, error.reason
            self.clear(job.backend)
        return online_jobs.Done(job, tuple(act.seen),
                                tuple(act.seen_again), act.kills,
                                found)


class _Act:
    """One job, on a volume of its own."""

    def __init__(self, bench, job):
        self._bench, self._job = bench, job
        self._verb = online_jobs.VERBS[job.verb]
        self._service, self._work = bench.service, bench.nova.assisted
        self._life = self._subject = self._made = None
        self.seen, self.seen_again, self.kills = (), (), 0

    def play(self):
        self._bench.have(self._job.backend, None, self._job.fine)
        with tenant.Life(self._bench.user, self._bench.nova,
                         self._job.backend) as self._life:
            self._prepare()
            self._cut()
            self._recover()
            self._go_on()
        self._end()

    def _prepare(self):
        snapshots = [self._life.snap()
                     for __ in range(self._verb.snapshots)]
        if self._job.sabotage is not None:
            self._bench.start(self._job.backend, self._job.sabotage,
                              self._job.fine)
        if self._verb.place is None:
            self._subject = tenant.Thing(self._service.do(
                'new_snapshot', self._life.volume.id))
        else:
            self._subject = snapshots[self._verb.place]

    # The verb

    def _cut(self):
        self._work.hold(self._job.when)
        if self._job.word == places.SENT:
            self._work.strike = self._service.strike
        with self._life.snapping() as made:
            self.seen = self._attempt(self._act, self._job.number)
            self._work.settle()
            self._made = made

    def _act(self):
        if self._verb.place is None:
            self._service.do('create_snapshot', self._subject.id)
        else:
            self._life.held.pop(self._subject.id, None)
            self._bench.user.delete_snapshot(self._subject)

    def _attempt(self, function, number):
        """Do it, and be cut; returns the places when it was not."""
        self._service.do('arm', number)
        try:
            function()
        except service.Died:
            self.kills += 1
            return ()
        seen = self._service.do('seen')
        self._service.do('arm')
        return tuple(seen)

    # What comes after it

    def _recover(self):
        self.seen_again = self._attempt_again(self._job.again)
        if self._job.again is None:
            return
        self._work.let_go()
        self._bench.nova.wait()
        self._bench.start(self._job.backend, self._job.sabotage)
        self._service.do('start')
        self._life.check_content()
        self._retry()

    def _attempt_again(self, number):
        self._bench.start(self._job.backend, self._job.sabotage,
                          self._job.fine)
        return self._attempt(self._begin_again, number)

    def _begin_again(self):
        self._service.do('start')
        self._life.check_content()
        if self._job.when == holding.LATER:
            letting = threading.Timer(_RETRIED, self._work.let_go)
            letting.start()
        else:
            letting = None
            self._work.let_go()
            self._bench.nova.wait()
        self._retry()
        if letting is not None:
            letting.join()
            self._bench.nova.wait()

    def _retry(self):
        if self._verb.place is not None:
            # Done already where nobody was killed.
            if not self.seen:
                self._act()
            return
        table = self._bench.user.table(self._life.volume)
        if self._subject.id in table and self._made is not None:
            made, self._made = self._made, None
            made(self._subject)
            self._life.check_beneath(self._subject.id)
        self._life.held.pop(self._subject.id, None)
        self._bench.user.delete_snapshot(self._subject)

    def _go_on(self):
        life = self._life
        life.write()
        life.check_guest()
        life.snap()
        life.check_guest()
        for snapshot_id in list(life.held):
            life.check_beneath(snapshot_id)
        if self._job.number is None:
            life.check_snapshots()
        life.reboot()
        life.check_guest()

    def _end(self):
        """Detached: what can be done without a guest."""
        life = self._life
        life.check_at_rest()
        life.drop_detached(life.snap_detached())
        for snapshot_id in list(life.held):
            life.drop_detached(tenant.Thing(snapshot_id))
        life.check_at_rest()
        life.user.delete(life.volume)
        with explorer.finding(ORPHANED):
            assert stages.left(life.user.share) == set()
