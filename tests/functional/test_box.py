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


"""The box that stands in for an NFS appliance's host."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from remotefs_drivers.embedded import box as boxes
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import sshd
from remotefs_drivers.embedded import zfs

pytestmark = pytest.mark.root

#: Seconds: far more than anything takes that comes to an end.
_LONG = 300

# Makes all that there is, and says where.
_MAKER = """
import sys, time
from remotefs_drivers.embedded import box, sshd, zfs
folder = sys.argv[1]
with box.Box(folder + '/box') as made:
    server = sshd.Sshd(made, folder + '/ssh')
    server.start()
    with zfs.Zfs(made, folder + '/pool', zfs.SMALLEST):
        print('made', *made.pids(), flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope='module')
def box(tmp_path_factory):
    with boxes.Box(tmp_path_factory.mktemp('box') / 'box') as made:
        yield made


@pytest.fixture(scope='module')
def server(box, tmp_path_factory):
    made = sshd.Sshd(box, tmp_path_factory.mktemp('ssh'))
    made.start()
    yield made
    made.stop()


def ssh(server, *command):
    """What the ordinary client says: its exit code and its output."""
    done = subprocess.run(
        ['ssh', '-F', 'none', '-i', server.key, '-p', str(server.port),
         '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes',
         '-o', 'StrictHostKeyChecking=yes',
         '-o', 'UserKnownHostsFile=%s' % server.known_hosts,
         '%s@%s' % (server.login, server.address), *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=_LONG)
    return done.returncode, done.stdout.strip()


class TestBox:
    def test_its_folders_are_its_own(self, box):
        for path in ('/etc/box-was-here', '/run/box-was-here',
                     '/usr/local/sbin/box-was-here'):
            box.write(path, 'hello\n')
            assert box.read(path) == 'hello\n'
            assert not os.path.exists(path)

    def test_what_it_mounts_for_others_is_mounted_here(self, box):
        path = os.path.join(box.path, 'm')
        os.mkdir(path)
        box.run('mount', '-t', 'tmpfs', 'x', path)
        assert path in mounts.points()
        box.run('umount', path)
        assert path not in mounts.points()

    def test_what_fails_tells_why(self, box):
        with pytest.raises(errors.CloudError, match='No such file'):
            box.read('/none')

    def test_what_runs_in_it_ends_with_it(self, tmp_path):
        with boxes.Box(tmp_path / 'box') as made:
            left = subprocess.Popen(made.inside(['sleep', '600']))
            while made.pids() != [left.pid]:
                time.sleep(0.01)
        assert left.wait(_LONG) == -signal.SIGKILL
        assert mounts.below(tmp_path) == []

    def test_what_uses_its_mounts_here_does_not_keep_it(self, tmp_path):
        with boxes.Box(tmp_path / 'box') as made:
            made.run('mount', '-t', 'tmpfs', 'x', made.path)
            user = subprocess.Popen(['sleep', '600'], cwd=made.path)
        try:
            assert mounts.below(tmp_path) == []
        finally:
            user.kill()
            user.wait()

    def test_all_ends_when_its_maker_is_killed(self, tmp_path):
        maker = subprocess.Popen(
            [sys.executable, '-c', _MAKER, str(tmp_path)],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'PYTHONPATH': keeper.REPOSITORY})
        said, *pids = maker.stdout.readline().split()
        assert said == 'made' and pids
        assert mounts.below(tmp_path)
        maker.kill()
        maker.wait()
        deadline = time.monotonic() + _LONG
        while (mounts.below(tmp_path) or
               any(os.path.exists('/proc/' + pid) for pid in pids)):
            assert time.monotonic() < deadline
            time.sleep(0.05)


