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

"""The demo proves what it says: it fails when something is not so."""

import json
import os

import pytest

from remotefs_drivers.cmd import attached
from remotefs_drivers.cmd import content
from remotefs_drivers.cmd import disks as demo_disks
from remotefs_drivers.cmd import main
from remotefs_drivers.cmd import reporter
from remotefs_drivers.cmd import snapshots
from remotefs_drivers.cmd import walkthrough
from remotefs_drivers.embedded import attachment

from tests.functional import conftest
from tests.functional import content as disks


class Walk:
    """Steps, at any of which a test can stop."""

    def __init__(self, cloud, nova, steps):
        self.cloud = cloud
        self.nova = nova
        self.steps = iter(steps)

    def until(self, words):
        """Do the steps up to and with the one that has these words."""
        for title, step in self.steps:
            step(reporter.Progress())
            if words in title:
                return
        raise AssertionError('no step has "%s"' % words)

    def spoil(self, volume, offset):
        with attachment.Attachment(self.cloud, volume) as attached:
            with open(attached.path, 'r+b') as disk:
                disk.seek(offset)
                byte = disk.read(1)
                disk.seek(offset)
                disk.write(bytes([byte[0] ^ 1]))

    def clean_up(self):
        if not self.cloud.alive:
            self.cloud.start_cinder()
        for server in self.nova.servers:
            for volume in list(server.disks):
                self.nova.detach(server.id, volume)
                self.cloud.wait_volume(volume)
        for snapshot in self.cloud.cinder.volume_snapshots.list():
            # One whose delete was cut off is left in "deleting".
            snapshot.reset_state('available')
        there = {volume.id for volume in self.cloud.cinder.volumes.list()}
        for volume in there:
            self.cloud.cinder.volumes.delete(volume, cascade=True)
        for volume in there:
            self.cloud.wait_gone(volume)
        for image in list(self.cloud.glance.images.list()):
            self.cloud.glance.images.delete(image.id)


@pytest.fixture
def nova(all_clouds, concurrency):
    return all_clouds.nova(concurrency)


@pytest.fixture
def walk(cloud, nova, tmp_path):
    walk = Walk(cloud, nova, walkthrough.Walkthrough(
        cloud, str(tmp_path), nova).steps())
    yield walk
    walk.clean_up()


@pytest.fixture
def part(cloud, tmp_path):
    """The part with snapshots, on an empty volume."""
    part = snapshots.Snapshots(demo_disks.Disks(cloud, str(tmp_path)))
    expected = content.Expected(b'')
    expected.grow(1 << 30)
    part.begin(part._disks.new(1, volume_type='beta'), expected)
    return part


@pytest.fixture
def snapshot_walk(cloud, nova, part):
    walk = Walk(cloud, nova, part.steps())
    walk.base = cloud.spec.path('shares', 'beta', 'volume-%s' % part.volume)
    yield walk
    walk.clean_up()


@pytest.fixture
def guest_walk(cloud, nova, part):
    """The part with a guest, on the same volume, which has no snapshots."""
    steps = attached.Attached(part._disks, part, nova)
    walk = Walk(cloud, nova, steps.steps())
    walk.part, walk.guest = part, steps
    yield walk
    walk.clean_up()


def volumes_of(walk):
    return sorted((volume for volume in walk.cloud.cinder.volumes.list()),
                  key=lambda volume: volume.created_at)


@conftest.in_threads
def test_it_passes_and_leaves_nothing(walk):
    walk.until('delete everything')
    assert walk.cloud.cinder.volumes.list() == []
    assert list(walk.cloud.glance.images.list()) == []
    title, look = next(walk.steps)
    assert 'look into the shares' in title
    left = walk.cloud.spec.path('shares', 'beta', 'volume-x')
    with open(left, 'w'):
        pass
    with pytest.raises(content.Differs, match='volume-x'):
        look(reporter.Progress())
    os.unlink(left)
    look(reporter.Progress())


@conftest.in_eventlet
def test_a_wrong_byte_at_the_end_of_a_volume_is_found(walk):
    walk.until('image -> volume of 1 GiB on alpha')
    last = (1 << 30) - 1
    walk.spoil(volumes_of(walk)[0].id, last)
    with pytest.raises(content.Differs, match='at byte %d:' % last):
        walk.until('compare')


