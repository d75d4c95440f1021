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


"""What a driver has to know of the cluster that its service is in."""

import logging

from cinder import coordination  # noqa: F401  registers the option
import pytest

from remotefs_drivers import errors
from remotefs_drivers import glusterfs
from remotefs_drivers import nfs
from remotefs_drivers import posix
from remotefs_drivers import remotefs
from remotefs_drivers.remotefs import volumes
from tests.unit import fakes

CLUSTER = 'cluster@backend'


@pytest.mark.parametrize('cls, supported', [
    (remotefs.RemoteFSDriver, False),
    (remotefs.RemoteFSSnapDriverBase, False),
    (remotefs.RemoteFSSnapDriver, False),
    (remotefs.RemoteFSSnapDriverDistributed, True),
    (posix.PosixDriver, True),
    (nfs.NfsDriver, True),
    (glusterfs.GlusterfsDriver, True),
])
def test_those_with_locks_of_a_cluster_support_one(cls, supported):
    assert cls.SUPPORTS_ACTIVE_ACTIVE is supported
    # Cinder refuses to start a cluster with one of the two only.
    assert cls.supports_replication_feature('a/a') is supported
    assert cls.supports_replication_feature('v2.1') is supported


@pytest.mark.parametrize('verb', ['failover', 'failover_host'])
def test_nothing_is_failed_over(built, verb):
    driver = built.nfs()
    with pytest.raises(errors.NothingToFailOver, match='replicates nothing'):
        getattr(driver, verb)(None, [fakes.Volume()], secondary_id='other',
                              groups=[])


def test_others_may_say_that_they_have_failed_over(built):
    assert built.nfs().failover_completed(None, 'other') is None


@pytest.mark.parametrize('cluster, url, warned', [
    (CLUSTER, 'file:///var/lib/cinder', True),
    (CLUSTER, 'etcd3+http://localhost', False),
    # A single host needs nothing else.
    (None, 'file:///var/lib/cinder', False),
])
def test_a_cluster_is_warned_of_locks_in_files(built, override, caplog,
                                               cluster, url, warned):
    override('coordination', backend_url=url)
    driver = built.nfs()
    driver.cluster_name = cluster
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        driver.check_for_setup_error()
    assert ('cluster@backend: the locks are files' in caplog.text) is warned


@pytest.mark.parametrize('found', [[], ['a volume']])
def test_volumes_on_a_share_may_be_other_hosts(built, monkeypatch, found):
    asked = []

    def get(context, filters, limit):
        asked.append((context.is_admin, filters, limit))
        return found
    monkeypatch.setattr(volumes.objects.VolumeList, 'get_all', get)
    driver = built.nfs()
    driver.cluster_name = CLUSTER
    assert remotefs.RemoteFSDriver._has_volumes(driver, 'nas:/x') is (
        bool(found))
    assert asked == [(True, {'cluster_name': CLUSTER,
                             'provider_location': 'nas:/x'}, 1)]


@pytest.mark.parametrize('host, cluster, same', [
    ('host@backend#nas:/a', CLUSTER + '#nas:/a', True),
    # It goes by another name, and sees the same share.
    ('second@backend#nas:/a', CLUSTER + '#nas:/a', True),
    ('host@backend#nas:/b', CLUSTER + '#nas:/b', False),
    ('second@backend#nas:/a', 'other@backend#nas:/a', False),
    ('host@backend#nas:/a', None, False),
])
def test_retype_stays_in_the_cluster(built, host, cluster, same):
    volume = fakes.Volume(host='host@backend#nas:/a',
                          cluster_name=CLUSTER + '#nas:/a')
    assert built.nfs().retype(None, volume, None, {}, {
        'host': host, 'cluster_name': cluster}) is same
