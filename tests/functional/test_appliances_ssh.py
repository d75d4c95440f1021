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


"""Appliances over a real sshd: what each method promises, and each error."""

import contextlib
import os
import pathlib
import string
import threading
import time

from oslo_utils import units
import pytest

from remotefs_drivers import errors

pytestmark = pytest.mark.root

SIZE = 32 * units.Mi


@pytest.fixture
def appliance(nas):
    made = nas.new()
    yield made
    made.close()


@pytest.fixture
def share(appliance):
    return appliance.create_share('volume-1', SIZE)


def write(nas, share, text, name='volume'):
    path = pathlib.Path(nas.folder(share), name)
    with open(path, 'w') as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def read(nas, share, name='volume'):
    return pathlib.Path(nas.folder(share), name).read_text()


def names(found):
    return [each.name for each in found.snapshots]


class TestShares:
    def test_create(self, nas, appliance, share):
        folder = pathlib.Path(nas.folder(share))
        assert share.name == 'volume-1'
        assert share.location == '127.0.0.1:%s/volume-1' % nas.path
        assert share.size in (SIZE, None)
        assert (share.origin, share.snapshots) == (None, ())
        status = folder.stat()
        assert '%d:%d' % (status.st_uid, status.st_gid) == nas.owner
        assert list(folder.iterdir()) == []
        assert appliance.find_share('volume-1') == share

    def test_create_again(self, nas, appliance, share):
        write(nas, share, 'mine')
        with pytest.raises(errors.ApplianceShareExists, match='volume-1'):
            appliance.create_share('volume-1', SIZE)
        assert read(nas, share) == 'mine'

    def test_none(self, appliance):
        assert appliance.find_share('volume-0') is None
        assert appliance.list_shares() == []
        appliance.delete_share('volume-0')
        appliance.delete_share('volume-0', ['a'])

    def test_delete(self, nas, appliance, share):
        write(nas, share, 'x')
        appliance.delete_share('volume-1', ['none-there'])
        assert appliance.find_share('volume-1') is None
        assert not os.path.exists(nas.folder(share))
        appliance.delete_share('volume-1')

    def test_delete_takes_only_the_snapshots_that_it_is_told(
            self, nas, appliance, share):
        write(nas, share, 'x')
        appliance.create_snapshot('volume-1', 'a')
        appliance.create_snapshot('volume-1', 'b')
        for given in ((), ('a',), ('b', 'c')):
            with pytest.raises(errors.ApplianceShareInUse,
                               match='snapshot [ab]'):
                appliance.delete_share('volume-1', given)
        assert names(appliance.find_share('volume-1')) == ['a', 'b']
        assert read(nas, share) == 'x'
        appliance.delete_share('volume-1', ('b', 'a'))
        assert appliance.find_share('volume-1') is None
        # Nothing of the old one is left to the next.
        again = appliance.create_share('volume-1', SIZE)
        assert again.snapshots == ()

    def test_resize(self, appliance, share):
        appliance.resize_share('volume-1', 2 * SIZE)
        assert appliance.find_share('volume-1').size in (2 * SIZE, None)
        appliance.resize_share('volume-1', 2 * SIZE)
        with pytest.raises(errors.ApplianceShareMissing, match='volume-0'):
            appliance.resize_share('volume-0', SIZE)

    def test_rename(self, nas, appliance, share):
        write(nas, share, 'x')
        appliance.create_snapshot('volume-1', 'a')
        for __ in range(2):
            renamed = appliance.rename_share('volume-1', 'volume-2')
            assert renamed.name == 'volume-2'
            assert names(renamed) == ['a']
            assert read(nas, renamed) == 'x'
        assert appliance.find_share('volume-1') is None
        assert appliance.find_share('volume-2') == renamed
        assert appliance.create_share('volume-1', SIZE).snapshots == ()

    def test_rename_refused(self, appliance, share):
        appliance.create_share('volume-2', SIZE)
        with pytest.raises(errors.ApplianceShareExists, match='volume-2'):
            appliance.rename_share('volume-1', 'volume-2')
        with pytest.raises(errors.ApplianceShareMissing, match='volume-0'):
            appliance.rename_share('volume-0', 'volume-3')

    def test_an_administrators_share(self, nas, appliance):
        nas.make_by_hand('home of: x')
        found, = appliance.list_shares()
        assert found.name == 'home of: x'
        assert found.size is None
        assert os.path.isdir(nas.folder(found))
        whole = appliance.find_share('home of: x')
        assert (whole.id, whole.location) == (found.id, found.location)
        appliance.create_snapshot('home of: x', 'by hand: 1')
        renamed = appliance.rename_share('home of: x', 'volume-1')
        assert names(renamed) == ['by hand: 1']
        appliance.rename_snapshot('volume-1', 'by hand: 1', 'snapshot-1')

    def test_a_list_is_what_find_says(self, appliance, share):
        appliance.create_snapshot('volume-1', 'a')
        appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        listed = appliance.list_shares()
        assert [each.name for each in listed] == ['volume-1', 'volume-2']
        for each in listed:
            found = appliance.find_share(each.name)
            assert (each.id, each.location, each.size, each.origin) == (
                found.id, found.location, found.size, found.origin)

    def test_the_root_is_gone(self, nas, appliance, share):
        """What cannot be seen is not taken for missing."""
        nas.clean()
        with pytest.raises(errors.ApplianceNotReady):
            appliance.check()
        for call in (lambda: appliance.find_share('volume-1'),
                     lambda: appliance.delete_share('volume-1'),
                     lambda: appliance.delete_snapshot('volume-1', 'a'),
                     lambda: appliance.resize_share('volume-1', SIZE)):
            with pytest.raises(errors.ApplianceNotReady,
                               match=nas.root):
                call()
        with pytest.raises(errors.ApplianceError):
            appliance.create_share('volume-1', SIZE)


