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

"""A dead server, and what a stock cinder-volume does about it.

One backend with two shares, in one process: under eventlet all of it hangs
on the first call that blocks, which a driver alone in a test does not show.
"""

import hashlib
import os
import time

import pytest

from remotefs_drivers.embedded import spec as specs
from tests.harness import backends
from tests.harness import stock
from tests.harness import user_mount

pytestmark = pytest.mark.root

pytest_plugins = ['tests.harness.fixtures']

DEAD = '127.0.0.1:/dead'
LIVE = '127.0.0.1:/live'
SHARES = [DEAD, LIVE]

# Seconds.
TIMEOUT = 6
LIMIT = 300


class Host:
    """A backend ``both`` on two shares, and volume types to choose one.

    :param spec: with the backend
    """

    def __init__(self, cloud, mounter, exports):
        self.cloud = cloud
        self.mounter = mounter
        self.exports = exports

    def create(self, share=None, status='available'):
        """A volume; where the scheduler sends it, or on a share."""
        hints = None
        if share:
            # The other pool is filtered out by its name.
            hints = {'query': '["=", "$host", "%s"]' % self.pool(share)}
        volume = self.cloud.cinder.volumes.create(
            1, volume_type='both', scheduler_hints=hints)
        return self.cloud.wait_volume(volume.id, status)

    def pool(self, share):
        return '%s@both#%s' % (self.cloud.spec.host, share)

    def files(self, share):
        return {name for name in os.listdir(self.exports[share])
                if name.startswith('volume-')}

    def free(self):
        """Share -> GiB that the scheduler believes are free."""
        return {**dict.fromkeys(SHARES, 0), **{
            pool.name.partition('#')[2]: pool.free_capacity_gb
            for pool in self.cloud.cinder.pools.list(detailed=True)}}

    def wait_free(self, is_so):
        _wait(lambda: is_so(self.free()))

    def wait_reports(self):
        """Until each service has reported anew."""
        before = self._reports()
        _wait(lambda: all(when > before[service] for service, when
                          in self._reports().items()))

    def _reports(self):
        return {(service.binary, service.host): service.updated_at
                for service in self.cloud.cinder.services.list()}


def _wait(is_so):
    deadline = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(params=specs.CONCURRENCY)
def stopped(request, tmp_path, broker):
    """A Host whose cloud is not started."""
    exports = {share: tmp_path / hashlib.md5(share.encode()).hexdigest()
               for share in SHARES}
    with user_mount.UserMount(tmp_path / 'mounter') as mounter:
        for share, folder in exports.items():
            folder.mkdir()
            mounter.export(share, folder)
        options = backends.nfs(
            str(tmp_path), 'both', SHARES, nfs_share_timeout=TIMEOUT,
            nfs_mount_timeout=TIMEOUT)
        spec = specs.Spec(
            root=str(tmp_path / 'cloud'), backends={'both': options},
            glance=False, concurrency=request.param, options={
                'DEFAULT': {'scheduler_default_filters': [
                    'AvailabilityZoneFilter', 'CapacityFilter',
                    'CapabilitiesFilter', 'JsonFilter']}})
        cloud = stock.Cloud(spec, broker, mounter.programs)
        try:
            yield Host(cloud, mounter, exports)
        finally:
            for share in SHARES:
                mounter.serve(share)
                mounter.thaw(share)
            cloud.stop()


def test_a_server_falls_silent(stopped):
    host = stopped
    host.cloud.start()
    on_dead, on_live = host.create(DEAD), host.create(LIVE)
    assert host.files(DEAD) == {'volume-' + on_dead.id}
    host.mounter.freeze(DEAD)
    host.cloud.cinder.volumes.extend(on_dead.id, 2)
    # Nobody else waits.
    host.cloud.cinder.volumes.extend(on_live.id, 2)
    host.cloud.wait_extended(on_live.id, 2)
    host.cloud.wait_volume(on_dead.id, 'error_extending')
    host.wait_free(lambda free: free[DEAD] == 0 < free[LIVE])
    for _number in range(3):
        volume = host.create()
        assert 'volume-' + volume.id in host.files(LIVE)
    # It goes on reporting.
    for _number in range(3):
        host.wait_reports()
    host.mounter.thaw(DEAD)
    host.wait_free(lambda free: free[DEAD] > 0)
    host.cloud.cinder.volumes.reset_state(on_dead.id, 'available')
    host.cloud.cinder.volumes.extend(on_dead.id, 2)
    host.cloud.wait_extended(on_dead.id, 2)
    host.cloud.cinder.volumes.delete(on_dead.id)
    host.cloud.wait_gone(on_dead.id)
    assert host.files(DEAD) == set()


@pytest.mark.parametrize('stopped', [specs.EVENTLET], indirect=True)
def test_started_while_a_server_is_silent(stopped):
    host = stopped
    host.mounter.hang(DEAD)
    host.cloud.start()
    volume = host.create()
    assert host.files(LIVE) == {'volume-' + volume.id}
    assert host.free()[DEAD] == 0
    host.mounter.serve(DEAD)
    host.wait_free(lambda free: free[DEAD] > 0)
    host.create(DEAD)


@pytest.mark.parametrize('stopped', [specs.THREADS], indirect=True)
def test_restarted_while_a_server_is_silent(stopped):
    """With volumes on it, and its mount still there."""
    host = stopped
    host.cloud.start()
    on_dead, on_live = host.create(DEAD), host.create(LIVE)
    host.mounter.freeze(DEAD)
    host.cloud.kill_cinder()
    host.cloud.start_cinder()
    host.cloud.cinder.volumes.extend(on_live.id, 2)
    host.cloud.wait_extended(on_live.id, 2)
    host.cloud.cinder.volumes.delete(on_dead.id)
    host.cloud.wait_volume(on_dead.id, 'error_deleting')
    host.mounter.thaw(DEAD)
    host.wait_free(lambda free: free[DEAD] > 0)
    assert host.files(DEAD) == {'volume-' + on_dead.id}
    host.cloud.cinder.volumes.reset_state(on_dead.id, 'available')
    host.cloud.cinder.volumes.delete(on_dead.id)
    host.cloud.wait_gone(on_dead.id)
    assert host.files(DEAD) == set()
