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

"""The executor where an appliance does the steps: no table, no files."""

import dataclasses

import pytest

from remotefs_drivers.chain import sharing
from remotefs_drivers.store import executor
from remotefs_drivers.store import journal
from tests.unit import executing

V = 'volume-1'
INTENT = executing.INTENT
LEND, CREATE = sharing.lend(V, 4096), sharing.create(V, 4096)
# Without the step before these, so that there is one of each.
TAKE, CLONE = LEND.prepare[1:]
LEND = dataclasses.replace(LEND, prepare=(TAKE, CLONE))
DROP, PRUNE = LEND.undo
MAKE_SHARE, MAKE_FILE = CREATE.prepare
WRITE, REMOVE = ('write_atomic', INTENT), ('remove', INTENT)
NEW_TEXT = ('remove', '.volume-1.new-text')


class Hands(executing.Hands):
    """With a box, whose steps are in the same row as the calls."""

    @property
    def box(self):
        return self

    def do(self, step):
        self._step(step, lambda: None)


class Place:
    """A folder for journals."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, hands, plan, error=None):
        with executor.Executor(hands, str(self.folder), V).prepared(plan):
            hands.calls.append('inside')
            if error is not None:
                raise error

    def recover(self, hands):
        return executor.Executor(hands, str(self.folder), V).recover(
            (self.folder / INTENT).read_text(), None)

    def names(self):
        return [path.name for path in self.folder.iterdir()]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_the_order(place):
    """The steps that finish are done before their journal goes."""
    hands = Hands()
    place.run(hands, LEND)
    assert hands.calls == [WRITE, TAKE, CLONE, 'inside', DROP, PRUNE, REMOVE]
    assert place.names() == []


def test_a_plan_without_journal_touches_no_file(place):
    hands = Hands()
    place.run(hands, CREATE)
    assert hands.calls == [MAKE_SHARE, MAKE_FILE, 'inside']


def test_run_is_the_same_with_nothing_inside(place):
    hands = Hands()
    executor.Executor(hands, str(place.folder), V).run(LEND)
    assert hands.calls == [WRITE, TAKE, CLONE, DROP, PRUNE, REMOVE]


@pytest.mark.parametrize('step, done', [
    (TAKE, [WRITE, TAKE]), (CLONE, [WRITE, TAKE, CLONE])])
@pytest.mark.parametrize('late', [False, True])
def test_a_step_fails(place, step, done, late):
    """It is taken back, whether the box has done it or not."""
    hands = Hands(break_at=step, late=late)
    with pytest.raises(executing.Broken):
        place.run(hands, LEND)
    assert hands.calls == [*done, DROP, PRUNE, NEW_TEXT, REMOVE]
    assert place.names() == []


def test_what_the_caller_does_fails(place):
    hands = Hands()
    with pytest.raises(KeyError):
        place.run(hands, LEND, KeyError())
    assert hands.calls[3:] == ['inside', DROP, PRUNE, NEW_TEXT, REMOVE]


@pytest.mark.parametrize('step', [DROP, PRUNE])
def test_what_cannot_be_taken_back_waits(place, step, caplog):
    """The journal stays, for whoever comes next."""
    hands = Hands(break_at=step)
    with pytest.raises(executing.Broken):
        place.run(hands, LEND)
    assert place.names() == [INTENT]
    assert journal.loads((place.folder / INTENT).read_text(), V, '') == LEND
    assert 'tried again later' in caplog.text
    hands = Hands()
    assert place.recover(hands) is None
    assert hands.calls == [DROP, PRUNE, NEW_TEXT, REMOVE]
    assert place.names() == []


def test_without_a_journal_it_is_undone_too(place):
    """No share is made that Cinder does not know."""
    hands = Hands(break_at=MAKE_FILE)
    with pytest.raises(executing.Broken):
        place.run(hands, CREATE)
    assert hands.calls == [MAKE_SHARE, MAKE_FILE, *CREATE.undo]


@pytest.mark.parametrize('number', range(6))
@pytest.mark.parametrize('late', [False, True])
def test_it_dies(place, number, late):
    """Wherever it is cut, who comes next undoes it, and nothing else."""
    calls = [WRITE, TAKE, CLONE, DROP, PRUNE, REMOVE]
    hands = Hands(break_at=calls[number], late=late, error=executing.Died)
    with pytest.raises(executing.Died):
        executor.Executor(hands, str(place.folder), V).run(LEND)
    assert hands.calls == calls[:number + 1]
    if INTENT not in place.names():
        assert (number, late) in [(0, False), (5, True)]
        return
    hands = Hands()
    assert place.recover(hands) is None
    assert hands.calls == [DROP, PRUNE, NEW_TEXT, REMOVE]
    assert place.names() == []


def test_a_plan_that_cannot_be_undone_is_left_as_it_is(place):
    plan = sharing.roll_back(V, 'a', 4096, V)
    hands = Hands(break_at=plan.prepare[0])
    with pytest.raises(executing.Broken):
        place.run(hands, plan)
    assert len(hands.calls) == 1
