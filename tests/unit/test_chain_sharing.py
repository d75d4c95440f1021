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

"""Plans for volumes that are shares of an appliance, as tables."""

import json
import types

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.chain import share_steps as steps
from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers.store import journal

V, W, X = 'volume-1', 'volume-2', 'volume-3'
S, D = 'snapshot-a', 'deleted-snapshot-a'
LENT = 'copy-volume-1'
ID = 'aaaaaaaa-0000-4000-8000-000000000000'
BETWEEN = 'clone-volume-' + ID
SIZE, OLD = 4096, 2048


def snapshot(name, *clones):
    return interface.Snapshot(name, 'id of ' + name, clones)


def share(*snapshots, origin=None):
    return interface.Share(V, 'id', 'nas:/' + V, SIZE, origin, snapshots)


#: The plan -> prepare, finish, undo, whether it has a journal.
PLANS = {
    'create': (
        sharing.create(V, SIZE),
        (steps.MakeShare(V, SIZE), steps.MakeFile(V, SIZE)), (),
        (steps.DropNewShare(V),), False),
    'snapshot': (
        sharing.create_snapshot(V, S),
        (steps.TakeSnapshot(V, S),), (), (steps.DropSnapshot(V, S),), False),
    'snapshots of one moment': (
        sharing.create_snapshots([V, W], S),
        (steps.TakeSnapshots((V, W), S),), (),
        (steps.DropSnapshot(V, S), steps.DropSnapshot(W, S)), False),
    # It waits under a name that no user asks for.
    'delete a snapshot': (
        sharing.delete_snapshot(V, S),
        (steps.LetSnapshotGo(V, S, D),), (), None, False),
    'copy': (
        sharing.copy(W, V, SIZE, V),
        (steps.TakeSnapshot(V, 'clone-volume-2'),
         steps.CloneShare(W, V, 'clone-volume-2', SIZE),
         steps.FitFile(W, SIZE, V)),
        (steps.PruneSnapshot(V, 'clone-volume-2'),),
        (steps.DropNewShare(W), steps.PruneSnapshot(V, 'clone-volume-2')),
        False),
    'copy of a snapshot': (
        sharing.copy_snapshot(W, V, S, SIZE, V),
        (steps.CloneShare(W, V, S, SIZE), steps.FitFile(W, SIZE, V)), (),
        (steps.DropNewShare(W),), False),
    'extend': (
        sharing.extend(V, SIZE, OLD, V),
        (steps.ResizeShare(V, SIZE), steps.FitFile(V, SIZE, V)), (),
        (steps.ResizeShare(V, OLD),), False),
    'revert': (
        sharing.roll_back(V, S, SIZE, V),
        (steps.RollBack(V, S), steps.FitFile(V, SIZE, V)), (), None, False),
    # The copy is beside the file for a while, and both must fit.
    'revert by a copy': (
        sharing.revert_by_copy(V, S, SIZE, V),
        (steps.CloneShare(LENT, V, S, SIZE),
         steps.ResizeShare(V, 2 * SIZE),
         steps.CopyFile(V, LENT, SIZE, V)),
        (steps.DropShare(LENT), steps.ResizeShare(V, SIZE)),
        (steps.DropCopy(V), steps.DropShare(LENT)), True),
    'lend': (
        sharing.lend(V, SIZE),
        # What may be left of the last time.
        (steps.PruneSnapshot(V, LENT), steps.TakeSnapshot(V, LENT),
         steps.CloneShare(LENT, V, LENT, SIZE)),
        (steps.DropShare(LENT), steps.PruneSnapshot(V, LENT)),
        (steps.DropShare(LENT), steps.PruneSnapshot(V, LENT)), True),
    'prune': (
        sharing.prune([V, W], 'clone-1'),
        (steps.PruneSnapshot(V, 'clone-1'),
         steps.PruneSnapshot(W, 'clone-1')), (), None, False),
    # The name comes last: until then it is the share that it was.
    'manage': (
        sharing.take('theirs', 'disk.img', V, SIZE),
        (steps.ResizeShare('theirs', SIZE),
         steps.TakeFile('theirs', 'disk.img', SIZE),
         steps.RenameShare('theirs', V)), (), None, False),
    'manage a snapshot': (
        sharing.take_snapshot(V, 'nightly', S),
        (steps.RenameSnapshot(V, 'nightly', S),), (), None, False),
    'delete': (
        sharing.delete(share()), (), (steps.DropShare(V),), (), False),
    'delete, with snapshots that wait': (
        sharing.delete(share(snapshot(D), snapshot('clone-volume-2'))), (),
        (steps.DropShare(V, (D, 'clone-volume-2')),), (), False),
    # What was only made for it goes with it.
    'delete, with the rest of a reading': (
        sharing.delete(share(snapshot(LENT, LENT))), (),
        (steps.DropShare(LENT), steps.DropShare(V, (LENT,))), (), False),
    # Somebody has made this one by hand; he keeps it.
    'delete, with a clone that is named like the rest of a reading': (
        sharing.delete(share(snapshot(D, 'copy-for-us'))), (),
        (steps.PromoteShare('copy-for-us'), steps.DropShare(V),
         steps.PruneSnapshot('copy-for-us', D)),
        (steps.PruneSnapshot('copy-for-us', D),), True),
    'delete, with a clone': (
        sharing.delete(share(snapshot('clone-volume-2', W))), (),
        (steps.PromoteShare(W), steps.DropShare(V),
         steps.PruneSnapshot(W, 'clone-volume-2')),
        (steps.PruneSnapshot(W, 'clone-volume-2'),), True),
    # The newest one with a clone decides: what is older goes along.
    'delete, with clones of several': (
        sharing.delete(share(
            snapshot(D, X), snapshot('clone-volume-2', W),
            snapshot('deleted-snapshot-c'))), (),
        (steps.PromoteShare(W), steps.DropShare(V, ('deleted-snapshot-c',)),
         steps.PruneSnapshot(W, D),
         steps.PruneSnapshot(W, 'clone-volume-2')),
        (steps.PruneSnapshot(W, D),
         steps.PruneSnapshot(W, 'clone-volume-2')), True),
    'delete a clone': (
        sharing.delete(share(origin=(X, BETWEEN))), (),
        (steps.DropShare(V), steps.PruneSnapshot(X, BETWEEN)),
        (steps.PruneSnapshot(X, BETWEEN),), True),
    # A person has made that one.
    'delete a clone of what is called like ours': (
        sharing.delete(share(origin=(X, 'clone-x'))), (),
        (steps.DropShare(V),), (), False),
    # A user has that one.
    'delete a clone of a snapshot': (
        sharing.delete(share(origin=(X, S))), (),
        (steps.DropShare(V),), (), False),
    # Who takes over hangs on the origin from then on.
    'delete a clone with a clone': (
        sharing.delete(share(snapshot('clone-volume-2', W),
                             origin=(X, 'clone-volume-1'))), (),
        (steps.PromoteShare(W), steps.DropShare(V),
         steps.PruneSnapshot(W, 'clone-volume-2')),
        (steps.PruneSnapshot(W, 'clone-volume-2'),), True),
}
WITH_JOURNAL = [name for name, (plan, *__) in PLANS.items() if plan.journal]


