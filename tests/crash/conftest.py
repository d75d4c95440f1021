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

"""Explorations: see ``explorer``."""

import contextlib
import os
import tempfile

import pytest

from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import network
from tests.crash import cuts
from tests.crash import explorer
from tests.crash import online_explorer
from tests.crash import verbs
from tests import rig

_MEMORY = '/dev/shm'
#: Bytes that all worlds of a verb may need.
_ROOM = 1 << 30


@pytest.fixture(scope='session')
def database(tmp_path_factory):
    """An empty database of Cinder's, made once."""
    folder = str(tmp_path_factory.mktemp('database'))
    assert cuts.run(rig.Rig, folder)
    return os.path.join(folder, 'cinder.sqlite')


@pytest.fixture(scope='session')
def lanes(memory, database):
    """Processes in which acts are played, one for each processor."""
    with explorer.lanes(os.cpu_count(), memory, database) as pool:
        yield pool


@pytest.fixture
def prove(explore, capsys):
    """Asserts that a sabotaged driver is found, and prints by how much."""
    def of(title, verb, backend, sabotage, expected):
        report = explore(verb, backend, sabotage, depth=1)
        with capsys.disabled():
            print('\n%s%s, %s: %s' % (
                title, verb, sabotage.__name__.strip('_'), report.line()))
        # What fails without a cut is no order of steps that was found.
        assert report.cuts, report.text()
        assert expected in report.kinds(), report.text()
    return of


@pytest.fixture(scope='session')
def hosts(tmp_path_factory, memory, database):
    """The same, each with a GlusterFS of its own, which dies with it."""
    with contextlib.ExitStack() as stack:
        served = gluster.Gluster(os.path.join(memory, 'gluster'),
                                 stack.enter_context(network.Network()))
        served.start()
        folder = tmp_path_factory.mktemp('hosts')
        stack.enter_context(keeper.Keeper(folder))
        count = os.cpu_count()
        yield stack.enter_context(explorer.lanes(count, folder, database, [
            served.create('host%d' % number) for number in range(count)]))


@pytest.fixture(scope='session')
def memory(tmp_path_factory):
    """A folder that is in memory where there is room.

    What SIGKILL leaves does not depend on the disk, and flushing takes most
    of the time there.
    """
    with contextlib.ExitStack() as stack:
        yield (stack.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY))
               if _has_room(_MEMORY) else tmp_path_factory.mktemp('worlds'))


def _has_room(folder):
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return (os.access(folder, os.W_OK) and
            found.f_bavail * found.f_frsize > _ROOM)


@pytest.fixture(scope='session')
def benches(memory, database):
    """The same, each with a hypervisor, for ``online_explorer``."""
    with online_explorer.lanes(os.cpu_count(), memory, database) as pool:
        yield pool


@pytest.fixture
def explore(memory, database, request):
    """Explore a verb on a backend; returns the report."""
    def explore(verb, backend, sabotage=None, depth=None, where='lanes'):
        lanes = request.getfixturevalue(where)
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            stage = explorer.Stage(folder, verbs.VERBS[verb],
                                   verbs.BACKENDS[backend], sabotage)
            return explorer.explore(
                stage, explorer.prepare(stage, database), lanes,
                depth or stage.verb.depth)
    return explore
