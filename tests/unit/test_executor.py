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


"""The executor: in which order, and what becomes of it when it is cut off.

On real files, with a stand-in for qemu-img (see fakes) and hands that fail
at any call, or die there: a dead process does nothing more.
"""

import json
import os

import pytest

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import plan
from remotefs_drivers.chain import share_steps
from remotefs_drivers.chain import sharing
from remotefs_drivers import errors
from remotefs_drivers.store import executor
from remotefs_drivers.store import journal
from tests.unit import chains
from tests.unit import crafted
from tests.unit import executing
from tests.unit import fakes
from tests.unit import things

BASE = chains.BASE
INFO, INTENT = executing.INFO, executing.INTENT
NEW = '%s.%s' % (BASE, chains.ident(9))
TEMPORARY = chains.TEMPORARY
NEW_TEXT = '.%s.new-text' % BASE


@pytest.fixture(autouse=True)
def no_flushes(monkeypatch):
    """Thousands of them; what is flushed when is for test_files_whole."""
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


def _delete(place):
    return lambda chain: plan.delete_snapshot(chain, chains.ident(place))


def _mend(chain):
    return plan.mend(chain)


#: verb -> (chain, plan for it)
VERBS = {
    'create the first': (
        chains.make(0),
        lambda chain: plan.create_snapshot(chain, chains.ident(9), 512)),
    'create another': (
        chains.make(2),
        lambda chain: plan.create_snapshot(chain, chains.ident(9), 512)),
    'delete the only one': (chains.make(1), _delete(1)),
    'delete the oldest': (chains.make(3), _delete(1)),
    'delete one between': (chains.make(3), _delete(2)),
    'delete the newest': (chains.make(3), _delete(3)),
    'delete above an overlay': (chains.make(2, standalone=True),
                                _delete(1)),
    'delete on a qcow2 base': (chains.make(2, 'qcow2'), _delete(1)),
    'delete a stale record': (
        chains.with_info(chains.make(1), {chains.ident(7):
                                          chains.overlay(7)}), _delete(7)),
    'revert': (chains.make(2), lambda chain: plan.revert(
        chain, chains.ident(2), 512, TEMPORARY)),
    'rename': (chains.make(2), lambda chain: plan.rename_snapshot(
        chain, chains.ident(1), chains.ident(9))),
    'mend': (chains.spoiled(chains.spoiled(
        chains.make(2), 1, {'backing_format': None}), 2,
        {'backing': '/mnt/%s'}), _mend),
}
MERGES = {verb for verb in VERBS if verb.startswith('delete')} - {
    'delete a stale record'}


@pytest.fixture(params=VERBS)
def verb(request):
    return request.param


@pytest.fixture
def share(verb, tmp_path):
    chain, __ = VERBS[verb]
    folder = tmp_path / 'share'
    folder.mkdir()
    made = executing.Share(folder, chain)
    if verb == 'delete a stale record':
        things.file(made.path(chains.overlay(7)),
                    crafted.padded(crafted.qcow2()))
    return made


@pytest.fixture
def made(verb, share):
    return VERBS[verb][1](share.chain)


@pytest.fixture
def after(verb, made, tmp_path):
    """The state when all is done."""
    folder = tmp_path / 'after'
    folder.mkdir()
    other = executing.Share(folder, VERBS[verb][0])
    other.run(made)
    return other.state()


ORDER = {
    'create the first': [
        ('create_overlay', NEW), ('write_atomic', INFO)],
    'create another': [
        ('create_overlay', NEW), ('write_atomic', INFO)],
    'delete the only one': [
        ('qemu-img commit', 'volume-1.1'), ('remove', INFO),
        ('sync_folder', 'share'), ('remove', 'volume-1.1')],
    'delete the oldest': [
        ('qemu-img commit', 'volume-1.1'), ('qemu-img rebase', 'volume-1.2'),
        ('write_atomic', INFO), ('remove', 'volume-1.1')],
    'delete one between': [
        ('qemu-img commit', 'volume-1.2'), ('qemu-img rebase', 'volume-1.3'),
        ('write_atomic', INFO), ('remove', 'volume-1.2')],
    'delete the newest': [
        ('qemu-img commit', 'volume-1.3'), ('write_atomic', INFO),
        ('remove', 'volume-1.3')],
    'delete above an overlay': [
        ('qemu-img commit', 'volume-1.1'), ('qemu-img rebase', 'volume-1.2'),
        ('write_atomic', INFO), ('remove', 'volume-1.1')],
    'delete on a qcow2 base': [
        ('qemu-img commit', 'volume-1.1'), ('qemu-img rebase', 'volume-1.2'),
        ('write_atomic', INFO), ('remove', 'volume-1.1')],
    'delete a stale record': [
        ('write_atomic', INFO), ('remove', 'volume-1.7')],
    'revert': [
        ('create_overlay', TEMPORARY), ('replace', TEMPORARY)],
    'rename': [('write_atomic', INFO)],
    'mend': [
        ('qemu-img rebase', 'volume-1.1'),
        ('qemu-img rebase', 'volume-1.2')],
}


