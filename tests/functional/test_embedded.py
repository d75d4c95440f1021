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

"""The embedded cloud itself: it starts, ends and comes back as it must."""

import contextlib
import glob
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import pytest

from remotefs_drivers.embedded import attachment
from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import waiting

from tests.functional import conftest
from tests.functional import stages

DATA = b'do not forget me'

# Seconds. Of processor time, since others may use the machine too; on an
# idle one the start takes less, as Cinder waits for a second in it.
START_GOAL = 5

#: Seconds: far more than anything takes that comes to an end.
_LONG = 300

modes = pytest.mark.parametrize('concurrency', conftest.MODES)


def new_volume(cloud, backend, content=DATA):
    volume = cloud.cinder.volumes.create(1, volume_type=backend).id
    cloud.wait_volume(volume)
    write(cloud, volume, content)
    return volume


def write(cloud, volume, content):
    """Into the file as it lies: for qcow2 that is its header's slack."""
    with attachment.Attachment(cloud, volume) as attached:
        with open(attached.path, 'r+b') as disk:
            disk.seek(-len(content), os.SEEK_END)
            disk.write(content)


def read(cloud, volume):
    with attachment.Attachment(cloud, volume, mode='ro') as attached:
        with open(attached.path, 'rb') as disk:
            disk.seek(-len(DATA), os.SEEK_END)
            return disk.read()


def delete_volumes(cloud, volumes):
    for volume in volumes:
        cloud.cinder.volumes.delete(volume)
    for volume in volumes:
        cloud.wait_gone(volume)


def group_of(leader):
    """Process ids of the leader's group."""
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path) as stat:
                fields = stat.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != 'Z':
            found.append(int(path.split('/')[2]))
    return found


def listening_sockets(pid):
    """(address, port) of each socket that a process listens on."""
    inodes = {target[len('socket:['):-1] for target in _opened(pid)
              if target.startswith('socket:[')}
    found = set()
    for family, name in ((socket.AF_INET, 'tcp'), (socket.AF_INET6, 'tcp6')):
        with open('/proc/%d/net/%s' % (pid, name)) as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == '0A' and fields[9] in inodes:
                    found.add(_address(family, fields[1]))
    return found


def _opened(pid):
    """What the descriptors of a process lead to."""
    for link in glob.glob('/proc/%d/fd/*' % pid):
        # It may be closed by now.
        with contextlib.suppress(OSError):
            yield os.readlink(link)


def _address(family, text):
    """The kernel writes each word of the address in the host's order."""
    address, port = text.split(':')
    words = [bytes.fromhex(address[i:i + 8])
             for i in range(0, len(address), 8)]
    if sys.byteorder == 'little':
        words = [word[::-1] for word in words]
    return socket.inet_ntop(family, b''.join(words)), int(port, 16)


@pytest.mark.short
@modes
def test_it_starts_quickly(new_cloud, concurrency):
    cloud = new_cloud(concurrency=concurrency)
    cloud.start()
    used = sum(map(processor_time, group_of(cloud.pids['cinder'])))
    assert used < START_GOAL


def processor_time(pid):
    try:
        with open('/proc/%d/stat' % pid) as stat:
            fields = stat.read().rpartition(')')[2].split()
    except OSError:
        # One of those that live for a moment.
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


@modes
def test_it_runs_in_the_mode_that_was_asked_for(new_cloud, concurrency):
    cloud = new_cloud(concurrency=concurrency, glance=False)
    cloud.start()
    with open(cloud.spec.path('log', 'cinder.log')) as log:
        said = [line for line in log if 'Cinder answers at' in line]
    assert len(said) == 1 and said[0].strip().endswith({
        'eventlet': 'with eventlet', 'threads': 'with native threads'}
        [concurrency])


@modes
def test_it_listens_on_loopback_only(new_cloud, concurrency):
    cloud = new_cloud(concurrency=concurrency)
    cloud.start()
    found = set()
    for leader in cloud.pids.values():
        for pid in group_of(leader):
            found |= listening_sockets(pid)
    assert found == {(config.ADDRESS, cloud.ports.cinder),
                     (config.ADDRESS, cloud.ports.glance)}


def test_nobody_shares_its_ports(new_cloud):
    first, second = new_cloud('first', glance=False), new_cloud(
        'second', glance=False)
    first.start()
    second.start()
    assert first.ports.cinder != second.ports.cinder
    with pytest.raises(errors.PortTaken, match=str(first.ports.cinder)):
        clouds.Cloud(first.spec).start()
    first.check()
    assert first.cinder.volumes.list() == []


@pytest.mark.short
@modes
@pytest.mark.turns
@pytest.mark.parametrize('end', ['stop', 'kill'])
def test_its_volumes_are_back(new_cloud, concurrency, end):
    cloud = new_cloud(concurrency=concurrency, glance=False)
    cloud.start()
    volumes = [new_volume(cloud, backend) for backend in ('alpha', 'beta')]
    ports = cloud.ports
    codes = cloud.stop(_LONG) if end == 'stop' else cloud.kill()
    assert codes == {'cinder': 0 if end == 'stop' else -signal.SIGKILL}
    cloud.start()
    assert cloud.ports == ports
    assert [read(cloud, volume) for volume in volumes] == [DATA, DATA]
    delete_volumes(cloud, volumes)
    for share in cloud.spec.folders:
        assert stages.left(share) == set()


