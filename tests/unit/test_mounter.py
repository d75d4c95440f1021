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

"""Mounting by os-brick's own client, with commands that are not run."""

import hashlib
import os

from os_brick.remotefs import remotefs
import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import failures
from remotefs_drivers.share import mounter
from remotefs_drivers.share import table
from tests.unit import mounting

SHARE = table.Share('nas:/a', '-o ro -v')
PLAIN = table.Share('nas:/a')


@pytest.fixture
def system(monkeypatch):
    made = mounting.System()
    made.install(monkeypatch)
    return made


@pytest.fixture
def pauses(monkeypatch):
    seconds = []
    monkeypatch.setattr('tenacity.nap.time.sleep', seconds.append)
    return seconds


@pytest.fixture
def build(tmp_path, pauses):
    def _build(options='vers=4.2', attempts=3):
        return mounter.BrickMounter(remotefs.RemoteFsClient, 'nfs',
                                    str(tmp_path), options, 60, attempts)
    return _build


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / hashlib.md5(b'nas:/a').hexdigest())


def test_the_place_is_the_one_of_other_services(build, path):
    assert build().path(PLAIN) == path
    assert build().base == os.path.dirname(path)


class TestMount:
    def test_the_commands(self, build, system, path):
        build().mount(SHARE)
        assert system.run == [
            ['user', 'mkdir', '-p', path],
            ['root', 'mount', '-t', 'nfs', '-o', 'vers=4.2,ro', '-v',
             'nas:/a', path]]
        assert system.limits == [60, 60]

    def test_without_options(self, build, system, path):
        """os-brick asks for the newest NFS that it knows."""
        build(options=None).mount(PLAIN)
        assert system.run[1][1:5] == ['mount', '-t', 'nfs', '-o']
        assert system.run[1][5].startswith('vers=4,minorversion=')
        assert system.run[1][6:] == ['nas:/a', path]

    def test_of_two_versions_the_shares_own_counts(self, build, system,
                                                   path):
        """mount.nfs refuses both together."""
        build(options='vers=4.2,hard').mount(table.Share('nas:/a',
                                                         '-o nfsvers=3'))
        assert system.run[1] == ['root', 'mount', '-t', 'nfs', '-o',
                                 'hard,nfsvers=3', 'nas:/a', path]

    def test_no_other_version_is_tried_than_the_shares_own(self, build,
                                                           system):
        system.broken['mount'] = mounting.failed()
        with pytest.raises(errors.MountFailed):
            build(options=None, attempts=1).mount(table.Share('nas:/a',
                                                              '-o vers=3'))
        assert [argv[5] for argv in system.run[1:]] == ['vers=3']

    def test_by_root_there_is_no_daemon_for_it(self, build, system, path,
                                               monkeypatch):
        monkeypatch.setattr(os, 'geteuid', lambda: 0)
        build().mount(PLAIN)
        assert [argv[0] for argv in system.run] == ['user', 'user']

    def test_it_is_there_then(self, build, system):
        made = build()
        assert not made.is_there(PLAIN)
        made.mount(PLAIN)
        assert made.is_there(PLAIN)

    def test_older_versions_are_tried(self, build, system):
        system.broken['mount'] = mounting.failed()
        system.failures = 1
        build(options=None).mount(PLAIN)
        assert system.programs() == ['mkdir', 'mount', 'mount']

    @pytest.mark.parametrize('attempts, tried', [
        (3, 3), (1, 1),
        # At least once, as the option says.
        (0, 1), (-1, 1),
    ])
    def test_attempts(self, build, system, pauses, attempts, tried):
        system.broken['mount'] = mounting.failed()
        with pytest.raises(errors.MountFailed, match='Connection refused'):
            build(attempts=attempts).mount(PLAIN)
        assert system.programs().count('mount') == tried
        assert pauses == [1] * (tried - 1)

    def test_a_later_attempt_may_succeed(self, build, system):
        system.broken['mount'] = mounting.failed()
        system.failures = 1
        made = build()
        made.mount(PLAIN)
        assert made.is_there(PLAIN)

    def test_a_limit_is_for_one_short_attempt(self, build, system):
        system.broken['mount'] = mounting.failed()
        with pytest.raises(errors.MountFailed):
            build().mount(PLAIN, limit=7)
        assert system.programs() == ['mkdir', 'mount']
        assert system.limits == [7, 7]

    def test_the_folder_cannot_be_made(self, build, system, path):
        system.broken['mkdir'] = mounting.failed('mkdir: Permission denied')
        with pytest.raises(errors.MountFailed) as info:
            build().mount(PLAIN)
        assert 'Permission denied' in str(info.value)
        assert 'nas:/a' in str(info.value) and path in str(info.value)

    def test_nothing_is_mounted_after_all(self, build, system, monkeypatch):
        monkeypatch.setattr(system, '_change', lambda argv: None)
        with pytest.raises(errors.MountFailed, match='nothing is mounted'):
            build().mount(PLAIN)

    def test_no_root_to_be_had(self, build, system):
        system.broken['mount'] = errors.PrivilegeMissing(what='"run"',
                                                         reason='no sudo')
        with pytest.raises(errors.MountFailed, match='no sudo'):
            build().mount(PLAIN)


