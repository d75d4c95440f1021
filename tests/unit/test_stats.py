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

"""What the scheduler is told."""

import dataclasses

from oslo_utils import units
import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity
from remotefs_drivers.share import stats
from remotefs_drivers.share import table
from tests.unit import fakes

A, B = table.Share('nas:/a'), table.Share('nas:/b')
FEATURES = {'multiattach': False, 'online_extend_support': False}
IDENTITY = {'vendor_name': 'Open Source', 'driver_version': '1.0.0',
            'storage_protocol': ['NFS', 'nfs'],
            'filter_function': None, 'goodness_function': '100'}
DOWN = errors.ShareUnavailable(share='nas:/b', reason='gone')


def backend(capacities, **changes):
    settings = dataclasses.replace(fakes.SETTINGS, **changes)
    return stats.backend(settings, capacities, FEATURES, IDENTITY)


def room(total, free):
    """A capacity in GiB."""
    return capacity.Capacity(total * units.Gi, free * units.Gi)


def test_the_backend_says_who_it_is():
    data = backend({A: room(10, 4)})
    assert data['volume_backend_name'] == 'fake'
    assert dict(data, **IDENTITY) == data
    assert dict(data, **FEATURES) == data


def test_each_share_is_a_pool():
    data = backend({A: room(10, 4), B: room(20, 5)}, reserved_percentage=7,
                   over_subscription=3.0)
    assert [(pool['pool_name'], pool['total_capacity_gb'],
             pool['free_capacity_gb']) for pool in data['pools']] == [
        ('nas:/a', 10, 4), ('nas:/b', 20, 5)]
    for pool in data['pools']:
        assert pool['reserved_percentage'] == 7
        assert pool['max_over_subscription_ratio'] == 3.0
        assert dict(pool, **FEATURES) == pool
        # The scheduler looks for these in the pool.
        assert pool['goodness_function'] == '100'
    assert 'total_capacity_gb' not in data


def test_a_share_that_is_down_has_no_room():
    __, pool = backend({A: room(10, 4), B: DOWN})['pools']
    assert pool['total_capacity_gb'] == pool['free_capacity_gb'] == 0


@pytest.mark.parametrize('capacities, total, free', [
    ({A: room(10, 4), B: room(20, 5)}, 30, 9),
    ({A: room(10, 4), B: DOWN}, 10, 4),
    ({B: DOWN}, 0, 0),
    ({}, 0, 0),
])
def test_one_pool_for_all(capacities, total, free):
    data = backend(capacities, pool_per_share=False)
    assert 'pools' not in data
    assert data['pool_name'] == 'fake'
    assert (data['total_capacity_gb'], data['free_capacity_gb']) == (total,
                                                                     free)


@pytest.mark.parametrize('thick', [True, False])
@pytest.mark.parametrize('pool_per_share', [True, False])
def test_thin_or_thick(thick, pool_per_share):
    data = backend({A: room(10, 4)}, thick=thick,
                   pool_per_share=pool_per_share)
    pool = data['pools'][0] if pool_per_share else data
    assert pool['thick_provisioning_support'] is thick
    assert pool['thin_provisioning_support'] is not thick


@pytest.mark.parametrize('pool_per_share', [True, False])
def test_the_sum_of_sizes_is_left_to_cinder(pool_per_share):
    data = backend({A: room(10, 4)}, pool_per_share=pool_per_share)
    for pool in data.get('pools', []) + [data]:
        assert 'provisioned_capacity_gb' not in pool
        assert 'allocated_capacity_gb' not in pool


def test_pools_do_not_share_what_they_hold():
    """Cinder writes into the pools that it is given."""
    first, second = backend({A: room(10, 4), B: room(20, 5)})['pools']
    first['multiattach'] = True
    assert second['multiattach'] is False
