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

"""Faults of a real GlusterFS: bricks and daemons killed, stopped, full."""

import contextlib
import dataclasses
import errno
import glob
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cinder import exception
from remotefs_drivers.embedded import gluster as harness
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers import errors
from remotefs_drivers.qemu import command
from remotefs_drivers.share import gluster
from tests.crash import cuts
from tests.functional import content
from tests.functional import gluster_places
from tests.harness import impatience


#: Seconds after which nothing is going to happen any more.
_LONG = 300
#: Seconds for a mount, where one hangs and another one works.
_BOTH = 15
_NOBODY = 65534
_AS_NOBODY = ['setpriv', '--reuid=%d' % _NOBODY, '--regid=%d' % _NOBODY,
              '--clear-groups', '--inh-caps=+dac_read_search',
              # The way there may be closed to him.
              '--ambient-caps=+dac_read_search']

# Mounting is root's.
pytestmark = pytest.mark.root


def is_empty(place, driver):
    return {name for name in os.listdir(place.mount_point(driver))
            if name.startswith('volume-')} == set()


class TestMount:
    def test_no_such_volume(self, place):
        with impatience.bounded(), pytest.raises(
                exception.RemoteFSNoSharesMounted, match='none-there'):
            place.driver(place.share + '-none-there', **gluster_places.QUICK)

    def test_a_dead_server(self, place):
        share = '%s:/v' % place.gluster.net.nobody
        with impatience.bounded(), pytest.raises(
                exception.RemoteFSNoSharesMounted):
            place.driver(share, **gluster_places.QUICK)

    def test_beside_another_one(self, place):
        """The one that works is used."""
        dead = '%s:/v' % place.gluster.net.nobody
        with impatience.bounded(_BOTH):
            driver = place.driver(dead, place.share,
                                  glusterfs_mount_timeout=_BOTH)
        volume = place.rig.volume(driver)
        assert volume.provider_location == place.share

    def test_a_backup_server(self, place):
        driver = place.driver('%s:/%s -o backup-volfile-servers=%s' % (
            place.gluster.net.nobody, place.name, place.gluster.address),
            glusterfs_mount_timeout=_LONG)
        place.rig.volume(driver)

    def test_an_address_of_ipv6(self, place, tmp_path):
        """In brackets in the shares file, and without them for mount."""
        six = harness.Gluster(tmp_path / 'six', place.gluster.net, ipv6=True)
        six.start()
        share = six.create('six')
        assert share.startswith('[')
        volume = place.rig.volume(place.driver(share))
        assert volume.provider_location == share

    def test_glusterd_is_stopped(self, place, later):
        """The daemon of the client would finish the mount later."""
        os.kill(place.gluster.pid, signal.SIGSTOP)
        try:
            with impatience.bounded(), pytest.raises(
                    exception.RemoteFSNoSharesMounted, match='was killed'):
                place.driver(**gluster_places.QUICK)
        finally:
            os.kill(place.gluster.pid, signal.SIGCONT)
        time.sleep(2)
        later()
        driver = place.driver(glusterfs_mount_timeout=_LONG)
        # One mount, and one process that serves it.
        assert len(harness.clients(place.mount_point(driver))) == 1

    def test_the_root_of_a_new_volume_is_opened(self, place, monkeypatch):
        """Nobody may write there, and his group may then."""
        run = command.run
        monkeypatch.setattr(gluster.command, 'run', lambda argv, **limits: run(
            _AS_NOBODY + argv if argv[0] == 'mktemp' else argv, **limits))
        monkeypatch.setattr(os, 'getegid', lambda: _NOBODY)
        driver = place.driver()
        status = os.stat(place.mount_point(driver))
        assert (status.st_gid, status.st_mode & 0o070) == (_NOBODY, 0o070)
        assert is_empty(place, driver)


