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


"""The verbs of snapshots: which steps, which locks, what is recorded."""

import dataclasses
import json
import os

import pytest

from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan
from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers import offload
from remotefs_drivers.qemu import header
from remotefs_drivers import remotefs
from remotefs_drivers.share import shares
from remotefs_drivers.store import direct
from remotefs_drivers.store import journal
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things

GiB = 1 << 30
RAW = {'posix_attach_type': 'nfs'}
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}
LOOK = ['stat']


@pytest.fixture(autouse=True)
def copied(monkeypatch):
    """A file system that shares no blocks."""
    monkeypatch.setattr(direct, 'clone', lambda source, target: False)


@pytest.fixture(params=['raw', 'qcow2'])
def options(request):
    return {'raw': RAW, 'qcow2': QCOW2}[request.param]


@pytest.fixture
def driver(built, options):
    return built.posix('a', 'b', **options)


@pytest.fixture
def base_format(options):
    return 'raw' if options is RAW else 'qcow2'


class Story:
    """A volume, its snapshots, and its folder."""

    def __init__(self, built, driver):
        self.built, self.driver = built, driver
        self.volume = fakes.Volume(host='host@backend#' + os.path.join(
            built.folder, 'a'))
        self.volume.provider_location = driver.create_volume(
            self.volume)['provider_location']
        self.snapshots = []
        self.fresh()

    def fresh(self):
        self.built.steps.clear()
        self.built.run.calls.clear()
        self.built.locks.calls.clear()

    def path(self, suffix=''):
        return os.path.join(self.built.folder, 'a',
                            self.volume.name + suffix)

    def write(self, data):
        fakes.write(self.driver.local_path(self.volume), data)

    def take(self, count=1):
        """Snapshots, with something written before each and at last."""
        for number in range(count):
            self.write(b'before %d' % number)
            snapshot = fakes.Snapshot(self.volume)
            self.driver.create_snapshot(snapshot)
            self.snapshots.append(snapshot)
        self.write(b'at last!')
        self.fresh()
        return self.snapshots[-count:]

    def table(self):
        if not os.path.exists(self.path('.info')):
            return None
        return json.loads(things.read(self.path('.info')))

    def overlays(self):
        """Names without the volume's own, what is there besides the base."""
        return {name[len(self.volume.name) + 1:]
                for name in self.built.files()} - {''}


@pytest.fixture
def story(built, driver):
    return Story(built, driver)


