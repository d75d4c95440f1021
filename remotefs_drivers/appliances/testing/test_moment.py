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


"""Snapshots while somebody writes, of one share and of several."""

import os

import pytest

from remotefs_drivers.appliances.testing import files as the_files
from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors

#: How often what may go well by chance is tried.
_TRIES = 5


class TestSeveral:
    def test_what_it_returns(self, box, ground):
        shares = [ground.share() for __ in range(3)]
        name = grounds.snapshot_name()
        snapshots = box.create_snapshots(shares, name)
        assert len(snapshots) == len(shares)
        for share, snapshot in zip(shares, snapshots):
            values.check_snapshot(snapshot, name)
            assert box.find_share(share).snapshots == (snapshot,)

    def test_of_one_only(self, box, ground):
        """Which any box can do; so it is asked for two before."""
        shares = [ground.share() for __ in range(2)]
        box.create_snapshots(shares, grounds.snapshot_name())
        snapshot, = box.create_snapshots(shares[:1], grounds.snapshot_name())
        assert snapshot in box.find_share(shares[0]).snapshots

    def test_there_is_no_such_share(self, box, ground):
        shares = ground.share(), ground.name(), ground.share()
        with pytest.raises(errors.ApplianceShareMissing):
            box.create_snapshots(shares, grounds.snapshot_name())
        assert ground.names_of(shares[0]) == ground.names_of(shares[2]) == []
        assert not values.is_there(box, shares[1])

    def test_one_has_it_already(self, box, ground):
        shares = [ground.share() for __ in range(3)]
        name = ground.snapshot(shares[1])
        before = box.find_share(shares[1])
        with pytest.raises(errors.ApplianceSnapshotExists):
            box.create_snapshots(shares, name)
        assert ground.names_of(shares[0]) == ground.names_of(shares[2]) == []
        assert box.find_share(shares[1]) == before

    def test_all_are_of_one_moment(self, box, ground, files):
        shares = [ground.share() for __ in range(2)]
        taken = _while_written(files, shares, lambda name: (
            box.create_snapshots(shares, name)))
        for name in taken:
            assert not the_files.is_torn(
                _numbers(ground, files, shares, name))

    def test_of_two_moments_would_be_seen(self, box, ground, files):
        """Or the test above would show nothing."""
        shares = [ground.share() for __ in range(2)]
        with files.writer(*((share, 0) for share in shares)) as writer:
            name = ground.snapshot(shares[0])
            writer.advance()
            ground.snapshot(shares[1], name)
        assert the_files.is_torn(_numbers(ground, files, shares, name))


class TestOne:
    def test_what_was_flushed_is_in_it(self, box, ground, files):
        """Though the file is still open."""
        share = ground.share()
        with files.opened(share) as path:
            path = os.path.join(path, the_files.NAME)
            with open(path, 'wb', buffering=0) as stream:
                stream.write(b'flushed')
                os.fsync(stream.fileno())
                snapshot = ground.snapshot(share)
        assert files.read(ground.clone(share, snapshot)) == b'flushed'

    def test_flushes_are_in_it_in_their_order(self, box, ground, files, size):
        """The end of the file is written before its beginning."""
        share = ground.share()
        offsets = size - the_files.WIDTH, size // 2, 0
        with files.writer(*((share, each) for each in offsets)) as writer:
            taken = []
            for __ in range(_TRIES):
                taken.append(ground.snapshot(share))
                writer.advance()
        for name in taken:
            assert not the_files.is_torn(
                files.numbers(ground.clone(share, name), offsets))


def _while_written(files, shares, snapshot):
    """Names of snapshots that were taken while shares are written to."""
    names = [grounds.snapshot_name() for __ in range(_TRIES)]
    with files.writer(*((share, 0) for share in shares)) as writer:
        for name in names:
            snapshot(name)
            writer.advance()
    return names


def _numbers(ground, files, shares, name):
    return [number for share in shares for number in files.numbers(
        ground.clone(share, name), [0])]
