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

"""Bad input and faults of one backend: a clear error, nothing lost."""

import errno
import os
import signal
import subprocess
import threading
import time

from oslo_config import cfg
from oslo_utils import units
import pytest

from cinder import coordination
from cinder import exception

from remotefs_drivers import errors
from remotefs_drivers.qemu import command
from remotefs_drivers.store import copying
from remotefs_drivers.store import direct
from tests.functional import content
from tests.functional import slow_merge
from tests.functional import stages
from tests.harness import family
from tests.harness import impatience

CONF = cfg.CONF
#: Seconds: far more than anything takes that comes to an end.
_LONG = 300


@pytest.fixture(params=['raw', 'qcow2'])
def posix(request, rig, tmp_path):
    """A driver of raw, then of qcow2 volumes, on one folder."""
    options = stages.QCOW2 if request.param == 'qcow2' else {}
    return stages.posix(rig, tmp_path / 'share', **options)


# Folders

def test_missing_folder(rig, tmp_path):
    with pytest.raises(errors.NoSharesUsable, match='no such directory'):
        rig.driver(stages.POSIX, stages.section(),
                   posix_directories=[str(tmp_path / 'none')])


def test_one_missing_folder_does_not_stop_the_other(rig, tmp_path):
    good = tmp_path / 'good'
    good.mkdir()
    driver = rig.driver(
        stages.POSIX, stages.section(),
        posix_directories=[str(tmp_path / 'none'), str(good)])
    pools = {pool['pool_name']: pool
             for pool in driver.get_volume_stats(refresh=True)['pools']}
    assert pools[str(tmp_path / 'none')]['total_capacity_gb'] == 0
    assert pools[str(good)]['total_capacity_gb'] > 0
    volume = rig.volume(driver)
    assert volume.provider_location == str(good)
    # It is taken as soon as it is there, without a restart.
    (tmp_path / 'none').mkdir()
    driver.get_volume_stats(refresh=True)
    other = rig.volume(driver, pool=str(tmp_path / 'none'))
    assert other.provider_location == str(tmp_path / 'none')
    driver.delete_volume(volume)
    driver.delete_volume(other)


def test_folder_with_files_but_without_marker(rig, tmp_path):
    (tmp_path / 'share').mkdir()
    (tmp_path / 'share' / 'something').write_text('of somebody else')
    with pytest.raises(errors.NoSharesUsable, match='not empty'):
        stages.posix(rig, tmp_path / 'share')
    assert os.listdir(str(tmp_path / 'share')) == ['something']


def test_folder_that_is_not_writable(rig, tmp_path):
    (tmp_path / 'share').mkdir(mode=0o555)
    if os.geteuid() == 0:
        # Nothing is forbidden to root but a read-only file system.
        return _not_writable_for_root(rig, tmp_path)
    with pytest.raises(errors.NoSharesUsable, match='not writable'):
        stages.posix(rig, tmp_path / 'share')


def _not_writable_for_root(rig, tmp_path):
    share = str(tmp_path / 'share')
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro,size=1m', 'none',
                    share], check=True)
    try:
        with pytest.raises(errors.NoSharesUsable, match='read-only'):
            stages.posix(rig, share)
    finally:
        subprocess.run(['umount', share], check=True)


def test_wrong_side_of_a_mount_point(rig, tmp_path, posix):
    """The file system goes away, an empty folder stays."""
    volume = rig.volume(posix)
    share = tmp_path / 'share'
    share.rename(tmp_path / 'unmounted')
    share.mkdir()
    for verb in (lambda: rig.volume(posix),
                 lambda: posix.extend_volume(volume, 2),
                 lambda: posix.initialize_connection(volume, {}),
                 # Above all: it does not believe that the file is gone.
                 lambda: posix.delete_volume(volume)):
        with pytest.raises(errors.ShareNotMounted, match='Is the file'):
            verb()
    assert list(share.iterdir()) == []
    # A service that starts now does not take the empty folder either.
    with pytest.raises(errors.NoSharesUsable, match='volumes are recorded'):
        rig.set_up(posix)
    assert list(share.iterdir()) == []
    share.rmdir()
    (tmp_path / 'unmounted').rename(share)
    rig.set_up(posix)
    posix.delete_volume(volume)
    assert stages.left(share) == set()


