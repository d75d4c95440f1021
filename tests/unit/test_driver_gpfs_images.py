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

"""Images that lie in GPFS: cloned, copied, converted, or downloaded."""

import os

from cinder import exception
from oslo_utils import units
from oslo_utils import uuidutils
import pytest

from remotefs_drivers import errors
from remotefs_drivers import offload
from tests.harness import pretended_gpfs
from tests.unit import crafted
from tests.unit import fakes
from tests.unit import things

GiB = units.Gi


class Glance:
    """Keeps images in a folder of the pretended GPFS."""

    def __init__(self, built, mode, **options):
        self.built = built
        self.folder = os.path.join(built.folder, 'images')
        os.mkdir(self.folder)
        self.driver = built.gpfs(gpfs_images_dir=self.folder,
                                 gpfs_images_share_mode=mode, **options)

    def image(self, data=b'image', disk_format='raw', size=1 << 20, **meta):
        ident = uuidutils.generate_uuid()
        path = os.path.join(self.folder, ident)
        things.file(path, data)
        os.truncate(path, max(size, len(data)))
        return dict({'id': ident, 'disk_format': disk_format,
                     'container_format': 'bare'}, **meta)

    def path(self, name):
        return os.path.join(self.built.folder, 'a', name)

    def clone(self, image, **fields):
        volume = fakes.Volume(**fields)
        return volume, self.driver.clone_image(None, volume, None, image,
                                               None)

    def asked(self):
        return [name for name, __ in self.built.pretended.calls]


@pytest.fixture
def cloning(built):
    return Glance(built, 'copy_on_write')


@pytest.fixture(params=['copy', 'copy_on_write'])
def glance(built, request):
    return Glance(built, request.param)


def test_a_raw_one_is_cloned(built, cloning):
    image = cloning.image()
    for number in range(2):
        built.pretended.calls.clear()
        volume, (update, done) = cloning.clone(image, size=2)
        assert done and update['provider_location'] == cloning.path('')[:-1]
        assert fakes.content(cloning.path(volume.name)) == b'image'
        assert os.path.getsize(cloning.path(volume.name)) == 2 * GiB
        # It becomes a parent once.
        assert ('clone_snap' in cloning.asked()) is (number == 0)
        assert 'clone_copy' in cloning.asked()
        assert built.run.calls == []
    built.pretended.calls.clear()
    cloning.driver.delete_volume(volume)
    # The image is nobody's to remove.
    assert os.path.exists(os.path.join(cloning.folder, image['id']))


def test_two_at_once(built, cloning):
    """The other one has made it a parent since it was looked at."""
    built.pretended.broken_late['clone_snap'] = pretended_gpfs.failed(
        'It is a clone parent.')
    volume, (update, done) = cloning.clone(cloning.image())
    assert done
    assert fakes.content(cloning.path(volume.name)) == b'image'


def test_a_raw_one_is_copied(built):
    glance = Glance(built, 'copy')
    volume, (update, done) = glance.clone(glance.image())
    assert done and 'clone_copy' not in glance.asked()
    assert fakes.content(glance.path(volume.name)) == b'raw of image'
    (argv,) = built.run.calls
    assert argv[argv.index('-f') + 1] == 'raw'


def test_another_fileset_is_copied(built, cloning):
    """The group of the volume, say; images are where they are."""
    built.pretended.be_fileset(cloning.folder, 'glance-images')
    volume, (update, done) = cloning.clone(cloning.image())
    assert done and 'clone_copy' not in cloning.asked()
    assert fakes.content(cloning.path(volume.name)) == b'raw of image'


def test_another_format_is_converted(built, glance):
    data = crafted.padded(crafted.qcow2(size=1 << 20))
    volume, (update, done) = glance.clone(glance.image(data, 'qcow2'))
    assert done and 'clone_copy' not in glance.asked()
    (argv,) = built.run.calls
    assert argv[argv.index('-f') + 1] == 'qcow2'
    assert argv[argv.index('-O') + 1] == 'raw'


