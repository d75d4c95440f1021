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

"""Several processes on one SQLite file: one transaction at a time.

Cinder reads and then writes in one transaction. When another process has
written in between, SQLite refuses that at once ("database is locked"), no
matter how long it may wait, and Cinder does not try again: operators have
MariaDB. So whoever begins a transaction waits here for his turn: between
threads by a lock, between processes by a lock on a file beside the database.

It is a plugin of SQLAlchemy, which the connection's URL names, so that the
programs of Cinder stay as they are. SQLAlchemy finds it by an entry point:
``install`` makes a folder with one, to be put on PYTHONPATH.
"""

import fcntl
import functools
import os
import threading
import time

import sqlalchemy.engine
import sqlalchemy.event
import sqlalchemy.pool

_NAME = 'remotefs_tests_turns'

_METADATA = 'Metadata-Version: 2.1\nName: %s\nVersion: 1\n' % _NAME
_ENTRY_POINTS = '[sqlalchemy.plugins]\n%s = %s:Plugin\n' % (_NAME, __name__)

# Seconds. Longer than all transactions before ours, short enough to see that
# two wait for each other.
_LIMIT = 120

_TICK = 0.002

_HELD = 'remotefs_tests_turn'


def url(path):
    """The URL of the SQLite database in the file at an absolute path."""
    return 'sqlite:///%s?timeout=%d&plugin=%s' % (path, _LIMIT, _NAME)


def install(folder):
    """Make the folder with the entry point, and return it."""
    information = os.path.join(folder, _NAME + '-1.dist-info')
    os.makedirs(information, exist_ok=True)
    for name, text in (('METADATA', _METADATA),
                       ('entry_points.txt', _ENTRY_POINTS)):
        with open(os.path.join(information, name), 'w') as out:
            out.write(text)
    return folder


class Plugin(sqlalchemy.engine.CreateEnginePlugin):
    """Hangs a turn on each connection that an engine hands out.

    And lets it keep them, as remotefs_drivers.embedded.database does.
    """

    def __init__(self, url, kwargs):
        kwargs.update(poolclass=sqlalchemy.pool.QueuePool, max_overflow=-1)

    def update_url(self, url):
        return url

    def engine_created(self, engine):
        # A connection that is kept is not for those who are forked: it would
        # be found out only when it has its turn, and the turn be lost.
        os.register_at_fork(after_in_child=functools.partial(
            engine.dispose, close=False))
        turn = Turn(engine.url.database + '.turn')
        sqlalchemy.event.listen(engine, 'checkout', turn.on_checkout)
        sqlalchemy.event.listen(engine, 'checkin', turn.on_checkin)


class Turn:
    """A lock between threads and processes, re-entrant in a thread.

    Cinder opens a second transaction inside of one here and there.

    :param path: of the file to lock
    """

    def __init__(self, path):
        self._path = path
        # A green one under eventlet, which is patched before this.
        self._lock = threading.RLock()
        self._depth = 0
        self._file = None

    def take(self):
        """:raises TimeoutError: when nobody gives way"""
        deadline = time.monotonic() + _LIMIT
        if not self._lock.acquire(timeout=_LIMIT):
            raise _taken(self._path)
        if not self._depth:
            try:
                self._file = _locked(self._path, deadline)
            except BaseException:
                self._lock.release()
                raise
        self._depth += 1

    def give(self):
        self._depth -= 1
        if not self._depth:
            os.close(self._file)
        self._lock.release()

    def on_checkout(self, dbapi_connection, record, proxy):
        if not record.info.get(_HELD):
            self.take()
            record.info[_HELD] = True

    def on_checkin(self, dbapi_connection, record):
        if record.info.pop(_HELD, False):
            self.give()


def _locked(path, deadline):
    """A descriptor that holds the lock until it is closed.

    Opened anew each time: a descriptor that a fork has inherited would share
    its lock with the parent.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_to_lock(descriptor):
            if time.monotonic() > deadline:
                raise _taken(path)
            # Not in the kernel, where it would stop all green threads.
            time.sleep(_TICK)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _try_to_lock(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _taken(path):
    return TimeoutError('Others used the database for %d seconds: %s'
                        % (_LIMIT, path))