class TestCreate:
    def test_the_steps(self, built, driver, story, base_format):
        snapshot = fakes.Snapshot(story.volume)
        assert driver.create_snapshot(snapshot) is None
        # Look, journal, overlay, table and journal away, record; no child.
        assert built.names() == ['stat', 'write', 'create', 'write', 'record']
        assert built.run.calls == []
        assert {held for __, held in built.steps} == {(story.volume.id,)}
        assert story.overlays() == {snapshot.id, 'info'}
        assert header.read(story.path('.' + snapshot.id))[1:] == (
            GiB, story.volume.name, None, base_format)
        assert story.volume.admin_metadata == {'format': 'qcow2',
                                               'base_format': base_format}

    def test_the_second_needs_no_record(self, built, driver, story):
        first, = story.take()
        second = fakes.Snapshot(story.volume)
        driver.create_snapshot(second)
        assert 'record' not in built.names()
        assert story.table() == {
            'active': '%s.%s' % (story.volume.name, second.id),
            first.id: '%s.%s' % (story.volume.name, first.id),
            second.id: '%s.%s' % (story.volume.name, second.id)}

    def test_the_hosts_get_the_overlay(self, driver, story):
        snapshot, = story.take()
        found = driver.initialize_connection(story.volume, {})
        assert found['data']['name'] == '%s.%s' % (story.volume.name,
                                                   snapshot.id)
        assert found['data']['format'] == 'qcow2'
        assert driver.local_path(story.volume) == story.path(
            '.' + snapshot.id)

    @pytest.mark.parametrize('number', range(4))
    def test_at_whichever_step_it_fails_nothing_is_left(self, built, driver,
                                                        story, number):
        story.take()
        before, table = built.files(), story.table()
        built.break_at = number
        with pytest.raises((builder.Broken, errors.VolumeFileInvalid)):
            driver.create_snapshot(fakes.Snapshot(story.volume))
        built.break_at = None
        assert built.files() == before
        assert story.table() == table

    def test_the_share_hangs_at_the_table(self, driver, story, monkeypatch):
        """What is given up is not gone on with when it comes back."""
        late = []
        real = shares.Shares.call

        def call(made, share, what, function, *args, **limits):
            if isinstance(function, offload.Row) and not late:
                late.append(function)
                raise errors.ShareTimeout(share='a', what=what, seconds=1,
                                          option='x')
            return real(made, share, what, function, *args, **limits)
        monkeypatch.setattr(shares.Shares, 'call', call)
        with pytest.raises(errors.ShareTimeout):
            driver.create_snapshot(fakes.Snapshot(story.volume))
        late[0]()
        assert story.table() is None
        assert story.overlays() == set()

    def test_there_is_a_file_of_its_name(self, built, driver, story):
        snapshot = fakes.Snapshot(story.volume)
        things.file(story.path('.' + snapshot.id))
        with pytest.raises(errors.VolumeFileExists, match=snapshot.id):
            driver.create_snapshot(snapshot)
        assert things.read(story.path('.' + snapshot.id)) == things.TEXT
        assert story.table() is None

    @pytest.mark.parametrize('attach_type', ['local', 'gpfs'])
    def test_hosts_that_take_it_for_raw(self, built, attach_type):
        driver = built.posix(posix_attach_type=attach_type)
        story = Story(built, driver)
        with pytest.raises(errors.AttachTypeMismatch, match=attach_type):
            driver.create_snapshot(fakes.Snapshot(story.volume))
        assert built.steps == []

    def test_twice(self, driver, story):
        snapshot, = story.take()
        with pytest.raises(errors.SnapshotExists):
            driver.create_snapshot(snapshot)


