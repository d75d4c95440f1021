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

import pytest

from remotefs_drivers import appliance
from remotefs_drivers import glusterfs
from remotefs_drivers import gpfs
from remotefs_drivers import nfs
from remotefs_drivers import posix
from tests.harness import patience


@pytest.mark.parametrize('driver, name', [
    (appliance.ApplianceNfsDriver, 'appliance_share_timeout'),
    (glusterfs.GlusterfsDriver, 'glusterfs_share_timeout'),
    (gpfs.GPFSDriver, 'gpfs_share_timeout'),
    (nfs.NfsDriver, 'nfs_share_timeout'),
    (posix.PosixDriver, 'posix_share_timeout')])
def test_each_driver_gets_it(driver, name):
    assert patience.options(driver.get_driver_options()) == {
        name: patience.PATIENCE}


def test_a_test_may_say_otherwise(built):
    assert built.nfs()._settings.share_timeout == patience.PATIENCE
    assert built.nfs(nfs_share_timeout=2)._settings.share_timeout == 2
