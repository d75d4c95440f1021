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
"""Attached volumes: what is asked of the guest, recorded, refused.

Nova's part is played by a stand-in that does it, or fails; see test_nova.
"""

import os

import pytest

from cinder import exception
from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from remotefs_drivers.remotefs import attached
from remotefs_drivers.remotefs import snapshots
from remotefs_drivers.store import direct
from tests.unit import fakes
from tests.unit import locked
from tests.unit import things

GiB = 1 << 30
LAYERED = {'posix_attach_type': 'nfs'}


class Nova:
    """Stands for nova.Assistant, and for its guest.

    :ivar asked: (snapshot, step)
    :ivar error: what it raises, after its part or without
    :ivar works: whether the guest does its part
    """

    def __init__(self):
        self.asked = []
        self.error = None
        self.works = True
        self.folder = None

    def __call__(self, snapshot, settings):
        return lambda step, sight: self._do(snapshot, step)

    def _do(self, snapshot, step):
        self.asked.append((snapshot.id, step))
        if self.works and not hasattr(step, 'below'):
            path = os.path.join(self.folder, step.name)
            found = header.read(path)
            fakes._write_header(path, found.virtual_size, step.backing,
                                step.backing and 'raw')
        if self.error:
            raise self.error


@pytest.fixture
def nova(monkeypatch):
    made = Nova()
    monkeypatch.setattr(snapshots.nova, 'Assistant', made)
    monkeypatch.setattr(direct, 'clone', lambda source, target: False)
    return made


@pytest.fixture
def driver(built, nova):
    made = built.posix(**LAYERED)
    nova.folder = os.path.join(built.folder, 'a')
    return made


@pytest.fixture
def volume(built, driver):
    """One that is attached to an instance."""
    made = fakes.Volume()
    made.provider_location = driver.create_volume(made)['provider_location']
    info = driver.initialize_connection(made, {})['data']
    made.volume_attachment = [fakes.Attachment(dict(info), 'an-instance')]
    made.status, made.attach_status = 'in-use', 'attached'
    built.steps.clear()
    return made


def snap(driver, volume):
    snapshot = fakes.Snapshot(volume, status='creating')
    driver.create_snapshot(snapshot)
    return snapshot


def name_of(volume, snapshot):
    return '%s.%s' % (volume.name, snapshot.id)


class TestSnapshots:
    def test_create(self, driver, nova, volume, built):
        snapshot = snap(driver, volume)
        (asked, step), = nova.asked
        assert asked == snapshot.id
        assert (step.name, step.below) == (name_of(volume, snapshot),
                                           volume.name)
        assert volume.admin_metadata == {'format': 'qcow2',
                                         'base_format': 'raw'}
        info = volume.volume_attachment[0].connection_info
        assert (info['name'], info['format']) == (
            name_of(volume, snapshot), 'qcow2')
        assert {held for __, held in built.steps} == {(volume.id,)}

    def test_no_program_has_the_guests_files(self, driver, volume, built):
        snapshot = snap(driver, volume)
        driver.delete_snapshot(snapshot)
        assert built.run.calls == []

    def test_delete_the_only_one(self, driver, nova, volume, built):
        """Its file is all that is left, and the record says qcow2."""
        snapshot = snap(driver, volume)
        nova.asked.clear()
        driver.delete_snapshot(snapshot)
        (__, step), = nova.asked
        assert (step.name, step.backing, step.source) == (
            name_of(volume, snapshot), None, None)
        assert set(built.files()) == {name_of(volume, snapshot),
                                      volume.name + '.info'}
        assert volume.admin_metadata == {'format': 'qcow2',
                                         'base_format': 'qcow2'}
        volume.status, volume.attach_status = 'available', 'detached'
        found = driver.initialize_connection(volume, {})['data']
        assert found['name'] == name_of(volume, snapshot)
        # Later ones are made and deleted on top of it.
        another = snap(driver, volume)
        driver.delete_snapshot(another)
        assert found['name'] in built.files()

    def test_a_refused_one_leaves_nothing(self, driver, nova, volume, built):
        before = built.files(), dict(
            volume.volume_attachment[0].connection_info)
        nova.works, nova.error = False, errors.NovaRefused(
            volume=volume.id, snapshot='x', reason='busy')
        with pytest.raises(errors.NovaRefused):
            snap(driver, volume)
        assert (built.files(),
                volume.volume_attachment[0].connection_info) == before

    def test_of_one_that_fails_the_record_is_right(self, driver, nova,
                                                   volume):
        """Nobody is seen with the files, so the overlay stays."""
        nova.error = errors.NovaTimeout(volume=volume.id, snapshot='x',
                                        seconds=600)
        with pytest.raises(errors.NovaTimeout):
            snap(driver, volume)
        info = volume.volume_attachment[0].connection_info
        assert info['name'] == driver.local_path(volume).rpartition('/')[2]
        assert info['format'] == 'qcow2'

    def test_a_stale_attachment_is_mended_by_any_verb(self, driver, volume):
        snapshot = snap(driver, volume)
        attachment = volume.volume_attachment[0]
        attachment.connection_info = dict(attachment.connection_info,
                                          name=volume.name, format='raw')
        driver.local_path(volume)
        assert attachment.connection_info['name'] == name_of(volume,
                                                             snapshot)

    def test_raw_only(self, built, nova):
        """A path carries no qcow2 file."""
        driver = built.posix()
        volume = fakes.Volume(status='in-use', attach_status='attached',
                              volume_attachment=[fakes.Attachment()])
        with pytest.raises(errors.AttachTypeMismatch):
            snap(driver, volume)
        assert nova.asked == []