# Configuration

@pytest.mark.parametrize('options, expected', [
    ({'posix_directories': []}, 'names no directory'),
    ({'posix_directories': ['relative/path']}, 'not an absolute path'),
    ({'posix_directories': ['/x'], 'posix_qcow2_volumes': True},
     'raw volumes only'),
])
def test_options_that_make_no_sense(rig, options, expected):
    with pytest.raises(exception.InvalidConfigurationValue, match=expected):
        rig.driver(stages.POSIX, stages.section(), **options)


def test_missing_shares_file(rig, tmp_path):
    with pytest.raises(errors.SharesConfigUnreadable,
                       match='none.*nfs_shares_config'):
        rig.driver(stages.NFS, stages.section(),
                   nfs_shares_config=str(tmp_path / 'none'))


@pytest.mark.parametrize('text', [b'\xff\xfe\x00', None])
def test_unreadable_shares_file(rig, tmp_path, text):
    path = tmp_path / 'shares'
    path.write_bytes(text) if text else path.mkdir()
    with pytest.raises(errors.SharesConfigUnreadable):
        rig.driver(stages.NFS, stages.section(), nfs_shares_config=str(path))


# Names and places

@pytest.mark.parametrize('template', ['../volume-%s', 'sub/volume-%s',
                                      '.hidden-%s'])
def test_volume_name_that_leads_elsewhere(rig, tmp_path, posix, template):
    CONF.set_override('volume_name_template', template)
    try:
        with pytest.raises(errors.VolumeNameInvalid):
            rig.volume(posix)
    finally:
        CONF.clear_override('volume_name_template')
    assert stages.left(tmp_path / 'share') == set()
    assert stages.left(tmp_path) == {'share'}


def _place_file(path, tmp_path):
    path.write_text('somebody else\'s')


def _place_link(path, tmp_path):
    (tmp_path / 'target').write_text('of the link')
    path.symlink_to(tmp_path / 'target')


def _place_dangling_link(path, tmp_path):
    path.symlink_to(tmp_path / 'made-through-the-link')


def _place_folder(path, tmp_path):
    path.mkdir()


@pytest.mark.parametrize('place', [_place_file, _place_link,
                                   _place_dangling_link, _place_folder])
def test_something_where_a_volume_should_go(rig, tmp_path, posix, place):
    volume = rig.new_volume(posix)
    path = tmp_path / 'share' / volume.name
    place(path, tmp_path)
    before = os.lstat(str(path))
    with pytest.raises(errors.VolumeFileExists, match=volume.id):
        posix.create_volume(volume)
    assert os.lstat(str(path)) == before
    assert not (tmp_path / 'made-through-the-link').exists()
    if (tmp_path / 'target').exists():
        assert (tmp_path / 'target').read_text() == 'of the link'


def test_a_link_in_place_of_a_volume_is_not_followed(rig, tmp_path, posix):
    volume = rig.volume(posix)
    target = tmp_path / 'target'
    target.write_bytes(b'a file of the host')
    path = tmp_path / 'share' / volume.name
    path.unlink()
    path.symlink_to(target)
    for verb in (lambda: posix.extend_volume(volume, 2),
                 lambda: posix.initialize_connection(volume, {}),
                 lambda: posix.create_cloned_volume(rig.new_volume(posix),
                                                    volume)):
        with pytest.raises(errors.VolumeFileInvalid, match='symbolic link'):
            verb()
    posix.delete_volume(volume)
    assert target.read_bytes() == b'a file of the host'
    assert stages.left(tmp_path / 'share') == set()


