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


"""Other names for shares and snapshots."""

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors


class TestShare:
    def test_what_it_returns(self, box, ground, size):
        old, new = ground.share(), ground.name()
        renamed = box.rename_share(old, new)
        values.check_share(renamed, new, size)
        assert values.bare(renamed) == values.bare(box.find_share(new))
        assert not values.is_there(box, old)
        assert values.is_there(box, new)

    def test_done_already_is_done(self, box, ground):
        old, new = ground.share(), ground.name()
        first = box.rename_share(old, new)
        again = box.rename_share(old, new)
        assert values.bare(again) == values.bare(first)

    def test_its_snapshots_come_along(self, box, ground):
        old, new = ground.share(), ground.name()
        ground.snapshots(old, 'b', 'c', 'a')
        box.rename_share(old, new)
        assert ground.names_of(new) == ['b', 'c', 'a']

    def test_its_content_comes_along(self, box, ground, files):
        old, new = ground.share(), ground.name()
        files.write(old, b'content')
        box.rename_share(old, new)
        assert files.read(new) == b'content'

    def test_there_is_none(self, box, ground):
        old, new = ground.name(), ground.name()
        with pytest.raises(errors.ApplianceShareMissing):
            box.rename_share(old, new)
        assert not values.is_there(box, new)

    def test_one_of_that_name_is_left_alone(self, box, ground):
        old, new = ground.share(), ground.share()
        before = box.find_share(old), box.find_share(new)
        with pytest.raises(errors.ApplianceShareExists):
            box.rename_share(old, new)
        assert (box.find_share(old), box.find_share(new)) == before

    def test_clones_know_the_new_name(self, box, ground, dependent):
        share, snapshot, clone = ground.family()
        new = ground.name()
        box.rename_share(share, new)
        assert box.find_share(clone).origin == (new, snapshot)
        newer = ground.name()
        box.rename_share(clone, newer)
        assert box.find_share(new).snapshots[0].clones == (newer,)

    def test_the_old_name_is_free_again(self, box, ground, size):
        old, new = ground.share(), ground.name()
        box.rename_share(old, new)
        box.create_share(old, size)
        one, other = box.find_share(old), box.find_share(new)
        assert one.id != other.id
        assert one.location != other.location


class TestSnapshot:
    def test_what_it_returns(self, box, ground):
        share = ground.share()
        old, new = ground.snapshot(share), grounds.snapshot_name()
        snapshot = box.rename_snapshot(share, old, new)
        values.check_snapshot(snapshot, new)
        assert box.find_share(share).snapshots == (snapshot,)

    def test_done_already_is_done(self, box, ground):
        share = ground.share()
        old, new = ground.snapshot(share), grounds.snapshot_name()
        first = box.rename_snapshot(share, old, new)
        assert box.rename_snapshot(share, old, new) == first
        assert ground.names_of(share) == [new]

    def test_the_order_stays(self, box, ground):
        share = ground.share()
        ground.snapshots(share, 'b', 'a', 'c')
        box.rename_snapshot(share, 'a', 'z')
        assert ground.names_of(share) == ['b', 'z', 'c']

    def test_there_is_none(self, box, ground):
        share = ground.share()
        with pytest.raises(errors.ApplianceSnapshotMissing):
            box.rename_snapshot(share, 'old', 'new')
        assert ground.names_of(share) == []

    def test_there_is_no_share(self, box, ground):
        share = ground.name()
        with pytest.raises(errors.ApplianceSnapshotMissing):
            box.rename_snapshot(share, 'old', 'new')
        assert not values.is_there(box, share)

    def test_one_of_that_name_is_left_alone(self, box, ground):
        share = ground.share()
        ground.snapshots(share, 'old', 'new')
        before = box.find_share(share)
        with pytest.raises(errors.ApplianceSnapshotExists):
            box.rename_snapshot(share, 'old', 'new')
        assert box.find_share(share) == before

    def test_with_clones_it_waits_under_another_name(self, box, ground,
                                                     depends):
        """What the driver does where a snapshot cannot be deleted yet."""
        share, snapshot, clone = ground.family()
        waiting = 'deleted-' + snapshot
        renamed = box.rename_snapshot(share, snapshot, waiting)
        assert renamed.clones == ((clone,) if depends else ())
        assert box.find_share(clone).origin == (
            (share, waiting) if depends else None)

    def test_its_content_stays(self, box, ground, files):
        share = ground.share()
        files.write(share, b'then')
        ground.snapshot(share, 'old')
        files.write(share, b'now!')
        box.rename_snapshot(share, 'old', 'new')
        assert files.read(ground.clone(share, 'new')) == b'then'
        assert files.read(share) == b'now!'
