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


"""Snapshots of one share."""

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors

#: In this order; sorted by name, either way, they are in another one.
NAMES = ['snapshot-b', 'snapshot-c', 'snapshot-a', 'snapshot-10',
         'snapshot-9']


class TestCreate:
    def test_what_it_returns(self, box, ground):
        share, name = ground.share(), grounds.snapshot_name()
        snapshot = box.create_snapshot(share, name)
        values.check_snapshot(snapshot, name)
        assert snapshot.clones == ()
        assert box.find_share(share).snapshots == (snapshot,)

    def test_the_oldest_comes_first(self, ground):
        share = ground.share()
        ground.snapshots(share, *NAMES)
        assert ground.names_of(share) == NAMES

    def test_one_that_is_there_is_refused(self, box, ground):
        share = ground.share()
        snapshot = ground.snapshot(share)
        ground.snapshot(share)
        before = box.find_share(share)
        with pytest.raises(errors.ApplianceSnapshotExists):
            box.create_snapshot(share, snapshot)
        assert box.find_share(share) == before

    def test_one_that_is_there_keeps_its_content(self, box, ground, files):
        share = ground.share()
        files.write(share, b'old')
        snapshot = ground.snapshot(share)
        files.write(share, b'new')
        with pytest.raises(errors.ApplianceSnapshotExists):
            box.create_snapshot(share, snapshot)
        assert files.read(ground.clone(share, snapshot)) == b'old'

    def test_there_is_no_such_share(self, box, ground):
        name = ground.name()
        with pytest.raises(errors.ApplianceShareMissing):
            box.create_snapshot(name, grounds.snapshot_name())
        assert not values.is_there(box, name)

    def test_two_shares_may_have_the_same_name_for_one(self, box, ground):
        one, other = ground.share(), ground.share()
        snapshot = ground.snapshot(one)
        ground.snapshot(other, snapshot)
        assert ground.names_of(one) == ground.names_of(other) == [snapshot]

    def test_it_changes_nothing_else(self, box, ground):
        share = ground.share()
        before = box.find_share(share)
        ground.snapshot(share)
        assert values.bare(box.find_share(share)) == values.bare(before)


class TestDelete:
    def test_only_it_is_gone(self, box, ground):
        share = ground.share()
        ground.snapshots(share, *NAMES)
        assert box.delete_snapshot(share, NAMES[1]) is None
        assert ground.names_of(share) == NAMES[:1] + NAMES[2:]

    def test_done_already_is_done(self, box, ground):
        share = ground.share()
        snapshot = ground.snapshot(share)
        for __ in range(2):
            assert box.delete_snapshot(share, snapshot) is None
        assert ground.names_of(share) == []

    def test_without_its_share_it_is_done(self, box, ground):
        name = ground.name()
        box.delete_snapshot(name, grounds.snapshot_name())
        assert not values.is_there(box, name)

    def test_that_of_another_share_stays(self, ground, box):
        one, other = ground.share(), ground.share()
        snapshot = ground.snapshot(one)
        ground.snapshot(other, snapshot)
        box.delete_snapshot(one, snapshot)
        assert ground.names_of(other) == [snapshot]

    def test_made_anew_it_is_the_newest(self, box, ground):
        share = ground.share()
        ground.snapshots(share, *NAMES[:3])
        box.delete_snapshot(share, NAMES[0])
        ground.snapshot(share, NAMES[0])
        assert ground.names_of(share) == [NAMES[1], NAMES[2], NAMES[0]]

    def test_clones_keep_it(self, box, ground, dependent):
        share, snapshot, clone = ground.family()
        before = box.find_share(share), box.find_share(clone)
        with pytest.raises(errors.ApplianceSnapshotInUse):
            box.delete_snapshot(share, snapshot)
        assert (box.find_share(share), box.find_share(clone)) == before

    def test_a_clone_that_does_not_need_it_stays(self, box, ground, files,
                                                 depends):
        share = ground.share()
        files.write(share, b'content')
        snapshot = ground.snapshot(share)
        clone = ground.clone(share, snapshot)
        try:
            box.delete_snapshot(share, snapshot)
            assert not depends
        except errors.ApplianceSnapshotInUse:
            assert depends
        assert files.read(clone) == b'content'

    def test_without_clones_any_more_it_goes(self, box, ground):
        share, snapshot, clone = ground.family()
        box.delete_share(clone)
        box.delete_snapshot(share, snapshot)
        assert ground.names_of(share) == []


class TestContent:
    def test_each_holds_what_the_share_did(self, ground, files):
        share = ground.share()
        for name in NAMES:
            files.write(share, name.encode())
            ground.snapshot(share, name)
        files.write(share, b'and later')
        assert [files.read(ground.clone(share, name))[:len(name)]
                for name in NAMES] == [name.encode() for name in NAMES]

    def test_the_others_keep_theirs_when_one_goes(self, box, ground, files):
        share = ground.share()
        for name in NAMES[:3]:
            files.write(share, name.encode())
            ground.snapshot(share, name)
        box.delete_snapshot(share, NAMES[1])
        assert files.read(share) == NAMES[2].encode()
        for name in NAMES[0], NAMES[2]:
            assert files.read(ground.clone(share, name)) == name.encode()