def test_the_order(verb, share, made):
    """The journal first and last, the table before what goes."""
    assert share.run(made) == [('write_atomic', INTENT), *ORDER[verb],
                               ('remove', INTENT)]
    assert INTENT not in share.names()


def test_what_it_leaves(share, made):
    held, names, __ = share.state()
    share.run(made)
    new_held, new_names, table = share.state()
    assert table == chain_info.as_table(made.after)
    assert names - new_names <= {step.name for step in made.finish} | {INFO}
    if made.verb == 'revert_to_snapshot':
        assert new_held['active'] == held[made.snapshot]
    else:
        assert new_held['active'] == held['active']
    if made.verb == 'manage_snapshot':
        assert sorted(new_held.values()) == sorted(held.values())
        return
    for snapshot in set(held) & set(new_held) - {'active'}:
        assert new_held[snapshot] == held[snapshot]


def test_what_is_flushed_before_a_child(share, made, verb, monkeypatch):
    """The journal and its name; one flush of the folder does for both."""
    flushed = things.watch_flushes(monkeypatch)
    found = []

    class Watching(executing.Hands):
        def run(self, operation):
            if not found:
                found.extend(flushed)
            super().run(operation)
    executor.Executor(Watching(), share.folder, BASE).run(made)
    expected = [NEW_TEXT, 'share']
    if verb == 'revert':
        # Another one may leave a file of this name.
        expected += ['share']
    assert not found or found == expected


@pytest.mark.parametrize('name', [INTENT, INFO, NEW])
def test_the_mode_of_new_files(tmp_path, name):
    share = executing.Share(tmp_path, chains.make(0))
    made = VERBS['create the first'][1](share.chain)
    modes = []

    class Watching(executing.Hands):
        def call(self, what, function, path, *args):
            if path == share.path(INTENT) and function == 'remove':
                modes.append(os.stat(share.path(name)).st_mode & 0o777)
            return super().call(what, function, path, *args)
    executor.Executor(Watching(), share.folder, BASE).run(made)
    assert modes == [0o660]


def _calls(verb):
    """How many calls a verb makes."""
    return len(ORDER[verb]) + 2


CUTS = [(verb, number, late) for verb in VERBS
        for number in range(_calls(verb)) for late in (False, True)]


@pytest.mark.parametrize('verb, number, late', CUTS, indirect=['verb'])
class TestAtEachCall:
    def test_it_fails(self, verb, share, made, after, number, late):
        """Nothing of it is left, or its journal, or it is done."""
        before = share.state()
        with pytest.raises(executing.Broken):
            share.run(made, break_at=number, late=late)
        if INTENT not in share.names():
            # A revert has no table that tells: its rename is its end.
            assert share.state() in (before, after)
            if (number, late) == (_calls(verb) - 1, True):
                assert share.state() == after
            elif made.verb != 'revert_to_snapshot':
                assert share.state() == before or verb == 'mend'
            return
        # A journal is left of a merge, or when the table has changed.
        changed = share.table() != before[2]
        assert changed or verb in MERGES or number in (0, _calls(verb) - 1)
        share.recover()
        assert share.state() in (before, after)
        if changed or (verb in MERGES and number):
            assert share.state() == after

    def test_it_dies(self, verb, share, made, after, number, late):
        before = share.state()
        with pytest.raises(executing.Died):
            share.run(made, break_at=number, late=late, error=executing.Died)
        # The volume reads right at once, whatever comes next.
        active = share.state()[0]['active']
        assert active in (before[0]['active'], after[0]['active'])
        share.recover()
        assert share.state() in (before, after)
        assert share.text(INTENT) is None
        if verb in MERGES and (number, late) != (0, False):
            assert share.state() == after

    def test_then_the_recovery_dies(self, share, made, after, number, late):
        before = share.state()
        with pytest.raises(executing.Died):
            share.run(made, break_at=number, late=late, error=executing.Died)
        start = {name: things.read(share.path(name))
                 for name in share.names()}
        if INTENT not in start:
            return
        count = len(share.recover()[0])
        for again in range(count):
            for again_late in (False, True):
                self._put_back(share, start)
                with pytest.raises(executing.Died):
                    share.recover(break_at=again, late=again_late,
                                  error=executing.Died)
                share.recover()
                assert share.state() in (before, after)
                assert share.text(INTENT) is None

    def _put_back(self, share, start):
        for name in share.names() - set(start):
            os.remove(share.path(name))
        for name, data in start.items():
            things.file(share.path(name), data)


