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


"""Shares that go back to a snapshot."""

import dataclasses

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors


def test_all_but_the_content_stays(box, ground):
    share = ground.share()
    ground.snapshots(share, 'b', 'a')
    before = _seen(box, share)
    box.roll_back(share, 'a')
    assert _seen(box, share) == before


def test_twice(box, ground):
    share = ground.share()
    snapshot = ground.snapshot(share)
    before = _seen(box, share)
    for __ in range(2):
        box.roll_back(share, snapshot)
    assert _seen(box, share) == before


def test_clones_stay(box, ground):
    share, snapshot, clone = ground.family()
    before = _seen(box, share), box.find_share(clone)
    box.roll_back(share, snapshot)
    assert (_seen(box, share), box.find_share(clone)) == before


def test_newer_snapshots_are_never_lost(box, ground):
    """It is done without, or refused; as the vendor likes."""
    share = ground.share()
    ground.snapshots(share, 'b', 'c', 'a')
    before = _seen(box, share)
    try:
        box.roll_back(share, 'b')
    except errors.ApplianceRollbackRefused:
        pass
    assert _seen(box, share) == before


def test_there_is_no_such_snapshot(box, ground):
    share = ground.share()
    snapshot = ground.snapshot(share)
    with pytest.raises(errors.ApplianceSnapshotMissing):
        box.roll_back(share, grounds.snapshot_name())
    assert ground.names_of(share) == [snapshot]


def test_there_is_no_such_share(box, ground):
    name = ground.name()
    with pytest.raises(errors.ApplianceSnapshotMissing):
        box.roll_back(name, grounds.snapshot_name())
    assert not values.is_there(box, name)


def test_it_holds_what_the_snapshot_does(box, ground, files):
    share = ground.share()
    files.write(share, b'then')
    snapshot = ground.snapshot(share)
    files.write(share, b'and much longer later')
    box.roll_back(share, snapshot)
    assert files.read(share) == b'then'
    files.write(share, b'next')
    assert files.read(share) == b'next'
    assert files.read(ground.clone(share, snapshot)) == b'then'


def test_to_an_older_one_or_not_at_all(box, ground, files):
    share = ground.share()
    for name in 'old', 'new':
        files.write(share, name.encode())
        ground.snapshot(share, name)
    files.write(share, b'now')
    try:
        box.roll_back(share, 'old')
        expected = b'old'
    except errors.ApplianceRollbackRefused:
        expected = b'now'
    assert files.read(share) == expected
    assert [files.read(ground.clone(share, name))
            for name in ('old', 'new')] == [b'old', b'new']


def _seen(box, share):
    """The Share, without what it may be another one inside."""
    return dataclasses.replace(box.find_share(share), id='')
