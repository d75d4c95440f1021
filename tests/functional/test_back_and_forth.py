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

"""Between our NFS driver and the one in Cinder's tree, on the same share.

Each goes on with what the other has left, as when an operator changes
``volume_driver`` and restarts the service: the files, the tables of
snapshots and the formats on record are all that they have in common.
"""

import os

from cinder import objects
from cinder.volume.drivers import nfs as in_tree
import pytest

from tests.functional import nfs_folders
from tests.functional import old_share
from tests.functional import story
from tests.functional import test_takeover

bases = pytest.mark.parametrize('base_format', ['raw', 'qcow2'])


class Passed(old_share.Taken):
    """A volume that is passed from driver to driver.

    Each verb gets its objects from the database, as from a request.
    """

    def __init__(self, rig, driver, share, base_format, folder, volume=None):
        story.Story.__init__(self, rig, driver, folder, volume=volume)
        self.strays = self.unknown = set()
        self._share = share
        self._base_format = base_format

    @property
    def path(self):
        """As a host would find it."""
        connection = self.driver.initialize_connection(self.reload(), {})
        return os.path.join(self._share, connection['data']['name'])

    def drop(self, snapshot):
        super().drop(self._fresh(snapshot))

    def clone(self, size=None, source=None, driver=None):
        if source is not None and isinstance(self.driver, in_tree.NfsDriver):
            # What it makes of a snapshot is never larger than that.
            size = source.volume_size
        return super().clone(size, source and self._fresh(source), driver)

    def revert(self, snapshot):
        super().revert(self._fresh(snapshot))

    def check_volume(self, volume, state, size=None):
        connection = self.driver.initialize_connection(
            self.rig.reload(volume), {})
        self.check_file(os.path.join(self._share, connection['data']['name']),
                        connection['data']['format'], state,
                        size or volume.size)

    def _fresh(self, snapshot):
        return objects.Snapshot.get_by_id(self.rig.context, snapshot.id)


@pytest.fixture
def folders(rig, tmp_path, monkeypatch):
    return nfs_folders.Folders(rig, tmp_path / 'mnt', monkeypatch)


@pytest.fixture
def pair(folders):
    """Gives both drivers, ours and the other, for a format of new bases."""
    def make(base_format):
        is_qcow2 = base_format == 'qcow2'
        return (folders.ours(nfs_qcow2_volumes=is_qcow2),
                folders.in_tree(nfs_qcow2_volumes=is_qcow2))
    return make


@pytest.fixture
def begin(rig, folders, tmp_path):
    def make(driver, base_format):
        return Passed(rig, driver, folders.folder(), base_format, tmp_path)
    return make


# What is left behind, by the one or by the other

def _created(one):
    one.take(3)


def _deleted(place):
    def leave(one):
        one.take(3)
        one.drop(one.snapshots[place])
    return leave


def _all_deleted(one):
    one.take(2)
    for snapshot in list(one.snapshots):
        one.drop(snapshot)
    one.write()


def _extended(one):
    one.take(2)
    one.extend(2)
    one.write()


def _plain(one):
    one.write()


def _reverted(one):
    one.take(3)
    one.revert(one.snapshots[-1])
    one.write()


BOTH = {
    'created': _created,
    'oldest deleted': _deleted(0),
    'middle deleted': _deleted(1),
    'newest deleted': _deleted(-1),
    'all deleted': _all_deleted,
    'extended': _extended,
    'plain': _plain,
}
#: The driver in the tree cannot revert.
OURS = dict(BOTH, reverted=_reverted)


def _go_on(one):
    """All verbs on snapshots that both drivers have."""
    one.check()
    one.take(max(1, 4 - len(one.snapshots)))
    for place in (1, 0, -1):
        one.drop(one.snapshots[place])
        one.check_file(one.path, one.format(), one.state)
    one.check()


def _end(one):
    for snapshot in list(one.snapshots):
        one.drop(snapshot)
    one.write()
    one.check()


@bases
@pytest.mark.turns
@pytest.mark.parametrize('left', OURS)
def test_the_tree_goes_on(pair, begin, left, base_format):
    ours, theirs = pair(base_format)
    one = begin(ours, base_format)
    OURS[left](one)
    one.driver = theirs
    _go_on(one)
    # And back.
    one.driver = ours
    one.check()
    one.take(1)
    one.drop(one.snapshots[0])
    one.revert(one.snapshots[-1])
    one.check()
    # And forth, to the end.
    one.driver = theirs
    _end(one)
    one.remove()
    assert os.listdir(one.share) == []


@bases
@pytest.mark.turns
@pytest.mark.parametrize('left', BOTH)
def test_we_go_on(pair, begin, left, base_format):
    ours, theirs = pair(base_format)
    one = begin(theirs, base_format)
    BOTH[left](one)
    one.driver = ours
    for verb in test_takeover.READING:
        verb(one)
    _go_on(one)
    one.extend(one.volume.size + 1)
    _end(one)
    one.remove()
    assert os.listdir(one.share) == []


@bases
def test_a_clone_of_ours(rig, pair, begin, folders, tmp_path, base_format):
    """A clone, and a volume from a snapshot, are volumes to the tree."""
    ours, theirs = pair(base_format)
    one = begin(ours, base_format)
    one.take(2)
    for source in (None, one.snapshots[0]):
        copy = one.clone(source=source)
        other = Passed(rig, theirs, folders.folder(), base_format, tmp_path,
                       volume=copy)
        other.state = dict(one.state if source is None
                           else one.held[source.id])
        # As the database has them, the formats too.
        other.check_file(other.path, other.format(), other.state)
        other.take(1)
        other.drop(other.snapshots[0])
        other.check_file(other.path, other.format(), other.state)
        other.remove()
    one.check()


@bases
def test_the_tree_clones_ours(pair, begin, base_format):
    ours, theirs = pair(base_format)
    one = begin(ours, base_format)
    one.take(2)
    one.driver = theirs
    copy = one.clone()
    # It records the format of the source's active file for the copy.
    path = os.path.join(one.share, copy.name)
    one.check_file(path, base_format, one.state)
    one.driver = ours
    one.check()