class TestStates:
    """The rows of the table at the head of the executor."""

    @pytest.fixture
    def cut(self, tmp_path):
        """Makes a share on which a verb died, before a certain call."""
        def _cut(verb, call):
            chain, planner = VERBS[verb]
            share = executing.Share(tmp_path, chain)
            calls = [('write_atomic', INTENT), *ORDER[verb],
                     ('remove', INTENT)]
            with pytest.raises(executing.Died):
                share.run(planner(chain), break_at=calls.index(call),
                          error=executing.Died)
            return share
        return _cut

    @pytest.mark.parametrize('call', [('create_overlay', NEW),
                                      ('write_atomic', INFO)])
    def test_an_overlay_that_nobody_uses_is_removed(self, cut, call):
        share = cut('create another', call)
        calls, answer = share.recover()
        assert calls == [('remove', NEW), ('remove', NEW_TEXT),
                         ('remove', INTENT)]
        assert answer is None
        assert NEW not in share.names()

    def test_one_that_the_table_names_stays(self, cut):
        share = cut('create another', ('remove', INTENT))
        calls, answer = share.recover()
        assert calls == [('sync_folder', os.path.basename(share.folder)),
                         ('remove', INTENT)]
        assert answer is None
        assert NEW in share.names()

    @pytest.mark.parametrize('call', [('replace', TEMPORARY),
                                      ('remove', INTENT)])
    def test_of_a_revert_only_the_fresh_overlay_is_removed(self, cut, call):
        share = cut('revert', call)
        calls, __ = share.recover()
        assert calls == [('remove', TEMPORARY), ('remove', NEW_TEXT),
                         ('remove', INTENT)]
        assert share.chain.active.name in share.names()

    @pytest.mark.parametrize('call', [('qemu-img commit', 'volume-1.2'),
                                      ('qemu-img rebase', 'volume-1.3'),
                                      ('write_atomic', INFO)])
    def test_a_merge_begins_again(self, cut, call):
        share = cut('delete one between', call)
        calls, answer = share.recover()
        assert calls == [*ORDER['delete one between'], ('remove', INTENT)]
        assert answer is None

    @pytest.mark.parametrize('call', [('qemu-img commit', 'volume-1.2'),
                                      ('qemu-img rebase', 'volume-1.3'),
                                      ('write_atomic', INFO)])
    def test_it_can_wait(self, cut, call):
        """Who only reads or writes the volume does not merge for minutes."""
        share = cut('delete one between', call)
        calls, answer = share.recover(forward=False)
        assert (calls, answer.verb) == ([], 'delete_snapshot')
        assert share.text(INTENT)

    @pytest.mark.parametrize('call', [('remove', 'volume-1.2'),
                                      ('remove', INTENT)])
    @pytest.mark.parametrize('forward', [True, False])
    def test_no_merge_is_done_again_after_the_table(self, cut, call,
                                                    forward):
        """A guest may have written to what was merged into."""
        share = cut('delete one between', call)
        fakes.write(share.path('volume-1.1'), b'newer')
        calls, answer = share.recover(forward=forward)
        # The new table may be in the memory of the server only.
        assert calls == [('sync_folder', os.path.basename(share.folder)),
                         ('remove', 'volume-1.2'), ('remove', INTENT)]
        assert answer is None
        assert fakes.content(share.path('volume-1.1')) == b'newer' + (
            b'volume-1.2'[5:])

    @pytest.mark.parametrize('forward', [True, False])
    def test_what_is_not_long_does_not_wait(self, cut, forward):
        share = cut('create another', ('write_atomic', INFO))
        assert share.recover(forward=forward)[1] is None

    @pytest.mark.parametrize('verb, call', [
        ('create another', ('write_atomic', INFO)),
        ('delete one between', ('write_atomic', INFO)),
        ('delete one between', ('remove', 'volume-1.2')),
        ('revert', ('replace', TEMPORARY)),
    ])
    @pytest.mark.parametrize('table', [
        None,
        {'active': BASE},
        {'active': 'volume-1.8', chains.ident(8): 'volume-1.8'},
    ])
    def test_somebody_else_changed_the_table(self, cut, verb, call, table):
        share = cut(verb, call)
        os.remove(share.path(INFO))
        if table is not None:
            things.file(share.path(INFO), json.dumps(table).encode())
        before = share.names()
        with pytest.raises(errors.JournalStale, match='neither as before'):
            share.recover()
        assert share.names() == before

    @pytest.mark.parametrize('text', ['', '{}', 'null', '{"version": 2}'])
    def test_a_journal_that_cannot_be_read(self, cut, text):
        share = cut('delete one between', ('write_atomic', INFO))
        things.file(share.path(INTENT), text.encode())
        before = share.names()
        with pytest.raises(errors.JournalInvalid, match=INTENT):
            share.recover()
        assert share.names() == before

    def test_a_table_that_cannot_be_read(self, cut):
        share = cut('delete one between', ('write_atomic', INFO))
        things.file(share.path(INFO), b'{}')
        with pytest.raises(errors.InfoInvalid, match=INFO):
            share.recover()
        assert share.text(INTENT)

    @pytest.mark.parametrize('call, words', [
        (('write_atomic', INFO), 'before its table was changed'),
        (('remove', 'volume-1.2'), 'after its table was changed')])
    def test_it_is_in_the_log(self, cut, call, words, caplog):
        share = cut('delete one between', call)
        share.recover()
        assert '"delete_snapshot" was cut off ' + words in caplog.text


