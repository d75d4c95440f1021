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
"""What a guest's QEMU does, and what becomes of it when that is cut off.

A guest is files with QEMU's locks on them, and headers that change; the
real one is in tests/functional and tests/crash.
"""

import contextlib
import itertools
import os

import pytest

from remotefs_drivers.chain import plan
from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from tests.unit import chains
from tests.unit import crafted
from tests.unit import executing
from tests.unit import fakes
from tests.unit import locked

BASE, INFO, INTENT = executing.BASE, executing.INFO, executing.INTENT
NEW = '%s.%s' % (BASE, chains.ident(9))
#: Where crafted headers say that their table of clusters is.
_TABLE_AT = 0x30000


class Late(Exception):
    """The answer of Nova is lost, or bad."""


class Guest:
    """Has the active file of a share open, and does its part, or not.

    :ivar asked: the steps
    :ivar error: what Nova says after all, or None
    :ivar works: whether it does it
    """

    def __init__(self, share, active):
        self.share = share
        self.asked = []
        self.error = None
        self.works = True
        self._stack = contextlib.ExitStack()
        self.open(active)

    def __call__(self, step, sight):
        self.asked.append(step)
        assert not sight.done()
        if self.works:
            self.do(step)
            assert sight.done()
            assert sight.in_use()
        if self.error:
            raise self.error

    def do(self, step):
        if hasattr(step, 'below'):
            self.open(step.name)
            return
        path = self.share.path(step.name)
        found = header.read(path)
        if step.source is not None and fakes.content(
                self.share.path(step.source)):
            fakes.write(self.share.path(step.backing),
                        fakes.content(self.share.path(step.source)))
        if step.source is None and not fakes.content(path):
            fakes.write(path, self.share.read(found.backing_file))
        said = step.backing and self._format(step.backing)
        with open(path, 'r+b') as stream:
            stream.write(crafted.padded(crafted.qcow2(
                size=found.virtual_size, backing=step.backing,
                backing_format=said)))

    def _format(self, name):
        return 'raw' if name == BASE else 'qcow2'

    def open(self, active):
        """Have this file from now on, on top of all others."""
        self.close()
        self.active = active
        self._stack.enter_context(locked.written(self.share.path(active)))
        for layer in self.share.chain.layers:
            if layer.name != active:
                self._stack.enter_context(
                    locked.backing(self.share.path(layer.name)))

    def close(self):
        """Nobody has the files any more."""
        self._stack.close()


@pytest.fixture(autouse=True)
def no_flushes(monkeypatch):
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


@pytest.fixture
def guests():
    """Makes guests, and closes what they have open."""
    made = []

    def make(share, active):
        made.append(Guest(share, active))
        return made[-1]
    yield make
    for each in made:
        each.close()


def _delete(number):
    return lambda chain: plan.delete_snapshot(chain, chains.ident(number),
                                              has_guest=True)


def _create(chain):
    return plan.create_snapshot(chain, chains.ident(9), 512, has_guest=True)


#: verb -> (chain, plan, the calls between the journal's)
VERBS = {
    'create the first': (chains.make(0), _create, [
        ('create_overlay', NEW), ('GuestSwitch', NEW),
        ('write_atomic', INFO)]),
    'create another': (chains.make(2), _create, [
        ('create_overlay', NEW), ('GuestSwitch', NEW),
        ('write_atomic', INFO)]),
    'delete the only one': (chains.make(1), _delete(1), [
        ('GuestMerge', 'volume-1.1'), ('write_atomic', INFO),
        ('remove', BASE)]),
    'delete the newest': (chains.make(3), _delete(3), [
        ('GuestMerge', 'volume-1.3'), ('write_atomic', INFO),
        ('remove', 'volume-1.2')]),
    'delete one between': (chains.make(3), _delete(2), [
        ('GuestMerge', 'volume-1.3'), ('write_atomic', INFO),
        ('remove', 'volume-1.2')]),
    'delete the oldest': (chains.make(3), _delete(1), [
        ('GuestMerge', 'volume-1.2'), ('write_atomic', INFO),
        ('remove', 'volume-1.1')]),
    'delete the newest of two': (chains.make(2, 'qcow2'), _delete(2), [
        ('GuestMerge', 'volume-1.2'), ('write_atomic', INFO),
        ('remove', 'volume-1.1')]),
}
CREATIONS = [verb for verb in VERBS if verb.startswith('create')]
DELETIONS = [verb for verb in VERBS if verb.startswith('delete')]


