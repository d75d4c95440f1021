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

"""The verbs of GPFSDriver: which commands, which files, which locks."""

import errno
import os
import random

from cinder import objects
from oslo_utils import units
from oslo_utils import uuidutils
import pytest

from remotefs_drivers import cloner
from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.store import files
from tests.harness import pretended_gpfs
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things

GiB = units.Gi
BROKEN = (builder.Broken, errors.VolumeFileInvalid, errors.CommandFailed,
          errors.ExtendFailed)


@pytest.fixture(autouse=True)
def no_reflinks(monkeypatch):
    """Nothing but mmclone shares blocks."""
    monkeypatch.setattr('remotefs_drivers.store.direct.clone',
                        lambda source, target: False)


class Story:
    """Volumes and snapshots of a driver, and what each must hold."""

    def __init__(self, built, **options):
        self.built = built
        self.driver = built.gpfs(**options)
        self.held = {}

    def volume(self, size=1, **fields):
        volume = fakes.Volume(size=size, **fields)
        volume.provider_location = self.driver.create_volume(
            volume)['provider_location']
        self.held[volume] = b''
        self.fresh()
        return volume

    def write(self, volume, data):
        fakes.write(self.driver.local_path(volume), data)
        self.held[volume] = data

    def snap(self, volume):
        snapshot = fakes.Snapshot(volume)
        self.driver.create_snapshot(snapshot)
        self.held[snapshot] = self.held[volume]
        return snapshot

    def clone(self, source, size=1):
        volume = fakes.Volume(size=size)
        if isinstance(source, fakes.Volume):
            update = self.driver.create_cloned_volume(volume, source)
        else:
            update = self.driver.create_volume_from_snapshot(volume, source)
        volume.provider_location = update['provider_location']
        self.held[volume] = self.held[source]
        return volume

    def copy_in_vain(self, volume):
        """Try it twice while no clone can be made; returns the copy."""
        self.built.pretended.broken['clone_copy'] = pretended_gpfs.failed(
            'broken')
        copy = fakes.Volume()
        for __ in range(2):
            with pytest.raises(errors.GpfsCommandFailed, match='broken'):
                self.driver.create_cloned_volume(copy, volume)
        return copy

    def revert(self, snapshot):
        self.driver.revert_to_snapshot(None, snapshot.volume, snapshot)
        self.held[snapshot.volume] = self.held[snapshot]

    def remove(self, each):
        if isinstance(each, fakes.Volume):
            self.driver.delete_volume(each)
        else:
            self.driver.delete_snapshot(each)
        self.held.pop(each, None)

    def fresh(self):
        self.built.steps.clear()
        self.built.run.calls.clear()
        self.built.pretended.calls.clear()
        self.built.locks.calls.clear()

    def asked(self):
        """What GPFS was asked for."""
        return [name for name, __ in self.built.pretended.calls]

    def path(self, name):
        return os.path.join(self.built.folder, 'a', name)

    def names(self):
        return set(self.built.files())

    def check(self):
        """All hold what they should; all else are parents that wait."""
        for each, data in self.held.items():
            assert fakes.content(self.path(each.name)) == data
            if isinstance(each, fakes.Volume):
                assert os.path.getsize(
                    self.path(each.name)) == each.size * GiB
        others = self.names() - {each.name for each in self.held}
        assert all(name.endswith(('.snap', '.ts')) for name in others), others

    def check_empty(self):
        for each in list(self.held):
            if isinstance(each, fakes.Snapshot):
                self.remove(each)
        for each in list(self.held):
            self.remove(each)
        assert self.names() == set()


@pytest.fixture
def story(built):
    return Story(built)


@pytest.fixture
def volume(story):
    made = story.volume()
    story.write(made, b'first')
    story.fresh()
    return made