class TestExportfs:
    """It must be as particular as the real one, or it proves nothing."""

    @pytest.fixture(autouse=True)
    def nothing_exported(self, box):
        box.run('rm', '-f', '/run/exports')
        (pathlib.Path(box.path) / 'a').mkdir(exist_ok=True)

    def test_export_and_unexport(self, box):
        first, second = ('10.0.0.0/8:%s/a' % box.path,
                         '[fd00::/64]:%s/a' % box.path)
        box.run('exportfs', '-o', 'rw,fsid=1', first)
        box.run('exportfs', '-o', 'ro', second)
        assert box.exported() == {first: 'rw,fsid=1', second: 'ro'}
        box.run('exportfs', '-o', 'ro', first)
        assert box.exported() == {first: 'ro', second: 'ro'}
        box.run('exportfs', '-u', first)
        assert box.exported() == {second: 'ro'}

    @pytest.mark.parametrize('words', [
        ('-o', 'rw', '10.0.0.0/8:/none-there'),
        ('-o', 'rw', '10.0.0.0/8'),
        ('-o', 'rw', 'fd00::/64:/etc'),
        ('-o', '', '10.0.0.0/8:/etc'),
        ('-o', 'rw)', '10.0.0.0/8:/etc'),
        ('-o', 'rw', '10.0.0.0/8:/etc', 'more'),
        ('-u', '10.0.0.0/8:/etc'),
        ('-x',),
        (),
    ], ids=' '.join)
    def test_what_it_refuses(self, box, words):
        with pytest.raises(errors.CloudError, match='exportfs: '):
            box.run('exportfs', *words)
        assert box.exported() == {}


class TestSshd:
    def test_its_user_gets_in(self, server):
        assert ssh(server, 'id', '-un') == (0, server.login)

    def test_sudo_permits_what_it_is_told(self, server):
        server.permit('/usr/bin/true')
        assert ssh(server, 'sudo -n true')[0] == 0
        assert ssh(server, 'sudo -n id')[0] == 1

    def test_other_keys_stay_out(self, server):
        server.let_in(server.make_key('other', 'ecdsa') + '.pub')
        assert ssh(server, 'true')[0] == 255
        server.let_in()
        assert ssh(server, 'true')[0] == 0

    def test_a_changed_key_is_seen(self, server):
        server.change_host_key()
        assert ssh(server, 'true')[0] == 255
        server.know()
        assert ssh(server, 'true')[0] == 0

    def test_it_listens_on_loopback_only(self, server):
        listening = subprocess.run(
            ['ss', '-Hltn', 'sport = :%d' % server.port], check=True,
            stdout=subprocess.PIPE, text=True).stdout.splitlines()
        assert [line.split()[3] for line in listening] == [
            '127.0.0.1:%d' % server.port]

    def test_sessions(self, server):
        session = subprocess.Popen(
            ['ssh', '-F', 'none', '-i', server.key, '-p', str(server.port),
             '-o', 'UserKnownHostsFile=%s' % server.known_hosts,
             '%s@%s' % (server.login, server.address), 'sleep 600'],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.sessions()) < 2:
            assert session.poll() is None
            time.sleep(0.02)
        server.drop_sessions()
        assert session.wait(_LONG) == 255
        assert ssh(server, 'true')[0] == 0


class TestZfs:
    @pytest.fixture
    def pool(self, box, tmp_path):
        with zfs.Zfs(box, tmp_path, zfs.SMALLEST) as made:
            yield made

    def test_a_dataset_is_seen_here(self, box, pool):
        box.run('zfs', 'create', 'tank/a')
        pathlib.Path(pool.path, 'a', 'file').write_text('content')
        box.run('zfs', 'snapshot', 'tank/a@s')
        box.run('zfs', 'clone', 'tank/a@s', 'tank/b')
        assert pathlib.Path(pool.path, 'b', 'file').read_text() == 'content'

    def test_two_at_once(self, pool, tmp_path):
        with boxes.Box(tmp_path / 'other') as other:
            with zfs.Zfs(other, tmp_path / 'pool', zfs.SMALLEST) as beside:
                other.run('zfs', 'create', 'tank/only-here')
                assert os.listdir(beside.path) == ['only-here']
                assert os.listdir(pool.path) == []

    def test_full(self, box, pool):
        pool.fill()
        with pytest.raises(errors.CloudError, match='out of space'):
            box.run('zfs', 'create', 'tank/a')
        pool.drain()
        box.run('zfs', 'create', 'tank/a')

    def test_it_comes_back_after_a_crash(self, box, pool):
        box.run('zfs', 'create', 'tank/a')
        with open(os.path.join(pool.path, 'a', 'file'), 'w') as stream:
            stream.write('content')
            stream.flush()
            os.fsync(stream.fileno())
        pool.kill()
        pool.restart()
        assert pathlib.Path(pool.path, 'a', 'file').read_text() == 'content'

    def test_it_leaves_nothing(self, box, tmp_path):
        with zfs.Zfs(box, tmp_path, zfs.SMALLEST):
            pass
        assert mounts.below(os.path.join(box.path, 'tank')) == []