def test_a_missing_file_is_named(rig, tmp_path, posix):
    volume = rig.volume(posix)
    (tmp_path / 'share' / volume.name).unlink()
    with pytest.raises(errors.VolumeFileMissing, match=volume.name):
        posix.initialize_connection(volume, {})
    with pytest.raises(errors.VolumeFileMissing, match=volume.name):
        posix.extend_volume(volume, 2)
    # Its share is there and the file is not: it is deleted.
    posix.delete_volume(volume)


# provider_location and format

def test_location_missing(rig, tmp_path, posix):
    """The service died before Cinder could write the location down."""
    volume = rig.volume(posix)
    volume.provider_location = None
    with pytest.raises(errors.LocationMissing, match=volume.id):
        posix.initialize_connection(volume, {})
    posix.delete_volume(volume)
    assert stages.left(tmp_path / 'share') == set()


def test_location_missing_and_a_share_down(rig, tmp_path):
    driver = stages.posix(rig, tmp_path / 'a', tmp_path / 'b')
    volume = rig.volume(driver, pool=str(tmp_path / 'b'))
    volume.provider_location = None
    (tmp_path / 'b').rename(tmp_path / 'away')
    with pytest.raises(errors.ShareUnavailable):
        driver.delete_volume(volume)
    (tmp_path / 'away').rename(tmp_path / 'b')
    driver.delete_volume(volume)
    assert stages.left(tmp_path / 'b') == set()


def test_location_that_is_none_of_ours(rig, tmp_path, posix):
    volume = rig.volume(posix)
    for location in ('/etc', 'other:/share', '../share', str(tmp_path)):
        volume.provider_location = location
        for verb in (lambda: posix.initialize_connection(volume, {}),
                     lambda: posix.delete_volume(volume)):
            with pytest.raises(errors.ShareUnknown, match='posix_dir'):
                verb()
    assert stages.left(tmp_path / 'share') == {volume.name}


@pytest.mark.parametrize('recorded', [{}, {'format': 'vmdk'}])
def test_format_not_recorded(rig, posix, recorded):
    volume = rig.volume(posix)
    volume.admin_metadata = recorded
    for verb in (lambda: posix.initialize_connection(volume, {}),
                 lambda: posix.extend_volume(volume, 2),
                 lambda: posix.create_cloned_volume(rig.new_volume(posix),
                                                    volume)):
        with pytest.raises(errors.FormatUnknown, match=volume.id):
            verb()
    posix.delete_volume(volume)


def test_encrypted_volume_is_refused(rig, tmp_path, posix):
    volume = rig.new_volume(
        posix, encryption_key_id='12345678-1234-1234-1234-123456789abc')
    with pytest.raises(errors.EncryptionUnsupported, match=volume.id):
        posix.create_volume(volume)
    assert stages.left(tmp_path / 'share') == set()


# Sizes and states

def test_extend_to_less(rig, posix):
    volume = rig.volume(posix, 2)
    with pytest.raises(exception.ExtendVolumeError, match='only grows'):
        posix.extend_volume(volume, 1)
    assert content.size(posix.local_path(volume),
                        volume.admin_metadata['format']) == 2 * units.Gi


@pytest.mark.parametrize('status', ['in-use', 'creating', 'deleting'])
def test_source_of_a_clone_that_is_busy(rig, tmp_path, posix, status):
    source = rig.volume(posix)
    source.status = status
    with pytest.raises(exception.InvalidVolume, match=status):
        posix.create_cloned_volume(rig.new_volume(posix), source)
    assert stages.left(tmp_path / 'share') == {source.name}


# Copies by the kernel

@pytest.fixture
def in_pieces(monkeypatch):
    """Copies of a few hundred pieces."""
    monkeypatch.setattr(direct, 'clone', lambda *paths: False)
    monkeypatch.setattr(copying, 'PIECE', 64 * units.Ki)


