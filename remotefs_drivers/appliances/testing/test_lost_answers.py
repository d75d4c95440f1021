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


"""It was done, and nobody heard of it: how the driver takes it back.

And it was not done: the same must work. What the appliance itself does at a
broken connection is not looked at here; an answer is lost between it and the
test.
"""

import pytest

from remotefs_drivers.appliances.testing import faults
from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors


class Losing:
    """Makes calls whose answers get lost, after or before they were done."""

    def __init__(self, box, after):
        self.after = after
        self._faulty = faults.Faulty(box.appliance)
        self._box = box.like(self._faulty)

    def __call__(self, method, *args):
        self._faulty.lose(method, self.after)
        with pytest.raises(errors.ApplianceUnavailable):
            getattr(self._box, method)(*args)


@pytest.fixture(params=[True, False], ids=['done', 'not-done'])
def lose(request, box):
    return Losing(box, request.param)


def test_create_share(box, ground, size, lose):
    name = ground.name()
    lose('create_share', name, size)
    assert values.is_there(box, name) is lose.after
    if lose.after:
        with pytest.raises(errors.ApplianceShareExists):
            box.create_share(name, size)
    box.delete_share(name)
    assert not values.is_there(box, name)
    ground.share(name)


def test_delete_share(box, ground, lose):
    name = ground.share()
    snapshot = ground.snapshot(name)
    lose('delete_share', name, (snapshot,))
    assert values.is_there(box, name) is not lose.after
    box.delete_share(name, (snapshot,))
    assert not values.is_there(box, name)


def test_resize_share(box, ground, size, lose):
    name = ground.share()
    lose('resize_share', name, 2 * size)
    box.resize_share(name, 2 * size)
    values.check_share(box.find_share(name), name, 2 * size)


def test_create_snapshot(box, ground, lose):
    share, name = ground.share(), grounds.snapshot_name()
    lose('create_snapshot', share, name)
    assert ground.names_of(share) == ([name] if lose.after else [])
    if lose.after:
        with pytest.raises(errors.ApplianceSnapshotExists):
            box.create_snapshot(share, name)
    box.delete_snapshot(share, name)
    assert ground.names_of(share) == []


def test_create_snapshots(box, ground, lose):
    shares = [ground.share() for __ in range(3)]
    name = grounds.snapshot_name()
    lose('create_snapshots', shares, name)
    for share in shares:
        assert ground.names_of(share) == ([name] if lose.after else [])
        box.delete_snapshot(share, name)
        assert ground.names_of(share) == []


def test_delete_snapshot(box, ground, lose):
    share = ground.share()
    name = ground.snapshot(share)
    lose('delete_snapshot', share, name)
    box.delete_snapshot(share, name)
    assert ground.names_of(share) == []


def test_clone_snapshot(box, ground, size, lose):
    share, name = ground.share(), ground.name()
    snapshot = ground.snapshot(share)
    lose('clone_snapshot', share, snapshot, name, size)
    assert values.is_there(box, name) is lose.after
    if lose.after:
        with pytest.raises(errors.ApplianceShareExists):
            box.clone_snapshot(share, snapshot, name, size)
    box.delete_share(name)
    box.delete_snapshot(share, snapshot)
    assert ground.names_of(share) == []


def test_rename_share(box, ground, lose):
    old, new = ground.share(), ground.name()
    lose('rename_share', old, new)
    values.check_share(box.rename_share(old, new), new)
    box.rename_share(new, old)
    assert values.is_there(box, old) and not values.is_there(box, new)


def test_rename_snapshot(box, ground, lose):
    share = ground.share()
    old, new = ground.snapshot(share), grounds.snapshot_name()
    lose('rename_snapshot', share, old, new)
    values.check_snapshot(box.rename_snapshot(share, old, new), new)
    box.rename_snapshot(share, new, old)
    assert ground.names_of(share) == [old]


def test_promote(box, ground, dependent, lose):
    share, snapshot, clone = ground.family()
    lose('promote', clone)
    box.promote(clone)
    assert box.find_share(share).origin == (clone, snapshot)
    box.promote(share)
    assert box.find_share(clone).origin == (share, snapshot)


def test_roll_back(box, ground, lose):
    share = ground.share()
    snapshot = ground.snapshot(share)
    lose('roll_back', share, snapshot)
    box.roll_back(share, snapshot)
    assert ground.names_of(share) == [snapshot]