@pytest.mark.parametrize('auth_type, attach_type, words', [
    (None, 'nfs', 'no auth_type'), ('password', 'nfs', ''),
    (None, 'local', '')])
def test_nova_that_could_not_be_asked(built, monkeypatch, caplog, auth_type,
                                      attach_type, words):
    monkeypatch.setattr(snapshots.nova, 'is_configured',
                        lambda: bool(auth_type))
    driver = built.posix(posix_attach_type=attach_type)
    caplog.clear()
    driver.check_for_setup_error()
    assert bool(caplog.text) is bool(words)
    assert words in caplog.text


class TestUnfinished:
    @pytest.fixture
    def begun(self, driver, nova, volume):
        """Two snapshots, of which the older one's deletion is unfinished."""
        made = [snap(driver, volume) for __ in range(2)]
        nova.works, nova.error = False, errors.NovaTimeout(
            volume=volume.id, snapshot=made[0].id, seconds=7200)
        with pytest.raises(errors.NovaTimeout):
            driver.delete_snapshot(made[0])
        nova.error = None
        nova.asked.clear()
        return made

    def test_others_wait(self, driver, nova, volume, begun):
        for verb in (lambda: snap(driver, volume),
                     lambda: driver.delete_snapshot(begun[1])):
            with pytest.raises(errors.MergePending, match=begun[0].id):
                verb()
        assert nova.asked == []

    def test_it_is_asked_for_again(self, driver, nova, volume, begun, built):
        nova.works = True
        driver.delete_snapshot(begun[0])
        assert len(nova.asked) == 1
        assert volume.name + '.intent' not in built.files()
        snap(driver, volume)

    def test_or_done_without_a_guest(self, driver, nova, volume, begun,
                                     built):
        volume.status, volume.attach_status = 'available', 'detached'
        driver.delete_snapshot(begun[0])
        assert nova.asked == []
        assert [argv[1] for argv in built.run.calls][-2:] == ['commit',
                                                              'rebase']
        assert volume.name + '.intent' not in built.files()

    def test_by_any_verb(self, driver, nova, volume, begun, built):
        volume.status, volume.attach_status = 'available', 'detached'
        snap(driver, volume)
        assert nova.asked == []
        assert name_of(volume, begun[0]) not in built.files()

    def test_what_it_holds_is_not_read(self, driver, begun):
        begun[0].status = 'available'
        with pytest.raises(errors.MergePending):
            driver.create_volume_from_snapshot(fakes.Volume(), begun[0])


