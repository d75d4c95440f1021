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

"""What a tenant wrote into a raw base, when no overlay says it is raw.

Drivers of old did not always write down the format of a backing file, and
programs then look for it in the file: a tenant's qcow2 header there names a
file of the host, and what is read is that. So an old chain is mended before
any program opens it. A file stands for /etc/shadow; inotify tells whether
it is opened, once, by anybody.
"""

import os

from cinder import objects
from oslo_utils import uuidutils
import pytest

from remotefs_drivers import errors
from tests.functional import content
from tests.functional import nfs_folders
from tests.functional import old_share
from tests.functional import opened
from tests.functional import test_takeover
from tests.functional import upload

SECRET = b'the secret of the host '
LOCATION = nfs_folders.LOCATION


@pytest.fixture
def secret(tmp_path):
    """Path of a file that nobody may open; the test ends by that."""
    path = tmp_path / 'secret'
    path.write_bytes(SECRET * 4096)
    with opened.watched(path) as is_opened:
        yield str(path)
        assert not is_opened()


class Hostile(old_share.Old):
    """A raw volume that a tenant has filled with the header of a qcow2."""

    def __init__(self, secret, *args):
        super().__init__(*args)
        self.header = content.qcow2_header(content.GIB, secret)
        content.put(self.path(self.name), self.header)

    def write(self):
        """Away from the header, which is to stay."""
        self._count += 1
        place = 0x400 + self._count
        content.write(self.path(self.active), self.format(self.active),
                      self._count, place * content.KIB, content.KIB)
        self.state[place] = self._count


class Victim(old_share.Taken):
    """Must hold the header as it was written: it is data."""

    def __init__(self, old, *args):
        super().__init__(old, *args)
        self._header = old.header

    def write(self):
        self._count += 1
        content.write(self.path, self.format(), self._count,
                      self._count * content.MIB, content.KIB)
        self.state[self._count * content.KIB] = self._count

    def check_file(self, path, file_format, state, size=None):
        expected = os.path.join(self._folder, 'hostile.raw')
        with open(expected, 'wb') as stream:
            stream.truncate((size or self.volume.size) * content.GIB)
            stream.write(self._header)
            for number, pattern in state.items():
                stream.seek(number * content.KIB)
                stream.write(bytes([pattern]) * content.KIB)
        content.assert_same(path, file_format, expected, 'raw')


@pytest.fixture
def folders(rig, tmp_path, monkeypatch):
    return nfs_folders.Folders(rig, tmp_path / 'mnt', monkeypatch)


@pytest.fixture
def victim(rig, folders, tmp_path, secret):
    """Three snapshots, and none of the overlays says a format."""
    driver = folders.ours(nfs_legacy_base_format='raw')
    old = Hostile(secret, rig, driver, LOCATION, folders.folder(), 'raw')
    old.take(3)
    old.name_no_formats()
    return Victim(old, rig, driver, tmp_path)


def test_who_guesses_is_caught(rig, folders, tmp_path):
    """Without this, the watch and the header would prove nothing."""
    path = tmp_path / 'bait'
    path.write_bytes(SECRET * 4096)
    old = Hostile(str(path), rig, folders.ours(), LOCATION, folders.folder(),
                  'raw')
    old.take(1)
    leaked = str(tmp_path / 'leaked')
    argv = ('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw',
            old.path(old.active), leaked)
    with opened.watched(path) as is_opened:
        content._run(*argv)
        assert not is_opened()
        old.name_no_formats()
        content._run(*argv)
        assert is_opened()
    with open(leaked, 'rb') as stream:
        assert SECRET in stream.read(content.MIB)


VERBS = dict(test_takeover.CHANGING, **{
    each.__name__: [each] for each in test_takeover.READING})


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb(victim, verb):
    for step in VERBS[verb]:
        step(victim)
    victim.check()


# A guest may have it: the headers of its files are left alone then.

def _attached(one, status='in-use'):
    one.reload()
    one.volume.status = status
    one.volume.attach_status = 'attached'
    one.volume.save()
    objects.VolumeAttachment(
        context=one.rig.context, volume_id=one.volume.id,
        instance_uuid=uuidutils.generate_uuid(), attach_mode='rw',
        attach_status='attached').create()


READERS = {
    'upload': ('uploading', lambda one: upload.upload(one, 'raw')),
    'upload, qcow2': ('uploading', lambda one: upload.upload(one, 'qcow2')),
    'clone, for a backup': ('backing-up', lambda one: one.clone()),
    'volume from snapshot': ('in-use', lambda one: one.clone(
        source=one.snapshots[-1])),
    'plain copy': ('backing-up',
                   lambda one: one.driver.initialize_connection(
                       one.reload(), {})),
}


@pytest.mark.parametrize('name', READERS)
def test_of_an_attached_volume(victim, name):
    """Refused: what would be read is not known before it is mended."""
    status, verb = READERS[name]
    _attached(victim, status)
    before = test_takeover._seen(victim.share)
    with pytest.raises(errors.ChainNotMended, match='detached'):
        verb(victim)
    assert test_takeover._seen(victim.share) == before
    assert SECRET not in _all(victim._folder)


def test_an_attached_volume_is_extended(victim):
    """Which is left to the guest's host, and opens nothing here."""
    _attached(victim, 'extending')
    before = test_takeover._seen(victim.share)
    victim.driver.extend_volume(victim.reload(), 2)
    assert test_takeover._seen(victim.share) == before


def test_an_attached_volume_is_attached(victim):
    """A reboot of the instance asks for that, and no program is started."""
    _attached(victim)
    connection = victim.driver.initialize_connection(victim.reload(), {})
    assert connection['data']['format'] == 'qcow2'
    # And once it is detached, all is well.
    victim.volume.status = 'available'
    victim.volume.attach_status = 'detached'
    victim.volume.save()
    victim.check()


def _all(folder):
    """What was uploaded, if anything."""
    found = b''
    for name in os.listdir(folder):
        if name.startswith('uploaded'):
            with open(os.path.join(folder, name), 'rb') as stream:
                found += stream.read(content.MIB)
    return found


# An old driver that was taken in wrote down what the tenant said.

def test_a_lie_that_an_overlay_repeats(rig, folders, tmp_path, secret):
    """Icehouse asked the file: the header of the overlay says qcow2."""
    driver = folders.ours(nfs_legacy_base_format='raw')
    old = Hostile(secret, rig, driver, LOCATION, folders.folder(), 'raw')
    old.take(2)
    lowest = old.path(old.layers[1])
    old_share._rebase(lowest, old.name, 'qcow2')
    one = Victim(old, rig, driver, tmp_path)
    before = test_takeover._seen(one.share)
    for verb in test_takeover.REFUSED.values():
        with pytest.raises(errors.LayerInvalid, match='names a backing'):
            verb(one)
        assert test_takeover._seen(one.share) == before
    driver.delete_volume(one.reload())
    assert os.listdir(one.share) == []


def test_a_lie_of_the_operator(rig, folders, tmp_path, secret):
    """He says qcow2 of all old volumes, and this one is raw."""
    driver = folders.ours(nfs_legacy_base_format='qcow2')
    old = Hostile(secret, rig, driver, LOCATION, folders.folder(), 'raw')
    old.take(2)
    old.name_no_formats()
    one = Victim(old, rig, driver, tmp_path)
    before = test_takeover._seen(one.share)
    for verb in test_takeover.REFUSED.values():
        with pytest.raises(errors.LayerInvalid, match='names a backing'):
            verb(one)
        assert test_takeover._seen(one.share) == before
    assert not one.reload().admin_metadata