class TestSnapshots:
    def test_create(self, nas, appliance, share):
        write(nas, share, 'old')
        made = appliance.create_snapshot('volume-1', 'a')
        write(nas, share, 'new')
        assert (made.name, made.clones) == ('a', ())
        assert appliance.find_share('volume-1').snapshots == (made,)
        clone = appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        assert read(nas, clone) == 'old'
        assert read(nas, share) == 'new'

    def test_create_refused(self, appliance, share):
        appliance.create_snapshot('volume-1', 'a')
        with pytest.raises(errors.ApplianceSnapshotExists,
                           match='volume-1 has a snapshot a'):
            appliance.create_snapshot('volume-1', 'a')
        with pytest.raises(errors.ApplianceShareMissing, match='volume-0'):
            appliance.create_snapshot('volume-0', 'a')

    def test_the_oldest_is_first(self, appliance, share):
        wanted = ['c', 'a', 'b', 's10', 's9']
        for name in wanted:
            appliance.create_snapshot('volume-1', name)
        assert names(appliance.find_share('volume-1')) == wanted
        appliance.rename_snapshot('volume-1', 'a', 'z')
        assert names(appliance.find_share('volume-1')) == [
            'c', 'z', 'b', 's10', 's9']

    def test_delete(self, appliance, share):
        appliance.create_snapshot('volume-1', 'a')
        appliance.create_snapshot('volume-1', 'b')
        for __ in range(2):
            appliance.delete_snapshot('volume-1', 'a')
            assert names(appliance.find_share('volume-1')) == ['b']
        appliance.delete_snapshot('volume-0', 'a')

    def test_rename(self, appliance, share):
        made = appliance.create_snapshot('volume-1', 'a')
        for __ in range(2):
            renamed = appliance.rename_snapshot('volume-1', 'a', 'b')
            assert renamed.name == 'b' and renamed.id != made.id
            assert names(appliance.find_share('volume-1')) == ['b']
        assert appliance.find_share('volume-1').snapshots == (renamed,)

    def test_rename_refused(self, appliance, share):
        appliance.create_snapshot('volume-1', 'a')
        appliance.create_snapshot('volume-1', 'b')
        with pytest.raises(errors.ApplianceSnapshotExists, match='b'):
            appliance.rename_snapshot('volume-1', 'a', 'b')
        for name in ('volume-1', 'volume-0'):
            with pytest.raises(errors.ApplianceSnapshotMissing, match='c'):
                appliance.rename_snapshot(name, 'c', 'd')

    def test_several_at_one_moment_are_not_offered_here(self, appliance,
                                                        share):
        appliance.create_share('volume-2', SIZE)
        with pytest.raises(errors.ApplianceUnsupported):
            appliance.create_snapshots(['volume-1', 'volume-2'], 'a')
        for name in ('volume-1', 'volume-2'):
            assert appliance.find_share(name).snapshots == ()
        appliance.check()
        assert not appliance.offers('create_snapshots')