class TestErrors:
    @pytest.mark.parametrize('verb, name', [('create another', NEW),
                                            ('revert', TEMPORARY)],
                             indirect=['verb'])
    def test_what_has_the_name_is_not_ours(self, share, made, name):
        things.file(share.path(name))
        before = share.state()
        with pytest.raises(errors.VolumeFileExists, match=name):
            share.run(made)
        assert things.read(share.path(name)) == things.TEXT
        assert share.state() == before

    @pytest.mark.parametrize('verb', ['delete one between'], indirect=True)
    @pytest.mark.parametrize('number', [1, 2])
    def test_a_failed_merge_keeps_its_journal(self, share, made, number):
        before = share.state()
        with pytest.raises(executing.Broken):
            share.run(made, break_at=number)
        assert journal.loads(share.text(INTENT), BASE, 'x') == made
        assert share.state()[0]['active'] == before[0]['active']
        assert share.state()[2] == before[2]

    @pytest.mark.parametrize('verb', ['create another'], indirect=True)
    def test_an_undo_that_fails_hides_nothing(self, share, made, caplog):
        class Failing(executing.Hands):
            def call(self, what, function, path, *args):
                if function == 'remove':
                    raise OSError(5, 'the share is gone')
                return super().call(what, function, path, *args)
        with pytest.raises(executing.Broken):
            executor.Executor(Failing(break_at=2), share.folder,
                              BASE).run(made)
        assert 'the share is gone' in caplog.text
        assert 'could not be undone' in caplog.text
        # The next one does it.
        share.recover()
        assert NEW not in share.names() and INTENT not in share.names()

    @pytest.mark.parametrize('verb', ['create another'], indirect=True)
    def test_a_table_that_was_written_after_all_is_not_undone(self, share,
                                                              made, after):
        """The call timed out, and the server did it."""
        with pytest.raises(executing.Broken):
            share.run(made, break_at=2, late=True)
        assert NEW in share.names() and INTENT in share.names()
        share.recover()
        assert share.state() == after


class _Box:
    """An appliance on which a step fails."""

    def __init__(self, error):
        self.done = []
        self._error = error

    def do(self, step):
        self.done.append(step)
        if isinstance(step, share_steps.CloneShare):
            raise self._error


@pytest.mark.parametrize('error, stays', [
    (errors.ApplianceFull(appliance='box', what='clone', reason='full'),
     False),
    # It may be done yet.
    (errors.ApplianceUnavailable(appliance='box', what='clone',
                                 reason='no answer'), True),
])
def test_what_an_appliance_may_do_later(tmp_path, error, stays):
    hands = executing.Hands()
    hands.box = _Box(error)
    work = executor.Executor(hands, str(tmp_path), BASE)
    lent = sharing.lend(BASE, 1)
    with pytest.raises(type(error)):
        work.run(lent)
    assert tuple(hands.box.done) == lent.prepare + lent.undo
    assert (INTENT in os.listdir(tmp_path)) == stays
    if stays:
        work.recover((tmp_path / INTENT).read_text(), None)
        assert tuple(hands.box.done) == lent.prepare + 2 * lent.undo
        assert os.listdir(tmp_path) == []
