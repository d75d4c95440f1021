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

"""Which share a new volume goes to."""

from oslo_utils import units
import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity
from remotefs_drivers.share import choice
from remotefs_drivers.share import table

A, B, C = (table.Share('nas:/%s' % name) for name in 'abc')


def room(free, total=100):
    """A capacity in GiB."""
    return capacity.Capacity(int(total * units.Gi), int(free * units.Gi))


@pytest.mark.parametrize('capacities, thick, expected', [
    ({A: room(10)}, False, A),
    ({A: room(10), B: room(20), C: room(15)}, False, B),
    # The first of equals, in the operator's order.
    ({B: room(10), A: room(10)}, False, B),
    # A thin volume may be larger than what is free now.
    ({A: room(1), B: room(0)}, False, A),
    # A thick one may not.
    ({A: room(4), B: room(6)}, True, B),
    ({A: room(5)}, True, A),
    # One that cannot say is left out, however large it was.
    ({A: errors.ShareUnavailable(share='nas:/a', reason='gone'),
      B: room(1)}, False, B),
])
def test_the_most_free_room(capacities, thick, expected):
    assert choice.choose(capacities, 5, thick) is expected


@pytest.mark.parametrize('reserved, thick, expected', [
    # Percent of the whole, not of what is free.
    (0, True, A),
    (3, True, A),
    # 10 free, of which 6 are reserved: 5 GiB do not go in.
    (6, True, None),
    (9, False, A),
    (10, False, None),
    (100, False, None),
])
def test_what_is_reserved_is_not_free(reserved, thick, expected):
    if expected:
        assert choice.choose({A: room(10)}, 5, thick, reserved) is expected
    else:
        with pytest.raises(errors.NoSuitableShare):
            choice.choose({A: room(10)}, 5, thick, reserved)


@pytest.mark.parametrize('capacities, thick, words', [
    ({}, False, 'there are none'),
    ({A: room(0)}, False, 'nas:/a: it is full'),
    ({A: room(4.5)}, True, 'nas:/a: only 4.50 GiB are free'),
    ({B: room(0), A: errors.ShareUnavailable(share='nas:/a',
                                             reason='gone')}, False,
     'nas:/a: Share nas:/a cannot be used: gone; nas:/b: it is full'),
])
def test_why_there_is_none(capacities, thick, words):
    with pytest.raises(errors.NoSuitableShare) as info:
        choice.choose(capacities, 5, thick)
    assert str(info.value) == 'No share can take a volume of 5 GiB: ' + words


def test_reasons_are_sorted():
    assert choice.describe({'b': 'x', 'a': 'y'}) == 'a: y; b: x'
