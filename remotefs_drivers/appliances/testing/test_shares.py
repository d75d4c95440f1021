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


"""Making shares, finding them, and deleting them."""

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors

#: As much as no box has, in bytes.
_HUGE = 1 << 60


class TestCreate:
    def test_what_it_returns(self, box, ground, size):
        name = ground.name()
        share = box.create_share(name, size)
        values.check_share(share, name, size)
        assert share.origin is None
        assert share.snapshots in (None, ())

    def test_it_is_found_as_it_was_returned(self, box, ground, size):
        name = ground.name()
        share = box.create_share(name, size)
        found = box.find_share(name)
        values.check_share(found, name, size)
        assert values.bare(found) == values.bare(share)
        assert found.snapshots == ()

    def test_it_is_listed_as_it_is_found(self, box, ground):
        name = ground.share()
        share = values.listed(box, name)
        values.check_share(share, name)
        assert values.bare(share) == values.bare(box.find_share(name))
        assert share.snapshots in (None, ())

    def test_each_has_a_place_of_its_own(self, box, ground):
        one, other = (box.find_share(ground.share()) for __ in range(2))
        assert one.location != other.location
        assert one.id != other.id

    @pytest.mark.parametrize('more', [1, 511, 4097, 1000 ** 2])
    def test_a_size_that_is_not_round(self, box, ground, size, more):
        name = ground.name()
        values.check_share(box.create_share(name, size + more), name,
                           size + more)

    def test_one_that_is_there_is_refused(self, box, ground, size):
        name = ground.share()
        before = box.find_share(name)
        with pytest.raises(errors.ApplianceShareExists):
            box.create_share(name, size)
        assert box.find_share(name) == before

    def test_one_that_is_there_keeps_its_content(self, box, ground, files,
                                                 size):
        name = ground.share()
        files.write(name, b'mine')
        with pytest.raises(errors.ApplianceShareExists):
            box.create_share(name, size)
        assert files.read(name) == b'mine'

    def test_it_is_made_or_there_is_no_room(self, box, ground):
        name = ground.name()
        try:
            values.check_share(box.create_share(name, _HUGE), name, _HUGE)
        except errors.ApplianceFull:
            assert not values.is_there(box, name)


class TestFind:
    def test_there_is_none(self, box, ground):
        assert not values.is_there(box, ground.name())

    def test_its_snapshots(self, box, ground):
        share = ground.share()
        snapshot = ground.snapshot(share)
        values.check_share(box.find_share(share), share)
        assert ground.names_of(share) == [snapshot]

    def test_a_list_has_all_of_them_or_none(self, box, ground):
        share, snapshot, clone = ground.family()
        for name in share, clone:
            found = values.listed(box, name)
            values.check_share(found, name)
            assert found.snapshots in (None, box.find_share(name).snapshots)
            assert values.bare(found) == values.bare(box.find_share(name))


class TestDelete:
    def test_it_is_gone(self, box, ground):
        name = ground.share()
        assert values.is_there(box, name)
        assert box.delete_share(name) is None
        assert not values.is_there(box, name)

    def test_done_already_is_done(self, box, ground):
        name = ground.share()
        box.delete_share(name)
        assert box.delete_share(name) is None

    def test_what_never_was_is_done(self, box, ground):
        box.delete_share(ground.name())
        box.delete_share(ground.name(), (grounds.snapshot_name(),))

    def test_with_its_snapshots(self, box, ground):
        name = ground.share()
        snapshots = [ground.snapshot(name) for __ in range(3)]
        box.delete_share(name, tuple(snapshots))
        assert not values.is_there(box, name)

    def test_with_snapshots_in_any_order(self, box, ground):
        name = ground.share()
        snapshots = [ground.snapshot(name) for __ in range(3)]
        box.delete_share(name, [snapshots[each] for each in (2, 0, 1)])
        assert not values.is_there(box, name)

    def test_a_snapshot_that_is_not_there_is_no_error(self, box, ground):
        name = ground.share()
        snapshot = ground.snapshot(name)
        box.delete_share(name, (grounds.snapshot_name(), snapshot))
        assert not values.is_there(box, name)

    def test_other_snapshots_keep_it(self, box, ground):
        """Users' snapshots never go unasked."""
        name = ground.share()
        ours, theirs = ground.snapshot(name), ground.snapshot(name)
        for named in (), (ours,), (ours, grounds.snapshot_name()):
            with pytest.raises(errors.ApplianceShareInUse):
                box.delete_share(name, named)
            assert set(ground.names_of(name)) == {ours, theirs}

    def test_other_snapshots_keep_the_content(self, box, ground, files):
        name = ground.share()
        files.write(name, b'mine')
        ground.snapshot(name)
        with pytest.raises(errors.ApplianceShareInUse):
            box.delete_share(name)
        assert files.read(name) == b'mine'

    def test_it_takes_nothing_else_along(self, box, ground):
        """Not even what has a snapshot of the same name."""
        going, staying = ground.share(), ground.share()
        snapshot = ground.snapshot(going)
        ground.snapshot(staying, snapshot)
        before = box.find_share(staying)
        box.delete_share(going, (snapshot,))
        assert box.find_share(staying) == before

    def test_its_name_is_free_again(self, box, ground, size):
        name = ground.share()
        box.delete_share(name, (ground.snapshot(name),))
        values.check_share(box.create_share(name, size), name, size)
        assert box.find_share(name).snapshots == ()

    def test_what_follows_it_is_empty(self, box, ground, files, size):
        name = ground.share()
        files.write(name, b'of somebody else')
        box.delete_share(name)
        box.create_share(name, size)
        assert files.names(name) in ([], ['lost+found'])