class TestCreate:
    def test_no_child(self, built, story):
        volume = fakes.Volume(size=2)
        update = story.driver.create_volume(volume)
        assert built.names() == ['record', 'create']
        assert story.asked() == [] and built.run.calls == []
        assert update == {'provider_location': story.path('')[:-1]}
        assert built.files() == {volume.name: 2 * GiB}
        assert volume.admin_metadata == {'format': 'raw'}

    def test_attributes(self, built, story):
        """One child, before there is any data to move."""
        volume = fakes.Volume(metadata={
            'data_pool_name': 'fast', 'replicas': '2', 'dio': 'yes',
            'write_affinity_depth': '1', 'block_group_factor': '4',
            'write_affinity_failure_group': '1,0,1', 'mine': 'x;y'})
        story.driver.create_volume(volume)
        assert story.asked() == ['change_attributes']
        assert built.pretended.attributes_of == {
            story.path(volume.name): requests.Wanted(
                'fast', '2', 'yes', '1', '4', '1,0,1')}

    def test_the_pool_of_the_operator(self, built):
        story = Story(built, gpfs_storage_pool='fast')
        volume = fakes.Volume()
        story.driver.create_volume(volume)
        assert built.pretended.attributes_of == {
            story.path(volume.name): requests.Wanted(pool='fast')}

    def test_attributes_come_before_room(self, built):
        story = Story(built, gpfs_sparse_volumes=False)
        volume = fakes.Volume(metadata={'replicas': '2'})
        seen = []
        built.pretended.change_attributes = lambda path, wanted: seen.append(
            list(built.run.calls))
        story.driver.create_volume(volume)
        assert seen == [[]]
        assert [argv[0] for argv in built.run.calls] == ['fallocate']

    @pytest.mark.parametrize('key, value', [
        ('data_pool_name', 'fast; rm -rf /'), ('data_pool_name', '-x'),
        ('data_pool_name', ''), ('replicas', '9'), ('replicas', '1 -x'),
        ('dio', 'perhaps'), ('dio', 'yes\n'), ('write_affinity_depth', '-1'),
        ('block_group_factor', 'x'), ('write_affinity_failure_group', '$(x)'),
        ('fstype', 'ext9'), ('fstype', 'ext4 -O x'), ('fstype', '../ext4'),
        ('fstype', '-t')])
    def test_hostile_metadata(self, built, story, key, value):
        with pytest.raises(errors.MetadataInvalid, match=key):
            story.driver.create_volume(fakes.Volume(metadata={key: value}))
        assert story.names() == set()
        assert story.asked() == [] and built.run.calls == []

    @pytest.mark.parametrize('label', ['a b', '-L', 'x' * 17, '$(x)', 'a;b'])
    def test_hostile_labels(self, built, story, label):
        with pytest.raises(errors.MetadataInvalid, match='fslabel'):
            story.driver.create_volume(fakes.Volume(metadata={
                'fstype': 'ext4', 'fslabel': label}))
        assert story.names() == set() and built.run.calls == []

    def test_a_file_system(self, built, story):
        volume = fakes.Volume(metadata={'fstype': 'ext4', 'fslabel': 'data'})
        story.driver.create_volume(volume)
        (argv,) = built.run.calls
        assert os.path.basename(argv[0]) == 'mkfs.ext4'
        assert argv[-3:] == ['-L', 'data', story.path(volume.name)]

    @pytest.mark.parametrize('sparse', [True, False])
    def test_a_file_system_in_room_that_is_reserved(self, built, sparse):
        story = Story(built, gpfs_sparse_volumes=sparse)
        story.driver.create_volume(fakes.Volume(metadata={'fstype': 'ext4'}))
        assert ('nodiscard' in built.run.calls[-1]) is not sparse

    @pytest.mark.parametrize('metadata', [
        {'fstype': 'ext4'}, {'replicas': '2'}])
    def test_nothing_is_left_when_it_fails(self, built, story, metadata):
        built.run.broken.update(dict.fromkeys(
            ('mkfs.ext4', '/usr/sbin/mkfs.ext4', '/sbin/mkfs.ext4'),
            pretended_gpfs.failed('broken')))
        built.pretended.broken['change_attributes'] = pretended_gpfs.failed(
            'broken')
        with pytest.raises(errors.CommandFailed, match='broken'):
            story.driver.create_volume(fakes.Volume(metadata=metadata))
        assert story.names() == set()

    def test_encrypted(self, story):
        with pytest.raises(errors.EncryptionUnsupported):
            story.driver.create_volume(fakes.Volume(encryption_key_id='k'))
        assert story.names() == set()