def _with_data(rig, driver):
    """A volume with 16 MiB of data here and there."""
    source = rig.volume(driver)
    file_format = source.admin_metadata['format']
    for place in (0, 300, 1000):
        content.write(driver.local_path(source), file_format, 0x33,
                      place * units.Mi, 16 * units.Mi)
    return source


def test_a_copy_is_as_sparse(rig, posix, in_pieces):
    source = _with_data(rig, posix)
    copy = rig.new_volume(posix, 2)
    posix.create_cloned_volume(copy, source)
    file_format = source.admin_metadata['format']
    path = posix.local_path(copy)
    for place in (0, 300, 1000):
        content.assert_pattern(path, file_format, 0x33, place * units.Mi,
                               16 * units.Mi)
    content.assert_same(posix.local_path(source), file_format, path,
                        file_format)
    assert content.size(path, file_format) == 2 * units.Gi
    assert os.stat(path).st_blocks * 512 < 50 * units.Mi


def test_a_copy_when_the_service_stops(rig, tmp_path, posix, in_pieces,
                                       monkeypatch):
    source = _with_data(rig, posix)
    copies = []

    def copy_some(*args):
        copies.append(args)
        if len(copies) == 20:
            # What a service that got SIGTERM does first.
            coordination.COORDINATOR.stop()
        return copying.copy_some(*args)
    monkeypatch.setattr(direct, 'copy_some', copy_some)
    copy = rig.new_volume(posix)
    try:
        with pytest.raises(errors.ServiceStopping):
            posix.create_cloned_volume(copy, source)
    finally:
        coordination.COORDINATOR.start()
    assert len(copies) == 20
    assert stages.left(tmp_path / 'share') == {source.name}
    posix.create_cloned_volume(copy, source)
    file_format = source.admin_metadata['format']
    content.assert_same(posix.local_path(source), file_format,
                        posix.local_path(copy), file_format)


def test_a_copy_that_cannot_be_gone_on_with(rig, posix, in_pieces,
                                            monkeypatch):
    """What the kernel has copied so far is in nobody's way."""
    source = _with_data(rig, posix)
    copies = []

    def copy_some(*args):
        copies.append(args)
        return copying.copy_some(*args) if len(copies) < 20 else None
    monkeypatch.setattr(direct, 'copy_some', copy_some)
    copy = rig.new_volume(posix, 2)
    posix.create_cloned_volume(copy, source)
    file_format = source.admin_metadata['format']
    path = posix.local_path(copy)
    content.assert_same(posix.local_path(source), file_format, path,
                        file_format)
    assert content.size(path, file_format) == 2 * units.Gi


def test_a_copy_of_a_thick_volume(rig, tmp_path, in_pieces):
    thin = stages.posix(rig, tmp_path / 'share')
    source = _with_data(rig, thin)
    content.write(thin.local_path(source), 'raw', 0, 700 * units.Mi,
                  units.Mi)
    thick = stages.posix(rig, tmp_path / 'share',
                         posix_sparsed_volumes=False)
    source.host = thick.host
    copy = rig.new_volume(thick)
    thick.create_cloned_volume(copy, source)
    path = thick.local_path(copy)
    content.assert_same(thin.local_path(source), 'raw', path, 'raw')
    assert os.stat(path).st_blocks * 512 >= units.Gi


@pytest.mark.parametrize('when', [0, 20, 'flush'])
@pytest.mark.parametrize('number', [errno.EIO, errno.ENOSPC, errno.ESTALE])
def test_a_copy_that_fails(rig, tmp_path, posix, in_pieces, monkeypatch,
                           when, number):
    source = _with_data(rig, posix)
    copies = []

    def fail(*args):
        raise OSError(number, os.strerror(number))

    def copy_some(*args):
        copies.append(args)
        return (copying.copy_some if len(copies) <= when else fail)(*args)
    if when == 'flush':
        monkeypatch.setattr(direct, 'flush', fail)
    else:
        monkeypatch.setattr(direct, 'copy_some', copy_some)
    with pytest.raises(errors.VolumeFileInvalid,
                       match=errno.errorcode[number]):
        posix.create_cloned_volume(rig.new_volume(posix), source)
    assert stages.left(tmp_path / 'share') == {source.name}


