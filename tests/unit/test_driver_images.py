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

"""From an image to a volume and back, in the volume's own format."""

import contextlib
import os

from cinder import exception
import pytest

from remotefs_drivers import errors
from remotefs_drivers import images
from tests.unit import builder
from tests.unit import crafted
from tests.unit import fakes
from tests.unit import things

GiB = 1 << 30
THICK = {'posix_sparsed_volumes': False}
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}
IMAGE = {'id': 'the-image', 'disk_format': 'qcow2',
         'container_format': 'bare'}


class Glance:
    def __init__(self):
        self.image = crafted.padded(crafted.qcow2())
        self.meta = dict(IMAGE)
        self.received = None

    def show(self, context, image_id):
        assert image_id == 'the-image'
        return self.meta

    def update(self, context, image_id, meta, data, **kwargs):
        self.received = data.read(64)


@pytest.fixture
def glance(monkeypatch, tmp_path):
    made = Glance()

    @contextlib.contextmanager
    def downloaded(context, image_service, image_id):
        path = str(tmp_path / 'image')
        things.file(path, made.image)
        yield path
        os.remove(path)
    monkeypatch.setattr(images, 'downloaded', downloaded)
    return made


def make(built, driver, **fields):
    volume = fakes.Volume(**fields)
    volume.provider_location = driver.create_volume(
        volume)['provider_location']
    built.steps.clear()
    built.run.calls.clear()
    return volume


def fill(driver, glance, volume, disable_sparse=False):
    driver.copy_image_to_volume(None, volume, glance, 'the-image',
                                disable_sparse=disable_sparse)