class TestDelete:
    STEPS = {
        # The oldest and one between: its child names another file.
        0: ['stat', 'write', 'commit', 'rebase', 'write'],
        1: ['stat', 'write', 'commit', 'rebase', 'write'],
        # The newest: the layer below is active.
        2: ['stat', 'write', 'commit', 'write'],
    }

    @pytest.mark.parametrize('place', STEPS)
    def test_the_steps(self, built, driver, story, place):
        story.take(3)
        gone = story.snapshots.pop(place)
        driver.delete_snapshot(gone)
        assert built.names() == self.STEPS[place]
        assert {held for __, held in built.steps} == {(story.volume.id,)}
        assert story.overlays() == {'info', *(each.id for each
                                              in story.snapshots)}
        assert set(story.table()) - {'active'} == {each.id for each
                                                   in story.snapshots}
        assert fakes.content(driver.local_path(
            story.volume)) == b'at last!'

    def test_the_only_one(self, built, driver, story, base_format):
        snapshot, = story.take()
        driver.delete_snapshot(snapshot)
        # No table: removed, and made durable.
        record = ['record'] if base_format == 'raw' else []
        assert built.names() == ['stat', 'write', 'commit', 'delete', *record]
        assert story.overlays() == set()
        assert fakes.content(story.path()) == b'at last!'
        assert story.volume.admin_metadata == {'format': base_format,
                                               'base_format': base_format}

    @pytest.mark.parametrize('count', [0, 2])
    def test_one_without_a_record(self, built, driver, story, count, caplog):
        """Cut off while it was made, or deleted twice."""
        caplog.set_level('INFO')
        if count:
            story.take(count)
        before = built.files()
        driver.delete_snapshot(fakes.Snapshot(story.volume))
        assert built.names() == LOOK
        assert built.files() == before
        assert 'nothing to delete' in caplog.text

    @pytest.mark.parametrize('fields', [
        {'status': 'error'}, {'status': 'in-use',
                              'attach_status': 'attached'}])
    def test_that_goes_in_whatever_state(self, built, driver, story, fields):
        """Its creation was refused, for that state."""
        story.take()
        for name, value in fields.items():
            setattr(story.volume, name, value)
        driver.delete_snapshot(fakes.Snapshot(story.volume))
        assert built.names() == LOOK

    def test_a_merge_that_failed_is_taken_up(self, built, driver, story):
        story.take(2)
        first, second = story.snapshots
        built.run.broken['qemu-img rebase'] = errors.CommandFailed(
            program='qemu-img', exit_code=1, stderr='No space', command='x')
        with pytest.raises(errors.CommandFailed):
            driver.delete_snapshot(first)
        assert 'intent' in story.overlays()
        built.run.broken.clear()
        # The same again finds that it is done.
        built.steps.clear()
        driver.delete_snapshot(first)
        assert story.overlays() == {'info', second.id}
        assert built.names().count('commit') == 1

    def test_meanwhile_the_volume_serves(self, built, driver, story):
        """Nobody waits for a merge who wants to attach it."""
        story.take(2)
        built.run.broken['qemu-img rebase'] = builder.Broken()
        with pytest.raises(builder.Broken):
            driver.delete_snapshot(story.snapshots[0])
        built.run.broken.clear()
        story.fresh()
        driver.initialize_connection(story.volume, {})
        driver.extend_volume(story.volume, 1)
        assert 'commit' not in built.names()
        assert 'intent' in story.overlays()

    def test_a_guest_makes_it_wait(self, built, driver, story):
        story.take(2)
        built.run.broken['qemu-img rebase'] = builder.Broken()
        with pytest.raises(builder.Broken):
            driver.delete_snapshot(story.snapshots[0])
        built.run.broken.clear()
        story.volume.attach_status = 'attached'
        story.fresh()
        with pytest.raises(errors.MergePending, match='.intent'):
            driver.create_volume_from_snapshot(fakes.Volume(),
                                               story.snapshots[0])
        assert built.names() == LOOK
        # Of what is merged into, nothing else can be seen through others.
        driver.create_volume_from_snapshot(fakes.Volume(),
                                           story.snapshots[1])
        assert 'intent' in story.overlays()
        story.volume.attach_status = 'detached'
        driver.create_volume_from_snapshot(fakes.Volume(),
                                           story.snapshots[1])
        assert 'intent' not in story.overlays()

    def test_a_mend_does_not_forget_a_merge(self, built, driver, story):
        """Its journal would be written over the one that is open."""
        story.take(2)
        built.run.broken['qemu-img rebase'] = builder.Broken()
        with pytest.raises(builder.Broken):
            driver.delete_snapshot(story.snapshots[0])
        built.run.broken.clear()
        before = things.read(story.path('.intent'))
        # Somebody has attached it meanwhile, and wrote a path of its own.
        path = driver.local_path(story.volume)
        found = header.read(path)
        fakes._write_header(path, found.virtual_size,
                            '/mnt/' + found.backing_file,
                            found.backing_format)
        driver.initialize_connection(story.volume, {})
        assert things.read(story.path('.intent')) == before
        driver.create_snapshot(fakes.Snapshot(story.volume))
        assert story.snapshots[0].id not in story.overlays()
        assert 'intent' not in story.overlays()

    @pytest.mark.parametrize('percents, saved', [
        ([10.0], ['10%']),
        ([45.6, 99.9], ['45%', '99%']),
        # Nova says 90 %, of success and of failure.
        ([90.0], ['89%']), ([90.4], ['89%']), ([89.9], ['89%']),
        ([91.0], ['91%']),
        # Cinder says 100 %, when it is done.
        ([100.0], ['99%']),
    ])
    def test_progress(self, built, driver, story, percents, saved,
                      monkeypatch):
        snapshot, = story.take()
        real = fakes.Runner.__call__

        def run(runner, argv, progress=None, **limits):
            for percent in percents if progress and argv[1] == (
                    'commit') else ():
                progress(percent)
            return real(runner, argv, **limits)
        monkeypatch.setattr(fakes.Runner, '__call__', run)
        driver.delete_snapshot(snapshot)
        assert snapshot.saved == saved

    def test_progress_that_cannot_be_saved_stops_nothing(self, story,
                                                         monkeypatch):
        snapshot = fakes.Snapshot(story.volume)

        def save():
            raise RuntimeError('the database is away')
        monkeypatch.setattr(snapshot, 'save', save)
        remotefs.snapshots._Progress(snapshot)(20.0)
        assert snapshot.progress == '20%'

    @pytest.mark.parametrize('percent', range(101))
    def test_progress_is_never_what_nova_says(self, percent):
        snapshot = fakes.Snapshot(fakes.Volume())
        remotefs.snapshots._Progress(snapshot)(float(percent))
        assert snapshot.saved and snapshot.saved[0] not in ('90%', '100%')


