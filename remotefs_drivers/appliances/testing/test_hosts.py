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


"""Several hosts, several threads; what one did the others see."""

import pytest

from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors
from remotefs_drivers import offload

_THREADS = 8


@pytest.fixture
def others(host):
    """Called, hosts: one that has looked before, and one that is new."""
    old = host()

    def _others(name):
        """Those, after the old one has looked at a share and at all."""
        for other in old, host():
            yield other
            other.find_share(name)
            other.list_shares()
    return _others


class TestAnotherHost:
    """It sees at once what was done."""

    def test_shares(self, box, ground, others):
        name = ground.share()
        for other in others(name):
            assert other.find_share(name) == box.find_share(name)
            assert values.is_there(other, name)
        box.delete_share(name)
        for other in others(name):
            assert not values.is_there(other, name)
        ground.share(name)
        for other in others(name):
            assert values.is_there(other, name)

    def test_sizes(self, box, ground, others, size):
        name = ground.share()
        for factor in 1, 2, 3:
            box.resize_share(name, factor * size)
            for other in others(name):
                values.check_share(other.find_share(name), name,
                                   factor * size)

    def test_snapshots(self, box, ground, others):
        share = ground.share()
        for name in 'a', 'b':
            ground.snapshot(share, name)
            for other in others(share):
                assert other.find_share(share) == box.find_share(share)
        box.delete_snapshot(share, 'a')
        for other in others(share):
            assert other.find_share(share) == box.find_share(share)

    def test_clones(self, box, ground, others):
        share, snapshot, clone = ground.family()
        for name in share, clone:
            for other in others(name):
                assert other.find_share(name) == box.find_share(name)
        box.delete_share(clone)
        for other in others(share):
            assert other.find_share(share) == box.find_share(share)

    def test_new_names(self, box, ground, others):
        old, new = ground.share(), ground.name()
        for one, two in (old, new), (new, old):
            box.rename_share(one, two)
            for other in others(one):
                assert other.find_share(one) is None
                assert other.find_share(two) == box.find_share(two)

    def test_new_names_of_snapshots(self, box, ground, others):
        share = ground.share()
        ground.snapshots(share, 'a')
        for old, new in ('a', 'b'), ('b', 'c'):
            box.rename_snapshot(share, old, new)
            for other in others(share):
                assert other.find_share(share) == box.find_share(share)

    def test_promoted_clones(self, box, ground, others, dependent):
        share, snapshot, clone = ground.family()
        for source, target in (share, clone), (clone, share):
            box.promote(target)
            for other in others(source):
                assert other.find_share(source).origin == (target, snapshot)

    def test_each_undoes_what_the_other_did(self, box, ground, host, size):
        one, other = host(), host()
        share, clone = ground.name(), ground.name()
        one.create_share(share, size)
        with pytest.raises(errors.ApplianceShareExists):
            other.create_share(share, size)
        other.create_snapshot(share, 's')
        one.clone_snapshot(share, 's', clone, size)
        other.delete_share(clone)
        one.delete_snapshot(share, 's')
        other.delete_share(share)
        assert one.find_share(share) is None

    def test_let_go_it_comes_back(self, ground, host):
        """close() is no end."""
        other, name = host(), ground.share()
        for __ in range(2):
            other.close()
            assert other.find_share(name) is not None


class TestAtOnce:
    def test_lives_of_different_volumes(self, box, ground, host):
        boxes = [box, host()]
        names = [(ground.name(), ground.name()) for __ in range(_THREADS)]
        results = offload.gather(
            lambda number: _live(boxes[number % 2], ground.size,
                                 *names[number]), range(_THREADS))
        assert results == [None] * _THREADS

    def test_clones_of_different_sources(self, box, ground):
        sources = [ground.share() for __ in range(_THREADS)]
        name = grounds.snapshot_name()
        clones = [ground.name() for __ in sources]
        offload.gather(lambda share: box.create_snapshot(share, name),
                       sources)
        results = offload.gather(
            lambda pair: box.clone_snapshot(pair[0], name, pair[1],
                                            ground.size),
            zip(sources, clones))
        assert [getattr(each, 'name', each) for each in results] == clones

    def test_lists_are_whole_while_others_come_and_go(self, box, ground):
        staying = ground.share()
        names = [ground.name() for __ in range(_THREADS)]

        def work(number):
            if number % 2:
                return _live(box, ground.size, names[number],
                             names[number - 1])
            for __ in range(5):
                assert values.listed(box, staying) is not None
                assert box.find_share(staying) is not None
        assert offload.gather(work, range(_THREADS)) == [None] * _THREADS


def _live(box, size, name, clone):
    """The life of a volume, and of a clone of it."""
    for __ in range(3):
        box.create_share(name, size)
        box.create_snapshot(name, 's')
        box.clone_snapshot(name, 's', clone, size)
        box.resize_share(clone, 2 * size)
        assert [each.name for each in box.find_share(name).snapshots] == ['s']
        box.delete_share(clone)
        box.delete_share(name, ('s',))
        assert box.find_share(name) is None
