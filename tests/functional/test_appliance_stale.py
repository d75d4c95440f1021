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

"""ApplianceNfsDriver where what it has mounted, or open, is gone on the box.

An administrator has restored a share, or the file in it, from a backup: the
server tells whoever knew the old one that it is stale (ESTALE). The mounts
are those of tests.harness.handle_mount; tests/realnfs has a server of NFS.
"""

import contextlib
import os

from cinder import exception
import pytest

from tests.functional import appliance_places
from tests.functional import content
from tests.functional import upload

GIB, MIB = content.GIB, content.MIB

pytestmark = pytest.mark.root


@pytest.fixture(scope='module')
def box(tmp_path_factory):
    """Its mounts are by handles."""
    with contextlib.ExitStack() as stack:
        yield appliance_places.FolderPlace(
            stack, tmp_path_factory.mktemp('place'), by_handles=True)


@pytest.fixture
def place(box):
    with box.programs():
        yield box


class Site:
    """A volume that holds 1, and what is done with it.

    :ivar about: the volume that the last verb was to change or make
    """

    def __init__(self, rig, place, folder):
        self.rig, self.place = rig, place
        self.driver = place.driver(rig)
        self.volume = self.about = rig.volume(self.driver)
        self.path = place.path(self.volume)
        content.write(self.path, 'raw', 1, MIB, MIB)
        self._image = folder / 'image'
        self._image.write_bytes(bytes([2]) * MIB)

    # Verbs

    def extend(self):
        self.driver.extend_volume(self.volume, 2)

    def attach(self):
        return self.driver.initialize_connection(self.volume, {})

    def local_path(self):
        return self.driver.local_path(self.volume)

    def download(self):
        self.driver.copy_image_to_volume(
            self.rig.context, self.volume, upload.Images(self._image),
            upload.IMAGE_ID)

    def upload(self, disk_format='raw'):
        upload.to_file(self._image.with_suffix('.up'), self.driver,
                       self.rig.context, self.volume, disk_format)

    def convert(self):
        self.upload('qcow2')

    def create(self):
        self.about = self.rig.new_volume(self.driver)
        self.driver.create_volume(self.about)

    def clone(self):
        self.about = self.rig.new_volume(self.driver, 2,
                                         source_volid=self.volume.id)
        self.driver.create_cloned_volume(self.about, self.volume)

    def snapshot(self):
        self.rig.snapshot(self.driver, self.volume)

    # What becomes of it

    def point(self):
        """Where its share is mounted."""
        return next(point for point, share
                    in self.place.mounter.mounted().items()
                    if share == self.volume.provider_location)

    def hold(self):
        self.driver.create_export(self.rig.context, self.volume, {})

    def let_go(self):
        self.driver.remove_export(self.rig.context, self.volume)

    def restore(self):
        """Another share takes the place of this one on the box."""
        size = os.path.getsize(self.path)
        self.place.box.delete_share(self.volume.name)
        self.place.box.create_share(self.volume.name, size)
        with open(self.path, 'wb') as stream:
            stream.truncate(size)
        content.write(self.path, 'raw', 1, MIB, MIB)

    def delete(self):
        self.driver.delete_volume(self.volume)

    def check_gone(self):
        assert self.volume.name not in self.place.shares()
        assert self.place.mounted() == set()
        assert self.place.journals() == []

    def end(self):
        """Nobody has it mounted, and it can be deleted."""
        assert self.place.mounted() == set()
        self.delete()
        self.check_gone()


@pytest.fixture
def site(rig, place, tmp_path):
    return Site(rig, place, tmp_path)


#: Verbs that need nothing of the mount of a volume's share.
ELSEWHERE = ('snapshot', 'clone', 'let_go', 'delete')


@pytest.mark.parametrize('verb', ['extend', 'attach', 'local_path',
                                  'download', 'convert', *ELSEWHERE])
def test_a_share_that_is_another_one_now(site, verb):
    """It is mounted anew, and stays held for whom it is attached to."""
    site.hold()
    site.restore()
    with pytest.raises(OSError, match='Stale file handle'):
        os.listdir(site.point())
    getattr(site, verb)()
    if verb not in ELSEWHERE:
        assert os.listdir(site.point()) == ['volume']
    site.let_go()
    assert site.place.mounted() == set()
    if verb != 'snapshot':
        site.end()


#: Verb -> request that comes too late, of which the verb is told.
LATE = [('extend', 'setattr'), ('download', 'write'), ('upload', 'read'),
        ('convert', 'read'), ('create', 'setattr'), ('create', 'fsync'),
        ('clone', 'setattr')]


@pytest.mark.turns
@pytest.mark.parametrize('held', [False, True])
@pytest.mark.parametrize('verb, request_name', LATE)
def test_a_file_that_is_another_one_in_the_midst(site, verb, request_name,
                                                 held):
    """Whose it is is said, nothing is left, and the next call works."""
    if held:
        site.hold()
    before = site.place.shares()
    site.place.mounter.replace_at(request_name)
    with pytest.raises(exception.CinderException, match=(
            'Stale file handle|ESTALE')) as caught:
        getattr(site, verb)()
    assert site.place.mounter.replacing() == []
    assert site.about.id in str(caught.value)
    assert site.place.shares() == before
    assert site.place.journals() == []
    assert site.place.mounted() == ({site.volume.name} if held else set())
    if verb not in ('download', 'create'):
        content.assert_pattern(site.path, 'raw', 1, MIB, MIB)
    getattr(site, verb)()
    if held:
        site.let_go()
    site.end()


@pytest.mark.turns
@pytest.mark.parametrize('held', [False, True])
@pytest.mark.parametrize('verb', ['attach', 'local_path', 'convert'])
def test_a_file_that_is_another_one_before(site, verb, held):
    """The kernel looks it up again: nobody notices."""
    if held:
        site.hold()
    site.place.mounter.replace_at('getattr')
    getattr(site, verb)()
    assert site.place.mounter.replacing() == []
    if held:
        site.let_go()
    site.end()
