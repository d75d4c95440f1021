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


"""Clones that change places with what they were cloned from.

Where clones do not hang on their snapshots all of it is left out.
"""

import pytest

from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors

NAMES = ['b', 'c', 'a']


@pytest.fixture
def pair(ground, dependent):
    """A share with three snapshots, and a clone of the middle one."""
    share = ground.share()
    ground.snapshots(share, *NAMES)
    return share, ground.clone(share, NAMES[1])


def test_snapshots_up_to_its_own_change_hands(box, ground, pair):
    share, clone = pair
    box.promote(clone)
    assert ground.names_of(clone) == NAMES[:2]
    assert ground.names_of(share) == NAMES[2:]


def test_the_source_is_a_clone_then(box, ground, pair):
    share, clone = pair
    box.promote(clone)
    assert box.find_share(clone).origin is None
    assert box.find_share(share).origin == (clone, NAMES[1])
    assert _clones_of(box, clone) == {NAMES[0]: (), NAMES[1]: (share,)}


def test_hosts_see_no_change(box, ground, pair):
    before = [box.find_share(name) for name in pair]
    box.promote(pair[1])
    after = [box.find_share(name) for name in pair]
    for one, other in zip(before, after):
        assert (one.name, one.location, one.size) == (
            other.name, other.location, other.size)


def test_other_clones_follow_their_snapshots(box, ground, pair):
    share, clone = pair
    older, newer = ground.clone(share, NAMES[0]), ground.clone(share,
                                                               NAMES[2])
    box.promote(clone)
    assert box.find_share(older).origin == (clone, NAMES[0])
    assert box.find_share(newer).origin == (share, NAMES[2])


def test_its_own_snapshots_are_newer(box, ground, pair):
    share, clone = pair
    ground.snapshots(clone, 'own')
    box.promote(clone)
    assert ground.names_of(clone) == NAMES[:2] + ['own']


def test_the_source_can_be_deleted_then(box, ground, pair):
    share, clone = pair
    box.promote(clone)
    box.delete_share(share, (NAMES[2],))
    assert not values.is_there(box, share)
    assert _clones_of(box, clone) == {NAMES[0]: (), NAMES[1]: ()}


def test_what_is_no_clone_is_left_as_it_is(box, ground, dependent):
    share, snapshot, __ = ground.family()
    before = box.find_share(share)
    box.promote(share)
    assert box.find_share(share) == before


def test_done_twice(box, ground, pair):
    share, clone = pair
    box.promote(clone)
    before = [box.find_share(name) for name in pair]
    box.promote(clone)
    assert [box.find_share(name) for name in pair] == before


def test_there_is_none(box, ground, dependent):
    with pytest.raises(errors.ApplianceShareMissing):
        box.promote(ground.name())


def test_both_have_a_snapshot_of_one_name(box, ground, pair):
    ground.snapshots(pair[1], NAMES[0])
    before = [box.find_share(name) for name in pair]
    with pytest.raises(errors.ApplianceSnapshotExists):
        box.promote(pair[1])
    assert [box.find_share(name) for name in pair] == before


def test_the_content_of_all_stays(box, ground, files, dependent):
    share = ground.share()
    for name in NAMES:
        files.write(share, name.encode())
        ground.snapshot(share, name)
    files.write(share, b's')
    clone = ground.clone(share, NAMES[1])
    files.write(clone, b'k')
    box.promote(clone)
    owners = clone, clone, share
    assert [files.read(ground.clone(owner, name))
            for owner, name in zip(owners, NAMES)] == [
                name.encode() for name in NAMES]
    assert [files.read(each) for each in (share, clone)] == [b's', b'k']


def _clones_of(box, share):
    """Name of each snapshot -> the clones that hang on it."""
    return {each.name: each.clones
            for each in box.find_share(share).snapshots}