class TestRevert:
    def test_the_steps(self, built, driver, story):
        story.take(2)
        driver.revert_to_snapshot(None, story.volume, story.snapshots[1])
        assert built.names() == ['stat', 'write', 'create', 'rename',
                                 'delete']
        assert {held for __, held in built.steps} == {(story.volume.id,)}
        active = driver.local_path(story.volume)
        assert fakes.content(active) == b''
        assert fakes.content(os.path.join(
            os.path.dirname(active),
            header.read(active).backing_file)) == b'before 1'

    def test_no_other(self, built, driver, story):
        story.take(2)
        for snapshot, error in [
                (story.snapshots[0], errors.SnapshotNotNewest),
                (fakes.Snapshot(story.volume), errors.SnapshotUnknown)]:
            story.fresh()
            with pytest.raises(error):
                driver.revert_to_snapshot(None, story.volume, snapshot)
            assert built.names() == LOOK

    @pytest.mark.parametrize('number', range(5))
    def test_at_whichever_step_it_fails_it_can_be_done_again(
            self, built, driver, story, number):
        snapshot, = story.take()
        built.break_at = number
        with pytest.raises((builder.Broken, errors.VolumeFileInvalid)):
            driver.revert_to_snapshot(None, story.volume, snapshot)
        built.break_at = None
        driver.revert_to_snapshot(None, story.volume, snapshot)
        assert story.overlays() == {'info', snapshot.id}

    def test_cinder_makes_no_snapshot_before_it(self, driver):
        assert driver.snapshot_revert_use_temp_snapshot() is False


