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

"""Broker, database and clean end of the stock Cinder that tests run on."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import sqlalchemy

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import keeper
from tests.harness import rabbitmq
from tests.harness import turns
from tests.harness import undertaker

pytest_plugins = ['tests.harness.fixtures']

LIMIT = 300

# Reads, and then writes what follows from it, as Cinder does it.
COUNTER = """\
import sys
import sqlalchemy
from sqlalchemy import event
engine = sqlalchemy.create_engine(sys.argv[1])
@event.listens_for(engine, 'connect')
def no_begin_of_its_own(connection, record):
    connection.isolation_level = None
@event.listens_for(engine, 'begin')
def begin(connection):
    connection.exec_driver_sql('BEGIN')
for _ in range(100):
    with engine.begin() as connection:
        count = connection.exec_driver_sql(
            'SELECT count FROM counter').scalar()
        connection.exec_driver_sql('UPDATE counter SET count = %d'
                                   % (count + 1))
"""

BROKER = """\
import sys, time
from tests.harness import rabbitmq
broker = rabbitmq.Broker(sys.argv[1])
broker.start()
print(*broker.pids.values(), flush=True)
time.sleep(600)
"""

CLOUD = """\
import sys, time
from tests.harness import backends, rabbitmq, stock
folder = sys.argv[1]
broker = rabbitmq.Broker(folder + '/broker')
broker.start()
cloud = stock.Cloud(backends.posix(folder + '/cloud', glance=False), broker)
cloud.start()
print(*broker.pids.values(), *cloud.pids.values(), flush=True)
time.sleep(600)
"""

RULE = """\
import os, sys
from tests.functional import root_helper
with root_helper.configuration() as etc, root_helper.home() as home:
    with root_helper.allowed(etc):
        print(etc, home, '/etc/sudoers.d/' + os.path.basename(etc),
              flush=True)
        sys.stdin.read()
"""


def test_broker_restarts_with_its_hosts(broker, tmp_path):
    with rabbitmq.Broker(tmp_path) as second:
        # Beside another one, and without a word between them.
        assert set(second.pids.values()).isdisjoint(broker.pids.values())
        second.add_vhost('one')
        url = second.url('one')
        second.restart()
        assert second.url('one') == url
        second.add_vhost('one')
        second.add_vhost('two')
        assert _vhosts(second) == {'/', 'one', 'two'}
        pids = list(second.pids.values())
    assert not any(map(_is_running, pids))


def test_broker_that_can_not_start(tmp_path):
    (tmp_path / 'data').write_text('no folder')
    with pytest.raises((errors.NotReady, OSError)):
        rabbitmq.Broker(tmp_path).start(LIMIT)
    assert not _running(str(tmp_path))


@pytest.mark.parametrize('program, count, number', [
    (BROKER, 2, signal.SIGKILL),
    (CLOUD, 5, signal.SIGTERM),
], ids=['broker', 'cloud'])
def test_it_ends_with_its_process(tmp_path, program, count, number):
    with subprocess.Popen(
            [sys.executable, '-c', program, str(tmp_path)],
            stdout=subprocess.PIPE, cwd=keeper.REPOSITORY) as process:
        pids = list(map(int, process.stdout.readline().split()))
        process.send_signal(number)
    assert len(pids) == count
    _wait_until(lambda: not any(map(_is_running, pids))
                and not _running(str(tmp_path)))


def test_turns(tmp_path):
    """Of four processes none fails, and no count is lost."""
    path = str(tmp_path / 'database')
    _make_counter(path)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
        [turns.install(str(tmp_path / 'plugins')), keeper.REPOSITORY]))
    processes = [subprocess.Popen([sys.executable, '-c', COUNTER,
                                   turns.url(path)], env=environment)
                 for _number in range(4)]
    assert [process.wait(LIMIT) for process in processes] == [0] * 4
    with sqlite3.connect(path) as connection:
        assert connection.execute(
            'SELECT count FROM counter').fetchone() == (400,)


def test_turns_inside_of_turns(tmp_path):
    engine = sqlalchemy.create_engine('sqlite:///%s' % (tmp_path / 'file'))
    plugin = turns.Plugin(engine.url, {})
    assert plugin.update_url(engine.url) is engine.url
    plugin.engine_created(engine)
    with engine.connect(), engine.connect() as inner:
        assert inner.exec_driver_sql('SELECT 1').scalar() == 1
    turn = turns.Turn(str(tmp_path / 'file.turn'))
    turn.take()
    turn.give()


FORKING = """
import os
import sys
from oslo_db.sqlalchemy import engines
engine = engines.create_engine(sys.argv[1])
def look():
    with engine.begin() as connection:
        connection.exec_driver_sql('UPDATE counter SET count = count + 1')
look()
first, second = os.pipe(), os.pipe()
if os.fork() == 0:
    look()
    os.write(first[1], b'.')
    os.read(second[0], 1)
    os._exit(0)
if os.fork() == 0:
    os.read(first[0], 1)
    look()
    os.write(second[1], b'.')
    os._exit(0)
assert [os.wait()[1] for __ in range(2)] == [0, 0]
"""


def test_turns_of_those_who_are_forked(tmp_path):
    path = str(tmp_path / 'database')
    _make_counter(path)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(
        [turns.install(str(tmp_path / 'plugins')), keeper.REPOSITORY]))
    subprocess.run([sys.executable, '-c', FORKING, turns.url(path)],
                   env=environment, check=True, timeout=LIMIT)
    with sqlite3.connect(path) as connection:
        assert connection.execute(
            'SELECT count FROM counter').fetchone() == (3,)


def test_undertaker(tmp_path):
    grave = undertaker.Undertaker()
    with subprocess.Popen(
            ['sh', '-c', 'setsid sleep 600 & echo $!; wait'],
            env={**os.environ, **grave.environment},
            stdout=subprocess.PIPE) as shell:
        grandchild = int(shell.stdout.readline())
        with subprocess.Popen(['sleep', '600']) as other:
            grave.bury()
            assert shell.wait(LIMIT) == -signal.SIGKILL
            _wait_until(lambda: not _is_running(grandchild))
            assert other.poll() is None
            other.kill()


@pytest.mark.root
@pytest.mark.parametrize('number', [None, signal.SIGTERM, signal.SIGKILL])
def test_no_rule_of_sudo_is_left(number):
    with subprocess.Popen([sys.executable, '-c', RULE], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          cwd=keeper.REPOSITORY) as process:
        paths = process.stdout.readline().split()
        assert [os.path.exists(path) for path in paths] == [True] * 3
        if number is not None:
            process.send_signal(number)
    _wait_until(lambda: not any(map(os.path.exists, paths)))


def _make_counter(path):
    with sqlite3.connect(path) as connection:
        connection.execute('PRAGMA journal_mode=WAL')
        connection.execute('CREATE TABLE counter (count INTEGER)')
        connection.execute('INSERT INTO counter VALUES (0)')


def _vhosts(broker):
    return set(broker.control('list_vhosts', '--quiet',
                              '--no-table-headers').split())


def _is_running(pid):
    try:
        with open('/proc/%d/stat' % pid) as status:
            return status.read().rpartition(') ')[2][0] not in 'ZX'
    except FileNotFoundError:
        return False


def _running(text):
    """Whether a process has the text in its command line."""
    done = subprocess.run(['pgrep', '-f', '--', text],
                          stdout=subprocess.PIPE, text=True)
    return bool(done.stdout.split())


def _wait_until(is_so):
    deadline = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