class TestBricks:
    def test_one_is_killed_while_a_snapshot_is_merged(self, place):
        driver = place.driver()
        story = place.story(driver)
        first, second = story.take(2)
        content.write(story.path, 'qcow2', 0x55, 512 * content.MIB,
                      8 * content.MIB)
        run = driver._means.run
        _replace_run(driver, lambda argv, **limits: (
            place.kill_bricks(1) if 'commit' in argv else None,
            run(cuts.slow(argv), **limits))[1])
        story.drop(first)
        _replace_run(driver, run)
        story.drop(second)
        assert story.table() == {}
        place.bring_back()

    def test_one_is_killed_while_a_volume_is_made(self, place):
        driver = place.driver()
        thread = threading.Timer(0.2, place.kill_bricks, [1])
        thread.start()
        stories = [place.story(driver) for __ in range(6)]
        thread.join()
        for one in stories:
            one.write()
            one.check()
            one.remove()
        assert is_empty(place, driver)

    def test_all_are_killed_and_come_back(self, place, later):
        driver = place.driver()
        story = place.story(driver)
        story.take(2)
        place.kill_bricks()
        with place.hasty(driver):
            for verb in (story.snap, story.clone,
                         lambda: driver.extend_volume(story.volume, 2),
                         lambda: driver.initialize_connection(story.volume,
                                                              {}),
                         lambda: place.rig.volume(driver)):
                with impatience.bounded(), pytest.raises(
                        exception.RemoteFSException):
                    verb()
            with impatience.bounded():
                stats = driver.get_volume_stats(refresh=True)
        assert stats['free_capacity_gb'] == 0
        place.bring_back()
        later()
        # No restart.
        assert driver.get_volume_stats(refresh=True)['free_capacity_gb'] > 0
        story.check()
        story.remove()
        for snapshot in story.snapshots:
            snapshot.destroy()

    def test_a_verb_finds_them_back_by_itself(self, place, later):
        """Nobody has asked for the statistics meanwhile."""
        driver = place.driver()
        story = place.story(driver)
        story.take(1)
        place.kill_bricks()
        place.bring_back()
        later()
        story.snap()
        story.write()
        story.check()

    def test_all_are_stopped(self, place):
        place.be_patient()
        driver = place.driver()
        story = place.story(driver)
        story.take(1)
        with place.stopped_bricks(), place.hasty(driver):
            with impatience.bounded(), pytest.raises(errors.ShareTimeout):
                story.driver.create_snapshot(
                    place.rig.new_snapshot(story.volume))
            with impatience.bounded(), pytest.raises(errors.ShareUnavailable):
                driver.initialize_connection(story.volume, {})
            with impatience.bounded():
                driver.get_volume_stats(refresh=True)
        _wait(lambda: driver.get_volume_stats(refresh=True)[
            'free_capacity_gb'] > 0)
        story.check()
        story.snap()
        story.check()

    def test_they_are_full(self, place):
        """What does not fit leaves nothing, and what is there goes on."""
        driver = place.driver()
        story = place.story(driver)
        story.take(1)
        path = os.path.join(place.mount_point(driver), 'ballast')
        place.gluster.command('volume', 'quota', place.name, 'enable')
        for limit in 'soft', 'hard':
            place.gluster.command('volume', 'quota', place.name,
                                  limit + '-timeout', '0')
        place.gluster.command('volume', 'quota', place.name, 'limit-usage',
                              '/', '64MB')
        _fill(path)
        before = set(os.listdir(place.mount_point(driver)))
        thick = place.driver(nas_volume_prov_type='thick')
        with pytest.raises(exception.CinderException):
            place.rig.volume(thick)
        with pytest.raises(exception.CinderException):
            story.clone()
        assert set(os.listdir(place.mount_point(driver))) == before
        os.unlink(path)
        place.gluster.command('volume', 'quota', place.name, 'disable')
        story.check()


