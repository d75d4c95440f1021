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
"""ApplianceNfsDriver killed, or without an answer, at every place of a verb.

And whatever comes after it as well: see ``explorer`` and ``box_cuts``. Then
code that is broken on purpose, which must be found out.

A backend is a kind of box, and whether a service finishes at its start what
a crash has left, or each verb has to.
"""

import dataclasses
import tempfile

import pytest

from remotefs_drivers.chain import share_steps
from remotefs_drivers.chain import sharing
from remotefs_drivers.remotefs import share_deleting
from remotefs_drivers.share import visited
from remotefs_drivers import sharer
from remotefs_drivers.store import executor
from tests.crash import appliance_verbs
from tests.crash import explorer
from tests.crash import grounds

_CASES = [(verb, backend) for verb in sorted(appliance_verbs.VERBS)
          for backend in sorted(appliance_verbs.BACKENDS)
          if backend.partition('-')[0] in appliance_verbs.VERBS[verb].kinds]


@pytest.fixture
def explore(memory, database, lanes):
    def explore(verb, backend, sabotage=None, depth=None):
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            stage = explorer.Stage(
                folder, appliance_verbs.VERBS[verb],
                appliance_verbs.BACKENDS[backend], sabotage, grounds.Box)
            return explorer.explore(
                stage, explorer.prepare(stage, database), lanes,
                depth or stage.verb.depth)
    return explore


@pytest.mark.pairs
@pytest.mark.parametrize('verb, backend', _CASES)
def test_cut_off_anywhere(verb, backend, explore, capsys):
    report = explore(verb, backend,
                     depth=None if backend == 'dependent-forgets' else 1)
    with capsys.disabled():
        print('\nappliance, %s, %s: %s' % (verb, backend, report.line()))
    assert not report.findings, report.text()
    assert report.cuts > 0


def _changed(name, **fields):
    """A plan with other fields, each a function of the plan."""
    real = getattr(sharing, name)

    def plan(*args):
        made = real(*args)
        return dataclasses.replace(made, **{
            field: change(made) for field, change in fields.items()})
    setattr(sharing, name, plan)


def _volume_before_its_heir():
    """The share goes before a clone has taken over what hangs on it."""
    def wrong(plan):
        first = [each for each in plan.finish
                 if isinstance(each, share_steps.DropShare)]
        return (*first, *(each for each in plan.finish if each not in first))
    _changed('delete', finish=wrong)


def _no_journal_of_delete():
    """Nobody knows any more what waited for the volume."""
    _changed('delete', journal=lambda plan: False)


def _nothing_is_pruned():
    sharer.Sharer._STEPS[share_steps.PruneSnapshot] = lambda self, step: None


def _pruned_without_looking():
    """The snapshot that a copy hangs on counts as gone."""
    sharer.Sharer._STEPS[share_steps.LetSnapshotGo] = (
        lambda self, step: self._appliance.delete_snapshot(step.share,
                                                           step.snapshot))


def _copy_keeps_its_snapshot():
    """A copy that fails takes its share along, and nothing else."""
    _changed('copy', undo=lambda plan: plan.undo[:1])
    share_deleting.DeletingDriver._forget_copy = (
        lambda self, volume, share: None)


def _volume_goes_with_its_journal():
    """As if it was new: its share goes when the revert is cut off."""
    _changed('revert_by_copy', undo=lambda plan: (
        *plan.undo, share_steps.DropShare(plan.prepare[1].share)))


def _lent_without_a_journal():
    _changed('lend', journal=lambda plan: False)


def _stays_mounted():
    visited._Use.leave = lambda self, unmount: None


def _copied_in_place():
    """Over the volume's file, which is neither the one nor the other then.
    """
    real = sharer.Sharer._copy_file

    def copy(self, step):
        with self._inside(step.share) as (work, path):
            work.call('delete', 'remove', path(sharing.FILE))
            work.call('create', 'create', path(sharing.FILE), step.size,
                      work.mode)
        real(self, step)
    sharer.Sharer._STEPS[share_steps.CopyFile] = copy


def _undone_only_once():
    """What was asked for cannot come later."""
    real = executor.Executor._undo

    def undo(self, plan, may_come=False):
        real(self, plan)
    executor.Executor._undo = undo


@pytest.mark.parametrize('verb, sabotage, expected', [
    ('delete the source of copies', _volume_before_its_heir, explorer.STUCK),
    ('delete the source of copies', _no_journal_of_delete,
     explorer.ORPHANED),
    ('delete a copy', _nothing_is_pruned, explorer.ORPHANED),
    ('delete a snapshot with a copy', _pruned_without_looking,
     explorer.STUCK),
    ('clone', _copy_keeps_its_snapshot, explorer.STUCK),
    ('revert past newer ones', _volume_goes_with_its_journal, explorer.STUCK),
    ('revert past newer ones', _copied_in_place, explorer.LOST),
    ('upload in use', _lent_without_a_journal, explorer.STUCK),
    ('delete the last copy', _undone_only_once, explorer.ORPHANED),
    ('attach and detach', _stays_mounted, explorer.ORPHANED),
])
def test_it_is_found(verb, sabotage, expected, prove):
    prove('appliance, ', verb, 'dependent-forgets', sabotage, expected)