class TestSnapshot:
    def test_one_child(self, built, story, volume):
        snapshot = story.snap(volume)
        assert story.asked() == ['clone_snap']
        assert built.run.calls == []
        assert story.names() == {volume.name, snapshot.name}
        story.write(volume, b'second')
        story.check()

    def test_it_is_locked(self, built, story, volume):
        story.snap(volume)
        assert {held for __, held in built.steps} == {(volume.id,)}

    @pytest.mark.parametrize('fields', [
        {'status': 'in-use', 'attach_status': 'attached'},
        {'status': 'in-use', 'attach_status': 'attached',
         'multiattach': True},
        {'status': 'backing-up'}])
    def test_whoever_writes_to_it(self, story, volume, fields):
        for name, value in fields.items():
            setattr(volume, name, value)
        story.snap(volume)
        story.check()

    def test_not_too_deep(self, built):
        story = Story(built, gpfs_max_clone_depth=1)
        volume = story.volume()
        for number in range(3):
            story.write(volume, b'%d' % number)
            story.snap(volume)
        assert story.asked().count('clone_redirect') == 2
        assert built.pretended.clone_show(story.path(volume.name)).depth == 1
        story.check()
        story.check_empty()

    def test_there_is_a_file_of_its_name(self, story, volume):
        snapshot = fakes.Snapshot(volume)
        things.file(story.path(snapshot.name))
        with pytest.raises(errors.VolumeFileExists, match=snapshot.id):
            story.driver.create_snapshot(snapshot)
        assert things.read(story.path(snapshot.name)) == things.TEXT

    def test_encrypted(self, story, volume):
        volume.encryption_key_id = 'k'
        with pytest.raises(errors.EncryptionUnsupported):
            story.snap(volume)


class TestDeleteSnapshot:
    def test_it_waits_for_its_children(self, built, story, volume):
        snapshot = story.snap(volume)
        story.fresh()
        story.remove(snapshot)
        assert story.asked() == ['clone_show']
        assert story.names() == {volume.name, snapshot.name + '.ts'}
        assert {held for __, held in built.steps} == {(volume.id,)}
        story.check_empty()

    def test_it_goes_when_it_has_none(self, built, story, volume):
        """The volume was reverted to another one."""
        first, second = story.snap(volume), story.snap(volume)
        story.revert(first)
        story.remove(second)
        assert story.names() == {volume.name, first.name}
        story.check_empty()

    @pytest.mark.parametrize('again', [False, True])
    def test_one_that_has_no_file(self, story, volume, again, caplog):
        caplog.set_level('INFO')
        snapshot = fakes.Snapshot(volume)
        if again:
            snapshot = story.snap(volume)
            story.remove(snapshot)
            assert story.names() == {volume.name, snapshot.name + '.ts'}
            story.fresh()
        story.remove(snapshot)
        assert ('nothing to delete' in caplog.text) is not again
        story.check()

    def test_one_of_that_id_was_deleted_before(self, story, volume):
        """It waits, and so does the next one."""
        snapshot = story.snap(volume)
        story.remove(snapshot)
        story.driver.create_snapshot(snapshot)
        story.remove(snapshot)
        assert len(story.names()) == 3
        story.check()
        story.check_empty()

    def test_the_volume_is_gone(self, story, volume):
        """By an operator's hand, say."""
        snapshot = story.snap(volume)
        os.remove(story.path(volume.name))
        story.remove(snapshot)
        assert story.names() == set()


