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
def explore(memory, database, lanes):
    """Explore a verb on a backend; returns the report."""
    def explore(verb, backend, sabotage=None, depth=None):
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            stage = explorer.Stage(folder, verbs.VERBS[verb],
                                   verbs.BACKENDS[backend], sabotage)
            return explorer.explore(
                stage, explorer.prepare(stage, database), lanes,
                depth or stage.verb.depth)
    return explore
