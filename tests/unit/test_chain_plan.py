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


"""A plan for each verb, at each place of chains of each depth.

What the steps do to the files is done here to a model of them, so that a
wrong order of steps or a file that somebody still names shows.
"""

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from tests.unit import chains

BASE = chains.BASE
SIZE = chains.SIZE
TEMPORARY = chains.TEMPORARY
ident = chains.ident
make = chains.make
overlay = chains.overlay


KINDS = {'raw': {}, 'qcow2': {'base_format': 'qcow2'},
         'standalone': {'standalone': True}}


@pytest.fixture(params=KINDS)
def chain_of(request):
    """Makes chains of each kind."""
    return lambda depth: make(depth, **KINDS[request.param])


class TestCreateSnapshot:
    @pytest.mark.parametrize('depth', range(5))
    def test_at_each_depth(self, chain_of, depth):
        chain = chain_of(depth)
        made = plan.create_snapshot(chain, ident(9), SIZE)
        assert made == plan.Plan(
            'create_snapshot', ident(9),
            (steps.CreateOverlay(overlay_of(ident(9)), chain.active.name,
                                 chain.active.format, SIZE),),
            before=chain.info,
            after=model.Info(overlay_of(ident(9)), {
                **chain.snapshots, ident(9): overlay_of(ident(9))}),
            finish=(), undo=(steps.Unlink(overlay_of(ident(9))),))
        assert made.changes_table

    @pytest.mark.parametrize('size, layer, expected', [
        # Not smaller than what is below: its end could not be read.
        (SIZE, SIZE + 512, SIZE + 512),
        # Nor than the volume: a crash took the growth of a raw base back.
        (SIZE, 512, SIZE),
        (SIZE, SIZE, SIZE),
    ])
    def test_its_size(self, size, layer, expected):
        chain = make(0, sizes=[layer])
        step, = plan.create_snapshot(chain, ident(9), size).prepare
        assert step.size == expected

    @pytest.mark.parametrize('chain', [
        make(1), make(3),
        # Of its record only.
        chains.with_info(make(0), {ident(1): overlay(1)}),
    ])
    def test_one_that_there_is(self, chain):
        with pytest.raises(errors.SnapshotExists, match=ident(1)):
            plan.create_snapshot(chain, ident(1), SIZE)


def overlay_of(snapshot):
    return '%s.%s' % (BASE, snapshot)


class TestDeleteSnapshot:
    @pytest.mark.parametrize('depth, place', [
        (depth, place) for depth in range(1, 5)
        for place in range(1, depth + 1)])
    def test_at_each_place(self, chain_of, depth, place):
        chain = chain_of(depth)
        below = chain.layers[place - 1]
        snapshot, name = ident(place), overlay(place)
        expected = [steps.Commit(name)]
        active = below.name
        if place < depth:
            active = chain.active.name
            expected.append(steps.Rebase(overlay(place + 1), below.name,
                                         below.format))
        left = {key: value for key, value in chain.snapshots.items()
                if key != snapshot}
        after = model.Info(active, left)
        if not left and active == BASE:
            after = None
        assert plan.delete_snapshot(chain, snapshot) == plan.Plan(
            'delete_snapshot', snapshot, tuple(expected), chain.info, after,
            finish=(steps.Unlink(name),), undo=None)

    @pytest.mark.parametrize('depth', range(4))
    def test_one_without_a_record(self, chain_of, depth):
        assert plan.delete_snapshot(chain_of(depth), ident(9)) is None

    @pytest.mark.parametrize('depth', range(4))
    def test_a_record_without_a_layer(self, chain_of, depth):
        """Nobody reads through its file, if there is one: that goes too."""
        chain = chains.with_info(chain_of(depth), {ident(9): overlay(9)})
        made = plan.delete_snapshot(chain, ident(9))
        assert (made.prepare, made.undo) == ((), ())
        assert made.finish == (steps.Unlink(overlay(9)),)
        expected = model.Info(chain.active.name, {
            key: name for key, name in chain.snapshots.items()
            if key != ident(9)})
        if chain.active.name == BASE:
            expected = None
        assert made.after == expected

    @pytest.mark.parametrize('depth', range(4))
    def test_a_record_of_the_lowest_layer(self, depth):
        """What it held is gone; the layer itself is read by all."""
        chain = chains.with_info(make(depth, standalone=True),
                                 {ident(0): overlay(0)})
        made = plan.delete_snapshot(chain, ident(0))
        assert (made.prepare, made.finish, made.undo) == ((), (), ())
        assert ident(0) not in made.after.snapshots
        assert made.after.active == chain.active.name

    def test_the_table_goes_with_the_last_one(self):
        assert plan.delete_snapshot(make(1), ident(1)).after is None

    def test_it_stays_where_the_base_is_gone(self):
        """Nobody could say then which file is the volume."""
        chain = make(1, standalone=True)
        assert plan.delete_snapshot(chain, ident(1)).after == model.Info(
            overlay(0), {})


