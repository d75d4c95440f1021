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

"""Every verb killed at every step: after a delete nothing is left."""

import os
import subprocess

import pytest

from cinder import objects

from tests.crash import cuts
from tests import rig

DRIVER = 'remotefs_drivers.posix.PosixDriver'
MARKERS = {'.cinderSecureEnvIndicator', '.remotefs-posix-directory'}
IMAGE_SIZE = 1 << 20
PATTERN = '0xa7'

BACKENDS = {
    'raw': {},
    'thick': {'posix_sparsed_volumes': False},
    'qcow2': {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'},
}


class Stage:
    """A folder with a share and a database; each act in its own process."""

    def __init__(self, folder, options):
        self.folder = str(folder)
        self.share = os.path.join(self.folder, 'share')
        self.image = os.path.join(self.folder, 'image.raw')
        self._options = options
        os.makedirs(self.share)
        with open(self.image, 'wb') as stream:
            stream.truncate(IMAGE_SIZE)
        subprocess.run(['qemu-io', '-f', 'raw', '-c',
                        'write -P %s 0 64k' % PATTERN, self.image],
                       check=True, stdout=subprocess.DEVNULL)

    def play(self, act, cut=None):
        """Run act(rig, driver) in a new process, which the cut may end."""
        return cuts.run(self._act, act, cut)

    def left(self):
        return set(os.listdir(self.share)) - MARKERS

    def _act(self, act, cut):
        the_rig = rig.Rig(self.folder)
        driver = the_rig.driver(DRIVER, posix_directories=[self.share],
                                new_installation=True, **self._options)
        if cut is not None:
            cut.install(driver)
        act(the_rig, driver)


class FakeGlance:
    """As much of Cinder's image service as a copy needs."""

    temp_images = None

    def __init__(self, path):
        self._path = path

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': 'raw',
                'container_format': 'bare', 'size': IMAGE_SIZE}

    def get_location(self, context, image_id):
        return None, None

    def download(self, context, image_id, data=None, **kwargs):
        with open(self._path, 'rb') as stream:
            data.write(stream.read())

    def update(self, context, image_id, meta, data=None, **kwargs):
        data.read()


def _create(the_rig, driver):
    the_rig.volume(driver)


def _extend(the_rig, driver):
    driver.extend_volume(_the_volume(the_rig, driver), 2)


def _clone(the_rig, driver):
    source = _the_volume(the_rig, driver)
    copy = the_rig.new_volume(driver, 2)
    copy.update(driver.create_cloned_volume(copy, source))
    copy.save()


def _delete(the_rig, driver):
    driver.delete_volume(_the_volume(the_rig, driver))


def _attach(the_rig, driver):
    driver.initialize_connection(_the_volume(the_rig, driver), {})


def _read_for_migration(the_rig, driver):
    volume = _the_volume(the_rig, driver)
    volume.migration_status = 'migrating'
    driver.initialize_connection(volume, {})
    driver.terminate_connection(volume, {})


def _fill(the_rig, driver):
    driver.copy_image_to_volume(
        the_rig.context, _the_volume(the_rig, driver),
        FakeGlance(os.path.join(the_rig.folder, 'image.raw')), 'an-image')


def _upload(the_rig, driver):
    driver.copy_volume_to_image(
        the_rig.context, _the_volume(the_rig, driver), FakeGlance(None),
        {'id': 'an-image', 'disk_format': 'qcow2',
         'container_format': 'bare'})


def _the_volume(the_rig, driver):
    return _volumes(the_rig, driver)[0]


def _volumes(the_rig, driver):
    return objects.VolumeList.get_all_by_host(the_rig.context, driver.host)


def _delete_all(the_rig, driver):
    """What an operator does with volumes that a crash has left in error."""
    for volume in _volumes(the_rig, driver):
        driver.delete_volume(volume)
        volume.destroy()


VERBS = {
    'create': (None, _create),
    'extend': (_create, _extend),
    'clone': (_create, _clone),
    'delete': (_create, _delete),
    'attach': (_create, _attach),
    'migration': (_create, _read_for_migration),
    'image to volume': (_create, _fill),
    'volume to image': (_create, _upload),
}


@pytest.mark.parametrize('backend', sorted(BACKENDS))
@pytest.mark.parametrize('verb', sorted(VERBS))
def test_nothing_is_left(verb, backend, tmp_path, capsys):
    before, act = VERBS[verb]
    stage = Stage(tmp_path, BACKENDS[backend])
    tried = 0
    for cut in cuts.every():
        if before:
            assert stage.play(before)
        survived = stage.play(act, cut)
        assert stage.play(_delete_all)
        assert stage.left() == set(), cut
        tried += not survived
        # Past the last step there is nothing left to cut.
        if survived and cut.when == 'after':
            break
    else:
        pytest.fail('%s has more steps than were tried' % verb)
    assert tried > 0
    with capsys.disabled():
        print('\n%s, %s: %d cuts, 0 left behind' % (verb, backend, tried))