@conftest.in_threads
def test_a_wrong_byte_in_a_qcow2_volume_is_found(walk):
    walk.until('on beta (qcow2)')
    share = walk.cloud.spec.path('shares', 'beta')
    name, = (name for name in os.listdir(share)
             if name.startswith('volume-'))
    offset = 900 << 20
    disks.write(os.path.join(share, name), 'qcow2', 0x5a, offset, 512)
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        walk.until('compare')


@conftest.in_eventlet
def test_a_wrong_byte_in_a_snapshot_is_found(snapshot_walk):
    snapshot_walk.until('take 4 snapshots')
    # Written over after the first snapshot, so that it is only in that.
    offset = (200 << 20) + 4096
    disks.write(snapshot_walk.base, 'qcow2', 0x5a, offset, 512)
    snapshot_walk.until('compare')
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        snapshot_walk.until('compare the other snapshots')


@conftest.in_threads
def test_a_wrong_byte_after_the_kill_is_found(snapshot_walk):
    snapshot_walk.until('kill -9')
    assert not snapshot_walk.cloud.alive
    assert os.path.exists(snapshot_walk.base + '.intent')
    # Of the long write after the third snapshot, which was being merged.
    offset = 300 << 20
    snapshot_walk.until('start the service again')
    with open(snapshot_walk.base + '.info') as stream:
        active = json.load(stream)['active']
    disks.write(os.path.join(os.path.dirname(snapshot_walk.base), active),
                'qcow2', 0x5a, offset, 512)
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        snapshot_walk.until('compare the volume')


@conftest.in_eventlet
def test_a_wrong_byte_under_a_guest_is_found(guest_walk):
    guest_walk.until('take 3 snapshots')
    guest_walk.until('compare the disk')
    with guest_walk.guest._writer.paused():
        # Where the guest has never written to.
        with guest_walk.guest._disk.guest.connect() as drive:
            offset = _untouched(guest_walk) + 7
            drive.write(offset, b'x')
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        guest_walk.guest._compare_guest(reporter.Progress())


@conftest.in_threads
def test_a_wrong_byte_in_a_copy_of_what_a_guest_has_is_found(guest_walk):
    guest_walk.until('clone the volume')
    copy = guest_walk.guest._copy
    offset = _untouched(guest_walk)
    disks.write(guest_walk.cloud.spec.path('shares', 'beta',
                                           'volume-%s' % copy),
                'qcow2', 0x5a, offset, 512)
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        guest_walk.until('compare')


@conftest.in_eventlet
def test_a_snapshot_of_another_moment_is_found(guest_walk):
    guest_walk.until('take 3 snapshots')
    held = list(guest_walk.part.held.values())
    # As if the first one held what the guest wrote later.
    held[0]._low, held[0]._high = held[2]._low, held[2]._high
    guest_walk.until('volume from the first')
    with pytest.raises(content.Differs):
        guest_walk.until('compare')


@conftest.in_threads
def test_a_guest_that_comes_up_on_another_file_is_found(guest_walk,
                                                        monkeypatch):
    guest_walk.until('extend')
    with monkeypatch.context() as patch:
        patch.setattr(guest_walk.nova, 'hard_reboot', lambda server: None)
        active = guest_walk.guest._disk.guest.path
        guest_walk.guest._disk.guest.path = active + '.old'
        with pytest.raises(content.Differs, match='came up on .*old'):
            guest_walk.guest._reboot(reporter.Progress())
    guest_walk.guest._disk.guest.path = active


def _untouched(walk):
    """An offset in the disk that its guest has not written to."""
    journal = walk.guest._journal
    written = journal.state(len(journal))
    return next(sector for sector in range(1 << 10, 1 << 21)
                if not written.keys() & set(range(sector - 512,
                                                  sector + 512))) * 512


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, capsys):
    (tmp_path / 'precious').write_text('data')
    assert main.main(['demo', '--directory', str(tmp_path)]) == 1
    assert 'is not empty' in capsys.readouterr().err
    assert os.listdir(tmp_path) == ['precious']


def test_a_missing_program_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr('remotefs_drivers.cmd.sample._SYSTEM_FOLDERS', ())
    assert main.main(['demo']) == 1
    assert 'qemu-utils' in capsys.readouterr().err