class TestRevert:
    @pytest.mark.parametrize('depth', range(1, 5))
    def test_to_the_newest(self, chain_of, depth):
        chain = chain_of(depth)
        below = chain.layers[-2]
        made = plan.revert(chain, ident(depth), SIZE, TEMPORARY)
        assert made == plan.Plan(
            'revert_to_snapshot', ident(depth),
            (steps.CreateOverlay(TEMPORARY, below.name, below.format, SIZE),
             steps.Rename(TEMPORARY, chain.active.name)),
            chain.info, chain.info, (), (steps.Unlink(TEMPORARY),))
        assert not made.changes_table

    def test_it_keeps_the_size_of_the_volume(self):
        """Which was extended since; and what is below may be larger."""
        for sizes, size in [([512, 1024], 2048), ([2048, 2048], 1024)]:
            made = plan.revert(make(1, sizes=sizes), ident(1), size, TEMPORARY)
            assert made.prepare[0].size == 2048

    @pytest.mark.parametrize('depth, place', [
        (depth, place) for depth in range(2, 5) for place in range(1, depth)])
    def test_to_an_older_one(self, chain_of, depth, place):
        with pytest.raises(errors.SnapshotNotNewest):
            plan.revert(chain_of(depth), ident(place), SIZE, TEMPORARY)

    @pytest.mark.parametrize('chain', [
        make(0), make(2), chains.with_info(make(2), {ident(9): overlay(9)}),
        chains.with_info(make(2, standalone=True), {ident(9): overlay(0)}),
    ])
    def test_to_one_that_holds_nothing(self, chain):
        with pytest.raises(errors.SnapshotUnknown, match=ident(9)):
            plan.revert(chain, ident(9), SIZE, TEMPORARY)


class TestRenameSnapshot:
    @pytest.mark.parametrize('depth, place', [
        (depth, place) for depth in range(1, 5)
        for place in range(1, depth + 1)])
    def test_no_file_changes(self, chain_of, depth, place):
        chain = chain_of(depth)
        snapshot = ident(place)
        made = plan.rename_snapshot(chain, snapshot, ident(9))
        assert (made.prepare, made.finish, made.undo) == ((), (), ())
        assert made.after.active == chain.active.name
        assert made.after.snapshots[ident(9)] == overlay(place)
        assert set(made.after.snapshots) == (
            set(chain.snapshots) - {snapshot} | {ident(9)})

    def test_of_one_that_there_is_not(self, chain_of):
        with pytest.raises(errors.SnapshotUnknown):
            plan.rename_snapshot(chain_of(2), ident(9), ident(8))


class TestMend:
    @pytest.mark.parametrize('depth', range(5))
    def test_nothing(self, chain_of, depth):
        assert plan.mend(chain_of(depth)) is None

    @pytest.mark.parametrize('wrong', [
        # As old releases of Nova wrote it.
        {'backing': '/var/lib/nova/mnt/0123/%s'},
        {'backing': './%s'},
        # No format: programs would look into the file.
        {'backing_format': None},
        {'backing': '/mnt/%s', 'backing_format': None},
        # Another one than it is on record.
        {'backing_format': 'vmdk'},
    ])
    @pytest.mark.parametrize('place', [1, 2, 3])
    def test_one_overlay(self, chain_of, wrong, place):
        chain = chain_of(3)
        below = chain.layers[place - 1]
        chain = chains.spoiled(chain, place, wrong)
        assert plan.mend(chain) == plan.Plan(
            'mend', None,
            (steps.Rebase(overlay(place), below.name, below.format),),
            chain.info, chain.info, (), ())

    def test_all_of_them(self, chain_of):
        chain = chain_of(3)
        for place in (1, 2, 3):
            chain = chains.spoiled(chain, place, {'backing_format': None})
        assert [step.name for step in plan.mend(chain).prepare] == [
            overlay(1), overlay(2), overlay(3)]