class TestClones:
    @pytest.fixture
    def clone(self, nas, appliance, share):
        write(nas, share, 'source')
        appliance.create_snapshot('volume-1', 'a')
        return appliance.clone_snapshot('volume-1', 'a', 'volume-2',
                                        2 * SIZE)

    def test_clone(self, nas, appliance, share, clone):
        assert clone.size in (2 * SIZE, None)
        assert appliance.find_share('volume-2') == clone
        assert read(nas, clone) == 'source'
        write(nas, clone, 'clone')
        assert read(nas, share) == 'source'
        status = os.stat(nas.folder(clone))
        assert '%d:%d' % (status.st_uid, status.st_gid) == nas.owner

    def test_what_hangs_together_is_said_on_both_sides(
            self, nas, appliance, clone):
        snapshot, = appliance.find_share('volume-1').snapshots
        assert clone.origin == (('volume-1', 'a') if nas.clones_hang
                                else None)
        assert snapshot.clones == (('volume-2',) if nas.clones_hang
                                   else ())

    def test_refused(self, nas, appliance, clone):
        with pytest.raises(errors.ApplianceShareExists, match='volume-2'):
            appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        for missing in (('volume-1', 'b'), ('volume-0', 'a')):
            with pytest.raises(errors.ApplianceSnapshotMissing):
                appliance.clone_snapshot(*missing, 'volume-3', SIZE)
        assert appliance.find_share('volume-3') is None
        assert read(nas, clone) == 'source'

    def test_deleting_what_it_came_from(self, nas, appliance, clone):
        if nas.clones_hang:
            with pytest.raises(errors.ApplianceSnapshotInUse,
                               match='volume-2'):
                appliance.delete_snapshot('volume-1', 'a')
            with pytest.raises(errors.ApplianceShareInUse,
                               match='volume-2'):
                appliance.delete_share('volume-1', ['a'])
            assert names(appliance.find_share('volume-1')) == ['a']
            appliance.promote('volume-2')
        appliance.delete_share('volume-1', ['a'])
        assert appliance.find_share('volume-1') is None
        assert read(nas, clone) == 'source'

    def test_a_snapshot_with_a_clone_is_renamed(self, appliance, clone,
                                                nas):
        appliance.rename_snapshot('volume-1', 'a', 'deleted-a')
        found = appliance.find_share('volume-2')
        if nas.clones_hang:
            assert found.origin == ('volume-1', 'deleted-a')

    def test_promote(self, nas, appliance, share, clone):
        write(nas, clone, 'clone')
        for __ in range(2):
            appliance.promote('volume-2')
            promoted, source = map(appliance.find_share,
                                   ('volume-2', 'volume-1'))
            assert promoted.origin is None
            if nas.clones_hang:
                assert source.origin == ('volume-2', 'a')
                assert names(promoted) == ['a']
                assert promoted.snapshots[0].clones == ('volume-1',)
            assert promoted.location == clone.location
            assert source.location == share.location
            assert read(nas, clone) == 'clone'
            assert read(nas, share) == 'source'
        with pytest.raises(errors.ApplianceShareMissing, match='volume-0'):
            appliance.promote('volume-0')

    def test_promote_refused(self, nas, appliance, clone):
        if not nas.clones_hang:
            appliance.promote('volume-2')
            return
        appliance.create_snapshot('volume-2', 'a')
        with pytest.raises(errors.ApplianceSnapshotExists,
                           match='share volume-2 has a snapshot a'):
            appliance.promote('volume-2')