class TestNewNames:
    """Of parents that have children, where none can be had in one step."""

    @pytest.fixture(autouse=True)
    def not_in_one_step(self, monkeypatch):
        def cannot(path, new_path):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        monkeypatch.setattr(files, '_rename_no_replace', cannot)

    def test_of_a_deleted_snapshot(self, story, volume):
        snapshot = story.snap(volume)
        story.remove(snapshot)
        assert story.names() == {volume.name, snapshot.name + '.ts'}
        story.check_empty()

    def test_of_what_an_attempt_left(self, story, volume):
        story.copy_in_vain(volume)
        story.check()
        story.check_empty()

    def test_of_a_snapshot_that_is_managed(self, story, volume,
                                           monkeypatch):
        monkeypatch.setattr(objects.Snapshot, 'exists',
                            lambda context, ident: False)
        snapshot, managed = story.snap(volume), fakes.Snapshot(volume)
        story.driver.manage_existing_snapshot(
            managed, {'source-id': snapshot.id})
        story.held[managed] = story.held.pop(snapshot)
        story.check()
        story.check_empty()


class TestRevert:
    def test_it_is_as_it_was(self, built, story, volume):
        snapshot = story.snap(volume)
        story.write(volume, b'second')
        story.fresh()
        story.revert(snapshot)
        assert story.asked() == ['clone_show', 'clone_copy']
        story.check()
        story.check_empty()

    def test_it_keeps_its_size(self, story, volume):
        snapshot = story.snap(volume)
        story.driver.extend_volume(volume, 3)
        volume.size = 3
        story.revert(snapshot)
        story.check()

    def test_what_nobody_needs_any_more_goes(self, story, volume):
        first, second = story.snap(volume), story.snap(volume)
        story.remove(second)
        assert second.name + '.ts' in story.names()
        story.revert(first)
        assert story.names() == {volume.name, first.name}

    def test_its_attributes_too(self, built, story):
        volume = story.volume(metadata={'replicas': '2'})
        snapshot = story.snap(volume)
        built.pretended.attributes_of.clear()
        story.revert(snapshot)
        assert built.pretended.attributes_of == {
            story.path(volume.name): requests.Wanted(replicas='2')}

    def test_one_that_has_no_file(self, story, volume):
        with pytest.raises(errors.SnapshotUnknown):
            story.driver.revert_to_snapshot(None, volume,
                                            fakes.Snapshot(volume))
        story.check()

    @pytest.mark.parametrize('fields, error', [
        ({'status': 'in-use', 'attach_status': 'attached'},
         errors.VolumeAttached),
        ({'status': 'error'}, errors.VolumeBusy)])
    def test_by_the_states(self, story, volume, fields, error):
        snapshot = story.snap(volume)
        for name, value in fields.items():
            setattr(volume, name, value)
        with pytest.raises(error):
            story.revert(snapshot)

    def test_cinder_makes_no_snapshot_before_it(self, story):
        assert story.driver.snapshot_revert_use_temp_snapshot() is False

    def test_hostile_metadata(self, built, story, volume):
        """Written since: what is refused comes before it is reverted."""
        snapshot = story.snap(volume)
        story.write(volume, b'second')
        story.fresh()
        volume.metadata = {'replicas': '-x'}
        with pytest.raises(errors.MetadataInvalid):
            story.driver.revert_to_snapshot(None, volume, snapshot)
        assert story.asked() == []
        story.check()

    @pytest.mark.parametrize('depth, deep', [(0, 2), (1, 1), (2, 2)])
    def test_not_too_deep(self, built, depth, deep):
        """A child of what has as many parents as it may have itself."""
        story = Story(built, gpfs_max_clone_depth=depth)
        volume = story.volume()
        for number in range(2):
            story.write(volume, b'%d' % number)
            snapshot = story.snap(volume)
        story.write(volume, b'last')
        story.revert(snapshot)
        found = built.pretended.clone_show(story.path(volume.name))
        assert found.depth == deep
        story.check()
        story.check_empty()


