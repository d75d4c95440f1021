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

"""Steps of plans, done on a box of folders: what is there afterwards."""

import os

import pytest

from remotefs_drivers.chain import share_steps as steps
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors
from remotefs_drivers import hands
from remotefs_drivers.share import capacity
from remotefs_drivers.share import rights
from remotefs_drivers.share import visited
from remotefs_drivers import sharer
from remotefs_drivers.store import direct
from tests.unit import fakes

SIZE = 8192
OLD = 'volume-old'


@pytest.fixture(autouse=True)
def no_children(monkeypatch):
    monkeypatch.setattr(capacity, 'ask',
                        lambda path, timeout: capacity.look(path))


class Place:
    """A box, and who works on it for a volume.

    :ivar run: stands for qemu-img
    """

    def __init__(self, folder, kind='dependent'):
        self.folder = folder
        self.box = folders.at(folder / 'box', kind=kind)
        self.mounter = fakes.BoxMounter(folder / 'mnt')
        shares = visited.VisitedShares(fakes.Source(), self.mounter,
                                       fakes.SETTINGS)
        self.run = fakes.Runner()
        self.means = hands.Means(
            shares=shares, rights=rights.Rights(False, 0o660), thick=False,
            legacy_format='raw', files=direct, run=self.run)
        self.volume = fakes.Volume()
        self.name = self.volume.name

    def sharer(self):
        return sharer.Sharer(self.box, self.means, self.volume, self.name)

    def path(self, share, name='volume'):
        return str(self.folder / 'box' / share / name)

    def share(self, name, text=b'text', file='volume'):
        self.box.create_share(name, SIZE)
        with open(self.path(name, file), 'wb') as stream:
            stream.write(text)

    def snapshots(self, name):
        return [each.name for each in self.box.find_share(name).snapshots]

    def text(self, share, name='volume'):
        with open(self.path(share, name), 'rb') as stream:
            return stream.read().rstrip(b'\0')

    def files(self, share):
        return os.listdir(os.path.dirname(self.path(share)))


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    assert made.mounter.mounted() == set()


@pytest.fixture
def does(place):
    """Who does the steps."""
    return place.sharer()


class TestNew:
    """What has the name of something new is not ours to take back."""

    def test_a_share(self, place, does):
        does.do(steps.MakeShare('a', SIZE))
        assert does.made['a'] == place.box.find_share('a')
        does.do(steps.DropShare('a'))
        assert place.box.find_share('a') is None
        assert does.made == {}

    @pytest.mark.parametrize('step', [
        steps.MakeShare('a', SIZE), steps.CloneShare('a', 'b', 's', SIZE)])
    def test_a_share_that_is_there(self, place, does, step):
        place.share('a')
        place.share('b')
        place.box.create_snapshot('b', 's')
        with pytest.raises(errors.ApplianceShareExists):
            does.do(step)
        does.do(steps.DropShare('a'))
        assert place.text('a') == b'text'

    def test_a_share_that_was_not_begun(self, place, does):
        """A step before that failed."""
        place.share('a')
        does.do(steps.DropNewShare('a'))
        assert place.text('a') == b'text'
        does.do(steps.MakeShare('b', SIZE))
        does.do(steps.DropNewShare('b'))
        assert place.box.find_share('b') is None

    @pytest.mark.parametrize('error', [
        'ApplianceUnreached', 'ApplianceDenied', 'ApplianceHostKeyChanged',
        'ApplianceNotReady'])
    def test_a_box_that_was_not_asked(self, place, does, error):
        """What has the name by now was there before."""
        place.share('a')
        place.box.create_snapshot('a', 's')
        for method, step in (
                ('create_share', steps.MakeShare('a', SIZE)),
                ('create_snapshot', steps.TakeSnapshot('a', 's'))):
            place.box.faults.add(method, 'refuse', error)
            with pytest.raises(getattr(errors, error)):
                does.do(step)
        does.do(steps.DropSnapshot('a', 's'))
        does.do(steps.DropNewShare('a'))
        assert place.snapshots('a') == ['s']

    @pytest.mark.parametrize('step', [
        steps.TakeSnapshot('a', 's'), steps.TakeSnapshots(('b', 'a'), 's')])
    def test_a_snapshot_that_is_there(self, place, does, step):
        for name in 'ab':
            place.share(name)
        place.box.create_snapshot('a', 's')
        with pytest.raises(errors.ApplianceSnapshotExists):
            does.do(step)
        for name in 'ab':
            does.do(steps.DropSnapshot(name, 's'))
            does.do(steps.PruneSnapshot(name, 's'))
        assert place.snapshots('a') == ['s']
        assert place.snapshots('b') == []

    def test_a_snapshot(self, place, does):
        place.share('a')
        does.do(steps.TakeSnapshot('a', 's'))
        assert does.taken['a'].name == 's'
        does.do(steps.DropSnapshot('a', 's'))
        assert place.snapshots('a') == []

    def test_several(self, place, does):
        for name in 'ab':
            place.share(name)
        does.do(steps.TakeSnapshots(('a', 'b'), 's'))
        assert [does.taken[name].name for name in 'ab'] == ['s', 's']
        assert place.snapshots('a') == place.snapshots('b') == ['s']

    @pytest.mark.parametrize('method, step, undo', [
        ('create_share', steps.MakeShare('new', SIZE),
         steps.DropShare('new')),
        ('create_snapshot', steps.TakeSnapshot('a', 's'),
         steps.DropSnapshot('a', 's'))])
    def test_an_answer_that_is_lost(self, place, does, method, step, undo):
        """It may have been done: it is ours then."""
        place.share('a')
        place.box.faults.add(method, 'lose answer')
        with pytest.raises(errors.ApplianceUnavailable):
            does.do(step)
        does.do(undo)
        assert place.box.find_share('new') is None
        assert place.snapshots('a') == []


