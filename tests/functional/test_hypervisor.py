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
"""Guests of the embedded hypervisor: a real QEMU writes while layers change.
"""

import os
import signal
import subprocess
import threading

import pytest

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import guest
from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.embedded.hypervisor import nbd
from remotefs_drivers.embedded.hypervisor import writer
from tests.functional import content
from tests.functional import disks

BASES = pytest.mark.parametrize('base_format', ['raw', 'qcow2'])

# The type of a header extension of qcow2.
BACKING_FORMAT = b'\xe2\x79\x2a\xca'

# Of a merge that is not going to be finished: bytes per second.
SLOWLY = 16 << 10

# Seconds in which a disk comes back that is taken away.
PATIENCE = 30


@pytest.fixture
def share(tmp_path):
    return disks.Share(tmp_path / 'share', tmp_path / 'scratch')


@pytest.fixture
def new_guest(tmp_path):
    """Makes a guest.Guest and starts it; killed in the end."""
    made = []

    def make(path, file_format, **options):
        made.append(guest.Guest(tmp_path / 'guests', path, file_format,
                                name='guest%d' % len(made), **options))
        made[-1].start()
        return made[-1]
    yield make
    for each in made:
        each.kill()


class Story:
    """A disk with four layers, and a writer that never rests.

    :ivar holds: name of a file -> the write up to which it has all
    """

    def __init__(self, share, new_guest, base_format):
        self.share = share
        self.base_format = base_format
        path = share.create('volume', base_format)
        self.guest = new_guest(path, base_format)
        self.holds = {}
        self.disk = self.guest.connect(PATIENCE)
        self.writer = writer.Writer(self.disk, pace=0)
        self.writer.start()
        self.writer.wait(100)
        for name in ('s1', 's2', 's3'):
            self.snapshot(name)

    def format_of(self, name):
        return self.base_format if name == 'volume' else 'qcow2'

    @property
    def chain(self):
        return [os.path.basename(path) for path in self.guest.chain()]

    def snapshot(self, name):
        active = self.chain[0]
        path = self.share.overlay(name, active, self.format_of(active))
        with self.writer.paused() as number:
            self.guest.snapshot(path)
        self.holds[active] = number
        self.writer.wait(100)

    def check(self):
        """All layers, and the disk, by the files; nothing is open then."""
        number = self.writer.stop()
        chain = self.chain
        with self.guest.connect() as disk:
            self.writer.journal.check(disk, number)
        self.guest.stop()
        self.holds[chain[0]] = number
        for name, below in zip(chain, chain[1:] + [None]):
            if self.format_of(name) == 'qcow2':
                assert self.share.backing(name) == (
                    below, below and self.format_of(below))
                disks.image('check', self.share.path(name))
            self.writer.journal.check(
                self.share.content(self.share.path(name),
                                   self.format_of(name)), self.holds[name])


@pytest.fixture(params=['raw', 'qcow2'])
def story(request, share, new_guest):
    return Story(share, new_guest, request.param)


def test_snapshots(story):
    assert story.chain == ['s3', 's2', 's1', 'volume']
    story.check()


def test_merge_of_a_middle_one(story):
    story.guest.commit('s2', 's1')
    story.holds['s1'] = story.holds['s2']
    # Its locks are gone, and so may the file be.
    assert not disks.is_locked(story.share.path('s2'), 'qcow2')
    story.share.delete('s2')
    story.writer.wait(50)
    assert story.chain == ['s3', 's1', 'volume']
    story.check()


def test_merge_of_the_oldest(story):
    story.guest.commit('s1', 'volume')
    story.holds['volume'] = story.holds['s1']
    story.share.delete('s1')
    story.writer.wait(50)
    assert story.chain == ['s3', 's2', 'volume']
    story.check()


def test_merge_of_the_newest(story):
    """As Cinder has it: the active file stays, its parent goes."""
    story.guest.stream('s1')
    story.share.delete('s2')
    story.writer.wait(50)
    assert story.chain == ['s3', 's1', 'volume']
    story.check()


def test_merge_of_all_upwards(story):
    story.guest.stream(None)
    for name in ('volume', 's1', 's2'):
        story.share.delete(name)
    story.writer.wait(50)
    assert story.chain == ['s3']
    story.check()


def test_merge_of_the_active_one(story):
    story.guest.commit('s3', 's2')
    story.share.delete('s3')
    story.writer.wait(50)
    assert story.chain == ['s2', 's1', 'volume']
    assert story.guest.path == story.share.path('s2')
    story.check()


def test_merges_until_none_is_left(story):
    story.guest.commit('s2', 's1')
    story.guest.commit('s1', 'volume')
    story.guest.commit('s3', 'volume')
    assert (story.chain, story.guest.format) == (['volume'],
                                                 story.base_format)
    story.snapshot('s4')
    assert story.chain == ['s4', 'volume']
    story.check()


def test_snapshot_without_a_pause(story):
    """The file is exactly one moment of what the guest did meanwhile."""
    path = story.share.overlay('s4', 's3', 'qcow2')
    low = story.writer.finished
    story.guest.snapshot(path)
    story.writer.wait(1)
    high = story.writer.started
    story.writer.stop()
    story.guest.stop()
    number = story.writer.journal.check_between(
        story.share.content(story.share.path('s3'), 'qcow2'), low, high)
    assert low <= number <= high