class TestCopy:
    @pytest.mark.parametrize('size', [1, 3])
    def test_of_a_volume(self, built, story, volume, size):
        copy = story.clone(volume, size)
        assert story.asked() == ['clone_snap', 'clone_copy']
        assert built.run.calls == []
        assert story.names() == {volume.name, copy.name, copy.name + '.snap'}
        story.write(copy, b'second')
        story.check()
        assert copy.admin_metadata == {'format': 'raw'}
        assert built.locks.calls[0] == (copy.id, volume.id)
        story.check_empty()

    @pytest.mark.parametrize('size', [1, 3])
    def test_of_a_snapshot(self, built, story, volume, size):
        snapshot = story.snap(volume)
        story.write(volume, b'second')
        story.fresh()
        copy = story.clone(snapshot, size)
        assert story.asked() == ['clone_copy']
        assert story.names() == {volume.name, snapshot.name, copy.name}
        story.check()
        assert built.locks.calls == [(copy.id, volume.id)]
        story.check_empty()

    def test_of_a_snapshot_that_has_no_file(self, story, volume):
        with pytest.raises(errors.SnapshotUnknown):
            story.driver.create_volume_from_snapshot(fakes.Volume(),
                                                     fakes.Snapshot(volume))

    def test_whoever_writes_to_it(self, story, volume):
        volume.status, volume.attach_status = 'in-use', 'attached'
        story.clone(volume)
        story.check()

    def test_not_too_deep(self, built):
        """Both do without what is in between, which goes."""
        story = Story(built, gpfs_max_clone_depth=1)
        volume = story.volume()
        story.write(volume, b'first')
        for __ in range(3):
            story.clone(volume)
        assert built.pretended.clone_show(story.path(volume.name)).depth == 1
        assert len([name for name in story.names()
                    if name.endswith('.snap')]) == 1
        story.check()
        story.check_empty()

    def test_the_volume_goes_first(self, story, volume):
        snapshot = story.snap(volume)
        copies = [story.clone(volume), story.clone(snapshot)]
        story.remove(snapshot)
        story.remove(volume)
        story.check()
        for copy in copies:
            story.remove(copy)
        assert story.names() == set()

    def test_tried_again(self, built, story, volume):
        """Of the first attempt a parent is left, which is the volume's."""
        copy = story.copy_in_vain(volume)
        built.pretended.broken.clear()
        story.driver.create_cloned_volume(copy, volume)
        story.held[copy] = story.held[volume]
        story.check()
        story.check_empty()

    def test_attributes(self, built, story, volume):
        copy = fakes.Volume(metadata={'replicas': '2', 'fstype': 'ext4'})
        story.driver.create_cloned_volume(copy, volume)
        assert built.pretended.attributes_of == {
            story.path(copy.name): requests.Wanted(replicas='2')}
        # It has the source's content, and no new file system over it.
        assert built.run.calls == []

    def test_hostile_metadata(self, built, story, volume):
        with pytest.raises(errors.MetadataInvalid):
            story.driver.create_cloned_volume(
                fakes.Volume(metadata={'replicas': '-x'}), volume)
        assert story.asked() == []

    def test_attributes_that_fail(self, built, story, volume):
        built.pretended.broken['change_attributes'] = pretended_gpfs.failed(
            'broken')
        copy = fakes.Volume(metadata={'replicas': '2'})
        with pytest.raises(errors.GpfsCommandFailed):
            story.driver.create_cloned_volume(copy, volume)
        assert copy.name not in story.names()
        story.check_empty()

    def test_there_is_a_file_of_its_name(self, story, volume):
        copy = fakes.Volume()
        things.file(story.path(copy.name))
        with pytest.raises(errors.VolumeFileExists):
            story.driver.create_cloned_volume(copy, volume)
        with pytest.raises(errors.VolumeFileExists):
            story.driver.create_volume_from_snapshot(copy,
                                                     story.snap(volume))
        assert things.read(story.path(copy.name)) == things.TEXT