class TestStart:
    @pytest.fixture
    def known(self, monkeypatch):
        """Cinder's snapshots by their id."""
        found = {}

        def get_by_id(context, snapshot_id):
            if snapshot_id not in found:
                raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
            return found[snapshot_id]
        monkeypatch.setattr(attached.objects.Snapshot, 'get_by_id',
                            get_by_id)
        return found

    def _stop(self, driver, nova, volume):
        nova.error = errors.ServiceStopping(what='x')
        snapshot = fakes.Snapshot(volume, status='creating')
        with pytest.raises(errors.ServiceStopping):
            driver.create_snapshot(snapshot)
        nova.error = None
        return snapshot

    def test_one_that_the_guest_made_meanwhile(self, driver, nova, volume,
                                               known, built):
        snapshot = self._stop(driver, nova, volume)
        known[snapshot.id] = snapshot
        overlay = os.path.join(nova.folder, name_of(volume, snapshot))
        with locked.written(overlay):
            driver.ensure_export(None, volume)
        assert snapshot.status == 'available'
        info = volume.volume_attachment[0].connection_info
        assert info['name'] == name_of(volume, snapshot)
        assert volume.name + '.intent' not in built.files()

    def test_one_of_which_nothing_is_seen(self, driver, nova, volume, known):
        """It stays, since the guest may have it; what it holds is unknown."""
        snapshot = self._stop(driver, nova, volume)
        known[snapshot.id] = snapshot
        driver.ensure_export(None, volume)
        assert snapshot.status == 'error'
        assert snapshot.id in driver._file_of(volume).chain().snapshots

    @pytest.mark.parametrize('seen, status', [(True, 'available'),
                                              (False, 'error')])
    def test_one_that_an_orderly_stop_called_an_error(
            self, driver, nova, volume, known, seen, status):
        snapshot = self._stop(driver, nova, volume)
        known[snapshot.id] = snapshot
        snapshot.status = 'error'
        name = name_of(volume, snapshot) if seen else volume.name
        with locked.written(os.path.join(nova.folder, name)):
            driver.ensure_export(None, volume)
        assert snapshot.status == status

    def test_one_that_it_did_not(self, driver, nova, volume, known, built):
        snapshot = self._stop(driver, nova, volume)
        known[snapshot.id] = snapshot
        with locked.written(os.path.join(nova.folder, volume.name)):
            driver.ensure_export(None, volume)
        assert snapshot.status == 'error'
        assert set(built.files()) == {volume.name}

    def test_a_deletion(self, driver, nova, volume, known, built):
        snapshot = snap(driver, volume)
        nova.error = errors.ServiceStopping(what='x')
        snapshot.status = 'deleting'
        with pytest.raises(errors.ServiceStopping):
            driver.delete_snapshot(snapshot)
        known[snapshot.id] = snapshot
        driver.ensure_export(None, volume)
        # It was done; deleted once more, it goes from Cinder too.
        assert snapshot.status == 'error_deleting'
        assert volume.name not in built.files()
        driver.delete_snapshot(snapshot)

    def test_one_that_cinder_does_not_know(self, driver, nova, volume,
                                           known, built):
        self._stop(driver, nova, volume)
        driver.ensure_export(None, volume)
        assert volume.name + '.intent' not in built.files()

    def test_without_a_journal_it_is_one_look(self, driver, volume, built):
        driver.ensure_export(None, volume)
        assert built.names() == ['stat']

    def test_nonsense_is_no_error(self, driver, volume, built, caplog):
        things.file(os.path.join(built.folder, 'a', volume.name + '.intent'),
                    b'nonsense')
        driver.ensure_export(None, volume)
        assert 'looked at later' in caplog.text


