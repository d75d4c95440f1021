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

"""Faults of remote shares: dead, refused, read-only, full, gone, silent.

Driver and os-brick are the real ones; in place of the kernel's NFS client
the mounts are those of tests.harness.user_mount.
"""

import os
import subprocess

from oslo_utils import units
import pytest

from cinder import exception

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.share import mountinfo
from tests.functional import content
from tests.functional import stages
from tests.harness import impatience
from tests.harness import small_fs
from tests.harness import user_mount

A = '127.0.0.1:/a'
B = '127.0.0.1:/b'
#: Seconds for a mount, where one hangs and another one works.
BOTH = 8

# Mounting is root's.
pytestmark = pytest.mark.root


@pytest.fixture
def mounter(tmp_path, monkeypatch):
    """Two exports, A and B, mounted by our stand-in for mount."""
    with user_mount.UserMount(tmp_path / 'mounter') as ready:
        monkeypatch.setenv('PATH', ready.path())
        for share, folder in ((A, 'a'), (B, 'b')):
            (tmp_path / folder).mkdir()
            ready.export(share, tmp_path / folder)
        yield ready


def _driver(rig, tmp_path, shares=(A, B), **options):
    return stages.nfs(rig, tmp_path, shares, **options)


def _pools(driver):
    return {pool['pool_name']: pool['total_capacity_gb']
            for pool in driver.get_volume_stats(refresh=True)['pools']}


def _mounts(mounter, share):
    """How often somebody has tried to mount a share."""
    return [call[:2] for call in mounter.calls()].count(('mount', share))


def test_a_share_is_mounted_and_used(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path, ['%s -o noatime,hard' % A])
    volume = rig.volume(driver)
    assert volume.provider_location == A
    assert stages.left(tmp_path / 'a') == {volume.name}
    mount, share, mount_point, options = mounter.calls()[0]
    assert (mount, share) == ('mount', A)
    assert 'noatime' in options and 'hard' in options
    connection = driver.initialize_connection(volume, {})
    assert connection == {
        'driver_volume_type': 'nfs',
        'data': {'export': A, 'name': volume.name, 'format': 'raw',
                 'options': '-o noatime,hard'},
        'mount_point_base': str(tmp_path / 'mnt')}
    assert os.path.dirname(driver.local_path(volume)) == mount_point
    driver.delete_volume(volume)
    assert stages.left(tmp_path / 'a') == set()


def test_a_share_has_mount_options_of_its_own(rig, tmp_path, mounter):
    """mount.nfs refuses to be told two versions; Nova hears of its own."""
    driver = _driver(rig, tmp_path, ['%s -o nfsvers=3,soft' % A, B],
                     nfs_mount_options='vers=4.2,hard,noatime')
    told = {share: options for __, share, __, options in mounter.calls()}
    assert told == {A: 'noatime,nfsvers=3,soft', B: 'vers=4.2,hard,noatime'}
    connection = driver.initialize_connection(rig.volume(driver, pool=A), {})
    assert connection['data']['options'] == '-o nfsvers=3,soft'


def test_one_mount_that_hangs(rig, tmp_path, mounter, later):
    mounter.hang(A)
    with impatience.bounded(BOTH):
        driver = _driver(rig, tmp_path, nfs_mount_timeout=BOTH)
    volume = rig.volume(driver, pool=B)
    # Neither verbs nor the stats try it again.
    tried = _mounts(mounter, A)
    with pytest.raises(errors.MountFailed, match='was killed'):
        rig.volume(driver, pool=A)
    pools = _pools(driver)
    assert pools[A] == 0 and pools[B] > 0
    assert _mounts(mounter, A) == tried
    # No process of ours still tries.
    mounter.serve(A)
    assert _pools(driver)[A] == 0
    later()
    assert _pools(driver)[A] > 0
    rig.volume(driver, pool=A)
    driver.delete_volume(volume)