@pytest.mark.parametrize('metadata', [{'fstype': 'ext4'}])
def test_no_file_system_comes_over_it(built, glance, metadata):
    glance.clone(glance.image(), metadata=metadata)
    assert not any('mkfs' in argv[0] for argv in built.run.calls)


def test_it_is_looked_at_off_the_event_loop(glance, monkeypatch):
    """A directory that hangs must not stop all else that goes on."""
    inside, seen = [], []

    def off_loop(function):
        def call(*args):
            inside.append(function)
            try:
                return function(*args)
            finally:
                inside.pop()
        return call
    monkeypatch.setattr(offload, 'off_loop', off_loop)
    monkeypatch.setattr(os, 'access', lambda *args: not seen.append(
        list(inside)))
    assert glance.clone(glance.image())[1][1]
    assert seen and all(seen)


class TestDownloaded:
    def test_no_folder_is_named(self, built):
        driver = built.gpfs()
        assert driver.clone_image(None, fakes.Volume(), None,
                                  {'id': uuidutils.generate_uuid()},
                                  None) == (None, False)

    def test_no_such_file(self, glance):
        image = glance.image()
        os.remove(os.path.join(glance.folder, image['id']))
        assert glance.clone(image)[1] == (None, False)

    def test_not_in_gpfs(self, built, glance):
        """The driver in Cinder's tree fails then."""
        built.pretended.broken['attributes'] = pretended_gpfs.failed('what?')
        assert glance.clone(glance.image())[1] == (None, False)

    @pytest.mark.parametrize('missing, done', [
        (1, False), (1 << 20, False), (0, True), (None, True)])
    def test_not_all_of_it_is_there(self, built, glance, missing, done):
        """Glance copies it there from another store, and is not done."""
        image = glance.image(size=1 << 20)
        image['size'] = None if missing is None else (1 << 20) + missing
        assert glance.clone(image)[1][1] is done
        assert bool(built.files()) is done

    def test_compressed(self, glance):
        image = glance.image(container_format='compressed')
        assert glance.clone(image)[1] == (None, False)

    @pytest.mark.parametrize('make', [each for each in things.ALL
                                      if each is not things.file])
    def test_no_file(self, glance, make):
        image = glance.image()
        path = os.path.join(glance.folder, image['id'])
        os.remove(path)
        make(path)
        assert glance.clone(image)[1] == (None, False)

    @pytest.mark.parametrize('ident', ['../../etc/passwd', '', '.', 'x;y'])
    def test_a_hostile_id(self, glance, ident):
        image = dict(glance.image(), id=ident)
        assert glance.clone(image)[1] == (None, False)


class TestRefused:
    def test_too_large(self, built, glance):
        image = glance.image(size=2 * GiB)
        with pytest.raises(errors.ImageRefused, match='does not fit'):
            glance.clone(image)
        assert built.files() == {}

    def test_not_what_glance_says(self, built, glance):
        """A tenant wrote a header that names a file of the host's."""
        data = crafted.padded(crafted.qcow2(backing='/etc/shadow'))
        for disk_format in 'raw', 'qcow2':
            with pytest.raises(exception.ImageUnacceptable):
                glance.clone(glance.image(data, disk_format))
        assert built.files() == {} and built.run.calls == []

    def test_encrypted(self, glance):
        with pytest.raises(errors.EncryptionUnsupported):
            glance.clone(glance.image(), encryption_key_id='k')

    @pytest.mark.parametrize('name', ['clone_snap', 'clone_copy',
                                      'clone_show'])
    def test_nothing_is_left_when_it_fails(self, built, cloning, name):
        built.pretended.broken[name] = pretended_gpfs.failed('broken')
        with pytest.raises(errors.GpfsCommandFailed, match='broken'):
            cloning.clone(cloning.image())
        assert built.files() == {}

    def test_a_copy_that_fails(self, built):
        glance = Glance(built, 'copy')
        built.run.broken['qemu-img convert'] = errors.CommandFailed(
            program='qemu-img', exit_code=1, stderr='no', command='x')
        with pytest.raises(errors.ImageRefused):
            glance.clone(glance.image())
        assert built.files() == {}
