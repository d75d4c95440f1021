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


"""A cluster: two stock cinder-volume on one share, and one of them dies.

They share the broker, the database, the share with the volumes and an etcd;
a request goes to whichever is free. The share is a folder, or a GlusterFS
that each of them has mounted for itself.
"""

import os
import signal
import time

import pytest

from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded import spec as specs
from tests.functional import slow_merge
from tests.functional import steps as the_steps
from tests.functional import test_layers as layers
from tests.harness import backends
from tests.harness import family
from tests.harness import stock

pytestmark = pytest.mark.root

pytest_plugins = ['tests.harness.fixtures']

#: Services by the host that they run on.
SERVICES = {'one': 'cinder-volume', 'two': 'cinder-volume-two'}
#: Seconds until etcd gives away the locks of a host that died. It renews them
#: after half of that, and must get to do so.
LEASE = 10
_LIMIT = 300
#: Volumes that one host makes while the other one is about to take its part.
_TRIES = 40


class Pair:
    """Two members of a cluster, and a user of theirs."""

    def __init__(self, cloud, folder, flag, behind=()):
        self.cloud = cloud
        self.flag = flag
        self.user = the_steps.Steps(cloud, folder, {'layered': 'alpha'},
                                    behind)

    def both_work(self):
        """Volumes, of which each host has made one at least.

        When it reports, a host that was just started may not yet take what
        is for either of them.
        """
        volumes = [self.user.create('layered')]
        while {self.host(volume) for volume in volumes} != set(SERVICES):
            assert len(volumes) < _TRIES
            volumes.append(self.user.create('layered'))
        return volumes

    def host(self, volume):
        """The host that worked on a volume last."""
        volume = self.cloud.cinder.volumes.get(volume.id)
        return getattr(volume, 'os-vol-host-attr:host').partition('@')[0]

    def kill(self, host, command):
        """The whole host: its service, a command, and what serves mounts."""
        self.cloud.kill_cinder(name=SERVICES[host])
        os.kill(command, signal.SIGKILL)
        for pid in gluster.clients(_mounts(self.cloud.spec.root, host)):
            os.kill(pid, signal.SIGKILL)

    def working(self, name):
        """Commands that work on files of a volume: process id -> host."""
        found = {}
        for host, service in SERVICES.items():
            for pid in family.offspring(self.cloud.pids[service]):
                if name.encode() in family.command_of(pid):
                    found[pid] = host
        return found

    def services(self):
        return {(service.host, service.cluster): service.state
                for service in self.cloud.cinder.services.list(
                    binary='cinder-volume')}

    def delete_again(self, snapshot):
        """As an operator does it."""
        snapshots = self.cloud.cinder.volume_snapshots
        snapshots.reset_state(snapshot.id, 'available')
        snapshots.delete(snapshot.id)


GLUSTERFS = 'glusterfs'
#: Where how Cinder waits makes no difference to what two services do.
one_mode = pytest.mark.parametrize('pair', [specs.EVENTLET], indirect=True)
on_each = pytest.mark.parametrize('pair', [specs.EVENTLET, GLUSTERFS],
                                  indirect=True)


@pytest.fixture(params=[*specs.CONCURRENCY, GLUSTERFS])
def pair(request, tmp_path, broker, etcd):
    programs, flag = slow_merge.install(tmp_path)
    root = str(tmp_path / 'cloud')
    if request.param == GLUSTERFS:
        place = request.getfixturevalue('place')
        folders, backend = [], backends.glusterfs(
            root, 'alpha', [place.share], glusterfs_pool_per_share=True)
        backend['glusterfs_mount_point_base'] = _mounts(root, '$host')
        # A mount that no host takes along when it dies.
        behind = {place.share: place.look()}
    else:
        folders, behind = [str(tmp_path / 'share')], {}
        backend = specs.posix_backend(folders, posix_attach_type='nfs')
    spec = specs.Spec(
        root=root, host='one', folders=folders, glance=False,
        concurrency=request.param if request.param in specs.CONCURRENCY
        else specs.CONCURRENCY[-1],
        backends={'alpha': backend},
        options={'DEFAULT': {'cluster': 'pair'},
                 'coordination': {
                     'backend_url': etcd.url(lock_timeout=LEASE)}})
    with stock.Cloud(spec, broker, str(programs), hosts=['two']) as cloud:
        yield Pair(cloud, tmp_path, flag, behind)


def _mounts(root, host):
    """The base of the mount points of a host."""
    return os.path.join(root, 'mounts-' + host)


