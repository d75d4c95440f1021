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

"""Plans where the file system makes clones, as tables."""

import os

import pytest

from remotefs_drivers.chain import clones
from remotefs_drivers.chain import cloning
from remotefs_drivers.chain import steps
from remotefs_drivers import names
from remotefs_drivers.store import journal

V, W, S, TMP = 'volume-1', 'volume-2', 'snapshot-a', '.volume-1.new-clone'
SIZE = 4096
SNAP, COPY, GROW = steps.CloneSnap, steps.CloneCopy, steps.Grow
UNLINK, PRUNE = steps.Unlink, steps.Prune
REDIRECT = steps.CloneRedirect

#: The plan -> prepare, finish, undo, whether it has a journal.
PLANS = {
    'snapshot': (
        cloning.create_snapshot(V, 'a', S),
        (SNAP(S, V),), (), (), False),
    # What it has written is in the volume after that, not in the snapshot.
    'snapshot, not too deep': (
        cloning.create_snapshot(V, 'a', S, depth=2),
        (SNAP(S, V), REDIRECT(V, 2)), (), (), False),
    'delete a snapshot': (
        cloning.delete_snapshot('a', S, S + '.ts'),
        (steps.Defer(S, S + '.ts'),), (PRUNE(S + '.ts'),),
        (PRUNE(S + '.ts'),), True),
    'revert': (
        cloning.revert(V, 'a', S, SIZE, TMP),
        (COPY(TMP, S), GROW(TMP, SIZE), steps.Rename(TMP, V)), (),
        (UNLINK(TMP),), True),
    # What was written since a snapshot that is deleted by now is in a parent
    # that nobody needs any more.
    'revert, with a parent that waits': (
        cloning.revert(V, 'a', S, SIZE, TMP, 'snapshot-b.ts'),
        (COPY(TMP, S), GROW(TMP, SIZE), steps.Rename(TMP, V)),
        (PRUNE('snapshot-b.ts'),), (UNLINK(TMP), PRUNE('snapshot-b.ts')),
        True),
    'revert, with a parent that somebody asks for': (
        cloning.revert(V, 'a', S, SIZE, TMP, 'snapshot-b'),
        (COPY(TMP, S), GROW(TMP, SIZE), steps.Rename(TMP, V)), (),
        (UNLINK(TMP),), True),
    # Before it is the volume: after that it is whole, however deep.
    'revert, not too deep': (
        cloning.revert(V, 'a', S, SIZE, TMP, depth=2),
        (COPY(TMP, S), GROW(TMP, SIZE), REDIRECT(TMP, 2),
         steps.Rename(TMP, V)), (), (UNLINK(TMP),), True),
    'copy': (
        cloning.copy(W, V, SIZE),
        (SNAP(W + '.snap', V), COPY(W, W + '.snap'), GROW(W, SIZE)), (),
        (UNLINK(W), PRUNE(W + '.snap')), False),
    # Nobody needs what is in between when both do without it.
    'copy, not too deep': (
        cloning.copy(W, V, SIZE, depth=1),
        (SNAP(W + '.snap', V), COPY(W, W + '.snap'), GROW(W, SIZE),
         REDIRECT(V, 1), REDIRECT(W, 1)), (PRUNE(W + '.snap'),),
        (UNLINK(W), PRUNE(W + '.snap')), False),
    'copy of a snapshot': (
        cloning.copy_parent(W, S, SIZE),
        (COPY(W, S), GROW(W, SIZE)), (), (UNLINK(W),), False),
    'delete': (
        cloning.delete(V, ()), (), (UNLINK(V),), (), False),
    'delete, with what a crash left': (
        cloning.delete(V, (TMP,)), (), (UNLINK(TMP), UNLINK(V)), (), False),
    # The volume goes first: it is the child of the others.
    'delete, with parents': (
        cloning.delete(V, (TMP,), 'snapshot-a.ts', None, V + '.snap'), (),
        (UNLINK(TMP), UNLINK(V), PRUNE('snapshot-a.ts'),
         PRUNE(V + '.snap')), (PRUNE('snapshot-a.ts'), PRUNE(V + '.snap')),
        True),
    'delete, with a parent that somebody asks for': (
        cloning.delete(V, (), 'snapshot-a'), (), (UNLINK(V),), (), False),
}


@pytest.mark.parametrize('name', PLANS)
def test_the_steps(name):
    plan, prepare, finish, undo, has_journal = PLANS[name]
    assert (plan.prepare, plan.finish, plan.undo, plan.journal) == (
        prepare, finish, undo, has_journal)


@pytest.mark.parametrize('name', PLANS)
def test_no_step_is_ever_repeated(name):
    """There is no table: whoever comes undoes, whatever came of it."""
    plan = PLANS[name][0]
    assert not plan.changes_table
    assert plan.undo is not None


@pytest.mark.parametrize('name', PLANS)
def test_undoing_harms_nothing_that_is_in_use(name):
    """It may be done long after all is over, by a journal that came back.

    The file of a copy is no exception: its plan has no journal.
    """
    plan = PLANS[name][0]
    for step in plan.undo:
        if isinstance(step, steps.Unlink) and plan.journal:
            assert step.name in names.all_temporary(V)
        else:
            assert isinstance(step, (steps.Prune, steps.Unlink))


@pytest.mark.parametrize('name', [name for name, (plan, *__)
                                  in PLANS.items() if plan.journal])
def test_it_can_be_written_down(name):
    plan = PLANS[name][0]
    assert journal.loads(journal.dumps(plan), V, 'path') == plan


@pytest.mark.parametrize('name, waits', [
    ('volume-2.snap', True), ('snapshot-a.ts', True), ('x.ts', True),
    ('volume-1', False), ('snapshot-a', False), ('snap', False),
    ('.volume-1.ts', False), ('', False), ('a/b.ts', False),
    ('volume-1.snapshot', False), ('volume-1.intent', False)])
def test_which_names_are_of_parents_that_wait(name, waits):
    assert clones.is_waiting(name) is waits


def test_the_names_are_those_of_the_driver_in_the_tree():
    assert clones.in_between('volume-2') == 'volume-2.snap'
    assert clones.deleted('snapshot-a') == 'snapshot-a.ts'
    assert os.path.basename(clones.deleted('snapshot-a')) == 'snapshot-a.ts'
