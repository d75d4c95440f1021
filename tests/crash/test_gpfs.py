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

"""GPFSDriver killed at every place of every verb, on a pretended GPFS.

And whatever comes after it killed as well: see ``explorer``. Then code that
is broken on purpose, which must be found out.
"""

import dataclasses
import os
import tempfile

import pytest

from remotefs_drivers.chain import cloning
from remotefs_drivers import cloner
from remotefs_drivers import gpfs
from remotefs_drivers import gpfs_snapshots
from remotefs_drivers.store import direct
from remotefs_drivers.store import executor
from remotefs_drivers.store import parents
from tests.crash import explorer
from tests.crash import gpfs_group_verbs
from tests.crash import gpfs_image_verbs
from tests.crash import gpfs_verbs
from tests.crash import grounds


KINDS = (gpfs_verbs, gpfs_image_verbs, gpfs_group_verbs)


@pytest.fixture
def explore(memory, database, lanes):
    def explore(verb, backend, sabotage=None, depth=None):
        kind, = [each for each in KINDS if verb in each.VERBS]
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            stage = explorer.Stage(
                folder, kind.VERBS[verb], kind.BACKENDS[backend], sabotage,
                grounds.Gpfs)
            return explorer.explore(
                stage, explorer.prepare(stage, database), lanes,
                depth or stage.verb.depth)
    return explore


@pytest.mark.parametrize('verb, backend', [
    case for kind in KINDS for case in kind.CASES])
def test_killed_anywhere(verb, backend, explore, capsys):
    report = explore(verb, backend,
                     depth=1 if backend == 'not too deep' else None)
    with capsys.disabled():
        print('\nGPFS (pretended): %s, %s: %s' % (verb, backend,
                                                  report.line()))
    assert not report.findings, report.text()
    assert report.cuts > 0


def _no_journal():
    """Nobody who comes later knows what may have lost its last child."""
    real = cloning._plan

    def plan(*args, **fields):
        return real(*args, **dict(fields, journal=False))
    cloning._plan = plan


def _no_look_for_others():
    """What is below a parent that is gone is not looked for."""
    parents.discard_all = lambda folder: []
    cloner.Cloner._call = None
    real = cloner.Cloner.__init__

    def init(self, commands, call, mode):
        real(self, commands, call, mode)
        self._call = lambda what, function, *args: (
            None if function == 'discard_all'
            else call(what, function, *args))
    cloner.Cloner.__init__ = init


def _steps_are_repeated():
    """A revert that is begun again, as a merge would be."""
    real = cloning.revert

    def revert(*args):
        return dataclasses.replace(real(*args), undo=None)
    cloning.revert = revert


def _nothing_is_pruned():
    cloner.Cloner.prune = lambda self, path: None


def _volume_last():
    """Parents first, which are all needed still."""
    real = cloning.delete

    def delete(*args):
        made = real(*args)
        return dataclasses.replace(made, finish=made.finish[::-1])
    cloning.delete = delete


def _no_undo():
    """What was made for nothing stays, and nobody comes by later."""
    direct.discard_all = lambda folder: []
    real = executor.Executor._undo

    def undo(self, plan):
        real(self, dataclasses.replace(plan, undo=()))
    executor.Executor._undo = undo


def _parent_beside_the_image():
    """A new one, as of a volume; Glance does not know of it."""
    def clone_parent(self, file, path):
        parent = path + '.snap'
        if not os.path.exists(parent):
            self._commands.clone_snap(path, parent)
        file.copy_of_parent(parent)
        return True
    gpfs.GPFSDriver._clone_parent = clone_parent


def _fileset_stays_frozen():
    """Who deletes a group snapshot does not look for what a crash left."""
    gpfs_snapshots.Snapshots.remove = lambda self, name: None


@pytest.mark.parametrize('verb, sabotage, expected', [
    ('use a raw image', _parent_beside_the_image, explorer.ORPHANED),
    ('create a group snapshot', _fileset_stays_frozen, explorer.ORPHANED),
    ('delete the volume', _no_journal, explorer.ORPHANED),
    ('delete the volume', _no_look_for_others, explorer.ORPHANED),
    ('revert past one that waits', _steps_are_repeated, explorer.STUCK),
    ('delete the volume', _nothing_is_pruned, explorer.ORPHANED),
    ('delete the volume', _volume_last, explorer.ORPHANED),
    ('revert past one that waits', _no_undo, explorer.ORPHANED),
])
def test_it_is_found(verb, sabotage, expected, prove):
    backend = next(each for kind in KINDS for name, each in kind.CASES
                   if name == verb)
    prove('GPFS (pretended): ', verb, backend, sabotage, expected)