class Scene:
    """A share with a guest on it, and the plan that is made of it."""

    def __init__(self, folder, verb, guests):
        os.mkdir(folder)
        self.chain, planner, self.order = VERBS[verb]
        self.share = executing.Share(folder, self.chain)
        self.plan = planner(self.chain)
        self.guest = guests(self.share, self.chain.active.name)
        self.before = self.share.state()

    def run(self, **options):
        return self.share.run(self.plan, guest=self.guest, **options)

    def die(self, call, late=False):
        with pytest.raises(executing.Died):
            self.run(break_at=call, late=late, error=executing.Died)

    def recover(self, guest=True, **options):
        return self.share.recover(guest=self.guest if guest else None,
                                  **options)


@pytest.fixture
def scene(tmp_path, guests):
    numbers = itertools.count()
    return lambda verb: Scene(str(tmp_path / str(next(numbers))), verb,
                              guests)


@pytest.fixture(params=VERBS)
def verb(request):
    return request.param


def _asks(name):
    return name in ('is_open', 'is_switched', 'backing_of')


def _work(calls):
    """The calls without those that only look."""
    return [each for each in calls if not _asks(each[0])]


class TestDone:
    def test_the_order(self, scene, verb):
        one = scene(verb)
        assert _work(one.run()) == [('write_atomic', INTENT), *one.order,
                                    ('remove', INTENT)]
        assert INTENT not in one.share.names()
        assert one.guest.asked == [one.plan.guest]

    def test_what_it_leaves(self, scene, verb):
        """The guest's content, and that of every snapshot that stays."""
        one = scene(verb)
        one.run()
        held, __, table = one.share.state()
        was = one.before[0]
        assert held['active'] == was['active']
        for snapshot in set(held) & set(was):
            assert held[snapshot] == was[snapshot]
        active = one.share.chain.active.name
        assert table['active'] == (NEW if verb in CREATIONS else active)

    @pytest.mark.parametrize('again', [True, False])
    def test_whatever_nova_says(self, scene, verb, again, caplog):
        """It says that it failed, and it is done: it is done."""
        one = scene(verb)
        one.guest.error = Late('it failed')
        one.run(again=again)
        assert INTENT not in one.share.names()
        assert one.share.table()['active'] == one.guest.active
        assert 'whatever Nova says: it failed' in caplog.text


class TestRefused:
    def test_nothing_is_left(self, scene, verb):
        one = scene(verb)
        one.guest.works = False
        one.guest.error = errors.NovaRefused(volume='1', snapshot='2',
                                             reason='x')
        with pytest.raises(errors.NovaRefused):
            one.run()
        assert one.share.state() == one.before

    @pytest.mark.parametrize('verb', DELETIONS)
    def test_of_one_that_was_begun_before_it_is_not_known(self, scene, verb):
        one = scene(verb)
        one.guest.works = False
        one.guest.error = errors.NovaRefused(volume='1', snapshot='2',
                                             reason='x')
        with pytest.raises(errors.NovaRefused):
            one.run(again=True)
        assert one.share.text(INTENT)


class TestNotDone:
    @pytest.mark.parametrize('verb', CREATIONS)
    def test_an_overlay_is_taken_back(self, scene, verb):
        one = scene(verb)
        one.guest.works, one.guest.error = False, Late()
        with pytest.raises(Late):
            one.run()
        assert one.share.state() == one.before

    @pytest.mark.parametrize('verb', CREATIONS)
    def test_unless_nobody_is_seen_with_the_files(self, scene, verb):
        """No locks here, or the instance is off: what is not known stays."""
        one = scene(verb)
        one.guest.works, one.guest.error = False, Late()
        one.guest.close()
        with pytest.raises(Late):
            one.run()
        assert NEW in one.share.names()
        assert INTENT not in one.share.names()
        assert one.share.table()['active'] == NEW

    @pytest.mark.parametrize('verb', DELETIONS)
    def test_a_merge_waits(self, scene, verb):
        one = scene(verb)
        one.guest.works, one.guest.error = False, Late()
        with pytest.raises(Late):
            one.run()
        held, names, table = one.share.state()
        assert (held, names - {INTENT}, table) == one.before
        assert INTENT in names

    def test_the_service_stops(self, scene, verb):
        """The guest goes on: nothing is decided."""
        one = scene(verb)
        one.guest.error = errors.ServiceStopping(what='x')
        with pytest.raises(errors.ServiceStopping):
            one.run()
        assert one.share.text(INTENT)
        assert one.share.table() == one.before[2]

    @pytest.mark.parametrize('verb', CREATIONS)
    def test_it_is_not_wanted_any_more(self, scene, verb):
        """Done or not: who waited is told."""
        one = scene(verb)
        one.guest.error = errors.SnapshotUnwanted(
            volume='1', snapshot='2', status='deleting')
        with pytest.raises(errors.SnapshotUnwanted):
            one.run()
        assert one.share.table()['active'] == NEW
        assert INTENT not in one.share.names()

    def test_what_cannot_be_seen_is_left(self, scene, verb, caplog):
        one = scene(verb)
        one.guest.works, one.guest.error = False, Late()
        number = 1 + [name for name, __ in one.order].index(
            'GuestSwitch' if verb in CREATIONS else 'GuestMerge')
        # The look before that of the guest's own, and then this.
        with pytest.raises(Late):
            one.share.run(one.plan, guest=_blind(one.guest),
                          break_at=number + 1)
        assert one.share.text(INTENT)
        assert 'cannot be seen' in caplog.text