class TestFlush:
    """What the order of our steps relies on: a flush waits for the bricks."""

    @pytest.fixture
    def file(self, place):
        """An open file with 512 bytes of 'a', on a mount of its own.

        No child may be started while the bricks are stopped: it would close
        the file first, which waits for them.
        """
        descriptor = os.open(os.path.join(place.look(), 'file'),
                             os.O_CREAT | os.O_RDWR)
        os.pwrite(descriptor, b'a' * 512, 0)
        os.fsync(descriptor)
        yield descriptor
        # The mount may have died.
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def test_a_write_returns_before_it_is_there(self, place, file):
        """And is lost when the client dies, as when its host does."""
        clients = harness.clients(place.looking)
        with place.stopped_bricks():
            os.pwrite(file, b'b' * 512, 0)
            _kill(clients)
        assert self._content(place) == b'a' * 512

    def test_a_flush_does_not(self, place, file):
        with place.stopped_bricks():
            os.pwrite(file, b'b' * 512, 0)
            flushing = threading.Thread(target=os.fsync, args=(file,))
            flushing.start()
            flushing.join(2)
            assert flushing.is_alive()
        flushing.join(_LONG)
        assert not flushing.is_alive()
        _kill(harness.clients(place.looking))
        assert self._content(place) == b'b' * 512

    def _content(self, place):
        mounts.unmount(place.looking)
        with open(os.path.join(place.look(), 'file'), 'rb') as stream:
            return stream.read()


class TestOtherShares:
    """They go on while a file is open on one whose server is dead.

    A child that is forked from its process closes that file before it runs
    its program, which waits for the server.
    """

    @pytest.fixture
    def other(self, rig, glusterfs, tmp_path):
        """gluster_places.Place: another volume, with bricks of its own."""
        folder = tmp_path / 'other'
        folder.mkdir()
        made = gluster_places.Place(rig, glusterfs, folder)
        yield made
        made.close()

    @pytest.fixture
    def held(self, place):
        """In this block a thread of the process hangs in a flush.

        Nothing in it may start a child but the driver.
        """
        place.be_patient()
        path = os.path.join(place.mount_point(place.driver()), 'held')

        @contextlib.contextmanager
        def _held():
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
            os.fsync(descriptor)
            flushing = threading.Thread(target=_flush, args=(descriptor,))
            try:
                with place.stopped_bricks():
                    os.pwrite(descriptor, b'b' * 512, 0)
                    flushing.start()
                    yield
                    assert flushing.is_alive()
            finally:
                flushing.join(_LONG)
                os.close(descriptor)
        return _held

    def test_a_snapshot_is_merged(self, held, other):
        driver = other.driver()
        story = other.story(driver)
        first, __ = story.take(2)
        with held():
            with impatience.bounded():
                story.drop(first)
            with impatience.bounded():
                stats = driver.get_volume_stats(refresh=True)
        assert stats['free_capacity_gb'] > 0
        story.check()

    def test_with_an_event_loop(self, place, other, tmp_path):
        """It goes on as well, after the call to the share was given up."""
        folder = tmp_path / 'green'
        folder.mkdir()
        place.be_patient()
        with subprocess.Popen(
                [sys.executable, '-m', 'tests.functional.green', str(folder),
                 place.share, other.share], cwd=keeper.REPOSITORY,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True) as service:
            assert service.stdout.readline() == 'ready\n'
            with place.stopped_bricks():
                print(file=service.stdin, flush=True)
                seconds, pause = json.loads(service.stdout.readline())
            # It checks what the volume holds.
            print(file=service.stdin, flush=True)
        assert service.returncode == 0
        # Far less than the share that died would have been waited for.
        assert seconds < impatience.SLACK
        assert pause < impatience.SLACK