class Files:
    """A model of a folder: what each file holds, and what it names below.

    What a file holds is a dict: place -> who wrote there last.
    """

    def __init__(self, chain):
        # Files of stale records first: nobody reads through them.
        self.held = {name: {} for name in chain.snapshots.values()}
        self.below = dict.fromkeys(self.held)
        for layer in chain.layers:
            self.held[layer.name] = {'common': layer.name,
                                     layer.name: layer.name}
            self.below[layer.name] = layer.backing

    def read(self, name):
        """All that a host sees through a file."""
        below = self.below[name]
        return {**(self.read(below) if below else {}), **self.held[name]}

    def do(self, step):
        getattr(self, '_' + type(step).__name__)(
            **dataclasses.asdict(step))

    def _CreateOverlay(self, name, backing, backing_format, size):
        assert name not in self.held and backing in self.held
        self.held[name], self.below[name] = {}, backing

    def _Commit(self, name):
        self.held[self.below[name]].update(self.held[name])

    def _Rebase(self, name, backing, backing_format):
        assert backing in self.held
        self.below[name] = backing

    def _Rename(self, name, new_name):
        self.held[new_name] = self.held.pop(name)
        self.below[new_name] = self.below.pop(name)

    def _Unlink(self, name):
        self.held.pop(name, None)
        self.below.pop(name, None)


def contents(files, chain):
    """(what the volume holds, snapshot -> what it holds)"""
    snapshots = {}
    for snapshot in chain.snapshots:
        try:
            snapshots[snapshot] = files.read(chain.content(snapshot).name)
        except errors.SnapshotUnknown:
            continue
    return files.read(chain.active.name), snapshots


@given(chains.planned())
def test_layers_go_after_the_table_has_changed(given_plan):
    __, made = given_plan
    kinds = {type(step) for step in made.prepare}
    assert steps.Unlink not in kinds
    assert {type(step) for step in made.finish} <= {steps.Unlink}
    if steps.Commit in kinds:
        # It cannot be taken back, and nothing must try to.
        assert made.undo is None and made.changes_table


@given(chains.planned())
def test_undo_removes_only_what_was_made(given_plan):
    chain, made = given_plan
    created = {step.name for step in made.prepare
               if isinstance(step, steps.CreateOverlay)}
    undone = {step.name for step in made.undo or ()}
    assert undone == (created if made.undo is not None else set())
    assert not undone & {layer.name for layer in chain.layers}
    assert not undone & set(chain.snapshots.values())
    assert all(isinstance(step, steps.Unlink) for step in made.undo or ())


@given(chains.planned())
def test_nobody_names_what_is_unlinked(given_plan):
    chain, made = given_plan
    files = Files(chain)
    for step in made.prepare + made.finish:
        files.do(step)
    after = made.after or model.Info(BASE, {})
    removed = {step.name for step in made.finish}
    assert not removed & {after.active, *after.snapshots.values()}
    assert not removed & set(files.below.values())
    assert after.active in files.held
    # All that the table says is there, but for what was stale before.
    assert set(after.snapshots.values()) <= set(files.held)


@given(chains.planned())
def test_what_everybody_sees_stays(given_plan):
    """Of the volume, and of each snapshot but the one that is deleted."""
    chain, made = given_plan
    files = Files(chain)
    volume, snapshots = contents(files, chain)
    if made.verb == 'revert_to_snapshot':
        volume = snapshots[made.snapshot]
    if made.verb == 'delete_snapshot':
        snapshots.pop(made.snapshot, None)
    if made.verb == 'create_snapshot':
        snapshots[made.snapshot] = volume
    for step in made.prepare + made.finish:
        files.do(step)
    after = made.after or model.Info(BASE, {})
    assert files.read(after.active) == volume
    if made.verb == 'manage_snapshot':
        old, = set(chain.snapshots) - set(after.snapshots)
        snapshots[made.snapshot] = snapshots.pop(old)
    found = {snapshot: files.read(files.below[name])
             for snapshot, name in after.snapshots.items()
             if files.below[name] is not None}
    assert found == snapshots