class TestRollBack:
    def test_to_the_newest(self, nas, appliance, share):
        write(nas, share, 'old')
        appliance.create_snapshot('volume-1', 'a')
        for __ in range(2):
            write(nas, share, 'new')
            write(nas, share, 'more', 'beside')
            appliance.roll_back('volume-1', 'a')
            assert read(nas, share) == 'old'
            assert os.listdir(nas.folder(share)) == ['volume']
        assert appliance.find_share('volume-1').location == share.location
        assert names(appliance.find_share('volume-1')) == ['a']
        # And it can still be written, renamed and deleted.
        write(nas, share, 'again')
        appliance.rename_share('volume-1', 'volume-2')
        appliance.delete_share('volume-2', ['a'])

    def test_to_an_older_one(self, nas, appliance, share):
        write(nas, share, 'old')
        appliance.create_snapshot('volume-1', 'a')
        write(nas, share, 'new')
        appliance.create_snapshot('volume-1', 'b')
        if nas.clones_hang:
            with pytest.raises(errors.ApplianceRollbackRefused, match='b'):
                appliance.roll_back('volume-1', 'a')
            assert read(nas, share) == 'new'
        else:
            appliance.roll_back('volume-1', 'a')
            assert read(nas, share) == 'old'
        assert names(appliance.find_share('volume-1')) == ['a', 'b']

    def test_missing(self, appliance, share):
        for name in ('volume-1', 'volume-0'):
            with pytest.raises(errors.ApplianceSnapshotMissing):
                appliance.roll_back(name, 'none')


class TestRoom:
    def test_capacity(self, nas, appliance, share):
        before = appliance.capacity()
        assert 0 < before.free <= before.total <= 2 * nas.size
        write(nas, share, os.urandom(4 * units.Mi).hex())
        os.sync()
        deadline = time.monotonic() + 300
        while appliance.capacity().free > before.free - 4 * units.Mi:
            assert time.monotonic() < deadline
        assert appliance.capacity().total <= before.total + units.Mi

    def test_full(self, nas, appliance, share):
        write(nas, share, 'x')
        appliance.create_snapshot('volume-1', 'a')
        with full(nas):
            for call in (
                    lambda: appliance.create_share('volume-2', SIZE),
                    lambda: appliance.create_snapshot('volume-1', 'b'),
                    lambda: appliance.clone_snapshot('volume-1', 'a',
                                                     'volume-3', SIZE)):
                nas.expect_full(call)
            assert appliance.capacity().free < SIZE
            if nas.clones_hang:
                assert [each.name for each in appliance.list_shares()] == [
                    'volume-1']
            # Room can be had again.
            appliance.delete_snapshot('volume-1', 'a')
        assert read(nas, share) == 'x'


@contextlib.contextmanager
def full(nas):
    nas.fill()
    try:
        yield
    finally:
        nas.drain()