def test_verbs_wait_together_for_a_mount_that_hangs(rig, tmp_path, mounter):
    """Not one after the other."""
    driver = _driver(rig, tmp_path)
    volumes = [rig.volume(driver, pool=A) for __ in range(6)]
    subprocess.run(['umount', os.path.dirname(driver.local_path(volumes[0]))],
                   check=True)
    mounter.hang(A)
    tried = _mounts(mounter, A)
    with impatience.bounded(), impatience.share_and_mounts(driver, A):
        answers = offload.gather(driver.delete_volume, volumes)
    assert _mounts(mounter, A) == tried + 1
    assert sorted(type(answer).__name__ for answer in answers) == (
        ['MountFailed'] + 5 * ['MountFailedBefore'])
    mounter.serve(A)


def test_one_mount_that_fails(rig, tmp_path, mounter, later):
    mounter.fail(A, 'mount.nfs: access denied by server')
    driver = _driver(rig, tmp_path)
    assert _pools(driver)[A] == 0
    with pytest.raises(errors.MountFailed, match='access denied'):
        rig.volume(driver, pool=A)
    # Without a pool another share is chosen, by what is known of each.
    assert rig.volume(driver).provider_location == B
    mounter.serve(A)
    later()
    assert _pools(driver)[A] > 0


def test_all_mounts_fail(rig, tmp_path, mounter):
    mounter.fail(A, 'no route to host')
    mounter.fail(B, 'no route to host')
    with pytest.raises(exception.RemoteFSNoSharesMounted,
                       match='no route to host'):
        _driver(rig, tmp_path)


def test_a_server_that_falls_silent(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path)
    on_a = rig.volume(driver, pool=A)
    on_b = rig.volume(driver, pool=B)
    mounter.freeze(A)
    try:
        with impatience.share_and_mounts(driver, A):
            with impatience.bounded(), pytest.raises(
                    errors.ShareTimeout, match='nfs_share_timeout'):
                driver.extend_volume(on_a, 2)
            with impatience.bounded():
                pools = _pools(driver)
            assert pools[A] == 0 and pools[B] > 0
            with pytest.raises(errors.ShareUnavailable):
                driver.delete_volume(on_a)
            # Without a pool the silent share is left out.
            assert rig.volume(driver).provider_location == B
        # The other share waits for nobody, however patient one is.
        with impatience.bounded():
            driver.initialize_connection(on_b, {})
    finally:
        mounter.thaw(A)
    assert _pools(driver)[A] > 0
    driver.extend_volume(on_a, 2)
    driver.delete_volume(on_a)
    assert stages.left(tmp_path / 'a') == set()


def test_delete_needs_the_share(rig, tmp_path, mounter, later):
    driver = _driver(rig, tmp_path)
    volume = rig.volume(driver, pool=A)
    subprocess.run(['umount', os.path.dirname(driver.local_path(volume))],
                   check=True)
    mounter.fail(A, 'no route to host')
    with pytest.raises(errors.MountFailed, match='no route to host'):
        driver.delete_volume(volume)
    assert stages.left(tmp_path / 'a') == {volume.name}
    mounter.serve(A)
    with pytest.raises(errors.MountFailed, match='next attempt'):
        driver.delete_volume(volume)
    later()
    driver.delete_volume(volume)
    assert stages.left(tmp_path / 'a') == set()


def test_another_share_at_the_mount_point(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path)
    volume = rig.volume(driver, pool=A)
    mount_point = os.path.dirname(driver.local_path(volume))
    subprocess.run(['umount', mount_point], check=True)
    subprocess.run(['mount', '-t', 'nfs', B, mount_point], check=True)
    with pytest.raises(errors.ShareNotMounted, match=B):
        driver.delete_volume(volume)
    assert stages.left(tmp_path / 'a') == {volume.name}


