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

"""GlusterfsDriver: what hosts are told, and what is refused."""

import os

from oslo_utils import uuidutils
import pytest

from remotefs_drivers import errors
from remotefs_drivers.store import direct
from tests.unit import fakes


def make(driver, **fields):
    """A volume that the driver has made."""
    volume = fakes.Volume(**fields)
    update = driver.create_volume(volume)
    volume.provider_location = update['provider_location']
    return volume


def connection(driver, volume):
    found = driver.initialize_connection(volume, {})
    return found['driver_volume_type'], found['data']


def own(volume):
    """Cinder is about to read it, for an image, a backup, a migration."""
    volume.status = 'backing-up'
    return volume


@pytest.mark.parametrize('exports, export', [
    ([], 'g1:/v'),
    (['g1:/v=ganesha:/v'], 'ganesha:/v'),
    (['g1:/w=ganesha:/w'], 'g1:/v')])
def test_by_nfs(built, exports, export):
    driver = built.glusterfs(glusterfs_nfs_exports=exports)
    volume = make(driver)
    assert connection(driver, volume) == (
        'nfs', {'export': export, 'name': volume.name, 'format': 'raw'})


def test_an_address_of_ipv6(built):
    """Hosts mount it as we do, without the brackets."""
    driver = built.glusterfs('[fd00::1]:/v',
                             glusterfs_attach_type='glusterfs')
    volume = make(driver)
    assert volume.provider_location == '[fd00::1]:/v'
    assert connection(driver, volume)[1]['export'] == 'fd00::1:/v'


def test_by_the_share(built):
    driver = built.glusterfs('g1:/v -o backup-volfile-servers=g2',
                             glusterfs_attach_type='glusterfs',
                             glusterfs_qcow2_volumes=True)
    volume = make(driver)
    assert connection(driver, volume) == (
        'glusterfs', {'export': 'g1:/v', 'name': volume.name,
                      'format': 'qcow2',
                      'options': '-o backup-volfile-servers=g2'})


@pytest.mark.parametrize('attach_type', ['local', 'gpfs'])
class TestByPath:
    def test_it_is_told(self, built, attach_type):
        driver = built.glusterfs(glusterfs_attach_type=attach_type)
        volume = make(driver)
        assert connection(driver, volume) == (
            attach_type, {'device_path': driver.local_path(volume),
                          'format': 'raw'})

    def test_no_qcow2_is_made(self, built, attach_type):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='glusterfs_attach_type = nfs'):
            built.glusterfs(glusterfs_attach_type=attach_type,
                            glusterfs_qcow2_volumes=True)

    def test_no_snapshot_is_made(self, built, attach_type):
        driver = built.glusterfs(glusterfs_attach_type=attach_type)
        volume = make(driver)
        with pytest.raises(errors.AttachTypeMismatch,
                           match='glusterfs_attach_type'):
            driver.create_snapshot(fakes.Snapshot(volume))

    def test_one_that_is_there_is_not_handed_out(self, built, attach_type):
        driver = built.glusterfs()
        volume = make(driver)
        driver.create_snapshot(fakes.Snapshot(volume))
        driver = built.glusterfs(glusterfs_attach_type=attach_type)
        with pytest.raises(errors.AttachTypeMismatch):
            driver.initialize_connection(volume, {})


@pytest.mark.parametrize('attach_type', ['nfs', 'glusterfs', 'local'])
def test_cinder_itself_mounts_it(built, attach_type):
    """By os-brick, at the place where we have it mounted."""
    driver = built.glusterfs(glusterfs_attach_type=attach_type,
                             glusterfs_nfs_exports=['g1:/v=ganesha:/v'])
    volume = own(make(driver))
    found = driver.initialize_connection(volume, {})
    assert found['driver_volume_type'] == 'glusterfs'
    assert found['data']['export'] == 'g1:/v'
    assert found['mount_point_base'] == built.mounter.base


@pytest.mark.parametrize('attach_type, told', [
    ('nfs', True), ('glusterfs', False), ('local', False)])
def test_larger_under_a_guest(built, attach_type, told):
    """Nova does that for nfs alone."""
    driver = built.glusterfs(glusterfs_attach_type=attach_type)
    assert driver.get_volume_stats(refresh=True)[
        'online_extend_support'] is told


@pytest.mark.parametrize('each, pools', [(False, None),
                                         (True, ['g1:/v', 'g2:/w'])])
def test_pools(built, each, pools):
    """One at first, as the old driver had it: its volumes name that."""
    driver = built.glusterfs('g1:/v', 'g2:/w',
                             **({'glusterfs_pool_per_share': True} if each
                                else {}))
    stats = driver.get_volume_stats(refresh=True)
    found = stats.get('pools')
    assert (found and [pool['pool_name'] for pool in found]) == pools


def test_the_kernel_copies_nothing(built, monkeypatch):
    """GlusterFS does it wrongly while a brick is away."""
    monkeypatch.setattr(direct, 'clone', lambda source, target: False)
    driver = built.glusterfs()
    source = make(driver)
    driver.create_cloned_volume(fakes.Volume(), source)
    assert [argv[1] for argv in built.run.calls] == ['convert']


def test_thick_and_qcow2(built):
    driver = built.glusterfs(glusterfs_qcow2_volumes=True,
                             glusterfs_sparsed_volumes=False)
    make(driver)
    (argv,) = built.run.calls
    assert 'preallocation=falloc' in argv


def test_a_file_that_is_not_there_is_named(built, tmp_path):
    path = os.path.join(str(tmp_path), uuidutils.generate_uuid())
    with pytest.raises(errors.SharesConfigUnreadable,
                       match='glusterfs_shares_config'):
        built.glusterfs(glusterfs_shares_config=path)