# Children

def test_killed_qemu_img(rig, tmp_path, monkeypatch):
    """Somebody, or the kernel's out-of-memory killer, kills the child."""
    driver = stages.posix(rig, tmp_path / 'share', **stages.QCOW2)
    source = rig.volume(driver)
    content.write(driver.local_path(source), 'qcow2', 0x33, 0,
                  512 * units.Mi)
    programs, slow = slow_merge.install(tmp_path, 'convert')
    monkeypatch.setenv('PATH', '%s:%s' % (programs, os.environ['PATH']))
    clone = rig.new_volume(driver)
    monkeypatch.setattr(direct, 'clone', lambda *paths: False)
    monkeypatch.setattr(direct, 'copy_some', lambda *args: None)
    killer = _KillsNext('convert')
    with killer:
        with pytest.raises(errors.CommandFailed, match='SIGKILL'):
            driver.create_cloned_volume(clone, source)
    assert stages.left(tmp_path / 'share') == {source.name}
    # And the next one works.
    slow.unlink()
    driver.create_cloned_volume(clone, source)
    content.assert_same(driver.local_path(source), 'qcow2',
                        driver.local_path(clone), 'qcow2')


class _KillsNext(threading.Thread):
    """Kills what this process starts next with a word in its command."""

    def __init__(self, word):
        super().__init__(daemon=True)
        self._word = word.encode()
        self._enough = threading.Event()

    def __enter__(self):
        self.start()

    def __exit__(self, *exc_info):
        self._enough.set()
        self.join()

    def run(self):
        while not self._enough.is_set():
            for pid in self._children():
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.001)

    def _children(self):
        return [pid for pid in family.offspring(os.getpid())
                if self._word in family.command_of(pid)]


def test_a_child_out_of_time_goes_with_its_children():
    # Others may run the same test beside us.
    program = 'sleep 97531.%d' % os.getpid()
    with impatience.bounded(), pytest.raises(errors.CommandTimeout,
                                             match='no end'):
        command.run(['sh', '-c', '%s & %s' % (program, program)],
                    timeout=0.5)
    deadline = time.monotonic() + _LONG
    while subprocess.run(['pgrep', '-f', program + '$'],
                         stdout=subprocess.DEVNULL).returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_is_stopped_on_request():
    with pytest.raises(errors.CommandAborted):
        command.run(['sleep', '97532'], aborted=lambda: True)


def test_a_child_that_says_nothing_is_given_up():
    with pytest.raises(errors.CommandTimeout, match='no progress'):
        command.run(['sh', '-c', 'echo once; sleep 97533'],
                    stall_timeout=0.5)


def test_a_child_beyond_its_memory():
    with pytest.raises(errors.CommandFailed):
        command.run(['sh', '-c', 'sleep 0.3; x=y; while :; do x=$x$x; done'],
                    memory_limit=64 * units.Mi, timeout=_LONG)


def test_a_child_leaves_a_daemon():
    """As mount does with the client of a FUSE file system: it may stay."""
    out, __ = command.run(
        ['sh', '-c', 'setsid sleep 3 & echo started'], timeout=_LONG)
    assert out == 'started\n'


def test_progress_of_qemu_img(tmp_path):
    seen = []
    disk = content.make_disk(str(tmp_path / 'disk'), 'raw', units.Mi)
    command.run(['qemu-img', 'convert', '-p', '-f', 'raw', '-O', 'qcow2',
                 disk, str(tmp_path / 'copy')], progress=seen.append)
    assert seen and seen == sorted(seen) and seen[-1] == 100.0