@pytest.fixture
def half_done(pair):
    """A volume whose second snapshot is being merged, by one of the two."""
    disk, snapshots = slow_merge.begin(pair.user, 'layered')
    base = os.path.basename(pair.user.path(disk.volume))
    pair.user.until(lambda: pair.working(base), 'the command of the merge')
    (command, host), = pair.working(base).items()
    return disk, snapshots, command, host


@on_each
def test_both_of_them_work(pair):
    """Volumes, snapshots and copies, made by one and deleted by the other."""
    cloud, user = pair.cloud, pair.user
    assert pair.services() == {('one@alpha', 'pair@alpha'): 'up',
                               ('two@alpha', 'pair@alpha'): 'up'}
    pair.flag.unlink()
    user.delete(*pair.both_work())
    disks = [layers.Disk(user, 'layered') for __ in range(4)]
    assert {pair.host(disk.volume) for disk in disks} == set(SERVICES)
    for disk in disks:
        snapshots = [disk.snap(number) for number in (1, 2, 3)]
        disk.write(4)
        copy = user.create('layered', 1, snapshot_id=snapshots[1].id)
        disk.holds(copy, disk.held[snapshots[1].id])
        clone = user.create('layered', 1, source_volid=disk.volume.id)
        disk.holds(clone, disk.state)
        # All at once: they go to both, and are for one volume.
        for snapshot in snapshots:
            cloud.cinder.volume_snapshots.delete(snapshot.id)
        for snapshot in snapshots:
            cloud.wait_gone(snapshot.id, 'snapshot')
        disk.check()
        user.extend(disk.volume, 2)
        disk.size = 2
        disk.check()
        user.delete(copy, clone, disk.volume)
    assert user.files('layered') == set()


@one_mode
def test_a_retype_is_nobodys_move(pair):
    volumes = [pair.user.create('layered') for __ in range(2)]
    before = pair.user.files('layered')
    pair.cloud.cinder.volume_types.create('same').set_keys(
        {'volume_backend_name': 'alpha'})
    for volume in volumes:
        pair.cloud.cinder.volumes.retype(volume.id, 'same', 'never')
        pair.cloud.wait_retyped(volume.id, 'same')
    assert pair.user.files('layered') == before
    pair.user.delete(*volumes)


def test_a_host_dies_in_a_merge(pair, half_done):
    disk, snapshots, command, host = half_done
    pair.kill(host, command)
    _wait_until_gone(command)
    pair.flag.unlink()
    pair.delete_again(snapshots[1])
    pair.cloud.wait_gone(snapshots[1].id, 'snapshot')
    _finish(pair, disk, snapshots)
    # It comes back, and takes its part.
    pair.cloud.start_cinder(name=SERVICES[host])
    pair.user.delete(*pair.both_work())


@one_mode
def test_a_service_dies_and_its_command_goes_on(pair, half_done):
    """Its locks are free after a while; qemu's own are not."""
    disk, snapshots, command, host = half_done
    pair.cloud.kill_cinder(name=SERVICES[host])
    # For as long as the other one needs.
    os.kill(command, signal.SIGSTOP)
    pair.flag.unlink()
    pair.delete_again(snapshots[1])
    pair.cloud.wait_snapshot(snapshots[1].id, 'error_deleting', _LIMIT)
    assert not family.is_gone(command), 'the merge was over too early'
    os.kill(command, signal.SIGCONT)
    _wait_until_gone(command)
    pair.delete_again(snapshots[1])
    pair.cloud.wait_gone(snapshots[1].id, 'snapshot')
    _finish(pair, disk, snapshots)


def _finish(pair, disk, snapshots):
    """All is there; when the rest is deleted, nothing is left."""
    user = pair.user
    first, __, last = snapshots
    merged = dict.fromkeys(
        range(slow_merge.FIRST, slow_merge.FIRST + slow_merge.LENGTH),
        slow_merge.PATTERN)
    disk.state.update(merged)
    disk.held[last.id].update(merged)
    disk.check()
    assert set(user.table(disk.volume)) == {'active', first.id, last.id}
    for snapshot in (first, last):
        copy = user.create('layered', 1, snapshot_id=snapshot.id)
        disk.holds(copy, disk.held[snapshot.id])
        user.delete(copy)
        user.delete_snapshot(snapshot)
    disk.check()
    user.delete(disk.volume)
    assert user.files('layered') == set()


def _wait_until_gone(pid):
    deadline = time.monotonic() + _LIMIT
    while not family.is_gone(pid):
        assert time.monotonic() < deadline, 'process %d goes on' % pid
        time.sleep(0.1)
