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

"""Storage pools as pools of the scheduler, on the emulated GPFS."""

import os

import pytest

from tests.functional import gpfs_places
from tests.functional import stages
from tests.functional import test_gpfs_faults

pytestmark = pytest.mark.root

place = test_gpfs_faults.place


def test_a_volume_goes_from_one_to_the_other(rig, place):
    driver = rig.driver(gpfs_places.DRIVER, stages.section(),
                        gpfs_pool_per_storage_pool=True, **place.options())
    pools = {pool['pool_name']: pool for pool
             in driver.get_volume_stats(refresh=True)['pools']}
    assert set(pools) == {'system', 'data'}
    found = os.statvfs(place.folder)
    for pool in pools.values():
        assert pool['total_capacity_gb'] == pytest.approx(
            found.f_blocks * found.f_frsize / (1 << 30), rel=0.01)
    volume = rig.volume(driver, pool='data')
    assert driver.get_pool(volume) == 'data'
    there = {'host': '%s#system' % driver.host, 'capabilities': {
        'location_info': driver._location_info(),
        'storage_pool': 'system'}}
    assert driver.migrate_volume(rig.context, volume, there) == (True, None)
    assert driver.get_pool(volume) == 'system'
    driver.delete_volume(volume)
    assert place.names() == set()
