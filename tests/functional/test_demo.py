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

import os

import pytest

from remotefs_drivers.cmd import content
from remotefs_drivers.cmd import main
from remotefs_drivers.cmd import reporter
from remotefs_drivers.cmd import walkthrough
from remotefs_drivers.embedded import attachment

from tests.functional import content as disks


class Walk:
    """A walkthrough that a test can stop at any step."""

    def __init__(self, cloud, folder):
        self.cloud = cloud
        self.walk = walkthrough.Walkthrough(cloud, str(folder))
        self.steps = iter(self.walk.steps())

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
        there = {volume.id for volume in self.cloud.cinder.volumes.list()}
        for volume in there:
            self.cloud.cinder.volumes.delete(volume)
        for volume in there:
            self.cloud.wait_gone(volume)
        for image in list(self.cloud.glance.images.list()):
            self.cloud.glance.images.delete(image.id)


@pytest.fixture
def walk(cloud, tmp_path):
    walk = Walk(cloud, tmp_path)
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