@pytest.mark.parametrize('name', PLANS)
def test_the_steps(name):
    plan, prepare, finish, undo, has_journal = PLANS[name]
    assert (plan.prepare, plan.finish, plan.undo, plan.journal) == (
        prepare, finish, undo, has_journal)


@pytest.mark.parametrize('name', PLANS)
def test_no_step_is_ever_repeated(name):
    """There is no table; and what has a journal can be undone."""
    plan = PLANS[name][0]
    assert not plan.changes_table
    assert plan.undo is not None or not plan.journal


@pytest.mark.parametrize('name', WITH_JOURNAL)
def test_undoing_harms_nothing_that_is_in_use(name):
    """It may be done long after all is over, by a journal that came back."""
    assert all(sharing.is_harmless(V, step)
               for step in PLANS[name][0].undo)


@pytest.mark.parametrize('step, harmless', [
    (steps.DropShare(LENT), True),
    (steps.DropShare(LENT, (S,)), False),
    (steps.DropShare('copy-volume-2'), False),
    (steps.DropShare(V), False),
    (steps.DropCopy(V), True),
    (steps.DropCopy(W), False),
    (steps.PruneSnapshot(W, 'clone-volume-1'), True),
    (steps.PruneSnapshot(V, D), True),
    (steps.PruneSnapshot(V, S), False),
    (steps.DropSnapshot(V, D), False),
    (steps.ResizeShare(V, 1), False),
])
def test_what_is_harmless(step, harmless):
    assert sharing.is_harmless(V, step) is harmless


@pytest.mark.parametrize('name', WITH_JOURNAL)
def test_it_can_be_written_down(name):
    plan = PLANS[name][0]
    assert journal.loads(journal.dumps(plan), V, 'path') == plan


def test_every_kind_of_step_is_in_a_plan():
    used = {type(step) for plan, *__ in PLANS.values()
            for step in (*plan.prepare, *plan.finish, *(plan.undo or ()))}
    assert used == set(steps.KINDS)