def _blind(guest):
    """A guest's part without a look at the files."""
    def ask(step, sight):
        guest.asked.append(step)
        raise guest.error
    return ask


class TestCutOff:
    """The rows of the executor's table that are about guests."""

    @pytest.mark.parametrize('verb', CREATIONS)
    @pytest.mark.parametrize('place', ['create_overlay', 'GuestSwitch'])
    @pytest.mark.parametrize('has_guest', [True, False])
    def test_before_the_guest_switched(self, scene, verb, place, has_guest):
        """With a guest on the old file, or none at all."""
        one = scene(verb)
        one.die((place, NEW))
        if not has_guest:
            one.guest.close()
        __, pending = one.recover(guest=has_guest)
        assert pending is None
        assert one.share.state() == one.before

    @pytest.mark.parametrize('verb', CREATIONS)
    def test_after_the_guest_switched(self, scene, verb):
        one = scene(verb)
        one.die(('GuestSwitch', NEW), late=True)
        assert one.recover()[1] is None
        assert one.share.table()['active'] == NEW
        assert {NEW, INTENT} & one.share.names() == {NEW}

    @pytest.mark.parametrize('verb', CREATIONS)
    def test_it_switched_and_is_gone(self, scene, verb):
        """Nobody has it open: what was written tells."""
        one = scene(verb)
        one.die(('GuestSwitch', NEW), late=True)
        with open(one.share.path(NEW), 'r+b') as stream:
            stream.seek(_TABLE_AT)
            stream.write(b'\x80' + bytes(7))
        one.guest.close()
        assert one.recover(guest=False)[1] is None
        assert one.share.table()['active'] == NEW

    @pytest.mark.parametrize('verb', CREATIONS)
    def test_it_switches_only_now(self, scene, verb):
        """Just before it is looked for, and its overlay taken away."""
        one = scene(verb)
        one.die(('GuestSwitch', NEW))
        one.guest.do(one.plan.guest)
        assert one.recover()[1] is None
        assert one.share.table()['active'] == NEW

    @pytest.mark.parametrize('verb', DELETIONS)
    def test_before_it_merged(self, scene, verb):
        """That waits as long as a guest has the volume."""
        one = scene(verb)
        one.die(one.order[0])
        calls, pending = one.recover()
        assert pending == one.plan
        assert _work(calls) == []
        assert one.share.text(INTENT)

    @pytest.mark.parametrize('verb', DELETIONS)
    @pytest.mark.parametrize('call', [0, 1])
    @pytest.mark.parametrize('has_guest', [True, False])
    def test_after_it_merged(self, scene, verb, call, has_guest):
        one = scene(verb)
        one.die(one.order[call], late=(call == 0))
        if not has_guest:
            one.guest.close()
        calls, pending = one.recover(guest=has_guest)
        assert pending is None
        assert _work(calls) == [*one.order[1:], ('remove', INTENT)]
        assert one.share.state()[0]['active'] == one.before[0]['active']

    @pytest.mark.parametrize('verb', DELETIONS)
    def test_after_the_table_no_guest_is_asked(self, scene, verb):
        one = scene(verb)
        one.die(one.order[2])
        calls, pending = one.recover()
        assert pending is None
        assert [name for name, __ in calls] == ['sync_folder', 'remove',
                                                'remove']

    @pytest.mark.parametrize('late', [True, False])
    def test_recovery_is_cut_off_as_well(self, scene, verb, late):
        """At each of its calls; whoever comes then finishes it."""
        for done in (True, False):
            count = self._calls(scene(verb), done)
            for number in range(count):
                one = scene(verb)
                self._cut(one, done)
                with contextlib.suppress(executing.Died):
                    one.recover(break_at=number, late=late,
                                error=executing.Died)
                __, pending = one.recover()
                if done or verb in CREATIONS:
                    assert pending is None
                    assert INTENT not in one.share.names()
                else:
                    assert pending == one.plan
                assert one.share.state()[0]['active'] == (
                    one.before[0]['active'])

    def _cut(self, one, done):
        place = [each for each in one.order if each[0].startswith('Guest')]
        one.die(place[0], late=done)

    def _calls(self, one, done):
        self._cut(one, done)
        return len(one.recover()[0])
