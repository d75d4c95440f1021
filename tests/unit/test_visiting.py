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

"""Mounts of shares that come and go, and may be gone or dead at any time."""

import errno
import hashlib
import os

from os_brick.remotefs import remotefs
import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import mountinfo
from remotefs_drivers.share import table
from remotefs_drivers.share import visiting
from tests.unit import mounting

SHARE = table.Share('nas:/a')


@pytest.fixture
def system(monkeypatch):
    made = mounting.System()
    made.install(monkeypatch)
    return made


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    seconds = []
    monkeypatch.setattr('tenacity.nap.time.sleep', seconds.append)
    return seconds


@pytest.fixture
def mounter(tmp_path):
    return visiting.VisitingMounter(remotefs.RemoteFsClient, 'nfs',
                                    str(tmp_path), 'vers=4.2', 60, 1)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / hashlib.md5(b'nas:/a').hexdigest())


def umounts(system):
    return [argv for argv in system.run if argv[1] == 'umount']


class TestProve:
    def test_a_mount(self, mounter, system, path):
        mounter.mount(SHARE)
        mounter.prove(path)

    def test_none(self, mounter, system, path):
        with pytest.raises(errors.MountDead, match='has unmounted it'):
            mounter.prove(path)

    def test_one_whose_server_forgot_it(self, mounter, system, path,
                                        monkeypatch):
        """A share that was made anew under its name."""
        mounter.mount(SHARE)
        with monkeypatch.context() as patch:
            patch.setattr(os, 'statvfs', _failing(errno.ESTALE))
            with pytest.raises(errors.MountDead, match='nas:/a'):
                mounter.prove(path)

    def test_an_error_that_a_new_mount_does_not_mend(self, mounter, system,
                                                     path, monkeypatch):
        mounter.mount(SHARE)
        with monkeypatch.context() as patch:
            patch.setattr(os, 'statvfs', _failing(errno.EACCES))
            with pytest.raises(PermissionError):
                mounter.prove(path)


def _failing(number):
    def statvfs(path):
        raise OSError(number, os.strerror(number))
    return statvfs


class TestRenew:
    def test_a_dead_one(self, mounter, system, path):
        mounter.mount(SHARE)
        system.run.clear()
        mounter.renew(SHARE)
        assert system.programs() == ['umount', 'mkdir', 'mount']
        assert umounts(system) == [['root', 'umount', '-l', path]]
        assert mounter.is_there(SHARE)

    def test_none(self, mounter, system):
        mounter.renew(SHARE)
        assert umounts(system) == []
        assert mounter.is_there(SHARE)

    def test_within_a_limit(self, mounter, system):
        mounter.renew(SHARE, 7)
        assert system.limits == [7, 7]

    def test_it_cannot_be(self, mounter, system):
        system.broken['mount'] = mounting.failed()
        with pytest.raises(errors.MountFailed):
            mounter.renew(SHARE)


class TestRenamed:
    """The kernel takes it for what it was when it was mounted last."""

    @pytest.fixture(autouse=True)
    def renamed(self, system):
        system.renamed['nas:/a'] = 'nas:/old'

    def test_it_is_mounted_apart(self, mounter, system, path, caplog):
        mounter.mount(SHARE)
        assert system.programs() == ['mkdir', 'mount', 'umount', 'mkdir',
                                     'mount']
        assert system.run[-1] == ['root', 'mount', '-t', 'nfs', '-o',
                                  'vers=4.2,nosharecache', 'nas:/a', path]
        assert mounter.is_there(SHARE)
        assert caplog.text == ''

    def test_with_options_of_its_own(self, mounter, system):
        mounter.mount(table.Share('nas:/a', '-o soft'))
        assert 'vers=4.2,soft,nosharecache' in system.run[-1]

    def test_within_a_limit(self, mounter, system):
        mounter.mount(SHARE, 7)
        assert system.limits == [7, 7, 60, 7, 7]

    def test_what_stays_there(self, mounter, system):
        system.broken['umount'] = mounting.failed('Operation not permitted')
        with pytest.raises(errors.ShareNotMounted, match='nas:/old'):
            mounter.mount(SHARE)

    def test_what_somebody_else_mounted_is_his(self, mounter, system, path):
        """There is no knowing what it is."""
        system.mounts[path] = 'nas:/old'
        for act in mounter.is_there, mounter.unmount, mounter.detach:
            with pytest.raises(errors.ShareNotMounted, match='nas:/old'):
                act(SHARE)
        assert system.run == []


