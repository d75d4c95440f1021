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

"""Mounting GlusterFS, with commands that are not run."""

import hashlib
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers import privileged
from remotefs_drivers.qemu import processes
from remotefs_drivers.share import gluster
from remotefs_drivers.share import table
from tests.unit import mounting

SHARE = table.Share('g1:/v', '-o backup-volfile-servers=g2:g3')
PLAIN = table.Share('g1:/v')


#: What another host did is seen at once.
FRESH = ('attribute-timeout=0,entry-timeout=0,negative-timeout=0,'
         'direct-io-mode=enable,xlator-option=*-md-cache.pass-through=true')


class System(mounting.System):
    """Also knows who may write, and which daemons there are.

    :ivar closed: as long as nobody has opened it to a group
    """

    def __init__(self):
        super().__init__()
        self.closed = False
        self.full = False
        self.ended = []

    def end(self, program, last):
        self.ended.append((program, last))
        return [7]

    def _run(self, who, argv, timeout):
        if argv[0] == 'mktemp':
            self._write(argv)
        super()._run(who, argv, timeout)
        if argv[0] == 'chmod':
            self.closed = False
        return '%s/.remotefs-proof-x\n' % argv[1][9:], ''

    def _write(self, argv):
        if self.closed or self.full:
            self.run.append(['user'] + argv)
            raise errors.CommandFailed(
                program='mktemp', exit_code=1, command='mktemp',
                stderr='No space left on device' if self.full
                else 'Permission denied')


@pytest.fixture
def system(monkeypatch):
    made = System()
    made.install(monkeypatch)
    monkeypatch.setattr(privileged, 'end', made.end)
    monkeypatch.setattr(os, 'getegid', lambda: 64)
    return made


@pytest.fixture
def mounter(tmp_path):
    return gluster.Mounter(str(tmp_path), 60, 1)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / hashlib.md5(b'g1:/v').hexdigest())


class TestMount:
    def test_the_commands(self, system, mounter, path):
        mounter.mount(SHARE)
        assert system.run == [
            ['user', 'mkdir', '-p', path],
            ['root', 'mount', '-t', 'glusterfs', '-o',
             FRESH + ',backup-volfile-servers=g2:g3', 'g1:/v', path],
            ['user', 'mktemp', '--tmpdir=' + path,
             '.remotefs-proof-XXXXXXXX'],
            ['user', 'rm', '-f', '--', path + '/.remotefs-proof-x']]
        assert set(system.limits) == {60}

    def test_the_operators_own_options_count(self, system, mounter, path):
        mounter.mount(table.Share('g1:/v', '-o entry-timeout=5'))
        assert system.run[1][5] == FRESH.replace('entry-timeout=0,',
                                                 '') + ',entry-timeout=5'

    def test_its_root_is_opened_to_our_group(self, system, mounter, path):
        system.closed = True
        mounter.mount(PLAIN)
        assert system.run[3:5] == [['root', 'chgrp', '64', path],
                                   ['root', 'chmod', 'g+rwx', path]]
        assert system.programs()[5:] == ['mktemp', 'rm']

    @pytest.mark.parametrize('program', ['chgrp', 'chmod'])
    def test_that_fails(self, system, mounter, program):
        system.closed = True
        system.broken[program] = mounting.failed('Read-only file system')
        with pytest.raises(errors.MountFailed, match='Read-only'):
            mounter.mount(PLAIN)

    def test_that_does_not_help(self, system, mounter):
        system.broken['mktemp'] = mounting.failed('Permission denied')
        with pytest.raises(errors.MountFailed, match='Permission denied'):
            mounter.mount(PLAIN)

    def test_a_full_one_is_one_all_the_same(self, system, mounter):
        """Volumes on it are attached and deleted."""
        system.full = True
        mounter.mount(PLAIN)
        assert 'chmod' not in system.programs()

    def test_one_that_is_there_for_a_moment(self, system, mounter,
                                            monkeypatch):
        """As that of a volume that GlusterFS does not know."""
        system.broken['mount'] = mounting.failed('Mounting failed')
        system.works_anyway = True
        monkeypatch.setattr(system, '_write',
                            lambda argv: system.mounts.clear())
        with pytest.raises(errors.MountFailed, match='Mounting failed'):
            mounter.mount(PLAIN)

    def test_it_hangs_when_it_is_written_to(self, system, mounter, clock):
        system.broken['mktemp'] = mounting.hung()
        with pytest.raises(errors.MountFailed, match='was killed'):
            mounter.mount(PLAIN)
        with pytest.raises(errors.MountFailedBefore):
            mounter.mount(PLAIN)


@pytest.mark.parametrize('location, name', [
    ('[fd00::1]:/v', 'fd00::1:/v'), ('fd00::1:/v', 'fd00::1:/v'),
    ('g1:/v', 'g1:/v'), ('10.0.0.1:/v/dir', '10.0.0.1:/v/dir')])
def test_what_mount_is_told(system, mounter, tmp_path, location, name):
    """mount.glusterfs takes brackets for a part of the address."""
    share = table.Share(location)
    mounter.mount(share)
    assert system.run[1][-2:] == [name, mounter.path(share)]
    assert mounter.is_there(share)
    assert mounter.path(share) == str(
        tmp_path / hashlib.md5(name.encode()).hexdigest())


class TestKilledMount:
    @pytest.mark.parametrize('late', [False, True])
    def test_its_daemon_is_ended(self, system, mounter, path, late):
        """It has a session of its own, and would mount at any time."""
        system.broken['mount'] = mounting.hung()
        system.works_anyway = late
        with pytest.raises(errors.MountFailed, match='was killed'):
            mounter.mount(PLAIN)
        assert system.ended == [('glusterfs', path)]
        assert system.mounts == {}

    def test_by_root_himself(self, system, mounter, path, monkeypatch):
        monkeypatch.setattr(os, 'geteuid', lambda: 0)
        ended = []
        monkeypatch.setattr(processes, 'end', lambda *given:
                            ended.append(given) or [])
        system.broken['mount'] = mounting.hung()
        with pytest.raises(errors.MountFailed):
            mounter.mount(PLAIN)
        assert ended == [('glusterfs', path)]


class TestDeadMount:
    def test_proof(self, mounter, tmp_path, monkeypatch):
        mounter.prove(str(tmp_path))
        monkeypatch.setattr(os, 'stat', _not_connected)
        with pytest.raises(errors.MountDead, match=str(tmp_path)):
            mounter.prove(str(tmp_path))

    def test_other_errors_are_not_that(self, mounter, tmp_path):
        with pytest.raises(FileNotFoundError):
            mounter.prove(str(tmp_path / 'none'))

    def test_it_is_made_anew(self, system, mounter, path):
        mounter.mount(PLAIN)
        system.run.clear()
        mounter.renew(PLAIN, 9)
        assert system.run[0] == ['root', 'umount', '-l', path]
        assert system.ended == [('glusterfs', path)]
        assert system.run[2][1:4] == ['mount', '-t', 'glusterfs']
        assert system.limits[-1] == 9
        assert mounter.is_there(PLAIN)

    def test_the_bricks_are_still_away(self, system, mounter, clock):
        mounter.mount(PLAIN)
        system.broken['mount'] = mounting.failed('Mount failed')
        with pytest.raises(errors.MountFailed, match='Mount failed'):
            mounter.renew(PLAIN)
        # Nobody else waits for that.
        with pytest.raises(errors.MountFailedBefore):
            mounter.mount(PLAIN)


def _not_connected(path):
    raise OSError(107, 'Transport endpoint is not connected', path)