class TestHostileJournals:
    """Whoever can write to the share of journals can write one."""

    def lend(self, **changed):
        """The text of a journal, but for this."""
        text = journal.dumps(sharing.lend(V, SIZE))
        return json.dumps(dict(json.loads(text), **changed))

    @pytest.mark.parametrize('step', [
        ['DropShare', {'share': '../' + W, 'snapshots': []}],
        ['DropShare', {'share': 'copy-1/..', 'snapshots': []}],
        ['DropShare', {'share': '.hidden', 'snapshots': []}],
        ['DropShare', {'share': 'copy-1', 'snapshots': ['a/b']}],
        ['DropShare', {'share': 'copy-1', 'snapshots': 'ab'}],
        ['DropShare', {'share': 'copy-1', 'snapshots': [1]}],
        ['DropShare', {'share': 'copy-1', 'snapshots': None}],
        ['DropShare', {'share': 1}],
        ['DropShare', {}],
        ['DropShare', {'share': 'copy-1', 'more': 1}],
        ['PruneSnapshot', {'share': V, 'snapshot': '../x'}],
        ['PruneSnapshot', {'share': V}],
        ['TakeSnapshots', {'shares': [V, '/etc'], 'snapshot': S}],
        ['ResizeShare', {'share': V, 'size': '1'}],
        ['ResizeShare', {'share': V, 'size': True}],
        ['Anything', {'share': V}],
    ])
    def test_what_is_no_step(self, step):
        with pytest.raises(errors.JournalInvalid):
            journal.loads(self.lend(undo=[step]), V, 'path')

    #: Would take a share of another volume along.
    DROP = ['DropShare', {'share': W, 'snapshots': [S]}]

    @pytest.mark.parametrize('changed', [
        # It would be begun again.
        {'undo': None, 'prepare': [DROP]},
        {'undo': None},
        {'undo': [DROP]},
        {'undo': [['DropShare', {'share': V}]]},
        {'undo': [['DropShare', {'share': 'copy-volume-2'}]]},
        {'undo': [['PruneSnapshot', {'share': W, 'snapshot': S}]]},
        {'undo': [['Unlink', {'name': V}]]},
        # It would be finished.
        {'finish': [DROP], 'before': {'active': V}},
        {'finish': [DROP], 'version': 2,
         'guest': ['GuestSwitch', {'name': V + '.a', 'below': V}]},
    ])
    def test_what_could_do_harm(self, changed):
        with pytest.raises(errors.JournalInvalid, match='appliance'):
            journal.loads(self.lend(**changed), V, 'path')

    def test_what_is_never_done_may_be_anything(self):
        text = self.lend(prepare=[self.DROP], finish=[self.DROP])
        assert journal.loads(text, V, 'path').undo


@pytest.mark.parametrize('name, waits, ours', [
    ('clone-volume-' + ID, True, True),
    ('deleted-snapshot-' + ID, True, True),
    ('copy-volume-' + ID, True, True), ('clone-' + ID, True, True),
    # Somebody has called one so by hand.
    ('clone-before-upgrade', True, False), ('copy-1', True, False),
    ('snapshot-a', False, False), ('nightly', False, False),
    ('snapshot-clone-' + ID, False, False), ('', False, False),
    ('clone', False, False)])
def test_which_snapshots_nobody_asks_for(name, waits, ours):
    assert sharing.is_waiting(name) is waits
    assert sharing.is_made_here(name) is ours
    found = share(snapshot(name), snapshot('snapshot-b'))
    assert sharing.asked_for(found) == (
        ['snapshot-b'] if ours else [name, 'snapshot-b'])


def test_names():
    assert sharing.between(W) == 'clone-volume-2'
    assert sharing.deleted(S) == D
    assert sharing.temporary(V) == LENT
    assert sharing.owner(LENT) == sharing.owner(V) == V
    assert sharing.is_temporary(LENT) and not sharing.is_temporary(V)


@pytest.mark.parametrize('snapshots, origin, related', [
    ((), None, set()),
    ((snapshot(S),), None, set()),
    ((snapshot(S, W, X),), None, {W, X}),
    ((snapshot(S, W), snapshot('b', W)), ('volume-4', S), {W, 'volume-4'}),
])
def test_whom_a_deletion_may_change(snapshots, origin, related):
    assert sharing.related(share(*snapshots, origin=origin)) == related


def test_a_share_of_any_make_will_do():
    """Plans look at fields only."""
    made = types.SimpleNamespace(name=V, snapshots=(), origin=None)
    assert sharing.delete(made).finish == (steps.DropShare(V),)