class TestTwoHosts:
    """Of a cluster, on mounts of their own."""

    def test_each_sees_at_once_what_the_other_did(self, place):
        """Names, the table, and headers that were written in place."""
        hosts = [place.driver(host=name) for name in ('one', 'other')]
        story = place.story(hosts[0])
        story.write()
        for number in range(8):
            self._look(hosts, story)
            story.driver = hosts[number % 2]
            story.snap()
        while story.snapshots:
            self._look(hosts, story)
            number += 1
            story.driver = hosts[number % 2]
            story.drop(story.snapshots[len(story.snapshots) // 2])
        story.check()
        story.revert(story.snap())
        story.driver = hosts[number % 2]
        story.snap()
        story.check()

    def _look(self, hosts, story):
        """Which takes what is found into memory, if anything does."""
        one, other = (host._file_of(story.volume).peek() for host in hosts)
        assert one == other


class TestSplitBrain:
    @pytest.fixture
    def split(self, place):
        """Makes the copies of a file on the bricks differ."""
        for option, value in (('cluster.quorum-type', 'none'),
                              ('cluster.server-quorum-type', 'none'),
                              ('cluster.self-heal-daemon', 'off'),
                              ('cluster.data-self-heal', 'off'),
                              ('cluster.metadata-self-heal', 'off'),
                              ('cluster.entry-self-heal', 'off'),
                              ('cluster.heal-timeout', '5')):
            place.gluster.command('volume', 'set', place.name, option, value)

        def _split(path):
            for chosen, text in ((slice(0, 1), '{"active": "x"}'),
                                 (slice(1, 3), '{"active": "yy"}')):
                pids = place.gluster.bricks(place.name)
                for pid in pids[chosen]:
                    os.kill(pid, signal.SIGKILL)
                left = len(pids) - len(pids[chosen])
                _wait(lambda: _connections(path) == left)
                with open(path, 'w') as stream:
                    stream.write(text)
                place.bring_back()
                _wait(lambda: _connections(path) == len(pids))
        return _split

    def test_a_table_that_is_two(self, place, split):
        """Refused, and nothing is written over it."""
        driver = place.driver()
        story = place.story(driver)
        first, = story.take(1)
        table = story.base + '.info'
        with open(table) as stream:
            text = stream.read()
        split(table)
        with pytest.raises(OSError) as found:
            open(table).read()
        assert found.value.errno == errno.EIO
        folder = os.path.dirname(table)
        names = set(os.listdir(folder))
        for verb in (story.snap, story.clone, lambda: story.drop(first),
                     lambda: driver.initialize_connection(story.volume, {})):
            with pytest.raises(errors.VolumeFileInvalid, match='.info'):
                verb()
        assert set(os.listdir(folder)) == names
        for brick in place.gluster.brick_folders(place.name):
            with open(os.path.join(brick, os.path.basename(table))) as copy:
                assert copy.read() != text
        # The operator decides for the newest, and puts it right.
        for option, value in (('cluster.favorite-child-policy', 'mtime'),
                              ('cluster.metadata-self-heal', 'on'),
                              ('cluster.data-self-heal', 'on')):
            place.gluster.command('volume', 'set', place.name, option, value)
        _wait(lambda: _can_read(table))
        with open(table, 'w') as stream:
            stream.write(text)
        story.check()


def _flush(descriptor):
    # The client gives the bricks up after a while.
    with contextlib.suppress(OSError):
        os.fsync(descriptor)


def _kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _connections(path):
    """How many bricks the client of a mount can ask, as it says itself."""
    found = []
    for name in glob.glob(os.path.join(os.path.dirname(path), '.meta/graphs/'
                                       'active/*-client-*/private')):
        with open(name) as stream:
            found.append('connected = 1' in stream.read())
    return sum(found)


def _can_read(path):
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return False


def _wait(is_so):
    deadline = time.monotonic() + _LONG
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _replace_run(driver, run):
    driver._means = dataclasses.replace(driver._means, run=run)


def _fill(path):
    try:
        with open(path, 'wb') as stream:
            while True:
                stream.write(os.urandom(content.MIB))
                stream.flush()
                os.fsync(stream.fileno())
    except OSError:
        pass
