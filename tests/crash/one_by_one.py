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

"""One SQLite database, several processes: one of them at a time.

SQLite fails a transaction at once that has read and comes to write while
another one does, however long it might wait. A lock on a file beside it goes
with its process, however that ends.
"""

import contextlib
import fcntl
import os
import threading

import sqlalchemy.event
import sqlalchemy.pool

_HELD = 'remotefs_tests_turn'


class Turn:
    """To be held around a transaction; re-entrant in its thread.

    :param path: of the lock's file
    """

    def __init__(self, path):
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._lock = threading.RLock()
        self._depth = 0

    def take(self):
        self._lock.acquire()
        if not self._depth:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._depth += 1

    def give(self):
        self._depth -= 1
        if not self._depth:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._lock.release()

    @contextlib.contextmanager
    def held(self):
        self.take()
        try:
            yield
        finally:
            self.give()

    def cover_sqlalchemy(self):
        """Hold it whenever a connection of this process is in use."""
        def checkout(connection, record, proxy):
            if not record.info.get(_HELD):
                self.take()
                record.info[_HELD] = True

        def checkin(connection, record):
            if record.info.pop(_HELD, False):
                self.give()
        sqlalchemy.event.listen(sqlalchemy.pool.Pool, 'checkout', checkout)
        sqlalchemy.event.listen(sqlalchemy.pool.Pool, 'checkin', checkin)
