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

"""Our drivers in a stock Cinder: its own programs, RabbitMQ, cinder.conf.

All other functional tests may run on the embedded cloud. These show that
nothing of it is needed: separate processes that share a broker and a
database, whose workers are forked after the drivers were built.

As an ordinary user there is PosixDriver. NfsDriver needs mounts, so its
tests are root's, who runs Cinder as an ordinary user in one of them.
"""

import os
import pwd

import pytest

from remotefs_drivers.embedded import attachment
from remotefs_drivers.embedded import spec as specs
from remotefs_drivers.share import mountinfo
from tests.functional import content
from tests.harness import backends
from tests.harness import family
from tests.harness import stock
from tests.harness import user_mount

pytest_plugins = ['tests.harness.fixtures']

FORMATS = {'alpha': 'raw', 'beta': 'qcow2', 'gamma': 'raw', 'delta': 'qcow2'}
SHARES = {'gamma': '127.0.0.1:/export/gamma',
          'delta': '127.0.0.1:/export/delta'}

PATTERN = 0x5a


class Running:
    """A stock cloud, and where its volumes lie.

    :param exports: backend -> folder that plays its NFS export
    :param user: id of the user that Cinder runs as
    """

    def __init__(self, cloud, exports=None, user=None):
        self.cloud = cloud
        self.exports = exports or {}
        self.user = os.geteuid() if user is None else user

    @property
    def names(self):
        return sorted(self.cloud.spec.backends)

    def share(self, name):
        """What the driver calls the first share of a backend."""
        options = self.cloud.spec.backends[name]
        return options.get('posix_directories', [SHARES.get(name)])[0]

    def folder(self, name):
        """Where the files of a backend are, behind all mounts."""
        return str(self.exports.get(name) or self.share(name))

    def create(self, name, size=1, **kwargs):
        volume = self.cloud.cinder.volumes.create(size, volume_type=name,
                                                  **kwargs)
        return self.cloud.wait_volume(volume.id)

    def path(self, name, volume):
        return os.path.join(self.folder(name), 'volume-' + volume.id)

    def attached(self, volume):
        base = self.cloud.spec.path('nfs', 'mnt')
        return attachment.Attachment(self.cloud, volume.id, mount_base=base)

    def delete(self, *volumes):
        for volume in volumes:
            self.cloud.cinder.volumes.delete(volume.id)
        for volume in volumes:
            self.cloud.wait_gone(volume.id)


@pytest.fixture(scope='module', params=specs.CONCURRENCY)
def posix(request, tmp_path_factory, broker):
    """PosixDriver, raw and qcow2, by whoever runs the tests."""
    spec = backends.posix(tmp_path_factory.mktemp('posix'), glance=False,
                          concurrency=request.param)
    with stock.Cloud(spec, broker) as cloud:
        yield Running(cloud)


@pytest.fixture(scope='module', params=['as root', 'as a user'])
def both(request, tmp_path_factory, broker):
    """PosixDriver and NfsDriver, raw and qcow2."""
    user = None if request.param == 'as root' else _user()
    root = tmp_path_factory.mktemp('both')
    exports = {name: root / 'exports' / name for name in SHARES}
    _open_way(root)
    with user_mount.UserMount(root / 'mounter', user) as mounter:
        for name, export in exports.items():
            export.mkdir(parents=True)
            os.chown(export, -1 if user is None else user, -1)
            mounter.export(SHARES[name], export)
        spec = backends.with_nfs(
            backends.posix(root / 'cloud', glance=False), SHARES)
        with stock.Cloud(spec, broker, mounter.programs, user) as cloud:
            yield Running(cloud, exports, user)


def test_posix_pools(posix):
    _check_pools(posix)


@pytest.mark.root
def test_pools(both):
    _check_pools(both)
    for name in SHARES:
        point = backends.mount_point(both.cloud.spec.backends[name],
                                     SHARES[name])
        assert mountinfo.find(point).source == SHARES[name]


@pytest.mark.root
def test_it_runs_as_that_user(both):
    assert {user for user, __ in _family(both)} == {both.user}


@pytest.mark.parametrize('name', ['alpha', 'beta'])
def test_posix_round(posix, name):
    _check_round(posix, name)


@pytest.mark.root
@pytest.mark.parametrize('name', sorted(FORMATS))
def test_round(both, name):
    _check_round(both, name)