class TestToVolume:
    STEPS = {
        'raw': ({}, ['stat', 'truncate', 'convert']),
        'raw, reserved': (THICK, ['stat', 'truncate', 'fallocate',
                                  'convert']),
        # The in-tree driver says qcow2 and writes raw. The empty file is
        # made beside, so that there is a qcow2 file at every moment.
        'qcow2': (QCOW2, ['stat', 'delete', 'create', 'write', 'rename',
                          'convert']),
    }

    @pytest.mark.parametrize('kind', STEPS)
    def test_the_steps(self, built, glance, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        volume = make(built, driver, size=2)
        fill(driver, glance, volume)
        assert built.names() == steps
        assert {held for __, held in built.steps} == {(volume.id,)}
        argv = built.run.calls[-1]
        assert argv[argv.index('-f') + 1] == 'qcow2'
        assert argv[argv.index('-O') + 1] == (
            'qcow2' if kind == 'qcow2' else 'raw')
        if kind != 'qcow2':
            assert built.files()[volume.name] == 2 * GiB

    def test_nothing_sparse_where_that_is_asked_for(self, built, glance):
        driver = built.posix()
        fill(driver, glance, make(built, driver), disable_sparse=True)
        assert 'fallocate' in built.names()

    @pytest.mark.parametrize('kind', STEPS)
    def test_a_second_time(self, built, glance, kind):
        """After a retry, or over what another image left."""
        driver = built.posix(**self.STEPS[kind][0])
        volume = make(built, driver)
        path = os.path.join(built.folder, 'a', volume.name)
        fakes.write(path, b'x' * 500)
        fill(driver, glance, volume)
        assert b'xxx' not in fakes.content(path, 500)

    @pytest.mark.parametrize('image, disk_format, words', [
        (crafted.padded(crafted.qcow2(backing='/etc/shadow')), 'qcow2',
         '/etc/shadow'),
        (crafted.padded(crafted.qcow2(size=GiB + 1)), 'qcow2',
         'does not fit'),
        (crafted.padded(crafted.qcow2()), 'raw', 'content is qcow2'),
    ])
    def test_an_image_that_is_refused_changes_nothing(self, built, glance,
                                                      image, disk_format,
                                                      words):
        driver = built.posix()
        volume = make(built, driver)
        glance.image, glance.meta['disk_format'] = image, disk_format
        with pytest.raises(errors.ImageRefused, match=words):
            fill(driver, glance, volume)
        assert built.names() == ['stat']

    def test_one_that_cannot_be_read_to_its_end(self, built, glance):
        driver = built.posix()
        built.run.broken['qemu-img convert'] = errors.CommandFailed(
            program='qemu-img', exit_code=1, stderr='error while reading',
            command='x')
        with pytest.raises(errors.ImageRefused, match='while reading'):
            fill(driver, glance, make(built, driver))

    @pytest.mark.parametrize('kind', STEPS)
    def test_at_whichever_step_it_fails_it_can_be_done_again(self, built,
                                                             glance, kind):
        options, steps = self.STEPS[kind]
        driver = built.posix(**options)
        volume = make(built, driver)
        for number in range(len(steps)):
            built.steps.clear()
            built.break_at = number
            with pytest.raises((builder.Broken, errors.VolumeFileInvalid)):
                fill(driver, glance, volume)
            assert list(built.files()) == [volume.name]
        built.break_at = None
        fill(driver, glance, volume)
        assert list(built.files()) == [volume.name]

    def test_what_a_killed_service_left_is_replaced(self, built, glance):
        driver = built.posix(**QCOW2)
        volume = make(built, driver)
        things.file(os.path.join(built.folder, 'a',
                                 '.%s.new-base' % volume.name))
        fill(driver, glance, volume)
        assert list(built.files()) == [volume.name]

    @pytest.mark.parametrize('options', [{'posix_attach_type': 'nfs'},
                                         QCOW2])
    def test_not_over_snapshots(self, built, glance, options, monkeypatch):
        """The API fills a volume anew whether it has snapshots or not."""
        driver = built.posix(**options)
        volume = make(built, driver)
        base = os.path.join(built.folder, 'a', volume.name)
        fakes.write(base, b'of the snapshot')
        driver.create_snapshot(fakes.Snapshot(volume))
        before = built.files()
        monkeypatch.setattr(images, 'downloaded', pytest.fail)
        with pytest.raises(errors.VolumeHasSnapshots, match=volume.id):
            fill(driver, glance, volume)
        assert built.files() == before
        assert fakes.content(base) == b'of the snapshot'

    @pytest.mark.parametrize('spoil, error', [
        (lambda volume: setattr(volume, 'admin_metadata', {}),
         errors.FormatUnknown),
        (lambda volume: setattr(volume, 'provider_location', None),
         errors.LocationMissing),
    ])
    def test_it_is_known_before_the_image_is_fetched(self, built, glance,
                                                     spoil, error,
                                                     monkeypatch):
        driver = built.posix()
        volume = make(built, driver)
        spoil(volume)
        monkeypatch.setattr(images, 'downloaded', pytest.fail)
        with pytest.raises(error):
            fill(driver, glance, volume)

    @pytest.mark.parametrize('options, disk_format, allowed', [
        ({}, 'raw', True), ({}, 'qcow2', False), (QCOW2, 'qcow2', True),
        (QCOW2, 'raw', False)])
    def test_the_operator_forbids_conversion(self, built, glance, override,
                                             options, disk_format, allowed,
                                             monkeypatch):
        override(image_conversion_disable=True)
        driver = built.posix(**options)
        volume = make(built, driver)
        glance.meta['disk_format'] = disk_format
        if disk_format == 'raw':
            glance.image = b'x'
        if allowed:
            fill(driver, glance, volume)
            return
        # Known before the image is fetched.
        monkeypatch.setattr(images, 'downloaded', pytest.fail)
        with pytest.raises(exception.ImageConversionNotAllowed):
            fill(driver, glance, volume)

    def test_an_encrypted_volume(self, built, glance):
        driver = built.posix()
        volume = make(built, driver)
        volume.encryption_key_id = 'key'
        with pytest.raises(errors.EncryptionUnsupported):
            driver.copy_image_to_encrypted_volume(
                None, volume, glance, 'the-image', disable_sparse=False)


class TestToImage:
    @pytest.fixture(autouse=True)
    def conversion(self, override, tmp_path):
        override(image_conversion_dir=str(tmp_path / 'conversion'))

    @pytest.mark.parametrize('options, disk_format, steps', [
        # No child process, and no copy.
        ({}, 'raw', ['stat']),
        ({}, 'qcow2', ['stat', 'convert']),
        (QCOW2, 'raw', ['stat', 'convert']),
        (QCOW2, 'qcow2', ['stat', 'convert']),
    ])
    def test_the_steps(self, built, glance, options, disk_format, steps):
        driver = built.posix(**options)
        volume = make(built, driver)
        glance.meta['disk_format'] = disk_format
        driver.copy_volume_to_image(None, volume, glance, glance.meta)
        assert built.names() == steps
        assert {held for __, held in built.steps} == {(volume.id,)}
        assert glance.received is not None
        if steps[1:]:
            argv = built.run.calls[0]
            assert argv[argv.index('-f') + 1] == (
                volume.admin_metadata['format'])

    def test_a_qcow2_header_in_a_raw_volume_is_data(self, built, glance):
        """CVE-2015-1851: what it names must not come out."""
        driver = built.posix()
        volume = make(built, driver)
        hostile = crafted.qcow2(backing='/etc/shadow')
        path = os.path.join(built.folder, 'a', volume.name)
        with open(path, 'r+b') as stream:
            stream.write(hostile)
        driver.copy_volume_to_image(None, volume, glance,
                                    dict(IMAGE, disk_format='raw'))
        assert glance.received == hostile[:64]
        driver.copy_volume_to_image(None, volume, glance, IMAGE)
        argv = built.run.calls[0]
        assert argv[argv.index('-f') + 1] == 'raw'

    def test_of_a_file_that_is_gone(self, built, glance):
        driver = built.posix()
        volume = make(built, driver)
        os.remove(os.path.join(built.folder, 'a', volume.name))
        with pytest.raises(errors.VolumeFileMissing):
            driver.copy_volume_to_image(None, volume, glance, IMAGE)
        assert glance.received is None
