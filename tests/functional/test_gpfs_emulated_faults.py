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

"""The emulated GPFS fails on demand, and leaves nothing behind."""

import concurrent.futures
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from remotefs_drivers.embedded.gpfs import storage
from remotefs_drivers.embedded import mounts
from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.share import mountinfo
from tests.functional import gpfs_hosts


class TestFaults:
    def test_it_fails(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=7, text='no luck', times=2)
        for __ in range(2):
            with pytest.raises(errors.GpfsCommandFailed,
                               match='exit code 7: mmclone: no luck'):
                hosts.snap()
        assert os.listdir(hosts.a) == ['volume']
        hosts.snap()

    def test_any_program(self, hosts):
        hosts.gpfs.fault(code=3)
        assert hosts.run('mmgetstate', '-Y').returncode == 3
        assert hosts.run('mmgetstate', '-Y').returncode == 0

    def test_with_certain_arguments(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', containing='copy', code=3)
        hosts.snap()
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.copy()

    def test_it_was_done_after_all(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=1, when='after')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.snap()
        assert hosts.show('volume') == (False, 1, 'volume.snap')

    def test_half_of_a_snap(self, hosts):
        hosts.file()
        hosts.gpfs.fault('mmclone', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.snap()
        assert (hosts.a / 'volume.snap').read_bytes() == b'old'
        for name in 'volume', 'volume.snap':
            assert hosts.show(name) == (None, None, None)

    def test_half_of_a_copy(self, hosts):
        hosts.file()
        hosts.snap()
        hosts.gpfs.fault('mmclone', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.copy()
        assert (hosts.a / 'clone').read_bytes() == b''

    def test_half_of_a_snapshot(self, hosts):
        group = hosts.group()
        (group / 'one').write_bytes(b'1')
        hosts.gpfs.fault('mmcrsnapshot', code=137, when='half')
        with pytest.raises(errors.GpfsCommandFailed):
            hosts.commands.create_snapshot('gpfs0', gpfs_hosts.GROUP, 's')
        found, = hosts.commands.snapshots('gpfs0', gpfs_hosts.GROUP)
        assert found.status != 'Valid'
        hosts.commands.delete_snapshot('gpfs0', gpfs_hosts.GROUP, 's')

    def test_there_is_no_half_of_others(self, hosts):
        with pytest.raises(ValueError):
            hosts.gpfs.fault('mmgetstate', code=1, when='half')

    def test_it_is_slow(self, hosts):
        hosts.gpfs.fault('mmgetstate', seconds=gpfs_hosts.SHORT)
        begin = time.monotonic()
        assert hosts.commands.state() == 'active'
        assert time.monotonic() - begin >= gpfs_hosts.SHORT

    @pytest.mark.parametrize('when, names', [
        ('before', ['volume']), ('after', ['volume', 'volume.snap'])])
    def test_it_hangs_and_is_killed(self, hosts, when, names):
        hosts.file()
        hosts.gpfs.fault('mmclone', hangs=True, when=when)
        for seconds in gpfs_hosts.ATTEMPTS:
            hosts.commands = commands.Commands(timeout=seconds)
            with pytest.raises(errors.GpfsCommandTimeout,
                               match='could not make a clone parent'):
                hosts.snap()
            # It may not even have been begun.
            if hosts.gpfs.calls():
                break
        gpfs_hosts.wait(lambda: sorted(os.listdir(hosts.a)) == names)

    def test_its_children_are_killed_too(self, hosts):
        """The program is a shell script that starts another one, at times.
        """
        path = os.path.join(hosts.gpfs.programs('a'), 'mmgetstate')
        marker = hosts.gpfs.folder + '/pid'
        with open(path, 'w') as script:
            script.write('#!/bin/sh\nsleep 600 & echo $! > %s\nwait\n'
                         % marker)
        for seconds in gpfs_hosts.ATTEMPTS:
            with pytest.raises(errors.GpfsCommandTimeout):
                commands.Commands(timeout=seconds).state()
            if os.path.exists(marker) and os.path.getsize(marker):
                break
        with open(marker) as stream:
            pid = int(stream.read())
        gpfs_hosts.wait(lambda: not _is_alive(pid))

    def test_it_hangs_until_it_is_let_go(self, hosts):
        hosts.gpfs.fault('mmgetstate', hangs=True, times=-1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(hosts.run, 'mmgetstate', '-Y')
            gpfs_hosts.wait(hosts.gpfs.calls)
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(gpfs_hosts.SHORT)
            hosts.gpfs.release()
            assert waiting.result(gpfs_hosts.LONG).returncode == 1
        assert hosts.commands.state() == 'active'

    @pytest.mark.parametrize('state', ['down', 'arbitrating', 'unknown'])
    def test_a_node_is_down(self, hosts, state):
        hosts.file()
        hosts.gpfs.set_state('a', state)
        assert hosts.commands.state() == state
        with pytest.raises(errors.GpfsCommandFailed, match=state):
            hosts.snap()
        with pytest.raises(errors.GpfsCommandFailed, match=state):
            hosts.commands.has_pool('gpfs0', 'system')
        done = hosts.run('mmclone', 'show', hosts.b / 'volume', host='b')
        assert done.returncode == 0
        if state == 'down':
            for function in os.stat, os.statvfs, os.listdir:
                with gpfs_hosts.refused(errno.ESTALE):
                    function(hosts.a)
        hosts.gpfs.set_state('a', 'active')
        hosts.snap()

    def test_it_is_unmounted(self, hosts):
        path = hosts.file()
        hosts.gpfs.unmount('a')
        assert not path.exists()
        point, __ = mountinfo.holding(str(hosts.a))
        assert point != str(hosts.a)
        with pytest.raises(errors.GpfsCommandFailed, match='not in a GPFS'):
            hosts.commands.attributes(str(hosts.a))
        assert (hosts.b / 'volume').read_bytes() == b'old'
        hosts.gpfs.mount('a', hosts.a)
        assert path.read_bytes() == b'old'

    @pytest.mark.parametrize('which', ['one host', 'all'])
    def test_it_is_silent(self, hosts, which):
        """Who touches it hangs, and goes on when it answers again."""
        path = hosts.file()
        silence, wake = {
            'one host': (lambda: hosts.gpfs.silence('a'),
                         lambda: hosts.gpfs.wake('a')),
            'all': (lambda: os.kill(hosts.gpfs.pid, signal.SIGSTOP),
                    lambda: os.kill(hosts.gpfs.pid, signal.SIGCONT))}[which]
        silence()
        try:
            with subprocess.Popen(['stat', str(path)],
                                  stdout=subprocess.DEVNULL) as child:
                with pytest.raises(subprocess.TimeoutExpired):
                    child.wait(gpfs_hosts.SHORT)
                if which == 'one host':
                    assert (hosts.b / 'volume').read_bytes() == b'old'
                    hosts.run('mmclone', 'show', path).check_returncode()
                wake()
                assert child.wait(gpfs_hosts.LONG) == 0
        finally:
            wake()

    def test_it_is_silent_to_the_end(self, tmp_path):
        """Who hangs gets an error when it is taken down."""
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            gpfs.silence('a')
            child = subprocess.Popen(['stat', str(tmp_path / 'a' / 'x')],
                                     stderr=subprocess.DEVNULL)
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(gpfs_hosts.SHORT)
        assert child.wait(gpfs_hosts.LONG) == 1
        assert mounts.below(tmp_path) == []

    def test_what_was_run(self, hosts):
        hosts.file()
        hosts.gpfs.calls()
        hosts.snap()
        hosts.run('mmgetstate', '-Y', host='b')
        assert hosts.gpfs.calls() == [
            ['a', 'mmclone', 'snap', str(hosts.a / 'volume'),
             str(hosts.a / 'volume.snap')], ['b', 'mmgetstate', '-Y']]
        assert hosts.gpfs.calls() == []


class TestTheEnd:
    def test_all_is_taken_down(self, tmp_path):
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            assert mounts.below(tmp_path)
        assert mounts.below(tmp_path) == []

    def test_all_is_taken_down_while_it_is_used(self, tmp_path):
        with storage.Storage(tmp_path / 'gpfs') as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            stream = open(tmp_path / 'a' / 'file', 'wb', buffering=0)
        assert mounts.below(tmp_path) == []
        with pytest.raises(OSError):
            stream.write(b'x')
        with pytest.raises(OSError):
            stream.close()

    def test_when_the_tests_are_killed(self, tmp_path):
        """The server sees it by its pipe."""
        ready = tmp_path / 'ready'
        program = (
            'import time\n'
            'from remotefs_drivers.embedded.gpfs import storage\n'
            'with storage.Storage(%r) as gpfs:\n'
            '    gpfs.mount("a", %r)\n'
            '    open(%r, "w").close()\n'
            '    time.sleep(600)\n' % (str(tmp_path / 'gpfs'),
                                       str(tmp_path / 'a'), str(ready)))
        with subprocess.Popen([sys.executable, '-W', 'ignore', '-c',
                               program]) as child:
            gpfs_hosts.wait(ready.exists)
            assert mounts.below(tmp_path)
            child.kill()
        gpfs_hosts.wait(lambda: not mounts.below(tmp_path))

    def test_two_at_a_time(self, tmp_path):
        with storage.Storage(tmp_path / 'one') as one:
            with storage.Storage(tmp_path / 'two') as two:
                one.mount('a', tmp_path / 'a')
                two.mount('a', tmp_path / 'b')
                (tmp_path / 'a' / 'x').touch()
                assert os.listdir(tmp_path / 'b') == []


def _is_alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False
