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

"""From Glance to a local file, and from a volume's file to Glance."""

import os

from cinder import exception
from cinder.image import accelerator
from cinder.image import image_utils
import pytest

from remotefs_drivers import errors
from remotefs_drivers import images
from tests.unit import fakes
from tests.unit import things


class Glance:
    """As much of Cinder's image service as is called."""

    temp_images = None

    def __init__(self):
        self.uploads = []

    def update(self, context, image_id, image_meta, data=None,
               purge_props=True, store_id=None, base_image_ref=None):
        self.uploads.append((image_id, image_meta, data.read(), store_id,
                             base_image_ref))


class Context:
    user_id = 'the-user'


@pytest.fixture
def glance():
    return Glance()


@pytest.fixture
def run():
    return fakes.Runner()


@pytest.fixture
def conversion(tmp_path, override):
    """The folder for temporary files; empty in the end."""
    folder = tmp_path / 'conversion'
    override(image_conversion_dir=str(folder))
    yield
    assert not folder.exists() or os.listdir(folder) == []


@pytest.fixture
def path(tmp_path):
    made = str(tmp_path / 'volume-1')
    things.file(made, b'what the guest wrote')
    return made


class TestDownloaded:
    @pytest.fixture(autouse=True)
    def fetched(self, monkeypatch):
        calls = []

        def fetch(context, service, image_id, path, user, project):
            calls.append(image_id)
            things.file(path, b'image')
        monkeypatch.setattr(image_utils, 'fetch', fetch)
        return calls

    def test_for_the_time_of_the_block(self, glance, conversion):
        with images.downloaded(Context, glance, 'the-image') as path:
            assert things.read(path) == b'image'
        assert not os.path.exists(path)

    def test_it_goes_after_an_error_too(self, glance, conversion):
        with pytest.raises(KeyError):
            with images.downloaded(Context, glance, 'the-image') as path:
                raise KeyError()
        assert not os.path.exists(path)

    def test_what_cinder_fetched_already_is_used(self, glance, conversion,
                                                 fetched, path):
        temporary = image_utils.TemporaryImages(glance)
        temporary.temporary_images['the-user'] = {'the-image': path}
        with images.downloaded(Context, glance, 'the-image') as found:
            assert found == path
        # It is Cinder's, who may need it again.
        assert os.path.exists(path)
        assert fetched == []


@pytest.mark.parametrize('size, fits', [
    (0, True),
    (2 << 30, True),
    ((2 << 30) + 1, False),
    (1 << 60, False),
])
def test_check_size(size, fits):
    if fits:
        images.check_size('the-image', size, 2)
        return
    with pytest.raises(errors.ImageRefused, match='volume of 2 GiB'):
        images.check_size('the-image', size, 2)