class TestSnapshotsThatWait:
    @pytest.fixture(autouse=True)
    def cloned(self, place):
        place.share('a')
        place.box.create_snapshot('a', 's')
        place.box.clone_snapshot('a', 's', 'b', SIZE)

    def test_let_go(self, place, does):
        does.do(steps.LetSnapshotGo('a', 's', 'waits'))
        assert place.snapshots('a') == ['waits']

    def test_let_go_at_once(self, place, does):
        place.box.delete_share('b')
        does.do(steps.LetSnapshotGo('a', 's', 'waits'))
        assert place.snapshots('a') == []

    def test_prune(self, place, does):
        does.do(steps.PruneSnapshot('a', 's'))
        assert place.snapshots('a') == ['s']
        place.box.delete_share('b')
        does.do(steps.PruneSnapshot('a', 's'))
        assert place.snapshots('a') == []

    @pytest.mark.parametrize('name', ['a', 'none'])
    def test_prune_what_is_not_there(self, does, name):
        does.do(steps.PruneSnapshot(name, 'none'))

    def test_what_was_just_made_of_it_is_no_question(self, place, does):
        does.do(steps.CloneShare('c', 'a', 's', SIZE))
        place.box.faults.watch()
        does.do(steps.PruneSnapshot('a', 's'))
        assert place.box.faults.calls() == []
        does.do(steps.DropShare('c'))
        does.do(steps.PruneSnapshot('a', 's'))
        assert place.box.faults.calls() == ['delete_share',
                                            'delete_snapshot']


