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

"""The appliance of folders keeps what the interface promises.

It stands in for real ones in many tests, so it has these of its own.
"""

import os
import threading

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded.folders import tree
from remotefs_drivers import errors
from remotefs_drivers.store import files

SIZE = 1 << 20
#: Names that an administrator may have given.
ODD = ["it's; $(rm) \"x\"", 'a/b', '..', '.', '.hidden', 'ünï çødé', '100%',
       '%2e', '-rf', 'line\nbreak']


@pytest.fixture(params=rules.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def make(tmp_path):
    def make(kind=rules.DEPENDENT, **kwargs):
        return folders.at(tmp_path / 'root', kind=kind, **kwargs)
    return make


@pytest.fixture
def appliance(make, kind):
    return make(kind)


def path_of(share):
    return share.location.partition(':')[2]


def write(appliance, name, text):
    path = os.path.join(path_of(appliance.find_share(name)), 'volume')
    with open(path, 'w') as stream:
        stream.write(text)


def read(appliance, name):
    path = os.path.join(path_of(appliance.find_share(name)), 'volume')
    with open(path) as stream:
        return stream.read()


def chained(appliance):
    """A share with snapshots s1, s2, s3 and a clone of s2.

    s2 is not the newest name, nor the oldest, in any order of letters.
    """
    appliance.create_share('parent', SIZE)
    for name in 'first', 'cloned', 'after':
        write(appliance, 'parent', name)
        appliance.create_snapshot('parent', name)
    write(appliance, 'parent', 'now')
    return appliance.clone_snapshot('parent', 'cloned', 'clone', 2 * SIZE)


def names(share):
    return [snapshot.name for snapshot in share.snapshots]


class TestShares:
    def test_a_new_one(self, appliance):
        share = appliance.create_share('new', SIZE)
        assert (share.name, share.size, share.origin, share.snapshots) == (
            'new', SIZE, None, ())
        assert os.listdir(path_of(share)) == []
        assert appliance.find_share('new') == share
        assert appliance.list_shares() == [share]

    def test_its_folder_is_open_to_the_group(self, appliance):
        old = os.umask(0o077)
        try:
            share = appliance.create_share('new', SIZE)
        finally:
            os.umask(old)
        assert os.stat(path_of(share)).st_mode & 0o777 == 0o770

    def test_twice(self, appliance):
        appliance.create_share('new', SIZE)
        write(appliance, 'new', 'mine')
        with pytest.raises(errors.ApplianceShareExists):
            appliance.create_share('new', 2 * SIZE)
        assert read(appliance, 'new') == 'mine'
        assert appliance.find_share('new').size == SIZE

    def test_none(self, appliance):
        assert appliance.find_share('none') is None
        assert appliance.list_shares() == []
        appliance.delete_share('none', ['or its snapshot'])

    def test_delete(self, appliance):
        share = appliance.create_share('old', SIZE)
        write(appliance, 'old', 'data')
        appliance.delete_share('old')
        assert appliance.find_share('old') is None
        assert not os.path.exists(path_of(share))

    def test_delete_with_its_snapshots(self, appliance, tmp_path):
        appliance.create_share('old', SIZE)
        appliance.create_snapshot('old', 's')
        with pytest.raises(errors.ApplianceShareInUse):
            appliance.delete_share('old', ['another'])
        assert names(appliance.find_share('old')) == ['s']
        appliance.delete_share('old', ['another', 's'])
        assert appliance.list_shares() == []
        assert os.listdir(tmp_path / 'root' / '.snapshots') == []

    def test_resize(self, appliance):
        appliance.create_share('small', SIZE)
        appliance.resize_share('small', 2 * SIZE)
        appliance.resize_share('small', 2 * SIZE)
        assert appliance.find_share('small').size == 2 * SIZE
        with pytest.raises(errors.ApplianceShareMissing):
            appliance.resize_share('none', SIZE)

    @pytest.mark.parametrize('kind', [rules.INDEPENDENT, rules.DEPENDENT],
                             indirect=True)
    def test_rename(self, appliance):
        chained(appliance)
        share = appliance.rename_share('parent', 'other')
        assert share == appliance.find_share('other')
        assert appliance.rename_share('parent', 'other') == share
        assert read(appliance, 'other') == 'now'
        assert names(share) == ['first', 'cloned', 'after']
        assert appliance.find_share('clone').origin in (
            None, ('other', 'cloned'))
        assert appliance.find_share('parent') is None
        # To itself as well: so say ZFS and our program for btrfs.
        for name in 'clone', 'other':
            with pytest.raises(errors.ApplianceShareExists):
                appliance.rename_share('other', name)
        with pytest.raises(errors.ApplianceShareMissing):
            appliance.rename_share('none', 'new')

    def test_whoever_made_it(self, appliance, tmp_path):
        (tmp_path / 'root' / 'handmade').mkdir(parents=True)
        (tmp_path / 'root' / 'no-share').write_text('')
        share, = appliance.list_shares()
        assert (share.name, share.size) == ('handmade', None)
        appliance.create_share('another', SIZE)
        assert appliance.find_share('handmade') == share
        with pytest.raises(errors.ApplianceShareExists):
            appliance.create_share('handmade', SIZE)

    def test_one_that_somebody_took_away(self, appliance):
        clone = chained(appliance)
        os.rename(path_of(appliance.find_share('parent')),
                  path_of(clone) + '/away')
        share, = appliance.list_shares()
        assert (share.name, share.origin) == ('clone', None)

    @pytest.mark.parametrize('name', ODD)
    def test_odd_names(self, make, tmp_path, name):
        appliance = make()
        share = appliance.create_share(name, SIZE)
        write(appliance, name, 'odd')
        appliance.create_snapshot(name, name)
        appliance.clone_snapshot(name, name, 'clone', SIZE)
        assert os.path.dirname(path_of(share)) == str(tmp_path / 'root')
        assert read(appliance, 'clone') == 'odd'
        assert appliance.find_share('clone').origin == (name, name)
        assert {each.name for each in make().list_shares()} == {
            name, 'clone'}

    def test_no_name(self, appliance):
        with pytest.raises(errors.ApplianceError):
            appliance.create_share('', SIZE)


class TestSnapshots:
    def test_it_keeps_what_was_there(self, appliance):
        appliance.create_share('share', SIZE)
        write(appliance, 'share', 'then')
        snapshot = appliance.create_snapshot('share', 'b')
        write(appliance, 'share', 'now')
        assert appliance.create_snapshot('share', 'a').id != snapshot.id
        assert names(appliance.find_share('share')) == ['b', 'a']
        clone = appliance.clone_snapshot('share', 'b', 'clone', 2 * SIZE)
        assert clone.size == 2 * SIZE
        assert read(appliance, 'clone') == 'then'
        write(appliance, 'clone', 'written')
        appliance.clone_snapshot('share', 'b', 'again', SIZE)
        assert read(appliance, 'again') == 'then'

    def test_what_cannot_be_made(self, appliance):
        with pytest.raises(errors.ApplianceShareMissing):
            appliance.create_snapshot('none', 's')
        chained(appliance)
        with pytest.raises(errors.ApplianceSnapshotExists):
            appliance.create_snapshot('parent', 'cloned')
        with pytest.raises(errors.ApplianceShareExists):
            appliance.clone_snapshot('parent', 'cloned', 'clone', SIZE)
        for share, snapshot in ('parent', 'none'), ('none', 'cloned'):
            with pytest.raises(errors.ApplianceSnapshotMissing):
                appliance.clone_snapshot(share, snapshot, 'new', SIZE)
        assert len(appliance.list_shares()) == 2

    def test_several_or_none(self, appliance):
        for name in 'a', 'b':
            appliance.create_share(name, SIZE)
        made = appliance.create_snapshots(['b', 'a'], 's')
        assert made == [appliance.find_share(name).snapshots[0]
                        for name in ('b', 'a')]
        appliance.create_snapshot('b', 't')
        with pytest.raises(errors.ApplianceSnapshotExists):
            appliance.create_snapshots(['a', 'b'], 't')
        assert names(appliance.find_share('a')) == ['s']

    def test_delete(self, appliance):
        appliance.create_share('share', SIZE)
        appliance.create_snapshot('share', 's')
        for share, name in ('none', 's'), ('share', 'none'), ('share', 's'):
            appliance.delete_snapshot(share, name)
        assert names(appliance.find_share('share')) == []

    @pytest.mark.parametrize('kind', [rules.INDEPENDENT, rules.DEPENDENT],
                             indirect=True)
    def test_rename(self, appliance):
        chained(appliance)
        snapshot = appliance.rename_snapshot('parent', 'cloned', 'waits')
        assert snapshot == appliance.find_share('parent').snapshots[1]
        assert snapshot.name == 'waits'
        assert snapshot == appliance.rename_snapshot('parent', 'cloned',
                                                     'waits')
        assert appliance.find_share('clone').origin in (
            None, ('parent', 'waits'))
        for name in 'after', 'waits':
            with pytest.raises(errors.ApplianceSnapshotExists):
                appliance.rename_snapshot('parent', 'waits', name)
        for share, name in ('parent', 'none'), ('none', 'after'):
            with pytest.raises(errors.ApplianceSnapshotMissing):
                appliance.rename_snapshot(share, name, 'new')
            with pytest.raises(errors.ApplianceSnapshotMissing):
                appliance.rename_snapshot(share, name, name)

    def test_all_of_a_share_goes_along(self, appliance):
        share = appliance.create_share('share', SIZE)
        folder = os.path.join(path_of(share), 'deep', 'er')
        os.makedirs(folder)
        os.symlink('/nowhere', os.path.join(folder, 'link'))
        with open(os.path.join(folder, 'file'), 'wb') as stream:
            stream.truncate(3 * SIZE)
            stream.seek(SIZE)
            stream.write(b'data')
        os.chmod(stream.name, 0o640)
        appliance.create_snapshot('share', 's')
        clone = appliance.clone_snapshot('share', 's', 'clone', SIZE)
        copied = os.path.join(path_of(clone), 'deep', 'er')
        assert os.readlink(os.path.join(copied, 'link')) == '/nowhere'
        with open(os.path.join(copied, 'file'), 'rb') as copy:
            assert copy.read() == (bytes(SIZE) + b'data' +
                                   bytes(2 * SIZE - 4))
        status = os.stat(copy.name)
        assert status.st_mode & 0o777 == 0o640
        assert status.st_blocks * 512 < SIZE


class TestIndependent:
    @pytest.fixture
    def appliance(self, make):
        appliance = make(rules.INDEPENDENT)
        chained(appliance)
        return appliance

    def test_nothing_hangs(self, appliance):
        assert appliance.find_share('clone').origin is None
        assert appliance.offers('promote')
        assert all(each.clones == () for each in
                   appliance.find_share('parent').snapshots)
        appliance.promote('clone')
        appliance.delete_snapshot('parent', 'cloned')
        appliance.delete_share('parent', ['first', 'after'])
        assert read(appliance, 'clone') == 'cloned'

    def test_roll_back_to_any(self, appliance):
        appliance.roll_back('parent', 'first')
        assert read(appliance, 'parent') == 'first'
        assert names(appliance.find_share('parent')) == [
            'first', 'cloned', 'after']
        with pytest.raises(errors.ApplianceSnapshotMissing):
            appliance.roll_back('parent', 'none')


class TestDependent:
    @pytest.fixture
    def appliance(self, make):
        appliance = make(rules.DEPENDENT)
        chained(appliance)
        return appliance

    def test_clones_hang(self, appliance):
        assert appliance.find_share('clone').origin == ('parent', 'cloned')
        assert [each.clones for each in
                appliance.find_share('parent').snapshots] == [
            (), ('clone',), ()]
        with pytest.raises(errors.ApplianceSnapshotInUse):
            appliance.delete_snapshot('parent', 'cloned')
        with pytest.raises(errors.ApplianceShareInUse):
            appliance.delete_share('parent', ['first', 'cloned', 'after'])
        assert len(appliance.find_share('parent').snapshots) == 3
        appliance.delete_share('clone')
        appliance.delete_snapshot('parent', 'cloned')

    def test_promote(self, appliance):
        appliance.create_snapshot('clone', 'own')
        appliance.clone_snapshot('parent', 'first', 'old', SIZE)
        appliance.promote('clone')
        parent, clone = map(appliance.find_share, ['parent', 'clone'])
        assert names(parent) == ['after']
        assert names(clone) == ['first', 'cloned', 'own']
        assert parent.origin == ('clone', 'cloned')
        assert clone.origin is None
        assert appliance.find_share('old').origin == ('clone', 'first')
        assert read(appliance, 'parent') == 'now'
        assert read(appliance, 'clone') == 'cloned'
        appliance.promote('clone')
        assert appliance.find_share('clone') == clone
        appliance.delete_share('parent', ['after'])

    def test_promote_a_clone_of_a_clone(self, appliance):
        appliance.create_snapshot('clone', 's')
        appliance.clone_snapshot('clone', 's', 'third', SIZE)
        appliance.promote('third')
        assert appliance.find_share('third').origin == ('parent', 'cloned')
        assert appliance.find_share('clone').origin == ('third', 's')

    def test_promote_what_cannot(self, appliance):
        with pytest.raises(errors.ApplianceShareMissing):
            appliance.promote('none')
        appliance.create_snapshot('clone', 'first')
        with pytest.raises(errors.ApplianceSnapshotExists):
            appliance.promote('clone')
        assert len(appliance.find_share('parent').snapshots) == 3

    def test_roll_back_to_the_newest_only(self, appliance):
        with pytest.raises(errors.ApplianceRollbackRefused):
            appliance.roll_back('parent', 'cloned')
        assert read(appliance, 'parent') == 'now'
        appliance.roll_back('parent', 'after')
        assert read(appliance, 'parent') == 'after'
        assert len(appliance.find_share('parent').snapshots) == 3


class TestRigid:
    @pytest.fixture
    def appliance(self, make):
        appliance = make(rules.RIGID)
        chained(appliance)
        return appliance

    @pytest.mark.parametrize('method, arguments', [
        ('promote', ['clone']),
        ('roll_back', ['parent', 'after']),
        ('rename_share', ['parent', 'new']),
        ('rename_snapshot', ['parent', 'after', 'new']),
    ])
    def test_what_it_cannot(self, appliance, method, arguments):
        before = appliance.list_shares()
        with pytest.raises(errors.ApplianceUnsupported):
            getattr(appliance, method)(*arguments)
        assert appliance.list_shares() == before
        assert not appliance.offers(method)

    def test_the_rest_it_can(self, appliance):
        assert appliance.offers('create_snapshots')

    def test_clones_hang(self, appliance):
        with pytest.raises(errors.ApplianceSnapshotInUse):
            appliance.delete_snapshot('parent', 'cloned')


def test_a_durable_one(make):
    durable = make(durable=True)
    chained(durable)
    durable.roll_back('parent', 'after')
    durable.promote('clone')
    assert read(durable, 'parent') == 'after'
    assert read(durable, 'clone') == 'cloned'


class TestRoom:
    def test_of_the_file_system(self, make, tmp_path):
        capacity = make().capacity()
        found = os.statvfs(tmp_path)
        assert capacity.total == found.f_blocks * found.f_frsize
        assert 0 < capacity.free < capacity.total

    def test_a_given_one(self, make):
        appliance = make(total=2 * SIZE)
        appliance.create_share('share', SIZE)
        before = appliance.capacity()
        write(appliance, 'share', 'x' * SIZE)
        assert before.total == 2 * SIZE
        assert before.free - appliance.capacity().free >= SIZE

    def test_what_does_not_go_in(self, make):
        appliance = make(total=SIZE)
        chained(make())
        for call in (
                lambda: appliance.create_share('new', SIZE + 1),
                lambda: appliance.resize_share('parent', SIZE + 1),
                lambda: appliance.clone_snapshot('parent', 'first', 'new',
                                                 SIZE + 1)):
            with pytest.raises(errors.ApplianceFull):
                call()
        assert appliance.find_share('new') is None

    def test_a_full_file_system(self, make, monkeypatch):
        appliance = make()
        appliance.create_share('share', SIZE)
        write(appliance, 'share', 'data')

        def full(*args):
            raise OSError(28, 'No space left on device')
        with monkeypatch.context() as patch:
            patch.setattr(files, 'clone', full)
            with pytest.raises(errors.ApplianceFull):
                appliance.create_snapshot('share', 's')
        assert names(appliance.find_share('share')) == []
        appliance.create_snapshot('share', 's')


class TestTogether:
    def test_threads(self, appliance):
        """Some make, some delete; nothing is lost, nothing remains."""
        failed = []

        def work(number):
            try:
                for name in ['%d-%d' % (number, turn) for turn in range(5)]:
                    appliance.create_share(name, SIZE)
                    appliance.create_snapshot(name, 's')
                    appliance.delete_share(name, ['s'])
                appliance.create_share('kept-%d' % number, SIZE)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,))
                   for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert [share.name for share in appliance.list_shares()] == [
            'kept-%d' % number for number in range(4)]
        assert len({share.id for share in appliance.list_shares()}) == 4

    def test_the_lock_is_waited_for_a_while(self, make, tmp_path):
        appliance = make(timeout=0)
        appliance.create_share('share', SIZE)
        with tree.Tree(str(tmp_path / 'root')).locked(0):
            with pytest.raises(errors.ApplianceUnavailable):
                appliance.list_shares()
        assert len(appliance.list_shares()) == 1


def test_one_root_needs_a_path():
    with pytest.raises(errors.ShareConfigInvalid):
        folders.at('relative')


def test_it_has_all_of_the_interface():
    assert all(name in vars(folders.FolderAppliance)
               for name, each in vars(interface.Appliance).items()
               if callable(each) and not name.startswith('_') and
               name != 'close')