@pytest.fixture
def hanging_qemu_img(tmp_path, monkeypatch):
    """A qemu-img that does nothing, and its mark that it was started."""
    started, over = tmp_path / 'started', tmp_path / 'over'
    program = tmp_path / 'qemu-img'
    program.write_text('#!/bin/sh\ntouch %s\n'
                       'while [ ! -e %s ]; do sleep 0.1; done\nexit 1\n'
                       % (started, over))
    program.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv('PATH', '%s:%s' % (tmp_path, os.environ['PATH']))
        yield started
    over.touch()


def make_thick(cloud):
    """Have beta be the first backend, and its volumes made by qemu-img."""
    backends = cloud.spec.backends
    cloud.spec = cloud.spec.replace(backends={
        'beta': dict(backends['beta'], nas_volume_prov_type='thick'),
        'alpha': backends['alpha']})


def hang_in_create(cloud, started):
    """The volume that is being made, for ever."""
    volume = cloud.cinder.volumes.create(1, volume_type='beta').id
    cloud.wait(started.exists, _LONG, 'qemu-img to be started')
    assert cloud.cinder.volumes.get(volume).status == 'creating'
    return volume


@modes
def test_it_stops_with_requests_under_way(new_cloud, concurrency,
                                          hanging_qemu_img):
    cloud = new_cloud(concurrency=concurrency, glance=False)
    make_thick(cloud)
    cloud.start()
    hang_in_create(cloud, hanging_qemu_img)
    # By itself, not by force; qemu-img goes on for ever.
    assert cloud.stop(_LONG) == {'cinder': 0}


def workers(cloud):
    """(volume, host of the service that works on it), from the database."""
    path = cloud.spec.path('cinder.sqlite')
    with contextlib.closing(sqlite3.connect(
            path, timeout=_LONG)) as database:
        return database.execute(
            'SELECT resource_id, host FROM workers JOIN services '
            'ON services.id = workers.service_id WHERE workers.deleted = 0'
        ).fetchall()


@pytest.mark.short
@modes
@pytest.mark.turns
@pytest.mark.parametrize('end', ['stop', 'kill'])
def test_a_service_knows_what_it_was_doing(new_cloud, concurrency, end,
                                           hanging_qemu_img):
    """By its id in the database, which is not that of the last service."""
    cloud = new_cloud(concurrency=concurrency, glance=False)
    make_thick(cloud)
    cloud.start()
    volume = hang_in_create(cloud, hanging_qemu_img)
    assert workers(cloud) == [(volume, 'embedded@beta')]
    getattr(cloud, end)()
    cloud.start()
    assert cloud.cinder.volumes.get(volume).status == 'error'
    delete_volumes(cloud, [volume])
    for share in cloud.spec.folders:
        assert stages.left(share) == set()


def test_it_dies_with_its_parent(tmp_path):
    source = (
        'import sys, time\n'
        'from remotefs_drivers.embedded import cloud, spec\n'
        'running = cloud.Cloud(spec.two_posix_backends(%r, glance=False))\n'
        'running.start()\n'
        'print(running.pids["cinder"], flush=True)\n'
        'time.sleep(600)\n' % str(tmp_path / 'cloud'))
    with subprocess.Popen([sys.executable, '-c', source],
                          stdout=subprocess.PIPE, text=True) as parent:
        try:
            pid = int(parent.stdout.readline())
            assert group_of(pid)
        finally:
            parent.kill()
    waiting.until(lambda: not group_of(pid), _LONG, 'Cinder to end')


def test_a_backend_that_cannot_start_is_explained(new_cloud):
    cloud = new_cloud(glance=False)
    backends = {name: dict(options)
                for name, options in cloud.spec.backends.items()}
    backends['beta']['posix_directories'] = [str(cloud.spec.path('gone'))]
    cloud.spec = cloud.spec.replace(backends=backends)
    with pytest.raises(errors.CloudError, match='gone'):
        cloud.start(limit=_LONG)
    assert not cloud.alive
    cloud.start(backends=['alpha'])
    new_volume(cloud, 'alpha')


def test_it_never_asks_for_another_user(new_cloud, tmp_path, monkeypatch):
    asked = tmp_path / 'asked'
    for name in ('sudo', 'doas', 'su', 'pkexec'):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "$0 $*" >>%s\nexit 1\n' % asked)
        program.chmod(0o755)
    monkeypatch.setenv('PATH', '%s:%s' % (tmp_path, os.environ['PATH']))
    cloud = new_cloud()
    cloud.start()
    volume = new_volume(cloud, 'alpha')
    cloud.cinder.volumes.retype(volume, 'beta', 'on-demand')
    cloud.wait_retyped(volume, 'beta')
    assert read(cloud, volume) == DATA
    assert not asked.exists()


def test_a_backup_is_restored(steps):
    cloud = steps.cloud
    volume = steps.create('alpha').id
    write(cloud, volume, DATA)
    backup = cloud.cinder.backups.create(volume).id
    cloud.wait_backup(backup)
    cloud.wait_volume(volume)
    write(cloud, volume, b'x' * len(DATA))
    cloud.cinder.restores.restore(backup, volume)
    cloud.wait_backup(backup)
    cloud.wait_volume(volume)
    assert read(cloud, volume) == DATA
    cloud.cinder.backups.delete(backup)
    cloud.wait_gone(backup, kind='backup')
    delete_volumes(cloud, [volume])