class TestExports:
    CLIENTS = '10.0.0.0/8(rw,no_root_squash)  fd00::/64(ro)'

    @pytest.fixture
    def appliance(self, nas):
        made = nas.new(appliance_export_options=self.CLIENTS)
        made.check()
        yield made
        made.close()

    def exported(self, nas):
        """path -> options of the clients, without the numbers of exports."""
        found = {}
        for client, options in nas.box.exported().items():
            name = client[client.rindex(':' + nas.path) + 1:]
            assert 'fsid=' in options
            found.setdefault(name, []).append(options.split(',fsid=')[0])
        return found

    def files(self, nas):
        return nas.box.run('sh', '-c', 'cat /etc/exports.d/*.exports '
                           '2>/dev/null || :').splitlines()

    def test_a_share_is_exported_while_it_is_there(self, nas, appliance):
        share = appliance.create_share('volume-1', SIZE)
        path = nas.folder(share)
        both = ['rw,no_root_squash', 'ro']
        assert self.exported(nas) == {path: both}
        line, = self.files(nas)
        assert line.startswith('%s 10.0.0.0/8(rw,no_root_squash,fsid='
                               % path)
        appliance.create_snapshot('volume-1', 'a')
        clone = appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        assert self.exported(nas) == {path: both,
                                      nas.folder(clone): both}
        appliance.roll_back('volume-1', 'a')
        assert set(self.exported(nas)) == {path, nas.folder(clone)}
        renamed = appliance.rename_share('volume-1', 'volume-3')
        assert set(self.exported(nas)) == {nas.folder(renamed),
                                           nas.folder(clone)}
        appliance.delete_share('volume-2')
        assert set(self.exported(nas)) == {nas.folder(renamed)}
        appliance.delete_share('volume-3', ['a'])
        assert self.exported(nas) == {}
        assert self.files(nas) == []

    def test_each_has_a_number_of_its_own(self, nas, appliance):
        for name in ('volume-1', 'volume-2'):
            appliance.create_share(name, SIZE)
        numbers = [options.partition('fsid=')[2] for options
                   in nas.box.exported().values()]
        assert len(numbers) == 4 and len(set(numbers)) == 2

    def test_what_stays_is_exported_still(self, nas, appliance):
        share = appliance.create_share('volume-1', SIZE)
        appliance.create_snapshot('volume-1', 'a')
        with pytest.raises(errors.ApplianceShareInUse):
            appliance.delete_share('volume-1')
        assert set(self.exported(nas)) == {nas.folder(share)}

    def test_a_client_that_exportfs_refuses(self, nas):
        """Nothing is left of a share that cannot be exported."""
        made = nas.new(appliance_export_options='10.0.0.0/8(no;such)')
        with contextlib.closing(made):
            with pytest.raises(errors.ApplianceError, match='no;such'):
                made.create_share('volume-1', SIZE)
            assert made.find_share('volume-1') is None
        assert self.exported(nas) == {} and self.files(nas) == []

    def test_a_share_managed_is_exported(self, nas, appliance):
        nas.make_by_hand('by hand')
        renamed = appliance.rename_share('by hand', 'volume-1')
        assert set(self.exported(nas)) == {nas.folder(renamed)}


class TestNames:
    NAMES = ["a'b", 'a"b', 'a;touch /run/box/broken',
             '$(touch /run/box/broken)', '`touch /run/box/broken`', 'a\nb',
             'a\\b', 'gr\u00fcn', '\u6f22', '-r', '--help', 'a*', '~', '.',
             '..', '', 'a/b', '../x', 'a@b', 'a%b', 'a,b', '#x', 'a b', 'a\tb',
             'x\0y', 'bytes\udcff', '.snapshots', '.work', 'x' * 255,
             'x' * 256]

    def test_odd_ones_never_break_out(self, nas, appliance, share):
        """They are there as they were written, or they are refused."""
        appliance.create_snapshot('volume-1', 's')
        before = appliance.find_share('volume-1')
        for name in self.NAMES:
            made = self.make(appliance, name)
            for call in (lambda: appliance.resize_share(name, SIZE),
                         lambda: appliance.promote(name),
                         lambda: appliance.rename_share(name, 'volume-9')):
                with pytest.raises(errors.ApplianceShareMissing):
                    call()
            assert appliance.find_share('volume-1') == before, name
            assert nas.box.run('ls', '/run/box').count('broken') == 0
            assert made == self.expected(nas, name)

    def make(self, appliance, name):
        """Whether a share and a snapshot could be called that."""
        for call in (lambda: appliance.create_share(name, SIZE),
                     lambda: appliance.create_snapshot('volume-1', name)):
            with contextlib.suppress(errors.ApplianceError):
                call()
        listed = {each.name for each in appliance.list_shares()}
        assert listed in ({'volume-1'}, {'volume-1', name})
        assert (appliance.find_share(name) is not None) == (name in listed)
        snapshots = names(appliance.find_share('volume-1'))
        assert snapshots in (['s'], ['s', name])
        appliance.delete_share(name)
        appliance.delete_snapshot('volume-1', name)
        return name in listed, name in snapshots

    def expected(self, nas, name):
        """The same, by what the file systems take."""
        if nas.clones_hang:
            can = set(name) <= set(string.ascii_letters + '_.:- ') and (
                name not in ('', '.', '..') and len(name) < 200)
        else:
            can = name not in ('', '.', '..', '.snapshots', '.work') and (
                len(name) < 256 and not set(name) & set('/\n\0'))
        return can, can