class TestUpload:
    @pytest.fixture
    def upload(self, glance, run, path, conversion):
        def _upload(disk_format, file_format, container_format='bare',
                    volume=None, **progress):
            images.upload(None, glance, {'id': 'the-image',
                                         'disk_format': disk_format,
                                         'container_format':
                                             container_format},
                          volume or fakes.Volume(), path, file_format, run,
                          progress)
            return glance.uploads[-1][2]
        return _upload

    def test_raw_to_raw_is_sent_as_it_is(self, upload, run, glance):
        assert upload('raw', 'raw') == b'what the guest wrote'
        assert run.calls == []
        assert glance.uploads == [('the-image', {}, b'what the guest wrote',
                                   None, None)]

    @pytest.mark.parametrize('disk_format, file_format, line', [
        ('qcow2', 'raw', '-f raw -O qcow2'),
        # Not sent as it is: what is in it may be more than a guest sees.
        ('qcow2', 'qcow2', '-f qcow2 -O qcow2'),
        ('raw', 'qcow2', '-f qcow2 -O raw'),
        ('vmdk', 'raw', '-f raw -O vmdk'),
        # Glance's name is not qemu-img's.
        ('vhd', 'raw', '-f raw -O vpc'),
    ])
    def test_others_are_converted(self, upload, run, path, disk_format,
                                  file_format, line):
        sent = upload(disk_format, file_format)
        assert sent.endswith(b' of what the guest wrote')
        (argv,) = run.calls
        assert line in ' '.join(argv)
        assert argv[-2] == path

    @pytest.mark.parametrize('disk_format, asked, compressed', [
        ('qcow2', True, True),
        ('qcow2', False, False),
        # Others cannot be.
        ('vmdk', True, False),
    ])
    def test_compressed_as_the_option_says(self, upload, run, override,
                                           disk_format, asked, compressed):
        override(image_compress_on_upload=asked)
        upload(disk_format, 'raw')
        assert ('-c' in run.calls[0]) is compressed

    def test_a_compressed_container(self, upload, run, monkeypatch):
        """Not the volume's file, but a copy of it is compressed."""
        def compress(self, run_as_root):
            assert not run_as_root
            things.file(self.dest, b'gzip of ' + things.read(self.src))
        monkeypatch.setattr(accelerator.ImageAccel, '__init__', _remember)
        monkeypatch.setattr(accelerator.ImageAccel, 'compress_img', compress)
        assert upload('raw', 'raw', 'compressed') == (
            b'gzip of raw of what the guest wrote')
        assert len(run.calls) == 1

    def test_progress_is_followed(self, upload):
        heard = []
        upload('qcow2', 'raw', progress=heard.append)
        assert heard == [100.0]

    def test_a_failure_leaves_nothing(self, upload, run, glance):
        """The fixture looks into the folder for temporary files."""
        run.broken['qemu-img convert'] = KeyError('no room')
        with pytest.raises(KeyError):
            upload('qcow2', 'raw')
        assert glance.uploads == []

    def test_the_operator_forbids_conversion(self, upload, override, run):
        override(image_conversion_disable=True)
        assert upload('raw', 'raw')
        with pytest.raises(exception.ImageConversionNotAllowed):
            upload('qcow2', 'raw')
        assert run.calls == []

    def test_a_link_is_not_followed(self, upload, path, glance):
        os.rename(path, path + '.target')
        os.symlink(path + '.target', path)
        with pytest.raises(errors.UploadFailed, match='ELOOP'):
            upload('raw', 'raw')
        assert glance.uploads == []

    @pytest.mark.parametrize('size', [-1, 65536])
    def test_a_file_that_cannot_be_read(self, upload, path, glance, size):
        """Whose it is is said, whatever the way to Glance makes of it."""
        def update(context, image_id, image_meta, data, **fields):
            # A folder can be opened, and not be read.
            folder = os.open(os.path.dirname(path), os.O_RDONLY)
            os.dup2(folder, data.fileno())
            os.close(folder)
            data.read(size)
        glance.update = update
        with pytest.raises(errors.UploadFailed, match=(
                '%s of volume [-0-9a-f]+ could .* the-image: .*EISDIR'
                % path)):
            upload('raw', 'raw')

    def test_one_that_cannot_be_converted(self, upload, run, path):
        run.broken['qemu-img convert'] = errors.CommandFailed(
            program='qemu-img', exit_code=1, stderr='error while reading',
            command='x')
        with pytest.raises(errors.UploadFailed, match=(
                '%s of volume .*while reading' % path)):
            upload('qcow2', 'raw')

    def test_a_file_that_only_root_can_read(self, upload, run, monkeypatch):
        """As root it is made; a copy of it can be read."""
        monkeypatch.setattr(os, 'access', lambda path, mode: False)
        assert upload('raw', 'raw') == b'raw of what the guest wrote'
        assert len(run.calls) == 1

    @pytest.mark.parametrize('specs, store', [
        (None, None),
        ({}, None),
        ({'image_service:store_id': 'fast'}, 'fast'),
    ])
    def test_the_store_that_the_type_asks_for(self, upload, glance, specs,
                                              store):
        class Type:
            extra_specs = specs
        upload('raw', 'raw', volume=fakes.Volume(volume_type=Type))
        assert glance.uploads[0][3] == store

    def test_the_image_that_the_volume_was_made_from(self, upload, glance):
        upload('raw', 'raw', volume=fakes.Volume(
            glance_metadata={'image_id': 'another'}))
        assert glance.uploads[0][4] == 'another'


def _remember(self, src, dest):
    self.src, self.dest = src, dest


def test_not_copied():
    error = images.not_copied('the-image', 'the-volume', KeyError('no room'))
    assert isinstance(error, errors.ImageRefused)
    for words in 'the-image', 'the-volume', 'no room':
        assert words in str(error)
