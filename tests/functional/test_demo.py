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

from remotefs_drivers.cmd import content
from remotefs_drivers.cmd import disks as demo_disks
from remotefs_drivers.cmd import main
from remotefs_drivers.cmd import reporter
from remotefs_drivers.cmd import snapshots
from remotefs_drivers.cmd import walkthrough
from remotefs_drivers.embedded import attachment

from tests.functional import content as disks


class Walk:
    """Steps, at any of which a test can stop."""

    def __init__(self, cloud, steps):
        self.cloud = cloud
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
def walk(cloud, tmp_path):
    walk = Walk(cloud, walkthrough.Walkthrough(cloud, str(tmp_path)).steps())
    yield walk
    walk.clean_up()


@pytest.fixture
def snapshot_walk(cloud, tmp_path):
    """The part with snapshots, on an empty volume."""
    part = snapshots.Snapshots(demo_disks.Disks(cloud, str(tmp_path)))
    walk = Walk(cloud, part.steps())
    volume = part._disks.new(1, volume_type='beta')
    expected = content.Expected(b'')
    expected.grow(1 << 30)
    part.begin(volume, expected)
    walk.base = cloud.spec.path('shares', 'beta', 'volume-%s' % volume)
    yield walk
    walk.clean_up()


def volumes_of(walk):
    return sorted((volume for volume in walk.cloud.cinder.volumes.list()),
                  key=lambda volume: volume.created_at)


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


def test_a_wrong_byte_at_the_end_of_a_volume_is_found(walk):
    walk.until('image -> volume of 1 GiB on alpha')
    last = (1 << 30) - 1
    walk.spoil(volumes_of(walk)[0].id, last)
    with pytest.raises(content.Differs, match='at byte %d:' % last):
        walk.until('compare')


def test_a_wrong_byte_in_a_qcow2_volume_is_found(walk):
    walk.until('on beta (qcow2)')
    share = walk.cloud.spec.path('shares', 'beta')
    name, = (name for name in os.listdir(share)
             if name.startswith('volume-'))
    offset = 900 << 20
    disks.write(os.path.join(share, name), 'qcow2', 0x5a, offset, 512)
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        walk.until('compare')


def test_a_wrong_byte_in_a_snapshot_is_found(snapshot_walk):
    snapshot_walk.until('take 4 snapshots')
    # Written over after the first snapshot, so that it is only in that.
    offset = (200 << 20) + 4096
    disks.write(snapshot_walk.base, 'qcow2', 0x5a, offset, 512)
    snapshot_walk.until('compare')
    with pytest.raises(content.Differs, match='at byte %d:' % offset):
        snapshot_walk.until('compare the other snapshots')


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
