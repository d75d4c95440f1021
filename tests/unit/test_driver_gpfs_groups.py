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

"""GPFSDriver: snapshots of a consistent group, all of one moment."""

import os

from cinder.volume import volume_utils
from oslo_utils import units
from oslo_utils import uuidutils
import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests
from tests.harness import pretended_gpfs
from tests.unit import fakes
from tests.unit import test_driver_gpfs_moving as moving
from tests.unit import things

GiB = units.Gi
#: What a group snapshot of two volumes asks of GPFS.
OF_ONE = ['clone_copy', 'clone_split', 'clone_snap']
ALL = ['create_snapshot', *OF_ONE, *OF_ONE, 'delete_snapshot']


class GroupSnapshot(dict):
    def __init__(self, group):
        super().__init__(id=uuidutils.generate_uuid(), group_id=group.id,
                         group_type_id=group['group_type_id'])
        self.id, self.group_id = self['id'], self['group_id']


class Killed(BaseException):
    """The service is gone, and does nothing any more."""


class Story:
    """A group of two volumes."""

    def __init__(self, built, **fields):
        self.built = built
        self.driver = built.gpfs()
        self.gpfs = built.pretended
        self.group = moving.Group()
        self.driver.create_group(None, self.group)
        self.fileset = 'consisgroup-' + self.group.id
        self.folder = os.path.join(built.folder, 'a', self.fileset)
        self.volumes = [self.volume(**fields) for __ in range(2)]
        for volume in self.volumes:
            self.write(volume, b'first')
        self.fresh()

    def volume(self, **fields):
        volume = fakes.Volume(group=self.group, group_id=self.group.id,
                              **fields)
        volume.provider_location = self.driver.create_volume(
            volume)['provider_location']
        return volume

    def fresh(self):
        self.gpfs.calls.clear()
        self.built.steps.clear()
        self.built.locks.calls.clear()

    def write(self, volume, data):
        fakes.write(self.path(volume), data)

    def path(self, each):
        return os.path.join(self.folder, each.name)

    def ask(self):
        """What is to be made: a group snapshot, and its snapshots."""
        return (GroupSnapshot(self.group),
                [fakes.Snapshot(volume) for volume in self.volumes])

    def take(self, *asked):
        asked = asked or self.ask()
        done = self.driver.create_group_snapshot(None, *asked)
        assert done == answer(asked[1], 'available')
        return asked

    def fail(self):
        asked = self.ask()
        done = self.driver.create_group_snapshot(None, *asked)
        assert done == answer(asked[1], 'error')
        return asked

    def drop(self, group_snapshot, snapshots):
        done = self.driver.delete_group_snapshot(None, group_snapshot,
                                                 snapshots)
        assert done == answer(snapshots, 'deleted')

    def names(self):
        return set(os.listdir(self.folder))

    def asked(self):
        return [name for name, __ in self.gpfs.calls]

    def check_clean(self):
        """There is nothing but the volumes, which are as they were."""
        assert self.names() == {each.name for each in self.volumes}
        for volume in self.volumes:
            assert fakes.content(self.path(volume)) == b'first'


def answer(snapshots, status):
    return {'status': status}, [{'id': each.id, 'status': status}
                                for each in snapshots]


@pytest.fixture(autouse=True)
def groups(monkeypatch):
    monkeypatch.setattr(
        volume_utils, 'is_group_a_cg_snapshot_type',
        lambda group: group['group_type_id'] == 'consistent')
    # Nothing but mmclone shares blocks.
    monkeypatch.setattr('remotefs_drivers.store.direct.clone',
                        lambda source, target: False)


@pytest.fixture
def story(built):
    return Story(built)


