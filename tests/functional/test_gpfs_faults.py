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

"""GPFS that fails, is slow, hangs, is down or away; and two hosts of it.

On the emulated GPFS, for root.
"""

import contextlib
import os
from unittest import mock

from cinder import exception
from cinder import objects
import pytest

from remotefs_drivers import errors
from tests.functional import content
from tests.functional import gpfs_places
from tests.functional import stages
from tests.functional import test_takeover_gpfs
from tests.harness import impatience

pytestmark = pytest.mark.root

#: Seconds that a command is given that hangs.
SHORT = 2


@pytest.fixture
def place(tmp_path):
    with contextlib.ExitStack() as stack:
        made = gpfs_places.Place(stack, str(tmp_path / 'place'))
        stack.enter_context(made.for_root())
        yield made


@pytest.fixture
def driver(rig, place):
    return rig.driver(gpfs_places.DRIVER, stages.section(),
                      **place.options())


@pytest.fixture
def one(rig, driver, tmp_path):
    """A volume with two snapshots, and something written after each."""
    made = test_takeover_gpfs.Story(rig, driver, tmp_path)
    made.take(2)
    return made


def _snapshot(one):
    one.snap()


def _clone(one):
    one.remove(one.copy()[0])


def _copy(one):
    one.remove(one.copy(one.snapshots[0])[0])


def _revert(one):
    one.revert(one.snapshots[-1])


def _drop(one):
    one.drop(one.snapshots[0])


#: Verb -> the commands that it takes.
VERBS = {_snapshot: ['snap'], _clone: ['snap', 'copy', 'show'],
         _copy: ['copy', 'show'], _revert: ['show', 'copy'],
         _drop: ['show']}
EACH = [(verb, command) for verb, commands in VERBS.items()
        for command in commands]


def _tidy(one):
    """What a user does with what failed: delete it."""
    for volume in objects.VolumeList.get_all_by_host(one.rig.context,
                                                     one.driver.host):
        if volume.id != one.volume.id:
            one.driver.delete_volume(volume)
            volume.destroy()
    kept = {each.id for each in one.snapshots}
    for snapshot in objects.SnapshotList.get_all_for_volume(
            one.rig.context, one.volume.id):
        if snapshot.id not in kept:
            one.rig.delete_snapshot(one.driver, snapshot)


def _end(one, place):
    _tidy(one)
    one.check_all([])
    for snapshot in list(one.snapshots):
        one.drop(snapshot)
    one.remove()
    assert place.names() == set()


@pytest.mark.parametrize('when', ['before', 'after'])
@pytest.mark.parametrize('verb, command', EACH)
def test_a_command_fails(one, place, verb, command, when):
    """Whether it did its work or not; then all is done again."""
    place.storage.fault('mmclone', containing=command, code=1, when=when)
    with pytest.raises(errors.GpfsCommandFailed, match='told to fail'):
        verb(one)
    _tidy(one)
    if verb is not _drop:
        # Of that one it is begun.
        one.check_all([])
    verb(one)
    _end(one, place)


@pytest.mark.parametrize('verb, command', [(_snapshot, 'snap'),
                                           (_clone, 'copy'),
                                           (_drop, 'show')])
def test_a_command_hangs(one, place, verb, command):
    """It is killed, and nobody waits for it for ever."""
    place.storage.fault('mmclone', containing=command, hangs=True)
    with impatience.bounded(), _hasty(one.driver._commands, command):
        with pytest.raises(errors.GpfsCommandTimeout,
                           match='mmdiag --waiters'):
            verb(one)
    place.storage.release()
    _tidy(one)
    verb(one)
    _end(one, place)


@contextlib.contextmanager
def _hasty(commands, command):
    """This one is given up soon, and those that work are not."""
    name = 'clone_' + command
    patient = getattr(commands, name)

    def run(*args):
        with mock.patch.object(commands, '_timeout', SHORT):
            return patient(*args)
    with mock.patch.object(commands, name, run):
        yield


def test_a_command_is_slow(one, place):
    place.storage.fault('mmclone', containing='snap', seconds=SHORT / 2)
    one.snap()
    _end(one, place)


def test_gpfs_is_down(rig, one, place):
    """Its mount is stale; nothing is changed, and all goes on later."""
    place.storage.set_state(gpfs_places.HOST, 'down')
    try:
        with pytest.raises(errors.ShareUnavailable, match='mmstartup'):
            one.snap()
        with pytest.raises(errors.GpfsNotReady, match='down.*mmstartup'):
            rig.driver(gpfs_places.DRIVER, stages.section(),
                       **place.options())
    finally:
        place.storage.set_state(gpfs_places.HOST, 'active')
    one.snap()
    _end(one, place)


def test_gpfs_waits_for_others(one, place):
    """Its own commands say it, and files are still there to read."""
    place.storage.set_state(gpfs_places.HOST, 'arbitrating')
    try:
        with pytest.raises(errors.GpfsCommandFailed,
                           match='make a clone parent.*arbitrating'):
            one.snap()
    finally:
        place.storage.set_state(gpfs_places.HOST, 'active')
    one.snap()
    _end(one, place)


