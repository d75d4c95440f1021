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

"""A hypervisor that outlives the services which ask it for something.

What it was asked for, it does when it is let to; meanwhile the service that
asked may be dead, and another one may have looked at what there is.
"""

import contextlib
import json
import os
import sqlite3
import threading

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import validation
from tests.crash import office
from tests.crash import one_by_one
from tests.harness import misbehaviour

#: When a request is carried out whose service dies: before another one is
#: there; begun before, and ended when that has recovered; begun when it has;
#: begun when it is in the midst of the next request.
AT_ONCE, MIDST, LATE, LATER = ('at once', 'in the midst', 'late',
                               'after the retry')

#: Bytes per second of a merge that is not to come to its end.
_SLOWLY = 64 << 10
#: Seconds.
_LIMIT = 300

#: What Cinder's API takes: status -> what it may be said to be.
_ALLOWED = {'creating': ('creating', 'available', 'error'),
            'deleting': ('deleting', 'error_deleting')}


class Assisted(misbehaviour.Assisted):
    """:ivar strike: called once, when a request arrives, or None"""

    def __init__(self, compute):
        super().__init__(compute)
        self.strike = None
        self._when = AT_ONCE
        self._free = threading.Event()
        self._begun = threading.Event()
        self._free.set()

    def hold(self, when):
        """Do what comes next at this time.

        :param when: AT_ONCE, MIDST, LATE or LATER
        """
        self._when = when
        self._begun.clear()
        if when != AT_ONCE:
            self._free.clear()

    def let_go(self):
        """Do what was held back, and nothing any more."""
        self._when = AT_ONCE
        self._free.set()

    def settle(self):
        """Until a request has come as far as it goes by itself."""
        if self._when == AT_ONCE:
            self.compute.wait()
        elif self._when == MIDST:
            assert self._begun.wait(_LIMIT)

    def accept(self, wanted):
        strike, self.strike = self.strike, None
        if strike is None:
            super().accept(wanted)
            return
        self.check(wanted)
        strike()
        self.compute.begin(self.carry_out, wanted)

    def perform(self, wanted):
        if self._when in (LATE, LATER):
            assert self._free.wait(_LIMIT)
        if self._when != MIDST:
            super().perform(wanted)
            return
        try:
            with self._stopping(wanted):
                super().perform(wanted)
        finally:
            self._begun.set()

    def merge_options(self, guest, wanted):
        if self._when != MIDST:
            return super().merge_options(guest, wanted)

        def watch(job):
            if job['current-progress']:
                self._begun.set()
            if self._free.is_set():
                # It may just have come to its end.
                with contextlib.suppress(errors.GuestFailed):
                    guest._daemon.execute('block-job-set-speed',
                                          device=job['id'], speed=0)
        return {'speed': _SLOWLY, 'watch': watch}

    @contextlib.contextmanager
    def _stopping(self, wanted):
        """Stop a snapshot when its file is open and not yet used."""
        if not isinstance(wanted, validation.Create):
            yield
            return
        __, disk = self.find(wanted)
        daemon = disk.guest._daemon

        def execute(command, **arguments):
            if command == 'transaction':
                self._begun.set()
                assert self._free.wait(_LIMIT)
            return type(daemon).execute(daemon, command, **arguments)
        daemon.execute = execute
        try:
            yield
        finally:
            del daemon.execute


class Records:
    """Plays Cinder's API for a hypervisor: see embedded.hypervisor.cinder.

    :param folder: with the database
    :param service: service.Service of office.Office
    """

    def __init__(self, folder, service):
        self._path = os.path.join(folder, office.DATABASE)
        self._turn = one_by_one.Turn(os.path.join(folder, office.TURN))
        self._service = service

    # From any thread, whether there is a service or not

    def report(self, snapshot_id, status):
        with self._database() as database:
            found = database.execute(
                'SELECT status FROM snapshots WHERE id = ? AND NOT deleted',
                (snapshot_id,)).fetchone()
            if found is None or status not in _ALLOWED.get(found[0], ()):
                raise errors.Refused(400, 'It is %s.' % (found,))
            database.execute(
                'UPDATE snapshots SET status = ?, progress = ? WHERE id = ?',
                (status, '90%', snapshot_id))

    def volume_size(self, volume_id):
        with self._database() as database:
            return database.execute('SELECT size FROM volumes WHERE id = ?',
                                    (volume_id,)).fetchone()[0]

    def connection_info(self, attachment_id):
        with self._database() as database:
            text, = database.execute(
                'SELECT connection_info FROM volume_attachment WHERE id = ?',
                (attachment_id,)).fetchone()
        return json.loads(text)

    # By the service

    def reserve(self, *args):
        return self._service.do('reserve', *args)

    def connect(self, attachment_id):
        return self._service.do('connect', attachment_id)

    def complete(self, attachment_id, volume_id):
        self._service.do('complete', attachment_id)

    def release(self, attachment_id):
        self._service.do('release', attachment_id)

    @contextlib.contextmanager
    def _database(self):
        with self._turn.held(), contextlib.closing(
                sqlite3.connect(self._path)) as database, database:
            yield database