class TestCopy:
    @pytest.mark.parametrize('place, expected', [(0, b'before 0'),
                                                 (1, b'before 1')])
    @pytest.mark.parametrize('size', [1, 3])
    def test_of_a_snapshot(self, built, driver, story, place, expected, size,
                           base_format):
        story.take(2)
        copy = fakes.Volume(size=size)
        update = driver.create_volume_from_snapshot(copy,
                                                    story.snapshots[place])
        assert update == {'provider_location': os.path.join(built.folder,
                                                            'a')}
        path = os.path.join(built.folder, 'a', copy.name)
        assert fakes.content(path).endswith(expected)
        converted = [argv for argv in built.run.calls
                     if argv[1] == 'convert']
        # The oldest is in one file, which the kernel copies.
        assert len(converted) == (1 if place else 0)
        for argv in converted:
            assert argv[argv.index('-f') + 1] == 'qcow2'
            assert argv[argv.index('-O') + 1] == base_format
        assert copy.admin_metadata == {'format': base_format}
        if base_format == 'raw':
            assert os.path.getsize(path) == size * GiB
        else:
            assert header.read(path).virtual_size == size * GiB

    def test_of_a_volume_with_snapshots(self, built, driver, story,
                                        base_format):
        """Its active file is an overlay: that alone cannot be shared."""
        story.take(2)
        copy = fakes.Volume()
        driver.create_cloned_volume(copy, story.volume)
        assert 'clone' not in built.names()
        path = os.path.join(built.folder, 'a', copy.name)
        assert fakes.content(path).endswith(b'of at last!')
        assert copy.admin_metadata == {'format': base_format}

    def test_of_the_first_snapshot_blocks_are_shared(self, built, driver,
                                                     story, monkeypatch):
        """What it holds is in one file."""
        story.take(2)
        monkeypatch.setattr(direct, 'clone',
                            lambda source, target: calls.append(
                                (source, target)) or True)
        calls = []
        copy = fakes.Volume()
        driver.create_volume_from_snapshot(copy, story.snapshots[0])
        assert calls == [(story.path(), os.path.join(built.folder, 'a',
                                                     copy.name))]
        assert built.run.calls == []

    @pytest.mark.parametrize('verb', ['snapshot', 'volume'])
    def test_both_are_locked(self, built, driver, story, verb):
        snapshot, = story.take()
        copy = fakes.Volume()
        if verb == 'snapshot':
            driver.create_volume_from_snapshot(copy, snapshot)
        else:
            driver.create_cloned_volume(copy, story.volume)
        assert {held for __, held in built.steps} == {(copy.id,
                                                       story.volume.id)}
        assert built.locks.calls == [(copy.id, story.volume.id)]

    def test_not_of_what_a_merge_may_have_overwritten(self, built, driver,
                                                      story):
        """First it comes to its end."""
        story.take(2)
        first, second = story.snapshots
        built.run.broken['qemu-img rebase'] = builder.Broken()
        with pytest.raises(builder.Broken):
            driver.delete_snapshot(first)
        built.run.broken.clear()
        with pytest.raises(errors.SnapshotUnknown):
            driver.create_volume_from_snapshot(fakes.Volume(), first)
        assert story.overlays() == {'info', second.id}

    @pytest.mark.parametrize('count', range(7))
    def test_at_whichever_step_it_fails_nothing_is_left(self, built, driver,
                                                        story, count):
        snapshot, = story.take()
        before = built.files()
        built.break_at = count
        copy = fakes.Volume()
        try:
            driver.create_volume_from_snapshot(copy, snapshot)
        except (builder.Broken, errors.VolumeFileInvalid):
            assert built.files() == before
        else:
            assert count >= len(built.names())


class TestExtend:
    def test_the_active_layer_grows(self, built, driver, story):
        snapshot, = story.take()
        before = built.files()[story.volume.name]
        driver.extend_volume(story.volume, 3)
        assert built.names() == ['stat', 'resize']
        assert header.read(story.path('.' + snapshot.id)
                           ).virtual_size == 3 * GiB
        assert built.files()[story.volume.name] == before

    def test_a_revert_keeps_the_size(self, driver, story):
        snapshot, = story.take()
        driver.extend_volume(story.volume, 3)
        story.volume.size = 3
        driver.revert_to_snapshot(None, story.volume, snapshot)
        assert header.read(story.path('.' + snapshot.id)
                           ).virtual_size == 3 * GiB


class TestMend:
    """Chains of drivers in Cinder's tree, taken over as they lie."""

    @pytest.fixture
    def old(self, story):
        story.take(2)
        for snapshot in story.snapshots:
            path = story.path('.' + snapshot.id)
            found = header.read(path)
            fakes._write_header(path, found.virtual_size,
                                '/mnt/0123/' + found.backing_file, None)
        return story

    def test_at_the_first_verb(self, built, driver, old, base_format):
        driver.initialize_connection(old.volume, {})
        first, second = old.snapshots
        assert header.read(old.path('.' + first.id))[2:] == (
            old.volume.name, None, base_format)
        assert header.read(old.path('.' + second.id))[2:] == (
            '%s.%s' % (old.volume.name, first.id), None, 'qcow2')
        assert old.overlays() == {'info', first.id, second.id}
        old.fresh()
        driver.initialize_connection(old.volume, {})
        assert built.names() == LOOK

    def test_not_under_a_guest(self, built, driver, old):
        old.volume.attach_status = 'attached'
        driver.local_path(old.volume)
        assert built.names() == LOOK

    def test_what_nobody_recorded(self, built, options, old):
        """Made before 2021: nobody says what the base is."""
        old.volume.admin_metadata = {}
        driver = built.posix('a', 'b', **options)
        with pytest.raises(errors.FormatUnknown, match='legacy_base_format'):
            driver.local_path(old.volume)
        driver = built.posix('a', 'b', posix_legacy_base_format=(
            'qcow2' if options is QCOW2 else 'raw'), **options)
        driver.local_path(old.volume)
        assert old.volume.admin_metadata == {
            'format': 'qcow2', 'base_format': 'qcow2' if options is QCOW2
            else 'raw'}