def test_it_is_not_mounted(rig, one, place):
    names = place.names()
    place.storage.unmount(gpfs_places.HOST)
    try:
        for verb in (_snapshot, _clone, _drop, _revert,
                     lambda one: one.extend(2), lambda one: one.remove(),
                     lambda one: rig.volume(one.driver)):
            with pytest.raises(errors.ShareUnavailable, match='mmmount'):
                verb(one)
        stats = one.driver.get_volume_stats(refresh=True)
        assert (stats['total_capacity_gb'], stats['free_capacity_gb']) == (
            0, 0)
        assert os.listdir(place.point) == []
    finally:
        place.storage.mount(gpfs_places.HOST, place.point)
    assert place.names() == names
    one.driver.get_volume_stats(refresh=True)
    one.volume.size = 1
    one.volume.save()
    _end(one, place)


@pytest.mark.parametrize('level, version', [('1103', '11.05 (3.3.0.2)'),
                                            ('1403', '11.05 (3.3.0.2)')])
def test_it_is_too_old(rig, tmp_path, monkeypatch, level, version):
    with contextlib.ExitStack() as stack:
        place = gpfs_places.Place(stack, str(tmp_path / 'old'), level=level,
                                  version=version)
        monkeypatch.setenv('PATH', place.storage.path(gpfs_places.HOST))
        with pytest.raises(errors.GpfsNotReady, match='3.4.0.0'):
            rig.driver(gpfs_places.DRIVER, stages.section(),
                       **place.options())


@pytest.mark.parametrize('level, version', [('1403', '14.03 (4.1.0.0)'),
                                            ('5.2.1.0', '35.00 (5.2.1.0)')])
def test_both_forms_of_a_release(rig, tmp_path, monkeypatch, level, version):
    with contextlib.ExitStack() as stack:
        place = gpfs_places.Place(stack, str(tmp_path / 'site'), level=level,
                                  version=version)
        monkeypatch.setenv('PATH', place.storage.path(gpfs_places.HOST))
        made = rig.driver(gpfs_places.DRIVER, stages.section(),
                          **place.options())
        assert made.get_volume_stats(refresh=True)['total_capacity_gb'] > 0


class TestTwoHosts:
    """Each has the file system at a path of its own here."""

    @pytest.fixture
    def other(self, rig, place, tmp_path, monkeypatch):
        point = str(tmp_path / 'other')
        place.storage.mount('b', point)
        monkeypatch.setenv('PATH', place.storage.path('b'))
        made = rig.driver(gpfs_places.DRIVER, stages.section(),
                          gpfs_mount_point_base=os.path.join(point,
                                                             'volumes'))
        monkeypatch.setenv('PATH', place.storage.path(gpfs_places.HOST))
        return made

    @contextlib.contextmanager
    def on(self, one, driver, place, monkeypatch):
        before = one.driver
        one.driver = driver
        monkeypatch.setenv('PATH', place.storage.path('b'))
        yield
        monkeypatch.setenv('PATH', place.storage.path(gpfs_places.HOST))
        one.driver = before

    def test_each_sees_what_the_other_does(self, one, other, place,
                                           monkeypatch):
        first, second = one.snapshots
        with self.on(one, other, place, monkeypatch):
            one.check_all([])
            one.write()
            copies = [one.copy(), one.copy(first)]
            one.drop(first)
        one.check_all(copies)
        one.snap()
        one.write()
        with self.on(one, other, place, monkeypatch):
            one.check_all(copies)
            one.revert(one.snapshots[-1])
            for copy, __ in copies:
                one.remove(copy)
        _end(one, place)

    def test_one_ends_what_was_cut_off_on_the_other(self, one, other, place,
                                                    monkeypatch):
        """By the journal, which lies on the file system."""
        gone = one.snapshots[0]
        place.storage.fault('mmclone', containing='show', code=1, times=-1)
        with pytest.raises(errors.GpfsCommandFailed):
            one.drop(gone)
        place.storage.release()
        assert any(name.endswith('.intent') for name in place.names())
        with self.on(one, other, place, monkeypatch):
            one.drop(gone)
        assert not any(name.endswith('.intent') for name in place.names())
        _end(one, place)


def test_a_stranger_in_place_of_a_snapshot(rig, one, place):
    """A link that leads elsewhere is followed by nobody."""
    snapshot = one.rig.new_snapshot(one.volume)
    secret = os.path.join(place.point, 'secret')
    with open(secret, 'wb') as stream:
        stream.truncate(content.GIB)
    os.symlink(secret, place.path(snapshot.name))
    copy = rig.new_volume(one.driver)
    snapshot.status = 'available'
    snapshot.save()
    with pytest.raises(exception.CinderException):
        one.driver.create_volume_from_snapshot(copy, snapshot)
    copy.destroy()
    os.unlink(place.path(snapshot.name))
    snapshot.destroy()
    _end(one, place)