class TestFiles:
    def test_make(self, place, does):
        does.do(steps.MakeShare('a', SIZE))
        does.do(steps.MakeFile('a', SIZE))
        assert os.path.getsize(place.path('a')) == SIZE
        assert os.stat(place.path('a')).st_mode & 0o777 == 0o660

    def test_make_in_a_share_that_is_known(self, place, does):
        """Nobody asks for the location of what was just made."""
        does.do(steps.MakeShare('a', SIZE))
        place.box.faults.watch()
        does.do(steps.MakeFile('a', SIZE))
        assert place.box.faults.calls() == []

    def test_fit(self, place, does):
        place.share('a')
        does.do(steps.FitFile('a', SIZE, OLD))
        assert os.path.getsize(place.path('a')) == SIZE
        does.do(steps.FitFile('a', 1, OLD))
        assert os.path.getsize(place.path('a')) == SIZE

    def test_fit_what_another_driver_made(self, place, does):
        """Somebody may have it open: it keeps its name."""
        place.share('a', file=OLD)
        does.do(steps.FitFile('a', SIZE, OLD))
        assert place.files('a') == [OLD]
        assert os.path.getsize(place.path('a', OLD)) == SIZE

    def test_fit_a_copy_of_that(self, place, does):
        place.share('a', file=OLD)
        place.box.create_snapshot('a', 's')
        does.do(steps.CloneShare('b', 'a', 's', SIZE))
        does.do(steps.FitFile('b', SIZE, OLD))
        assert place.files('b') == ['volume']
        assert place.text('b') == b'text'

    def clone(self, place, does, *files):
        """A share "b" of a snapshot in which there are these."""
        place.box.create_share('a', SIZE)
        for name in files:
            with open(place.path('a', name), 'xb') as stream:
                stream.write(name.encode())
            os.chmod(stream.name, 0o600)
        place.box.create_snapshot('a', 's')
        does.do(steps.CloneShare('b', 'a', 's', 2 * SIZE))

    def test_fit_what_is_older_than_its_share_is_a_volumes(self, place,
                                                           does):
        self.clone(place, does, '.hidden', 'disk')
        does.do(steps.FitFile('b', 2 * SIZE, OLD))
        assert sorted(place.files('b')) == ['.hidden', 'volume']
        assert place.text('b') == b'disk'
        status = os.stat(place.path('b'))
        assert (status.st_size, status.st_mode & 0o777) == (2 * SIZE, 0o660)

    def test_fit_one_of_several(self, place, does):
        """Nothing is taken for the volume's that need not be."""
        self.clone(place, does, 'disk', 'other')
        with pytest.raises(errors.VolumeFileMissing):
            does.do(steps.FitFile('b', SIZE, OLD))
        assert sorted(place.files('b')) == ['disk', 'other']

    def test_fit_what_is_no_snapshots(self, place, does):
        """The volume's file is gone: somebody has removed it, say."""
        place.share('b', file='notes')
        with pytest.raises(errors.VolumeFileMissing):
            does.do(steps.FitFile('b', SIZE, OLD))
        assert place.files('b') == ['notes']

    def test_fit_what_is_not_there(self, place, does):
        place.box.create_share('a', SIZE)
        with pytest.raises(errors.VolumeFileMissing,
                           match=place.volume.id):
            does.do(steps.FitFile('a', SIZE, OLD))

    def test_a_share_that_is_not_there(self, place, does):
        with pytest.raises(errors.ApplianceShareMissing, match='none'):
            does.do(steps.FitFile('none', SIZE, OLD))

    def test_the_location_of_the_volume_is_known(self, place):
        place.share(place.name)
        place.volume.provider_location = place.box.find_share(
            place.name).location
        place.box.faults.watch()
        place.sharer().do(steps.FitFile(place.name, SIZE, OLD))
        assert place.box.faults.calls() == []

    @pytest.mark.parametrize('file', ['volume', 'disk.img'])
    def test_take(self, place, does, file):
        place.share('a', file=file)
        os.chmod(place.path('a', file), 0o600)
        does.do(steps.TakeFile('a', file, SIZE))
        assert place.files('a') == ['volume']
        assert place.text('a') == b'text'
        assert os.path.getsize(place.path('a')) == SIZE
        assert os.stat(place.path('a')).st_mode & 0o777 == 0o660

    def test_take_overwrites_nothing(self, place, does):
        place.share('a')
        with open(place.path('a', 'disk'), 'wb') as stream:
            stream.write(b'other')
        with pytest.raises(errors.VolumeFileInvalid, match='already'):
            does.do(steps.TakeFile('a', 'disk', SIZE))
        assert place.text('a') == b'text'

    def test_rename(self, place, does):
        place.share('a')
        does.do(steps.RenameShare('a', 'b'))
        assert does.made['b'] == place.box.find_share('b')
        assert place.text('b') == b'text'

    def test_what_has_the_name_already(self, place, does):
        """It was cut off after that; the box says that there is such one."""
        place.share('a')
        taken = place.box.create_snapshot('a', 's')
        does.do(steps.RenameShare('a', 'a'))
        assert does.made['a'] == place.box.find_share('a')
        does.do(steps.RenameSnapshot('a', 's', 's'))
        assert does.taken['a'] == taken
        with pytest.raises(errors.ApplianceShareMissing):
            does.do(steps.RenameShare('b', 'b'))
        with pytest.raises(errors.ApplianceSnapshotMissing):
            does.do(steps.RenameSnapshot('a', 't', 't'))

    def test_rename_a_snapshot(self, place, does):
        place.share('a')
        place.box.create_snapshot('a', 's')
        does.do(steps.RenameSnapshot('a', 's', 't'))
        assert does.taken['a'].name == 't'
        assert place.snapshots('a') == ['t']