@pytest.mark.parametrize('verb, steps', [
    (lambda driver, snapshot: driver.create_snapshot(snapshot), []),
    # First it is looked for: one without a record goes always.
    (lambda driver, snapshot: driver.delete_snapshot(snapshot), LOOK),
    (lambda driver, snapshot: driver.revert_to_snapshot(
        None, snapshot.volume, snapshot), []),
    (lambda driver, snapshot: driver.create_volume_from_snapshot(
        fakes.Volume(), snapshot), []),
])
class TestRefused:
    @pytest.mark.parametrize('status, error', [
        ('in-use', (errors.VolumeAttached, errors.GuestUnknown)),
        ('error', (errors.VolumeBusy,))])
    def test_by_the_states(self, built, driver, story, verb, steps, status,
                           error):
        snapshot, = story.take()
        story.volume.status = snapshot.status = status
        if status == 'in-use':
            story.volume.attach_status = 'attached'
        with pytest.raises((*error, errors.SnapshotBusy)):
            verb(driver, snapshot)
        assert built.names() == steps

    def test_on_a_share_that_is_away(self, built, driver, story, verb,
                                     steps):
        snapshot, = story.take()
        marker = os.path.join(built.folder, 'a', '.remotefs-posix-directory')
        os.remove(marker)
        with pytest.raises(errors.ShareNotMounted):
            verb(driver, snapshot)
        assert built.run.calls == []


@pytest.mark.parametrize('verb', ['create_snapshot',
                                  'create_volume_from_snapshot'])
def test_an_encrypted_volume(built, driver, story, verb):
    snapshot = fakes.Snapshot(story.volume)
    story.volume.encryption_key_id = 'key'
    call = {'create_snapshot': lambda: driver.create_snapshot(snapshot),
            'create_volume_from_snapshot':
                lambda: driver.create_volume_from_snapshot(story.volume,
                                                           snapshot)}[verb]
    with pytest.raises(errors.EncryptionUnsupported):
        call()
    assert built.steps == []


def test_a_volume_goes_with_its_snapshots(built, driver, story):
    story.take(2)
    driver.delete_volume(story.volume)
    assert built.names() == ['delete']
    assert built.files() == {}


def test_what_a_crash_left_is_finished_first(built, driver, story):
    """By whoever comes, and before he looks for himself."""
    story.take()
    chain = model.Chain('1', story.volume.name, (
        model.Layer(driver.local_path(story.volume).split('/')[-1], 'qcow2',
                    GiB),), model.Info(**{
                        'active': story.table()['active'],
                        'snapshots': {key: name for key, name
                                      in story.table().items()
                                      if key != 'active'}}))
    cut = plan.create_snapshot(chain, fakes.Snapshot(story.volume).id, GiB)
    things.file(story.path('.intent'), journal.dumps(cut).encode())
    things.file(os.path.join(built.folder, 'a', cut.prepare[0].name))
    story.fresh()
    driver.initialize_connection(story.volume, {})
    assert built.names() == ['stat', 'delete', 'stat']
    assert cut.prepare[0].name not in built.files()
    assert 'intent' not in story.overlays()


@pytest.mark.parametrize('cls, expected', [
    (remotefs.RemoteFSDriver, locks.ProcessLocks),
    (remotefs.RemoteFSSnapDriverBase, locks.NoLocks),
    (remotefs.RemoteFSSnapDriver, locks.ProcessLocks),
    (remotefs.RemoteFSSnapDriverDistributed, locks.CoordinationLocks),
])
def test_the_forms_differ_in_their_locks(cls, expected):
    assert cls.locks_class is expected


def test_a_chain_is_frozen(driver, story):
    chain = driver._file_of(story.volume).chain()
    with pytest.raises(dataclasses.FrozenInstanceError):
        chain.layers = ()