@given(chains.planned(), strategies.data())
def test_the_volume_reads_right_at_every_moment(given_plan, data):
    """Cut off anywhere before the table is changed; undone, or done again."""
    chain, made = given_plan
    files = Files(chain)
    volume, snapshots = contents(files, chain)
    done = data.draw(strategies.integers(0, len(made.prepare)))
    for step in made.prepare[:done]:
        files.do(step)
    seen = [volume]
    if made.verb == 'revert_to_snapshot':
        seen.append(snapshots[made.snapshot])
    assert files.read(chain.active.name) in seen
    if made.undo is not None:
        for step in made.undo:
            files.do(step)
        assert set(files.held) == set(Files(chain).held)
        assert files.read(chain.active.name) in seen
        return
    for step in itertools.chain(made.prepare, made.finish):
        files.do(step)
    assert files.read((made.after or model.Info(BASE, {})).active) == volume


class TestUnderAGuest:
    """As the contract with Nova has it: see the facts of each."""

    def test_create(self, chain_of):
        chain = chain_of(2)
        alone = plan.create_snapshot(chain, ident(9), SIZE)
        made = plan.create_snapshot(chain, ident(9), SIZE, has_guest=True)
        assert made == dataclasses.replace(alone, guest=steps.GuestSwitch(
            overlay_of(ident(9)), chain.active.name))

    @pytest.mark.parametrize('depth, number', [
        (depth, number) for depth in range(2, 5)
        for number in range(1, depth)])
    def test_delete_below_others(self, chain_of, depth, number):
        """Merged into its parent; its own file goes."""
        chain = chain_of(depth)
        below = chain.below(overlay(number)).name
        assert plan.delete_snapshot(
            chain, ident(number), has_guest=True) == plan.Plan(
                'delete_snapshot', ident(number), prepare=(),
                guest=steps.GuestMerge(overlay(number + 1), below,
                                       overlay(number)),
                before=chain.info, after=chain.info.without(ident(number)),
                finish=(steps.Unlink(overlay(number)),))

    @pytest.mark.parametrize('depth', range(2, 5))
    def test_delete_the_newest(self, chain_of, depth):
        """The active file stays, and takes the parent's place."""
        chain = chain_of(depth)
        made = plan.delete_snapshot(chain, ident(depth), has_guest=True)
        parent, lower = overlay(depth - 1), chain.layers[-3].name
        assert made.guest == steps.GuestMerge(overlay(depth), lower, None)
        assert made.finish == (steps.Unlink(parent),)
        assert made.prepare == () and made.undo is None
        assert made.after == model.Info(overlay(depth), {
            **{ident(each): overlay(each) for each in range(1, depth - 1)},
            ident(depth - 1): overlay(depth)})

    def test_delete_the_only_one(self, chain_of):
        """All is pulled up; the volume has an overlay as its only file."""
        chain = chain_of(1)
        made = plan.delete_snapshot(chain, ident(1), has_guest=True)
        assert made.guest == steps.GuestMerge(overlay(1), None, None)
        assert made.after == model.Info(overlay(1), {})
        assert made.finish == (steps.Unlink(chain.lowest.name),)

    def test_a_stale_record_needs_no_guest(self):
        chain = chains.with_info(make(1), {ident(7): overlay(7)})
        assert plan.delete_snapshot(chain, ident(7), has_guest=True) == (
            plan.delete_snapshot(chain, ident(7)))

    @given(chains.chains(), strategies.data())
    def test_what_is_left_can_be_worked_on(self, chain, data):
        """By whoever comes next, with a guest or without."""
        ids = [each for each, name in chain.snapshots.items()
               if chain.has(name) and chain.below(name)]
        for each in data.draw(strategies.permutations(ids)):
            made = plan.delete_snapshot(chain, each,
                                        data.draw(strategies.booleans()))
            after = plan.outcome(chain, made)
            assert after.active.name == (after.info or model.Info(
                after.base, {})).active
            names = {layer.name for layer in after.layers}
            for layer, below in zip(after.layers[1:], after.layers):
                assert layer.backing in (below.name, '/mnt/' + below.name)
            for step in made.finish:
                assert step.name not in names
            chain = after
        assert len(chain.layers) >= 1