class TestDelete:
    def test_one_that_is_no_clone(self, built, story, volume):
        story.remove(volume)
        assert story.asked() == ['clone_show']
        assert story.names() == set()

    def test_with_a_parent(self, built, story, volume):
        story.remove(story.snap(volume))
        story.fresh()
        story.remove(volume)
        assert story.asked() == ['clone_show'] * 2
        assert story.names() == set()

    def test_what_crashes_left(self, story, volume):
        for name in ('.%s.new-clone', '.%s.plain-copy', '.%s.new-text'):
            things.file(story.path(name % volume.name))
        story.remove(volume)
        assert story.names() == set()

    def test_one_that_has_no_file(self, story, volume, caplog):
        os.remove(story.path(volume.name))
        story.remove(volume)
        assert 'had no file' in caplog.text

    def test_one_that_nobody_recorded(self, story, volume):
        """As the driver in Cinder's tree leaves them."""
        volume.provider_location = None
        volume.admin_metadata = {}
        assert story.driver.local_path(volume) == story.path(volume.name)
        story.remove(volume)
        assert story.names() == set()

    def test_a_journal_that_cannot_be_read(self, story, volume):
        things.file(story.path(volume.name + '.intent'))
        with pytest.raises(errors.JournalInvalid):
            story.remove(volume)
        assert volume.name in story.names()


class TestAttach:
    @pytest.mark.parametrize('attach_type', ['gpfs', 'local'])
    def test_no_child(self, built, attach_type):
        story = Story(built, gpfs_attach_type=attach_type)
        volume = story.volume()
        found = story.driver.initialize_connection(volume, {})
        assert found['driver_volume_type'] == attach_type
        assert found['data'] == {'device_path': story.path(volume.name),
                                 'format': 'raw'}
        assert story.asked() == [] and built.run.calls == []
        story.driver.terminate_connection(volume, {})

    def test_extend_under_a_guest(self, story, volume):
        volume.attach_status = 'attached'
        with pytest.raises(errors.ExtendFailed, match='detach'):
            story.driver.extend_volume(volume, 2)


class TestUpload:
    @pytest.mark.parametrize('depth, deep', [(0, 3), (1, 1)])
    def test_not_too_deep(self, built, monkeypatch, depth, deep):
        """Each of a volume that a guest has leaves a parent."""
        story = Story(built, gpfs_max_clone_depth=depth)
        volume = story.volume()
        story.write(volume, b'first')
        volume.status, volume.attach_status = 'uploading', 'attached'
        sent = []
        monkeypatch.setattr(
            story.driver, '_upload', lambda context, volume, file, chain,
            *unused: sent.append(fakes.content(file.readable(chain))))
        for __ in range(3):
            story.driver.copy_volume_to_image(None, volume, None, {})
        assert sent == [b'first'] * 3
        found = built.pretended.clone_show(story.path(volume.name))
        assert found.depth == deep
        assert len([name for name in story.names()
                    if name.endswith('.snap')]) == deep
        story.check()
        story.check_empty()


def test_a_header_that_a_guest_wrote_is_no_format(built, story, volume):
    """Whatever it says: the file is raw."""
    with open(story.path(volume.name), 'r+b') as stream:
        stream.write(b'QFI\xfb\x00\x00\x00\x03' + bytes(200))
    volume.admin_metadata = {}
    story.driver.extend_volume(volume, 2)
    assert os.path.getsize(story.path(volume.name)) == 2 * GiB
    assert built.run.calls == []
    copy = fakes.Volume(size=3)
    story.driver.create_cloned_volume(copy, volume)
    assert os.path.getsize(story.path(copy.name)) == 3 * GiB


VERBS = ('volume', 'write', 'snap', 'clone', 'clone', 'revert', 'remove',
         'remove', 'extend')


