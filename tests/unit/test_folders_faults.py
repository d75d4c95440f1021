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

"""What goes wrong with the appliance of folders, on demand."""

import contextlib
import functools
import threading
import time

import pytest

from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers.embedded.folders import tree
from remotefs_drivers import errors
from remotefs_drivers.store import files
from tests.harness import whole_box

SIZE = 1 << 20

#: Of each method that changes something: its arguments, in the world that
#: ``appliance`` makes.
CHANGES = {
    'create_share': ['new', SIZE],
    'delete_share': ['alone', ['gone']],
    'resize_share': ['alone', 2 * SIZE],
    'rename_share': ['alone', 'renamed'],
    'create_snapshot': ['alone', 'new'],
    'create_snapshots': [['alone', 'parent'], 'new'],
    'delete_snapshot': ['alone', 'gone'],
    'rename_snapshot': ['alone', 'gone', 'renamed'],
    'clone_snapshot': ['parent', 's', 'new', SIZE],
    'promote': ['clone'],
}
READS = {
    'check': [],
    'find_share': ['alone'],
    'list_shares': [],
    'capacity': [],
}


class Killed(BaseException):
    """The process has ended."""


@pytest.fixture
def make(tmp_path):
    return lambda: folders.at(tmp_path)


@pytest.fixture
def appliance(make):
    return world(make())


@pytest.fixture
def killed(monkeypatch):
    def kill():
        raise Killed()
    monkeypatch.setattr(faults, 'kill', kill)


@pytest.fixture(scope='module')
def done(tmp_path_factory):
    """What there is after a method was called, ids and places aside."""
    @functools.lru_cache(maxsize=None)
    def done(method):
        other = world(folders.at(tmp_path_factory.mktemp('other')))
        getattr(other, method)(*CHANGES[method])
        return content(other)
    return done


def world(made):
    """Something for each method to change."""
    for name in 'alone', 'parent':
        made.create_share(name, SIZE)
    made.create_snapshot('alone', 'gone')
    made.create_snapshot('parent', 's')
    made.clone_snapshot('parent', 's', 'clone', SIZE)
    return made


def content(appliance):
    return [(share.name, share.size, share.origin, [
        (snapshot.name, snapshot.clones) for snapshot in share.snapshots])
        for share in appliance.list_shares()]


@pytest.mark.parametrize('method', CHANGES)
class TestChanges:
    def call(self, appliance, method):
        return getattr(appliance, method)(*CHANGES[method])

    def test_a_lost_request(self, appliance, method):
        before = content(appliance)
        appliance.faults.add(method, faults.LOSE_REQUEST)
        with pytest.raises(errors.ApplianceUnavailable):
            self.call(appliance, method)
        assert content(appliance) == before
        self.call(appliance, method)
        assert content(appliance) != before

    def test_a_lost_answer(self, appliance, done, method):
        appliance.faults.add(method, faults.LOSE_ANSWER)
        with pytest.raises(errors.ApplianceUnavailable):
            self.call(appliance, method)
        assert content(appliance) == done(method)

    def test_refused(self, appliance, method):
        before = content(appliance)
        appliance.faults.add(method, faults.REFUSE, 'ApplianceFull')
        with pytest.raises(errors.ApplianceFull):
            self.call(appliance, method)
        assert content(appliance) == before

    @pytest.mark.parametrize('kind, error', [
        (faults.HALF, errors.ApplianceUnavailable), (faults.DIE, Killed)])
    def test_half_way(self, make, appliance, done, killed, method, kind,
                      error):
        """What was begun is finished; only a deletion may stay half done."""
        appliance.faults.add(method, kind)
        with pytest.raises(error):
            self.call(appliance, method)
        found = content(make())
        if method == 'delete_share':
            assert [each for each in found if each[0] == 'alone'] == [
                ('alone', SIZE, None, [])]
            self.call(appliance, method)
            found = content(make())
        assert found == done(method)

    def test_killed_before_the_answer(self, appliance, done, killed, method):
        appliance.faults.add(method, faults.DIE_AFTER)
        with pytest.raises(Killed):
            self.call(appliance, method)
        assert content(appliance) == done(method)