class TestCreate:
    def test_all_of_one_moment(self, story):
        __, snapshots = story.take()
        assert story.asked() == ALL
        for volume in story.volumes:
            story.write(volume, b'second')
        for snapshot in snapshots:
            path = story.path(snapshot)
            assert fakes.content(path) == b'first'
            assert os.path.getsize(path) == GiB
            assert os.stat(path).st_mode & 0o777 == 0o640
        assert story.names() == {each.name for each
                                 in story.volumes + snapshots}
        # They depend on nobody, and nobody on them.
        assert pretended_gpfs.told_of(story.folder) == {
            each.name: (True, 0, None) for each in snapshots}

    @pytest.mark.parametrize('one_by_one', [False, True])
    def test_a_guest_writes_meanwhile(self, built, story, one_by_one):
        """To the first volume, then to the second, a number each time.

        One by one, the second may be newer than the first: that is what a
        group snapshot is there for.
        """
        number = 0
        real = story.gpfs._do

        def do(*args):
            nonlocal number
            done = real(*args)
            number += 1
            for volume in story.volumes:
                story.write(volume, b'%08d' % number)
            return done
        story.gpfs._do = do
        story.write(story.volumes[0], b'%08d' % 0)
        story.write(story.volumes[1], b'%08d' % 0)
        asked = story.ask()
        if one_by_one:
            for snapshot in asked[1]:
                story.driver.create_snapshot(snapshot)
        else:
            story.take(*asked)
        first, second = [fakes.content(story.path(each))
                         for each in asked[1]]
        assert (second > first) is one_by_one
        assert number > 1

    def test_its_locks(self, built, story):
        """None for the moment, then each volume's for its own files."""
        held = {}
        real = story.gpfs._do

        def do(name, *args):
            held.setdefault(name, []).append(built.locks.held)
            return real(name, *args)
        story.gpfs._do = do
        story.take()
        ids = [(each.id,) for each in story.volumes]
        assert held == {'create_snapshot': [()], 'delete_snapshot': [()],
                        'clone_copy': ids, 'clone_split': ids,
                        'clone_snap': ids}

    def test_attributes_come_before_data(self, built):
        story = Story(built, metadata={'data_pool_name': 'fast'})
        story.gpfs.attributes_of.clear()
        story.take()
        assert set(story.gpfs.attributes_of.values()) == {
            requests.Wanted(pool='fast')}
        of_one = ['clone_copy', 'change_attributes', 'clone_split',
                  'clone_snap']
        assert story.asked() == ['create_snapshot', *of_one, *of_one,
                                 'delete_snapshot']

    def test_what_an_older_one_left(self, story):
        for volume in story.volumes:
            things.file(os.path.join(
                story.folder, '.%s.new-snapshot' % volume.name))
        story.take()
        assert len(story.names()) == 4


class TestUse:
    """As of any other snapshot."""

    def test_a_volume_of_it(self, story):
        asked = story.take()
        story.write(story.volumes[0], b'other')
        copy = fakes.Volume(size=2, group=story.group,
                            group_id=story.group.id)
        story.driver.create_volume_from_snapshot(copy, asked[1][0])
        assert fakes.content(story.path(copy)) == b'first'
        story.drop(*asked)
        # What the copy is based on waits for its end.
        assert story.names() == {each.name for each in story.volumes} | {
            copy.name, asked[1][0].name + '.ts'}
        assert fakes.content(story.path(copy)) == b'first'
        story.driver.delete_volume(copy)
        story.write(story.volumes[0], b'first')
        story.check_clean()

    def test_a_copy_that_leaves_the_group(self, story):
        asked = story.take()
        copy = fakes.Volume()
        story.driver.create_volume_from_snapshot(copy, asked[1][0])
        assert fakes.content(os.path.join(
            story.built.folder, 'a', copy.name)) == b'first'

    def test_revert(self, story):
        asked = story.take()
        for volume, snapshot in zip(story.volumes, asked[1]):
            story.write(volume, b'second')
            story.driver.revert_to_snapshot(None, volume, snapshot)
        for volume in story.volumes:
            assert fakes.content(story.path(volume)) == b'first'
        story.drop(*asked)
        for volume in story.volumes:
            story.driver.delete_volume(volume)
        assert story.names() == set()

    def test_several_and_single_ones(self, story):
        first = story.take()
        single = fakes.Snapshot(story.volumes[0])
        story.driver.create_snapshot(single)
        second = story.take()
        story.drop(*first)
        story.driver.delete_snapshot(single)
        story.drop(*second)
        for volume in story.volumes:
            story.driver.delete_volume(volume)
        assert story.names() == set()

    def test_deleted_once_more(self, story):
        asked = story.take()
        for __ in range(2):
            story.drop(*asked)
        story.check_clean()