class TestAtOnce:
    def test_several_threads(self, appliance):
        problems = []

        def live(number):
            name = 'volume-%d' % number
            try:
                appliance.create_share(name, SIZE)
                appliance.create_snapshot(name, 'a')
                appliance.clone_snapshot(name, 'a', name + '-c', SIZE)
                appliance.promote(name + '-c')
                appliance.delete_share(name, ['a'])
                appliance.delete_share(name + '-c', ['a'])
            except Exception as error:
                problems.append(error)
        threads = [threading.Thread(target=live, args=(number,))
                   for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert appliance.list_shares() == []


def test_where_zfs_counts_it_twice(zfs_nas):
    """As it does small records on raidz, or nearly so."""
    with zfs_nas.ready(), contextlib.closing(zfs_nas.new()) as appliance:
        zfs_nas.box.run('zfs', 'set', 'copies=2', zfs_nas.root)
        share = appliance.create_share('volume-1', SIZE)
        write(zfs_nas, share, os.urandom(SIZE // 2).hex())
        write(zfs_nas, share, os.urandom(SIZE // 2).hex())


class TestSizes:
    """With what limits them: quotas of btrfs, too."""

    @pytest.fixture(params=['zfs', 'quotas'])
    def nas(self, request):
        made = request.getfixturevalue(request.param + '_nas')
        with made.ready():
            yield made

    def test_it_takes_a_file_of_its_size(self, nas, share):
        path = os.path.join(nas.folder(share), 'volume')
        with open(path, 'wb') as stream:
            for __ in range(SIZE // units.Mi):
                stream.write(os.urandom(units.Mi))
            os.fsync(stream.fileno())
        assert os.stat(path).st_size == SIZE

    def test_what_a_guest_writes_over_it(self, nas, share):
        """btrfs keeps all of an extent as long as a block of it is used."""
        path = os.path.join(nas.folder(share), 'volume')
        with open(path, 'wb') as stream:
            stream.write(os.urandom(SIZE))
            os.fsync(stream.fileno())
            for kept in 4096, 8192:
                for start in range(0, SIZE, 65536):
                    os.pwrite(stream.fileno(), os.urandom(65536 - kept),
                              start + kept)
                os.fsync(stream.fileno())
        assert os.stat(path).st_size == SIZE

    def test_and_not_much_more(self, nas, share):
        with pytest.raises(OSError):
            write(nas, share, os.urandom(2 * SIZE).hex())

    def test_resize_to_less_than_there_is(self, nas, appliance, share):
        write(nas, share, 'x' * 20 * units.Mi)
        appliance.resize_share('volume-1', units.Mi)
        write(nas, share, 'y', 'other')
        assert read(nas, share, 'other') == 'y'

    def test_they_are_told(self, appliance, share):
        assert share.size == SIZE
        appliance.create_snapshot('volume-1', 'a')
        clone = appliance.clone_snapshot('volume-1', 'a', 'volume-2',
                                         2 * SIZE)
        assert clone.size == 2 * SIZE
        appliance.resize_share('volume-1', 3 * SIZE + 1)
        assert [each.size for each in appliance.list_shares()] == [
            3 * SIZE + 1, 2 * SIZE]
        appliance.roll_back('volume-1', 'a')
        assert appliance.find_share('volume-1').size == 3 * SIZE + 1