class Walk(Story):
    """Anything in any order, with steps that fail."""

    def __init__(self, built, seed, **options):
        super().__init__(built, **options)
        self.dice = random.Random(seed)
        self.count = 0

    def volumes(self):
        return [each for each in self.held if isinstance(each, fakes.Volume)]

    def snapshots(self, volume=None):
        return [each for each in self.held
                if isinstance(each, fakes.Snapshot) and
                volume in (None, each.volume)]

    def step(self, broken):
        verb = self.dice.choice(VERBS)
        if not self.volumes():
            verb = 'volume'
        before = dict(self.held)
        sizes = {each: each.size for each in self.volumes()}
        self.built.steps.clear()
        if broken:
            self.do_break()
        try:
            getattr(self, 'do_' + verb)()
        except BROKEN:
            self.held = before
            for each, size in sizes.items():
                each.size = size
            self.tidy(verb)
        finally:
            self.mend()

    def do_break(self):
        """Any step, or any command of GPFS, before or after it was done."""
        if self.dice.randrange(2):
            self.built.break_at = self.dice.randrange(12)
            return
        pretended = self.built.pretended
        where = self.dice.choice([pretended.broken, pretended.broken_late])
        where[self.dice.choice(
            ['clone_snap', 'clone_copy', 'clone_show',
             'clone_redirect'])] = pretended_gpfs.failed('broken')

    def mend(self):
        self.built.break_at = None
        self.built.pretended.broken.clear()
        self.built.pretended.broken_late.clear()

    def tidy(self, verb):
        """What a user does: what failed is deleted, and tried again."""
        self.mend()
        self.subject()

    def do_volume(self):
        made = fakes.Volume()
        self.subject = lambda: self.driver.delete_volume(made)
        made.provider_location = self.driver.create_volume(
            made)['provider_location']
        self.held[made] = b''

    def do_write(self):
        self.subject = lambda: None
        self.count += 1
        self.write(self.dice.choice(self.volumes()),
                   b'%08d' % self.count)

    def do_snap(self):
        made = fakes.Snapshot(self.dice.choice(self.volumes()))
        self.subject = lambda: self.driver.delete_snapshot(made)
        self.driver.create_snapshot(made)
        self.held[made] = self.held[made.volume]

    def do_clone(self):
        source = self.dice.choice(list(self.held))
        made = fakes.Volume(size=3)
        self.subject = lambda: self.driver.delete_volume(made)
        if isinstance(source, fakes.Volume):
            self.driver.create_cloned_volume(made, source)
        else:
            self.driver.create_volume_from_snapshot(made, source)
        self.held[made] = self.held[source]

    def do_revert(self):
        if self.snapshots():
            chosen = self.dice.choice(self.snapshots())
            self.subject = lambda: self.revert(chosen)
            self.revert(chosen)

    def do_remove(self):
        chosen = self.dice.choice(
            self.snapshots() + [each for each in self.volumes()
                                if not self.snapshots(each)])
        self.subject = lambda: self.remove(chosen)
        self.remove(chosen)

    def do_extend(self):
        chosen = self.dice.choice(self.volumes())

        def extend():
            self.driver.extend_volume(chosen, chosen.size + 1)
            chosen.size += 1
        self.subject = extend
        if chosen.size < 3:
            extend()


@pytest.mark.parametrize('depth', [0, 1, 3])
@pytest.mark.parametrize('broken', [False, True])
@pytest.mark.parametrize('seed', range(4))
def test_anything_in_any_order(built, seed, broken, depth):
    """Nothing is lost, stuck or left, whatever fails in between."""
    walk = Walk(built, seed, gpfs_max_clone_depth=depth)
    for __ in range(60):
        walk.step(broken)
        walk.check()
    walk.check_empty()


def test_what_is_left_is_found(built, monkeypatch):
    """Nobody removes what nobody needs."""
    monkeypatch.setattr(cloner.Cloner, 'prune', lambda self, path: None)
    walk = Walk(built, 1)
    with pytest.raises(AssertionError):
        for __ in range(60):
            walk.step(False)
            walk.check()
        walk.check_empty()


def test_no_unlink_is_refused_for_good(built):
    """The one place that may hear of it is the one that expects it."""
    story = Story(built)
    volume = story.volume()
    snapshot = story.snap(volume)
    with pytest.raises(OSError):
        files.remove(story.path(snapshot.name))
    story.check()


def test_a_name_of_a_parent(story):
    """A template that makes volumes look like parents that wait."""
    class Odd(fakes.Volume):
        name = 'volume-%s.snap' % uuidutils.generate_uuid()
    with pytest.raises(errors.VolumeNameInvalid, match='clone parent'):
        story.driver.create_volume(Odd())