def test_a_share_that_left_the_file(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path)
    volume = rig.volume(driver, pool=A)
    mount_point = os.path.dirname(driver.local_path(volume))
    (tmp_path / 'shares').write_text(B + '\n')
    assert set(_pools(driver)) == {B}
    # It takes no new volumes, and serves those that it has.
    with pytest.raises(exception.RemoteFSNoSuitableShareFound,
                       match='no longer'):
        rig.volume(driver, pool=A)
    driver.extend_volume(volume, 2)
    volume.size = 2
    volume.save()
    assert driver.initialize_connection(volume, {})['data']['export'] == A
    clone = rig.new_volume(driver, 2)
    driver.create_cloned_volume(clone, volume)
    assert clone.provider_location == B
    # So it does after a restart.
    rig.set_up(driver)
    driver.initialize_connection(volume, {})
    assert mountinfo.find(mount_point)
    # When the last one is gone, it is unmounted.
    driver.delete_volume(volume)
    volume.destroy()
    driver.get_volume_stats(refresh=True)
    assert not mountinfo.find(mount_point)
    assert not os.path.exists(mount_point)


def test_a_bad_line_and_a_share_twice(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path, [A, 'this is no share', A + ' -o ro', B])
    assert set(_pools(driver)) == {A, B}
    rig.volume(driver, pool=A)


def test_the_shares_file_goes_away(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path)
    (tmp_path / 'shares').unlink()
    pools = _pools(driver)
    assert pools[A] > 0 and pools[B] > 0
    rig.volume(driver, pool=A)


def test_one_pool_for_all_shares(rig, tmp_path, mounter):
    driver = _driver(rig, tmp_path, nfs_pool_per_share=False)
    stats = driver.get_volume_stats(refresh=True)
    assert 'pools' not in stats
    assert stats['total_capacity_gb'] > 0
    volume = rig.volume(driver)
    assert volume.provider_location in (A, B)


@pytest.mark.parametrize('fstype', [small_fs.EXT4, small_fs.XFS])
def test_a_share_that_is_full(rig, tmp_path, fstype):
    with small_fs.SmallFs(tmp_path / 'fs', small_fs.SMALLEST[fstype] * 2,
                          fstype) as small:
        share = os.path.join(small.path, 'share')
        thin = stages.posix(rig, share)
        thick = stages.posix(rig, share, posix_sparsed_volumes=False)
        source = rig.volume(thin)
        # More than there is.
        with pytest.raises(errors.NoSuitableShare, match='GiB are free'):
            rig.volume(thick)
        content.write(thin.local_path(source), 'raw', 0x55, 0,
                      int(small.free * 0.6))
        before = content.digest(thin.local_path(source))
        if fstype == small_fs.EXT4:
            # Blocks are not shared here: the copy does not fit.
            with pytest.raises(errors.VolumeFileInvalid,
                               match='No space left') as info:
                thin.create_cloned_volume(rig.new_volume(thin), source)
            assert source.id not in str(info.value)
        with pytest.raises(errors.ExtendFailed, match='No space left'):
            thick.extend_volume(_as_volume_of(thick, source), 2)
        assert stages.left(share) == {source.name}
        assert content.digest(thin.local_path(source)) == before
        small.fill()
        with pytest.raises(exception.CinderException):
            rig.volume(stages.posix(rig, share, **stages.QCOW2))
        assert stages.left(share) == {source.name}
        # And the next call works.
        small.drain()
        thin.delete_volume(source)
        thin.delete_volume(rig.volume(thin))
        assert stages.left(share) == set()


def _as_volume_of(driver, volume):
    volume.host = driver.host
    return volume


def test_a_share_that_becomes_read_only(rig, tmp_path):
    with small_fs.SmallFs(tmp_path / 'fs', 64 * units.Mi) as small:
        share = os.path.join(small.path, 'share')
        driver = stages.posix(rig, share)
        volume = rig.volume(driver)
        small.remount(read_only=True)
        for verb in (lambda: rig.volume(driver),
                     lambda: driver.extend_volume(volume, 2),
                     lambda: driver.delete_volume(volume)):
            with pytest.raises(exception.CinderException,
                               match='Read-only file system'):
                verb()
        small.remount(read_only=False)
        driver.delete_volume(volume)
        assert stages.left(share) == set()
