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

"""From the GPFS driver in Cinder's tree to ours, and back, as it lies.

On the emulated GPFS, for root, as whom that driver works.
"""

import contextlib
import os

import pytest

from tests.functional import gpfs_places
from tests.functional import stages
from tests.functional import story

pytestmark = pytest.mark.root

#: Of the driver in the tree, which is root and nothing else.
_OF_OLD = {'nas_secure_file_operations': 'false'}


@pytest.fixture
def place(tmp_path):
    with contextlib.ExitStack() as stack:
        # The one in the tree reads no other form of a release, and cannot
        # tell the scheduler anything on an older one.
        made = gpfs_places.Place(stack, str(tmp_path / 'place'),
                                 level='1404', version='14.10 (4.1.0.4)')
        stack.enter_context(made.for_root())
        yield made


@pytest.fixture
def drivers(rig, place):
    """(the one in the tree, ours), on the same options."""
    return tuple(
        rig.driver(path, stages.section(), **place.options(), **more)
        for path, more in ((gpfs_places.IN_TREE, {}),
                           (gpfs_places.DRIVER, _OF_OLD)))


class Story(story.Story):
    """Of a volume whose snapshots are files beside it."""

    def format(self):
        return 'raw'

    def taken_by(self, driver):
        self.driver = driver

    def copy(self, source=None):
        """A clone, and what it holds."""
        made = self.clone(source=source)
        return made, dict(self.state if source is None
                          else self.held[source.id])

    def check_all(self, copies):
        self.check_file(self.path, 'raw', self.state)
        for snapshot in self.snapshots:
            self.check_file(os.path.join(self.share, snapshot.name), 'raw',
                            self.held[snapshot.id], snapshot.volume_size)
        for copy, state in copies:
            self.check_file(self.driver.local_path(self.rig.reload(copy)),
                            'raw', state, copy.size)


def _history(rig, driver, folder):
    """Snapshots, one of them deleted, and clones: (story, copies)"""
    one = Story(rig, driver, folder)
    first, second = one.take(2)
    copies = [one.copy(), one.copy(first), one.copy(second)]
    one.write()
    one.drop(first)
    return one, copies


def _remove_all(one, copies):
    for snapshot in list(one.snapshots):
        one.drop(snapshot)
    for copy, __ in copies[:1]:
        one.remove(copy)
    one.remove()
    for copy, __ in copies[1:]:
        one.remove(copy)


def test_from_the_one_in_the_tree(rig, drivers, place, tmp_path):
    old, new = drivers
    one, copies = _history(rig, old, tmp_path)
    assert any(name.endswith('.ts') for name in place.names())
    assert any(name.endswith('.snap') for name in place.names())
    one.taken_by(new)
    one.check_all(copies)
    one.snap()
    copies.append(one.copy())
    one.write()
    one.extend(2)
    one.check_all(copies)
    one.revert(one.snapshots[-1])
    one.check_all(copies)
    _remove_all(one, copies)
    assert place.names() == set()


def test_back_to_the_one_in_the_tree(rig, drivers, place, tmp_path):
    old, new = drivers
    one, copies = _history(rig, new, tmp_path)
    one.revert(one.snapshots[-1])
    one.check_all(copies)
    assert not any(name.endswith('.intent') for name in place.names())
    one.taken_by(old)
    one.check_all(copies)
    one.snap()
    copies.append(one.copy())
    one.write()
    one.check_all(copies)
    _remove_all(one, copies)
    assert place.names() == set()


def test_what_it_cannot_do_itself(rig, drivers, place, tmp_path):
    """A volume whose header was written by its tenant grows, and is cloned.
    """
    __, new = drivers
    one = Story(rig, new, tmp_path)
    with open(one.path, 'r+b') as stream:
        stream.write(b'QFI\xfb\x00\x00\x00\x03' + bytes(100))
    one.extend(2)
    assert os.path.getsize(one.path) == 2 << 30
    one.remove()
    assert place.names() == set()
