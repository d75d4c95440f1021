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

"""The driver in Cinder's tree works on the emulated GPFS.

It has readers of its own for what the mm* programs print, written by people
who had the real ones, and counts on what GPFS refuses: its reference count
is a ``rm -f`` that fails.
"""

import contextlib
import os

from cinder.db import api
from cinder import privsep
from cinder import utils
import pytest

from tests.functional import stages
from tests.harness import emulated

DRIVER = 'cinder.volume.drivers.ibm.gpfs.GPFSDriver'
#: It reads the old forms only.
OLD = {'level': '1404', 'version': '14.04 (4.1.0.4)'}
PAGE = 4096


class Place:
    """:ivar driver: the one in the tree
    :ivar base: pathlib.Path of its gpfs_mount_point_base
    """

    def __init__(self, rig, gpfs, base):
        self.rig = rig
        self.gpfs = gpfs
        self.base = base
        self.driver = rig.driver(DRIVER, stages.section(),
                                 gpfs_mount_point_base=str(base),
                                 gpfs_max_clone_depth=2)
        self.driver.db = api

    def volume(self, data):
        volume = self.rig.volume(self.driver)
        self.write(volume, data)
        return volume

    def write(self, volume, data):
        with open(self.base / volume.name, 'r+b') as stream:
            stream.write(data * PAGE)

    def read(self, thing):
        """The byte that all of its beginning is."""
        with open(self.base / thing.name, 'rb') as stream:
            found = set(stream.read(PAGE))
        assert len(found) == 1
        return bytes(found)

    def names(self):
        return sorted(path.name for path in self.base.iterdir())


@pytest.fixture
def place(rig, tmp_path, monkeypatch):
    with contextlib.ExitStack() as stack:
        gpfs = emulated.gpfs(stack, tmp_path, **OLD)
        gpfs.mount('a', tmp_path / 'a')
        monkeypatch.setenv('PATH', gpfs.path('a'))
        # Whoever runs the test may do all that it does as root.
        monkeypatch.setattr(utils, 'get_root_helper', lambda: 'env')
        monkeypatch.setattr(privsep.sys_admin_pctxt, 'client_mode', False)
        (tmp_path / 'a' / 'cinder').mkdir()
        yield Place(rig, gpfs, tmp_path / 'a' / 'cinder')


def test_what_it_finds_out(place):
    stats = place.driver.get_volume_stats(refresh=True)
    assert stats['location_info'] == 'GPFSDriver:%s:%s' % (
        place.gpfs.site.cluster_id, place.base)
    # That of the release 4.1.0.4.
    assert stats['gpfs_encryption_rest']
    programs = {call[1] for call in place.gpfs.calls()}
    assert programs == {'mmgetstate', 'mmlsattr', 'mmlsconfig', 'mmlsfs',
                        'mmlspool'}


def test_a_life(place):
    """Parents are deleted by whoever is the last to need them."""
    rig, driver = place.rig, place.driver
    volume = place.volume(b'1')
    snapshot = rig.snapshot(driver, volume)
    place.write(volume, b'2')
    assert (place.read(snapshot), place.read(volume)) == (b'1', b'2')
    child = rig.new_volume(driver)
    driver.create_volume_from_snapshot(child, snapshot)
    clone = rig.new_volume(driver)
    driver.create_cloned_volume(clone, volume)
    assert (place.read(child), place.read(clone)) == (b'1', b'2')
    place.write(clone, b'3')
    assert place.names() == sorted([
        volume.name, snapshot.name, child.name, clone.name,
        clone.name + '.snap'])
    # Two are its children: it can only be renamed.
    driver.delete_snapshot(snapshot)
    assert snapshot.name + '.ts' in place.names()
    driver.extend_volume(volume, 2)
    assert os.stat(place.base / volume.name).st_size == 2 << 30
    driver.delete_volume(volume)
    driver.delete_volume(child)
    assert (place.read(clone)) == b'3'
    driver.delete_volume(clone)
    assert place.names() == []


def test_how_deep_it_gets(place):
    """Beyond gpfs_max_clone_depth it redirects."""
    volume = place.volume(b'1')
    snapshots = [place.rig.snapshot(place.driver, volume)
                 for __ in range(4)]
    verbs = [call[2] for call in place.gpfs.calls()
             if call[1] == 'mmclone']
    assert verbs.count('redirect') == 2
    assert place.read(volume) == b'1'
    for snapshot in snapshots:
        place.driver.delete_snapshot(snapshot)
    place.driver.delete_volume(volume)
    assert place.names() == []