@pytest.fixture
def cut_at(monkeypatch):
    """Lets the process end before a step to the disk, by its number."""
    left = []

    def counted(function):
        def step(*args, **kwargs):
            if left:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed()
            return function(*args, **kwargs)
        return step

    for table in tree._PREPARE, tree._DO:
        for name, function in table.items():
            monkeypatch.setitem(table, name, counted(function))
    monkeypatch.setattr(tree.Tree, '_write', counted(tree.Tree._write))
    monkeypatch.setattr(files, 'remove', counted(files.remove))

    def cut_at(number):
        left[:] = [] if number is None else [number]
    return cut_at


@pytest.mark.parametrize('method', CHANGES)
def test_cut_at_any_step(tmp_path, cut_at, done, method):
    """All of it is done, or nothing; and cut again, while it is finished."""
    for number in range(100):
        root = tmp_path / str(number)
        box = world(folders.at(root))
        before = content(box)
        cut_at(number)
        try:
            getattr(box, method)(*CHANGES[method])
            break
        except Killed:
            # The next one who looks is cut as well, a step further.
            for step in 0, 1, 2:
                cut_at(step)
                with contextlib.suppress(Killed):
                    folders.at(root).check()
        finally:
            cut_at(None)
        found = folders.at(root)
        assert content(found) in (before, done(method))
        whole_box.assert_whole(found, root)
    assert 2 < number < 99


def test_a_roll_back_cut_at_any_step(tmp_path, cut_at):
    for number in range(100):
        root = tmp_path / str(number)
        box = world(folders.at(root))
        (root / 'alone' / 'newer').write_text('')
        box.create_snapshot('alone', 'newest')
        (root / 'alone' / 'newer').unlink()
        cut_at(number)
        try:
            box.roll_back('alone', 'newest')
            break
        except Killed:
            for step in 0, 1, 2:
                cut_at(step)
                with contextlib.suppress(Killed):
                    folders.at(root).check()
        finally:
            cut_at(None)
        whole_box.assert_whole(folders.at(root), root)
        is_done = (root / 'alone' / 'newer').exists()
        # The journal is the second step: from there on, it is done.
        assert is_done == (number > 1)
    assert 2 < number < 99


@pytest.mark.parametrize('method', CHANGES)
class TestOnce:
    """Calls with a key are made once, whatever happens meanwhile."""

    def call(self, appliance, method, key='key', request='request'):
        # What is kept must be plain: here, the text of a value.
        with appliance.once(key, request, repr, 'kept {}'.format):
            return getattr(appliance, method)(*CHANGES[method])

    def test_twice(self, make, appliance, done, method):
        first = self.call(appliance, method)
        assert content(appliance) == done(method)
        # As if it had not been done: only the key says so.
        assert self.call(make(), method) == 'kept %r' % (first,)
        assert content(appliance) == done(method)

    @pytest.mark.parametrize('kind, error', [
        (faults.HALF, errors.ApplianceUnavailable), (faults.DIE, Killed),
        (faults.DIE_AFTER, Killed),
        (faults.LOSE_ANSWER, errors.ApplianceUnavailable)])
    def test_the_answer_was_lost(self, make, appliance, done, killed, method,
                                 kind, error):
        appliance.faults.add(method, kind)
        with pytest.raises(error):
            self.call(appliance, method)
        answer = self.call(make(), method)
        # Only a deletion may be half done, and begins again.
        assert (str(answer).startswith('kept') or
                method == 'delete_share' and kind in (faults.HALF,
                                                      faults.DIE))
        assert content(appliance) == done(method)

    def test_an_error_is_not_kept(self, appliance, done, method):
        appliance.faults.add(method, faults.REFUSE, 'ApplianceFull')
        with pytest.raises(errors.ApplianceFull):
            self.call(appliance, method)
        self.call(appliance, method)
        assert content(appliance) == done(method)

    def test_another_request(self, appliance, done, method):
        self.call(appliance, method)
        with pytest.raises(folders.appliance.KeyReused):
            self.call(appliance, method, request='another')
        assert content(appliance) == done(method)

    def test_it_is_forgotten(self, appliance, method):
        self.call(appliance, method)
        appliance.forget(3600)
        assert str(self.call(appliance, method)).startswith('kept')
        appliance.forget(-1)
        try:
            answer = self.call(appliance, method)
        except errors.ApplianceError:
            answer = 'refused, since it is done'
        assert not str(answer).startswith('kept')