def test_posix_killed(posix):
    _check_killed(posix)


@pytest.mark.root
def test_killed(both):
    _check_killed(both)


def test_restart(posix):
    volumes = {name: posix.create(name) for name in posix.names}
    posix.cloud.restart()
    for name, volume in volumes.items():
        assert posix.cloud.wait_volume(volume.id).size == 1
        assert os.path.exists(posix.path(name, volume))
    posix.delete(*volumes.values())


def test_nobody_becomes_somebody_else(posix):
    """No sudo, no rootwrap and no daemon is needed for PosixDriver."""
    posix.delete(*[posix.create(name) for name in posix.names])
    found = list(_family(posix))
    assert len(found) > len(posix.names)
    for user, command in found:
        assert user == os.geteuid()
        for word in ('sudo', 'rootwrap', 'privsep'):
            assert word not in command


def _family(running):
    """User and command of cinder-volume, and of all that it has started."""
    leader = running.cloud.pids['cinder-volume']
    for pid in (leader, *family.offspring(leader)):
        try:
            with open('/proc/%d/cmdline' % pid) as command:
                yield os.stat('/proc/%d' % pid).st_uid, command.read()
        except FileNotFoundError:
            # One that looks after a share lives for a moment only.
            pass


def _check_pools(running):
    cinder = running.cloud.cinder
    services = {(service.binary, service.host.rpartition('@')[2])
                for service in cinder.services.list()
                if service.state == 'up'}
    host = running.cloud.spec.host
    assert services == {('cinder-scheduler', host)} | {
        ('cinder-volume', name) for name in running.names}
    pools = {pool.name: pool for pool in cinder.pools.list(detailed=True)}
    assert set(pools) == {'%s@%s#%s' % (host, name, running.share(name))
                          for name in running.names}
    for name in running.names:
        pool = pools['%s@%s#%s' % (host, name, running.share(name))]
        room = os.statvfs(running.folder(name))
        total = room.f_blocks * room.f_frsize / content.GIB
        assert abs(pool.total_capacity_gb - total) < 0.1
        assert pool.volume_backend_name == name


def _check_round(running, name):
    """Create, attach and write, clone, extend, delete."""
    volume = running.create(name)
    path = running.path(name, volume)
    with running.attached(volume) as attached:
        assert attached.format == FORMATS[name]
        content.write(attached.path, FORMATS[name], PATTERN, 0, content.MIB)
    content.assert_pattern(path, FORMATS[name], PATTERN, 0, content.MIB)
    clone = running.create(name, 2, source_volid=volume.id)
    running.cloud.cinder.volumes.extend(volume.id, 3)
    running.cloud.wait_extended(volume.id, 3)
    assert content.size(path, FORMATS[name]) == 3 * content.GIB
    path = running.path(name, clone)
    assert content.size(path, FORMATS[name]) == 2 * content.GIB
    content.assert_pattern(path, FORMATS[name], PATTERN, 0, content.MIB)
    running.delete(volume, clone)
    assert not [file for file in os.listdir(running.folder(name))
                if file.startswith('volume-')]


def _check_killed(running):
    """SIGKILL to cinder-volume loses nothing."""
    volumes = {name: running.create(name) for name in running.names}
    for name, volume in volumes.items():
        content.write(running.path(name, volume), FORMATS[name], PATTERN,
                      content.MIB, content.MIB)
    leader = running.cloud.pids['cinder-volume']
    workers = family.children(leader)
    running.cloud.kill_cinder()
    for worker in workers:
        assert family.is_gone(worker)
    running.cloud.start_cinder()
    assert running.cloud.pids['cinder-volume'] != leader
    for name, volume in volumes.items():
        content.assert_pattern(running.path(name, volume), FORMATS[name],
                               PATTERN, content.MIB, content.MIB)
        with running.attached(volume) as attached:
            content.assert_pattern(attached.path, FORMATS[name], PATTERN,
                                   content.MIB, content.MIB)
    running.delete(*volumes.values())


def _user():
    """An ordinary user without any rights."""
    return pwd.getpwnam('nobody').pw_uid


def _open_way(folder):
    """Let other users reach what is below a folder of pytest's."""
    for path in [folder, *folder.parents]:
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o055)
        if path.name.startswith('pytest-of-'):
            break