class TestCopies:
    @pytest.fixture(autouse=True)
    def database(self, monkeypatch, volume):
        """Snapshots that Cinder would have on record; and their ends."""
        made = []

        class Snapshot(fakes.Snapshot):
            def __init__(self, context, **fields):
                fields.pop('volume_id')
                for name in ('user_id', 'project_id', 'use_quota',
                             'volume_type_id'):
                    fields.pop(name)
                super().__init__(volume, **fields)
                self.states = []

            def create(self):
                made.append(self)

            def save(self):
                self.states.append(self.status)

            def destroy(self):
                made.remove(self)
        monkeypatch.setattr(attached.objects, 'Snapshot', Snapshot)
        return made

    def test_a_clone(self, driver, nova, volume, built, database):
        copy = fakes.Volume()
        driver.create_cloned_volume(copy, volume)
        assert [type(step).__name__ for __, step in nova.asked] == [
            'GuestSwitch', 'GuestMerge']
        assert database == []
        convert = [argv for argv in built.run.calls if argv[1] == 'convert']
        # Of what no guest writes to any more.
        assert all(argv[-2].endswith(volume.name) for argv in convert)
        assert copy.name in built.files()

    def test_its_snapshot_cannot_be_made(self, driver, nova, volume, built,
                                         database):
        nova.works, nova.error = False, errors.NovaRefused(
            volume=volume.id, snapshot='x', reason='busy')
        with pytest.raises(errors.NovaRefused):
            driver.create_cloned_volume(fakes.Volume(), volume)
        assert database == []
        assert set(built.files()) == {volume.name}

    def test_its_snapshot_cannot_be_deleted(self, driver, nova, volume,
                                            database, caplog):
        """The copy is good; users see the snapshot, and can delete it."""
        real = nova._do

        def refuse_merges(snapshot, step):
            if not hasattr(step, 'below'):
                raise errors.NovaFailed(volume=volume.id, status='x',
                                        snapshot=snapshot.id)
            real(snapshot, step)
        nova._do = refuse_merges
        driver.create_cloned_volume(fakes.Volume(), volume)
        left, = database
        assert left.status == 'error_deleting'
        assert 'could not be deleted again' in caplog.text

    def test_of_several_servers(self, driver, nova, volume):
        volume.multiattach = True
        with pytest.raises(errors.VolumeShared):
            driver.create_cloned_volume(fakes.Volume(), volume)
        assert nova.asked == []


class TestGrowing:
    def test_a_raw_file(self, driver, volume, built):
        """QEMU is told by its host, and finds it larger already."""
        driver.extend_volume(volume, 3)
        assert built.files()[volume.name] == 3 * GiB

    def test_a_qcow2_file_is_left_to_its_qemu(self, driver, volume, built):
        snap(driver, volume)
        built.run.calls.clear()
        driver.extend_volume(volume, 3)
        assert built.run.calls == []

    def test_that_nobody_would_grow(self, driver, volume):
        snap(driver, volume)
        volume.volume_attachment[0].instance_uuid = None
        with pytest.raises(errors.ExtendFailed, match='no instance'):
            driver.extend_volume(volume, 3)

    def test_by_a_path(self, built, volume):
        other = built.posix()
        with pytest.raises(errors.ExtendFailed, match='detach it'):
            other.extend_volume(volume, 3)

    def test_what_its_host_failed_to_do_is_done_later(self, driver, volume,
                                                      built):
        snapshot = snap(driver, volume)
        driver.extend_volume(volume, 3)
        volume.size = 3
        volume.status, volume.attach_status = 'available', 'detached'
        driver.initialize_connection(volume, {})
        path = os.path.join(built.folder, 'a', name_of(volume, snapshot))
        assert header.read(path).virtual_size == 3 * GiB

    def test_but_not_under_another_host(self, driver, volume, built):
        """An instance moves: the other host has it open."""
        snap(driver, volume)
        volume.size = 3
        built.run.calls.clear()
        driver.initialize_connection(volume, {})
        assert built.run.calls == []


class TestSeveralServers:
    def test_a_raw_file(self, driver, volume):
        volume.multiattach = True
        assert driver.initialize_connection(volume, {})['data'][
            'format'] == 'raw'

    def test_no_other(self, driver, volume):
        snap(driver, volume)
        volume.multiattach = True
        with pytest.raises(errors.VolumeShared, match='kept as qcow2'):
            driver.initialize_connection(volume, {})

    def test_it_is_made_raw(self, built):
        driver = built.posix(posix_qcow2_volumes=True, **LAYERED)
        volume = fakes.Volume(multiattach=True)
        driver.create_volume(volume)
        assert built.files()[volume.name] == GiB

    def test_a_copy_of_a_qcow2_one_is_raw(self, built):
        driver = built.posix(posix_qcow2_volumes=True, **LAYERED)
        source, copy = fakes.Volume(), fakes.Volume(multiattach=True)
        source.provider_location = driver.create_volume(source)[
            'provider_location']
        driver.create_cloned_volume(copy, source)
        assert built.files()[copy.name] == GiB
        assert copy.admin_metadata == {'format': 'raw'}