class TestUnmount:
    @pytest.fixture(autouse=True)
    def mounted(self, mounter, system):
        mounter.mount(SHARE)
        system.run.clear()

    def test_the_command(self, mounter, system, path):
        mounter.unmount(SHARE)
        assert system.run == [['root', 'umount', path]]
        assert not os.path.exists(path)
        mounter.unmount(SHARE)
        assert len(system.run) == 1

    def test_busy(self, mounter, system, path, pauses):
        """Another service of this host uses it."""
        system.broken['umount'] = mounting.failed('umount: target is busy.')
        with pytest.raises(errors.ShareUnavailable, match='busy'):
            mounter.unmount(SHARE)
        assert umounts(system) == [['root', 'umount', path]] * 5
        assert pauses == [0.1] * 4
        assert mounter.is_there(SHARE)

    def test_busy_for_a_moment(self, mounter, system, path):
        """A child that was just begun had a file of it open."""
        system.broken['umount'] = mounting.failed('umount: target is busy.')
        system.failures = 2
        mounter.unmount(SHARE)
        assert len(umounts(system)) == 3
        assert not mounter.is_there(SHARE)

    def test_a_server_that_does_not_answer(self, mounter, system, path,
                                           caplog):
        system.broken['umount'] = mounting.hung()
        system.failures = 1
        mounter.unmount(SHARE)
        assert umounts(system) == [['root', 'umount', path],
                                   ['root', 'umount', '-l', path]]
        assert not mounter.is_there(SHARE)
        assert 'does not answer, and is detached' in caplog.text

    def test_a_server_that_forgot_it(self, mounter, system, path):
        system.broken['umount'] = mounting.failed('Stale file handle')
        system.failures = 1
        mounter.unmount(SHARE)
        assert umounts(system)[1] == ['root', 'umount', '-l', path]
        assert not mounter.is_there(SHARE)

    def test_somebody_was_faster(self, mounter, system, path):
        system.broken['umount'] = mounting.failed('umount: not mounted.')
        system.works_anyway = True
        mounter.unmount(SHARE)
        assert umounts(system) == [['root', 'umount', path]]
        assert not os.path.exists(path)

    def test_it_stays_whatever_is_done(self, mounter, system, path):
        """It is said, and is tried again by who comes next."""
        system.broken['umount'] = mounting.failed('Input/output error')
        with pytest.raises(errors.ShareUnavailable):
            mounter.unmount(SHARE)

    def test_a_folder_that_is_used_stays(self, mounter, system, path):
        """Somebody is about to mount it."""
        open(os.path.join(path, 'x'), 'w').close()
        mounter.unmount(SHARE)
        assert os.path.exists(os.path.join(path, 'x'))


class TestDetach:
    @pytest.fixture(autouse=True)
    def mounted(self, mounter, system):
        mounter.mount(SHARE)
        system.run.clear()
        system.limits.clear()

    def test_the_command(self, mounter, system, path, caplog):
        """Whoever uses it, at once, and not for ever."""
        mounter.detach(SHARE)
        assert system.run == [['root', 'umount', '-l', path]]
        assert system.limits == [60]
        assert not os.path.exists(path)
        assert 'does not answer, and is detached' in caplog.text
        mounter.detach(SHARE)
        assert len(system.run) == 1

    def test_a_command_that_hangs_after_its_work(self, mounter, system):
        """The kernel tells the server that it was the last one."""
        system.broken['umount'] = mounting.hung()
        system.works_anyway = True
        mounter.detach(SHARE)
        assert not mounter.is_there(SHARE)

    def test_it_stays(self, mounter, system):
        system.broken['umount'] = mounting.failed('Operation not permitted')
        with pytest.raises(errors.ShareUnavailable, match='stays mounted'):
            mounter.detach(SHARE)


def test_what_is_mounted(mounter, tmp_path, monkeypatch):
    monkeypatch.setattr(mountinfo, 'below', lambda folder: {
        folder + '/1': mountinfo.Mount('nas:/a', 'nfs4', False),
        folder + '/2': mountinfo.Mount('nas:/b', 'nfs', True)})
    assert mounter.mounted() == {'nas:/a', 'nas:/b'}
