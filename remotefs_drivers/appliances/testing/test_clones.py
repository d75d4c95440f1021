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


"""Shares that are made from snapshots."""

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors


class TestCreate:
    def test_what_it_returns(self, box, ground, size):
        share, name = ground.share(), ground.name()
        clone = box.clone_snapshot(share, ground.snapshot(share), name, size)
        values.check_share(clone, name, size)
        assert values.bare(clone) == values.bare(box.find_share(name))
        assert values.bare(clone) == values.bare(values.listed(box, name))

    def test_it_has_a_place_of_its_own(self, box, ground):
        share, __, clone = ground.family()
        assert (box.find_share(clone).location !=
                box.find_share(share).location)
        assert box.find_share(clone).id != box.find_share(share).id

    def test_it_has_no_snapshots(self, box, ground):
        assert box.find_share(ground.family()[2]).snapshots == ()

    def test_it_may_be_larger(self, box, ground, size):
        share, name = ground.share(), ground.name()
        box.clone_snapshot(share, ground.snapshot(share), name, 2 * size)
        values.check_share(box.find_share(name), name, 2 * size)

    def test_it_changes_no_more_of_its_source(self, box, ground):
        share = ground.share()
        snapshot = ground.snapshot(share)
        before = box.find_share(share)
        ground.clone(share, snapshot)
        after = box.find_share(share)
        assert values.bare(after) == values.bare(before)
        assert [each.id for each in after.snapshots] == [
            each.id for each in before.snapshots]

    def test_a_share_of_that_name_is_left_alone(self, box, ground, size):
        share, other = ground.share(), ground.share()
        snapshot = ground.snapshot(share)
        before = [box.find_share(name) for name in (share, other)]
        for name in share, other:
            with pytest.raises(errors.ApplianceShareExists):
                box.clone_snapshot(share, snapshot, name, size)
        assert [box.find_share(name) for name in (share, other)] == before

    def test_there_is_no_such_snapshot(self, box, ground, size):
        share, name = ground.share(), ground.name()
        ground.snapshot(share)
        with pytest.raises(errors.ApplianceSnapshotMissing):
            box.clone_snapshot(share, grounds.snapshot_name(), name, size)
        assert not values.is_there(box, name)

    def test_there_is_no_such_share(self, box, ground, size):
        name = ground.name()
        with pytest.raises(errors.ApplianceSnapshotMissing):
            box.clone_snapshot(ground.name(), grounds.snapshot_name(), name,
                               size)
        assert not values.is_there(box, name)


class TestContent:
    def test_it_holds_what_the_snapshot_does(self, ground, files):
        share = ground.share()
        files.write(share, b'then')
        snapshot = ground.snapshot(share)
        files.write(share, b'after')
        assert files.read(ground.clone(share, snapshot)) == b'then'

    def test_writing_to_it_changes_nothing_else(self, ground, files):
        share = ground.share()
        files.write(share, b'the source')
        snapshot = ground.snapshot(share)
        clone, other = (ground.clone(share, snapshot) for __ in range(2))
        files.write(clone, b'the clone!')
        later = ground.clone(share, snapshot)
        assert [files.read(each) for each in (share, other, later)] == (
            [b'the source'] * 3)
        assert files.read(clone) == b'the clone!'

    def test_writing_to_its_source_changes_nothing_of_it(self, ground, files):
        share = ground.share()
        files.write(share, b'the source')
        clone = ground.clone(share, ground.snapshot(share))
        files.write(share, b'a new text')
        assert files.read(clone) == b'the source'

    def test_a_clone_of_a_clone(self, ground, files):
        share = ground.share()
        files.write(share, b'1')
        clone = ground.clone(share, ground.snapshot(share))
        files.write(clone, b'2')
        last = ground.clone(clone, ground.snapshot(clone))
        files.write(last, b'3')
        assert [files.read(each) for each in (share, clone, last)] == [
            b'1', b'2', b'3']

    def test_a_larger_one_takes_a_larger_file(self, box, ground, files, size):
        share, name = ground.share(), ground.name()
        files.write(share, b'x' * size)
        box.clone_snapshot(share, ground.snapshot(share), name, 2 * size)
        files.write(name, b'y' * 2 * size)
        assert files.read(name) == b'y' * 2 * size


class TestOrigin:
    """Both ends tell the same story."""

    def test_of_a_share(self, box, ground):
        assert box.find_share(ground.share()).origin is None

    def test_of_clones(self, box, ground, depends):
        share = ground.share()
        one, two = (ground.snapshot(share) for __ in range(2))
        clones = [ground.clone(share, one) for __ in range(2)]
        last = ground.clone(share, two)
        found = {each.name: sorted(each.clones)
                 for each in box.find_share(share).snapshots}
        assert found == ({one: sorted(clones), two: [last]} if depends
                         else {one: [], two: []})
        assert [box.find_share(name).origin for name in clones + [last]] == (
            [(share, one), (share, one), (share, two)] if depends
            else [None] * 3)

    def test_of_a_clone_of_a_clone(self, box, ground, depends):
        share, snapshot, clone = ground.family()
        second = ground.snapshot(clone)
        last = ground.clone(clone, second)
        assert box.find_share(last).origin == (
            (clone, second) if depends else None)
        assert box.find_share(clone).origin == (
            (share, snapshot) if depends else None)

    def test_a_clone_that_is_gone_hangs_no_more(self, box, ground):
        share, snapshot, clone = ground.family()
        other = ground.clone(share, snapshot)
        box.delete_share(clone)
        kept, = box.find_share(share).snapshots
        assert kept.clones in ((), (other,))


class TestDeleteSource:
    def test_clones_keep_it(self, box, ground, dependent):
        share, snapshot, clone = ground.family()
        before = box.find_share(share), box.find_share(clone)
        with pytest.raises(errors.ApplianceShareInUse):
            box.delete_share(share, (snapshot,))
        assert (box.find_share(share), box.find_share(clone)) == before

    def test_clones_that_need_it_not_stay(self, box, ground, files, depends):
        share = ground.share()
        files.write(share, b'content')
        snapshot = ground.snapshot(share)
        clone = ground.clone(share, snapshot)
        try:
            box.delete_share(share, (snapshot,))
            assert not depends
        except errors.ApplianceShareInUse:
            assert depends
            assert files.read(share) == b'content'
        assert files.read(clone) == b'content'

    def test_after_its_clones_it_goes(self, box, ground):
        share, snapshot, clone = ground.family()
        box.delete_share(clone)
        box.delete_share(share, (snapshot,))
        assert not values.is_there(box, share)