class TestDeadServer:
    def test_other_versions_are_not_asked(self, build, system, pauses):
        system.broken['mount'] = mounting.hung()
        with pytest.raises(errors.MountFailed, match='was killed'):
            build(options=None).mount(PLAIN)
        assert system.programs() == ['mkdir', 'mount']
        assert pauses == []

    def test_what_was_mounted_late_is_taken_down(self, build, system, path):
        """The killed command's child may have finished the mount."""
        system.broken['mount'] = mounting.hung()
        system.works_anyway = True
        with pytest.raises(errors.MountFailed):
            build().mount(PLAIN)
        assert system.run[-1] == ['root', 'umount', '-l', path]
        assert system.mounts == {}

    def test_a_failure_of_that_hides_nothing(self, build, system):
        system.broken.update({'mount': mounting.hung(),
                              'umount': mounting.failed('umount: busy')})
        system.works_anyway = True
        with pytest.raises(errors.MountFailed, match='was killed'):
            build().mount(PLAIN)

    def test_the_mount_of_somebody_faster_is_not_taken_down(self, build,
                                                            system):
        """Two backends with the same share start at the same time."""
        system.broken['mount'] = mounting.failed(
            'mount.nfs: busy or already mounted')
        system.works_anyway = True
        made = build(attempts=1)
        made.mount(PLAIN)
        assert made.is_there(PLAIN)
        assert 'umount' not in system.programs()


class TestSoonAfterAFailure:
    @pytest.mark.parametrize('error', [mounting.failed(), mounting.hung()])
    @pytest.mark.parametrize('limit', [None, 7])
    def test_nothing_is_tried(self, build, system, clock, error, limit):
        system.broken['mount'] = error
        made = build(attempts=1)
        with pytest.raises(errors.MountFailed) as first:
            made.mount(PLAIN)
        system.run.clear()
        clock.now += 10.5
        with pytest.raises(errors.MountFailed) as second:
            made.mount(PLAIN, limit)
        assert system.run == []
        assert str(second.value).startswith(str(first.value))
        assert 'in 20 seconds' in str(second.value)

    def test_it_is_tried_when_the_time_is_over(self, build, system, clock):
        system.broken['mount'] = mounting.failed()
        system.failures = 1
        made = build(attempts=1)
        with pytest.raises(errors.MountFailed):
            made.mount(PLAIN)
        clock.now += failures.SECONDS
        made.mount(PLAIN)
        assert made.is_there(PLAIN)

    def test_other_shares_are_mounted(self, build, system, clock):
        system.broken['mount'] = mounting.failed()
        system.failures = 1
        made = build(attempts=1)
        with pytest.raises(errors.MountFailed):
            made.mount(PLAIN)
        made.mount(table.Share('nas:/b'))


class TestWhatIsThere:
    @pytest.mark.parametrize('source', ['nas:/a', 'nas:/a/'])
    def test_the_share(self, build, system, path, source):
        """The kernel takes a slash at the end away."""
        system.mounts[path] = source
        assert build().is_there(PLAIN)
        assert build().is_there(table.Share('nas:/a')) is True

    @pytest.mark.parametrize('source', ['nas:/b', 'other:/a', 'nas:/a/b'])
    def test_another_one(self, build, system, path, source):
        system.mounts[path] = source
        with pytest.raises(errors.ShareNotMounted) as info:
            build().is_there(PLAIN)
        assert '%s is mounted there' % source in str(info.value)

    def test_an_export_that_is_a_root(self, build, system, tmp_path):
        share = table.Share('nas:/')
        system.mounts[build().path(share)] = 'nas:/'
        assert build().is_there(share)


class TestUnmount:
    def test_the_command(self, build, system, path):
        made = build()
        made.mount(PLAIN)
        made.unmount(PLAIN)
        assert system.run[-1] == ['root', 'umount', path]
        assert not os.path.exists(path)

    def test_what_is_not_mounted(self, build, system):
        build().unmount(PLAIN)
        assert system.run == []

    def test_what_is_busy_stays(self, build, system, path):
        made = build()
        made.mount(PLAIN)
        system.broken['umount'] = mounting.failed('umount: target is busy')
        with pytest.raises(errors.ShareUnavailable, match='is busy'):
            made.unmount(PLAIN)
        assert made.is_there(PLAIN)
        assert os.path.isdir(path)

    def test_another_share_is_left_alone(self, build, system, path):
        system.mounts[path] = 'nas:/b'
        with pytest.raises(errors.ShareNotMounted):
            build().unmount(PLAIN)
        assert system.run == []

    def test_a_folder_with_something_below_the_mount_stays(self, build,
                                                           system, path):
        made = build()
        made.mount(PLAIN)
        open(os.path.join(path, 'x'), 'w').close()
        with pytest.raises(errors.ShareUnavailable, match='not empty'):
            made.unmount(PLAIN)
        assert os.path.exists(os.path.join(path, 'x'))
