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
"""Nothing of a hypervisor is left, however it ends.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import compute
from remotefs_drivers.embedded.hypervisor import guest
from remotefs_drivers.embedded import keeper
from tests.functional import disks
from tests.harness import recorder

LIMIT = 300

# Two guests, of which one is in the midst of a merge; prints their ids.
PARENT = """\
import sys, threading, time
from remotefs_drivers.embedded.hypervisor import compute
from tests.harness import recorder
nova = compute.Compute(sys.argv[1])
nova.start()
nova.cinder = recorder.Recorder(sys.argv[2])
for name in ('one', 'two'):
    nova.cinder.offer(name, name, 'qcow2')
    nova.attach('server', name)
guests = [disk.guest for disk in
          nova.servers.get('server').disks.values()]
with guests[0].connect() as disk:
    disk.write(0, b'x' * (4 << 20))
guests[0].snapshot(sys.argv[2] + '/one.1')
threading.Thread(target=guests[0].stream, args=(None,), daemon=True,
                 kwargs={'speed': 1 << 16}).start()
print(*[each.pid for each in guests], flush=True)
time.sleep(600)
"""


@pytest.fixture
def share(tmp_path):
    return disks.Share(tmp_path / 'share', tmp_path / 'scratch')


def _is_running(pid):
    try:
        with open('/proc/%d/stat' % pid) as stream:
            state = stream.read().rpartition(')')[2].split()[0]
        # The other threads of a dead one may have its files for a moment.
        return state != 'Z' or len(os.listdir('/proc/%d/task' % pid)) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_gone(pids):
    deadline = time.monotonic() + LIMIT
    while any(map(_is_running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def ours():
    """The names of a hypervisor's threads that the test has started.

    Those of clouds that other tests use go on.
    """
    before = set(threading.enumerate())
    return lambda: [thread.name for thread in threading.enumerate()
                    if thread not in before and
                    thread.name.startswith(('guest', 'hypervisor'))]


def _sockets(folder):
    return [name for name in os.listdir(folder) if name.endswith('.nbd')]


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_parent_that_is_killed(tmp_path, share, number):
    for name in ('one', 'two'):
        share.create(name, 'qcow2')
    share.overlay('one.1', 'one', 'qcow2')
    with subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', PARENT,
             str(tmp_path / 'nova'), share.folder],
            stdout=subprocess.PIPE, cwd=keeper.REPOSITORY) as parent:
        pids = list(map(int, parent.stdout.readline().split()))
        parent.send_signal(number)
    assert len(pids) == 2
    _wait_gone(pids)
    # And nobody has the files any more.
    assert not disks.is_locked(share.path('one.1'), 'qcow2')


def test_close(tmp_path, share, ours):
    share.create('one', 'qcow2')
    before = set(os.listdir('/proc/self/fd'))
    nova = compute.Compute(tmp_path / 'nova')
    with pytest.raises(ZeroDivisionError):
        with nova:
            nova.cinder = recorder.Recorder(share.folder)
            nova.cinder.offer('one', 'one', 'qcow2')
            pid = nova.attach('server', 'one').guest.pid
            assert _sockets(nova.folder) and ours()
            raise ZeroDivisionError()
    assert not _is_running(pid)
    assert _sockets(nova.folder) == [] and ours() == []
    assert set(os.listdir('/proc/self/fd')) == before
    assert os.listdir(share.folder) == ['one']


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_guest(tmp_path, share, ours, how):
    path = share.create('one', 'raw')
    before = set(os.listdir('/proc/self/fd'))
    one = guest.Guest(tmp_path / 'guests', path, 'raw')
    one.start()
    pid = one.pid
    with pytest.raises(errors.GuestFailed, match='runs already'):
        one.start()
    getattr(one, how)()
    assert not _is_running(pid) and not one.alive
    assert os.listdir(tmp_path / 'guests') == ['guest.log'] and ours() == []
    assert set(os.listdir('/proc/self/fd')) == before
    # Twice does no harm.
    one.stop()
    one.kill()
    with pytest.raises(errors.GuestFailed):
        one.resize(1 << 30)


def test_guest_that_can_not_start(tmp_path, share, ours):
    one = guest.Guest(tmp_path / 'guests', share.path('missing'), 'qcow2')
    with pytest.raises(errors.GuestFailed):
        one.start()
    assert not one.alive and ours() == []
    assert _sockets(tmp_path / 'guests') == []


def test_program_that_is_missing(tmp_path, share, ours, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    one = guest.Guest(tmp_path / 'guests', share.path('any'), 'raw')
    with pytest.raises(errors.NotInstalled, match='qemu-storage-daemon'):
        one.start()
    assert ours() == []


def test_guest_outlives_the_thread_that_started_it(tmp_path, share):
    one = guest.Guest(tmp_path / 'guests', share.create('one', 'raw'), 'raw')
    starter = threading.Thread(target=one.start)
    starter.start()
    starter.join()
    time.sleep(0.2)
    with one.connect() as disk:
        assert disk.read(0, 512) == bytes(512)
    one.stop()
