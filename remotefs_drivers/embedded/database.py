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

"""SQLite for many threads of one process.

oslo.db begins every transaction as a deferred one. Two of them that read
first and write later can't both go on: SQLite fails one at once, "database
is locked", however long it may wait. Under eventlet a transaction that waits
for another one would even stop the whole process, the other one included.
So only one connection is in use at a time, kept by a lock that eventlet
knows. (Not by the events of a transaction: "commit" comes before the
COMMIT.)
"""

import sqlite3
import threading

import sqlalchemy.event
import sqlalchemy.pool

# Re-entrant: Cinder opens a second transaction inside of one here and there.
_turn = threading.RLock()

# Seconds. Longer than any transaction, short enough to see a deadlock.
_LIMIT = 60

_HELD = 'remotefs_embedded_turn'


def one_at_a_time():
    """Covers every engine of this process, made already or later."""
    pool = sqlalchemy.pool.Pool
    sqlalchemy.event.listen(pool, 'checkout', _on_checkout)
    sqlalchemy.event.listen(pool, 'checkin', _on_checkin)


def write_ahead_log(path):
    """Lets readers from outside look without stopping the service.

    The mode stays with the file.
    """
    connection = sqlite3.connect(path)
    try:
        connection.execute('PRAGMA journal_mode=WAL')
    finally:
        connection.close()


def _on_checkout(dbapi_connection, record, proxy):
    if not record.info.get(_HELD):
        if not _turn.acquire(timeout=_LIMIT):
            raise TimeoutError('The database was in use for %d seconds.'
                               % _LIMIT)
        record.info[_HELD] = True


def _on_checkin(dbapi_connection, record):
    if record.info.pop(_HELD, False):
        _turn.release()