class TestCopy:
    @pytest.fixture(autouse=True)
    def two(self, place):
        place.share('a', b'new')
        place.share('b', b'old')

    def test_a_copy_takes_the_place(self, place, does):
        does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert place.text('a') == place.text('b') == b'old'
        assert place.files('a') == ['volume']
        assert os.path.getsize(place.path('a')) == SIZE

    def test_the_rest_of_an_earlier_one_is_in_nobodys_way(self, place, does):
        rest = place.path('a', '.volume.new-clone')
        with open(rest, 'wb') as stream:
            stream.write(b'half')
        does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert place.text('a') == b'old'
        assert place.files('a') == ['volume']

    def test_a_larger_one_keeps_its_size(self, place, does):
        os.truncate(place.path('b'), 2 * SIZE)
        does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert os.path.getsize(place.path('a')) == 2 * SIZE

    def test_the_name_that_it_has_stays(self, place, does):
        os.rename(place.path('a'), place.path('a', OLD))
        does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert place.files('a') == [OLD]
        assert place.text('a', OLD) == b'old'

    def test_where_the_kernel_copies_nothing(self, place, does, monkeypatch):
        monkeypatch.setattr(sharer.copying, 'copy', lambda *args, **kw: False)
        does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert place.run.calls[0][:2] == ['qemu-img', 'convert']
        assert place.text('a') == b'raw of old'

    def test_one_that_fails_leaves_nothing(self, place, does, monkeypatch):
        monkeypatch.setattr(sharer.copying, 'copy', lambda *args, **kw: False)
        place.run.broken['qemu-img convert'] = errors.CommandFailed(
            program='qemu-img', exit_code=1, stderr='no room', command='x')
        with pytest.raises(errors.CommandFailed):
            does.do(steps.CopyFile('a', 'b', SIZE, OLD))
        assert place.text('a') == b'new'
        assert place.files('a') == ['volume']

    def test_what_a_crash_left_of_one(self, place, does):
        with open(place.path('a', '.volume.new-clone'), 'wb') as stream:
            stream.write(b'half')
        for __ in range(2):
            does.do(steps.DropCopy('a'))
            assert place.files('a') == ['volume']
        does.do(steps.DropCopy('none'))


class TestOfTheBoxAlone:
    def test_resize(self, place, does):
        place.share('a')
        does.do(steps.ResizeShare('a', 2 * SIZE))
        assert place.box.find_share('a').size == 2 * SIZE

    def test_roll_back(self, place, does):
        place.share('a')
        place.box.create_snapshot('a', 's')
        with open(place.path('a'), 'wb') as stream:
            stream.write(b'newer')
        does.do(steps.RollBack('a', 's'))
        assert place.text('a') == b'text'

    def test_promote(self, place, does):
        place.share('a')
        place.box.create_snapshot('a', 's')
        place.box.clone_snapshot('a', 's', 'b', SIZE)
        does.do(steps.PromoteShare('b'))
        assert place.snapshots('b') == ['s']
        assert place.box.find_share('a').origin == ('b', 's')

    def test_drop_with_snapshots(self, place, does):
        place.share('a')
        place.box.create_snapshot('a', 's')
        with pytest.raises(errors.ApplianceShareInUse):
            does.do(steps.DropShare('a'))
        does.do(steps.DropShare('a', ('s',)))
        assert place.box.find_share('a') is None


def test_all_steps_can_be_done():
    assert set(sharer.Sharer._STEPS) == set(steps.KINDS)