def test_it_grows_while_it_is_written(story):
    story.guest.resize(2 * disks.SIZE)
    story.writer.wait(200)
    assert disks.SIZE < max(sector * journal.SECTOR for sector in
                            story.writer.journal.state(story.writer.started))
    with story.guest.connect() as disk:
        assert disk.size == 2 * disks.SIZE
    # The layers below are as large as they were.
    story.check()


def test_it_is_opened_again_by_its_headers(story):
    number = story.writer.stop()
    story.guest.reopen()
    assert story.chain == ['s3', 's2', 's1', 'volume']
    with story.guest.connect() as disk:
        story.writer.journal.check(disk, number)


@BASES
def test_a_file_that_is_open_is_locked(share, new_guest, base_format):
    path = share.create('volume', base_format)
    running = new_guest(path, base_format)
    assert disks.is_locked(path, base_format)
    overlay = share.overlay('s1', 'volume', base_format)
    running.snapshot(overlay)
    done = subprocess.run(['qemu-img', 'info', overlay],
                          capture_output=True, text=True)
    assert done.returncode and 'lock' in done.stderr
    # A layer below may be read by anybody, not written.
    disks.image('info', path)
    assert disks.is_locked(path, base_format)
    with pytest.raises(errors.GuestFailed) as caught:
        new_guest(overlay, 'qcow2')
    assert 'lock' in str(caught.value)
    running.stop()
    assert not disks.is_locked(overlay, 'qcow2')


@BASES
def test_read_only(share, new_guest, base_format):
    path = share.create('volume', base_format)
    os.chmod(path, 0o444)
    running = new_guest(path, base_format, read_only=True)
    with running.connect() as disk:
        assert disk.read(0, 1024) == bytes(1024)
        with pytest.raises(nbd.DiskError):
            disk.write(0, bytes(512))


def test_a_tenants_raw_file_is_not_looked_at(share, new_guest):
    """A qcow2 header in a raw volume is data."""
    path = share.create('volume', 'qcow2')
    with open(path, 'rb') as stream:
        start = stream.read(512)
    with new_guest(path, 'raw').connect() as disk:
        assert disk.read(0, 512) == start


def test_a_backing_file_that_is_gone(share, new_guest):
    share.create('volume', 'raw')
    path = share.overlay('s1', 'volume', 'raw')
    share.delete('volume')
    with pytest.raises(errors.GuestFailed) as caught:
        new_guest(path, 'qcow2')
    assert 'No such file' in str(caught.value)


def test_a_backing_file_without_a_format(share, new_guest):
    share.create('volume', 'raw')
    path = share.overlay('s1', 'volume', 'raw')
    with open(path, 'r+b') as stream:
        start = stream.read(4096)
        stream.seek(start.index(BACKING_FORMAT))
        stream.write(b'some')
    with pytest.raises(errors.GuestFailed) as caught:
        new_guest(path, 'qcow2')
    assert 'as the format of that None' in str(caught.value)


def test_a_layer_that_is_none(story):
    with pytest.raises(errors.GuestFailed):
        story.guest.commit('s9', 'volume')
    with pytest.raises(errors.GuestFailed):
        story.guest.stream('s9')
    story.check()


def test_a_crash_in_a_merge(story):
    """Nothing that was flushed is lost, whatever came of the merge."""
    moved = []
    # It does not come back.
    story.disk._patience = 1

    def watch(job):
        if 0 < job['current-progress'] < job['total-progress']:
            moved.append(job)
            story.guest.kill()
    with pytest.raises(errors.GuestFailed):
        story.guest.commit('s2', 's1', speed=SLOWLY, watch=watch)
    assert moved and not story.guest.alive
    with pytest.raises(nbd.Broken):
        story.writer.stop()
    story.guest.start()
    assert story.chain == ['s3', 's2', 's1', 'volume']
    busy = story.writer
    with story.guest.connect() as disk:
        busy.journal.check_crashed(disk, busy.flushed, busy.started)


def test_a_stop_in_a_merge(story):
    story.writer.stop()
    running = threading.Event()

    def watch(job):
        if job['current-progress']:
            running.set()

    def stop():
        running.wait(300)
        story.guest.stop()
    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(errors.GuestFailed):
        story.guest.stream('s1', speed=SLOWLY, watch=watch)
    stopper.join()
    story.guest.start()
    with story.guest.connect() as disk:
        story.writer.journal.check(disk)


def test_a_crash_of_qemu_itself(share, new_guest):
    running = new_guest(share.create('volume', 'raw'), 'raw')
    os.kill(running.pid, signal.SIGKILL)
    with pytest.raises(errors.GuestFailed) as caught:
        running.stop()
    assert '-9' in str(caught.value)
    running.start()
    running.stop()


def test_a_path_longer_than_an_address(tmp_path, share):
    folder = tmp_path.joinpath(*['a-folder-with-a-long-name'] * 8)
    with guest.Guest(folder, share.create('volume', 'raw'), 'raw') as one:
        with one.connect() as disk:
            disk.write(0, b'a' * 512)
            assert disk.read(0, 512) == b'a' * 512
        with one.url() as url:
            content.assert_pattern(url, 'raw', ord('a'), 0, 512)
    assert os.listdir(folder) == ['guest.log']