def test_only_in_the_block_and_the_thread(appliance):
    with appliance.once('key', 'request', repr, str):
        thread = threading.Thread(target=appliance.create_share,
                                  args=('elsewhere', SIZE))
        thread.start()
        thread.join()
        appliance.create_share('here', SIZE)
    appliance.create_share('after', SIZE)
    assert {share.name for share in appliance.list_shares()} >= {
        'elsewhere', 'here', 'after'}


def test_a_roll_back_half_way(make, appliance, tmp_path):
    (tmp_path / 'alone' / 'volume').write_text('newer')
    appliance.faults.add('roll_back', faults.HALF)
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.roll_back('alone', 'gone')
    assert (tmp_path / 'alone' / 'volume').exists()
    make().check()
    assert list((tmp_path / 'alone').iterdir()) == []


@pytest.mark.parametrize('method', READS)
@pytest.mark.parametrize('kind', [faults.LOSE_REQUEST, faults.LOSE_ANSWER,
                                  faults.HALF])
def test_reads(appliance, method, kind):
    appliance.faults.add(method, kind)
    with pytest.raises(errors.ApplianceUnavailable):
        getattr(appliance, method)(*READS[method])
    getattr(appliance, method)(*READS[method])


def test_every_error_can_be_told(appliance):
    names = [name for name, each in vars(errors).items()
             if isinstance(each, type) and
             issubclass(each, errors.ApplianceError)]
    for name in names:
        appliance.faults.add('create_snapshot', faults.REFUSE, name)
        with pytest.raises(getattr(errors, name)) as caught:
            appliance.create_snapshot('parent', 'new')
        assert type(caught.value).__name__ == name
        assert '%(' not in str(caught.value)


def test_it_hangs_until_it_is_told(make, appliance):
    appliance.faults.add('create_share', faults.HANG)
    appliance.faults.watch()
    thread = threading.Thread(target=appliance.create_share,
                              args=('new', SIZE))
    thread.start()
    try:
        while appliance.faults.calls() != ['create_share']:
            time.sleep(0.01)
        # Others are served meanwhile.
        assert make().find_share('new') is None
        assert thread.is_alive()
    finally:
        make().faults.clear()
        thread.join()
    assert appliance.find_share('new')


def test_it_hangs_for_a_limited_time(appliance):
    appliance.faults.add('create_share', faults.HANG, seconds=0)
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.create_share('new', SIZE)
    assert appliance.find_share('new') is None


def test_which_call(make, appliance):
    """Faults are told from elsewhere, and count for all."""
    make().faults.add('find_share', faults.LOSE_REQUEST, skip=1, times=2,
                      containing='par')
    results = []
    for name in 'parent', 'alone', 'parent', 'parent', 'parent':
        try:
            results.append(bool(make().find_share(name)))
        except errors.ApplianceUnavailable:
            results.append('lost')
    assert results == [True, True, 'lost', 'lost', True]


def test_calls_are_written_down(make, appliance):
    appliance.faults.watch()
    make().find_share('alone')
    with pytest.raises(errors.ApplianceShareExists):
        appliance.create_share('alone', SIZE)
    assert appliance.faults.calls() == ['find_share', 'create_share']
    appliance.faults.watch()
    assert appliance.faults.calls() == []


@pytest.mark.parametrize('arguments', [
    ('check', 'no such kind'),
    ('check', faults.HANG, 'ApplianceFull'),
    ('check', faults.REFUSE),
])
def test_faults_that_make_no_sense(appliance, arguments):
    with pytest.raises(ValueError):
        appliance.faults.add(*arguments)


def test_an_error_that_is_none(appliance):
    with pytest.raises(AttributeError):
        appliance.faults.add('check', faults.REFUSE, 'ApplianceTired')
