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

Connections are kept, too. oslo.db has a new one made for each transaction,
which opens the file and reads the whole schema again: half of the time of
most of Cinder's queries.

It is a plugin of SQLAlchemy, which the URL of a connection names.
"""

import sqlite3
import threading

import sqlalchemy.dialects
import sqlalchemy.engine
import sqlalchemy.event
import sqlalchemy.pool

from remotefs_drivers.embedded import config

# Seconds. Longer than any transaction, short enough to see a deadlock.
_LIMIT = 240

_HELD = 'remotefs_embedded_turn'


def install():
    """Let SQLAlchemy know the plugin, where the package is not installed."""
    sqlalchemy.dialects.plugins.register(config.DATABASE_PLUGIN, __name__,
                                         Plugin.__name__)


class Plugin(sqlalchemy.engine.CreateEnginePlugin):
    """One connection in use at a time, and kept for the next one."""

    def __init__(self, url, kwargs):
        # Any number may wait for its turn, with a connection in its hands.
        kwargs.update(poolclass=sqlalchemy.pool.QueuePool, max_overflow=-1)
        # Re-entrant: Cinder opens a second transaction inside of one here
        # and there.
        self._turn = threading.RLock()

    def update_url(self, url):
        return url

    def engine_created(self, engine):
        sqlalchemy.event.listen(engine, 'checkout', self._on_checkout)
        sqlalchemy.event.listen(engine, 'checkin', self._on_checkin)

    def _on_checkout(self, dbapi_connection, record, proxy):
        if not record.info.get(_HELD):
            if not self._turn.acquire(timeout=_LIMIT):
                raise TimeoutError('The database was in use for %d seconds.'
                                   % _LIMIT)
            record.info[_HELD] = True

    def _on_checkin(self, dbapi_connection, record):
        if record.info.pop(_HELD, False):
            self._turn.release()


def write_ahead_log(path):
    """Lets readers from outside look without stopping the service.

    The mode stays with the file.
    """
    connection = sqlite3.connect(path)
    try:
        connection.execute('PRAGMA journal_mode=WAL')
    finally:
        connection.close()