class TestFailure:
    @pytest.mark.parametrize('late', [False, True])
    @pytest.mark.parametrize('name', sorted(set(ALL)))
    def test_of_a_command(self, story, name, late, caplog):
        where = story.gpfs.broken_late if late else story.gpfs.broken
        where[name] = pretended_gpfs.failed('no quorum')
        asked = story.fail()
        assert 'no quorum' in caplog.text
        if name == 'delete_snapshot' and not late:
            # It is the user's to try again, who sees an error.
            assert story.names() > {each.name for each in story.volumes}
            assert story.driver.delete_group_snapshot(
                None, *asked) == answer(asked[1], 'error_deleting')
        else:
            story.check_clean()
        where.clear()
        story.drop(*asked)
        story.check_clean()
        story.drop(*story.take())

    def test_of_any_step(self, story):
        for number in range(100):
            story.fresh()
            story.built.break_at = number
            asked = story.ask()
            done = story.driver.create_group_snapshot(None, *asked)
            story.built.break_at = None
            if done == answer(asked[1], 'available'):
                break
            assert done == answer(asked[1], 'error')
            story.check_clean()
            story.drop(*asked)
        assert 10 < number < 100

    def test_a_fileset_that_is_not_independent(self, story, caplog):
        """Nobody makes snapshots one by one instead."""
        story.gpfs.dependent.add(story.fileset)
        story.fail()
        assert 'is not independent' in caplog.text
        assert set(story.asked()) == {'create_snapshot', 'fileset',
                                      'snapshots'}
        story.check_clean()

    def test_a_volume_that_has_no_file(self, story):
        os.remove(story.path(story.volumes[1]))
        story.fail()
        assert story.names() == {story.volumes[0].name}

    def test_there_is_a_file_of_its_name(self, story, caplog):
        """It is somebody else's, and stays."""
        asked = story.ask()
        things.file(story.path(asked[1][1]))
        done = story.driver.create_group_snapshot(None, *asked)
        assert done == answer(asked[1], 'error')
        assert errors.VolumeFileExists.__name__ in caplog.text
        assert things.read(story.path(asked[1][1])) == things.TEXT
        assert story.names() == {each.name for each in (
            *story.volumes, asked[1][1])}

    def test_encrypted(self, story):
        story.volumes[1].encryption_key_id = 'k'
        story.fail()
        story.check_clean()


class TestCrash:
    """The service is killed before any step of its own or of GPFS."""

    def kill(self, story, monkeypatch, number):
        """Returns what was asked for, and whether it came to its end."""
        left = number

        def alive():
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed()

        def before(real):
            def step(*args):
                alive()
                return real(*args)
            return step
        asked = story.ask()
        with monkeypatch.context() as patch:
            patch.setattr(story.gpfs, '_do', before(story.gpfs._do))
            patch.setattr(story.built, '_step', before(story.built._step))
            try:
                story.driver.create_group_snapshot(None, *asked)
            except Killed:
                return asked, False
        return asked, True

    @pytest.mark.parametrize('after', ['the snapshots', 'the group'])
    def test_nothing_is_stuck(self, built, monkeypatch, after):
        seen = set()
        for number in range(100):
            story = Story(built)
            asked, done = self.kill(story, monkeypatch, number)
            seen |= {name.split('.')[-1] for name in story.names()
                     if name.startswith('.')}
            for volume in story.volumes:
                assert fakes.content(story.path(volume)) == b'first'
            if after == 'the snapshots':
                story.drop(*asked)
                story.check_clean()
                story.drop(*story.take())
            else:
                # By an operator's hand, who has Cinder forget them.
                for snapshot in asked[1]:
                    story.driver.delete_snapshot(snapshot)
            story.driver.delete_group(None, story.group, story.volumes)
            assert not os.path.exists(story.folder)
            assert story.gpfs.fileset('gpfs0', story.fileset) is None
            if done:
                break
        assert 10 < number < 100
        assert seen == {'snapshots', 'new-snapshot'}


class TestDelete:
    def test_an_operators_own_snapshot(self, story):
        """Is not ours to remove: the group cannot go before it."""
        story.gpfs.create_snapshot('gpfs0', story.fileset, 'monday')
        story.drop(*story.take())
        assert story.gpfs._snapshots(story.fileset) == ['monday']
        with pytest.raises(errors.GpfsCommandFailed, match='has snapshots'):
            story.driver.delete_group(None, story.group, story.volumes)

    def test_the_fileset_is_gone(self, story):
        asked = story.take()
        story.driver.delete_group(None, story.group, story.volumes)
        story.drop(*asked)

    def test_a_snapshot_stays(self, story):
        asked = story.take()
        story.gpfs.broken['clone_show'] = pretended_gpfs.failed('x')
        done = story.driver.delete_group_snapshot(None, *asked)
        assert done == answer(asked[1], 'error_deleting')
