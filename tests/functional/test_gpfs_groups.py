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

"""Snapshots of a consistent group while somebody writes; GPFS that fails then.

On the emulated GPFS, for root.
"""

import contextlib
import os
import struct
import threading

from cinder import objects
from cinder.volume import volume_utils
from oslo_utils import uuidutils
import pytest

from tests.functional import test_gpfs_faults

pytestmark = pytest.mark.root

place = test_gpfs_faults.place
driver = test_gpfs_faults.driver

#: How many snapshots are taken while somebody writes.
ROUNDS = 10
#: Seconds for a few writes: far more than they take anywhere.
_LONG = 300
_NUMBER = struct.Struct('<Q')


class Thing(dict):
    """A group or a group snapshot, as much of it as drivers look at."""

    def __init__(self, **values):
        super().__init__(values, id=uuidutils.generate_uuid())
        vars(self).update(self)


class Story:
    """A group of two volumes."""

    def __init__(self, rig, driver, place):
        self.rig, self.driver, self.place = rig, driver, place
        self.group = Thing()
        driver.create_group(rig.context, self.group)
        self.folder = 'consisgroup-' + self.group.id
        self.volumes = [rig.volume(driver, group_id=self.group.id)
                        for __ in range(2)]

    def path(self, each):
        return self.place.path(os.path.join(self.folder, each.name))

    def ask(self):
        """A group snapshot that is to be made, and its snapshots."""
        return (Thing(group_id=self.group.id),
                [self.rig.new_snapshot(volume) for volume in self.volumes])

    def take(self, expected='available'):
        asked = self.ask()
        update, updates = self.driver.create_group_snapshot(
            self.rig.context, *asked)
        assert update == {'status': expected}
        assert updates == [{'id': each.id, 'status': expected}
                           for each in asked[1]]
        return asked

    def drop(self, group_snapshot, snapshots):
        update, __ = self.driver.delete_group_snapshot(
            self.rig.context, group_snapshot, snapshots)
        assert update == {'status': 'deleted'}
        for snapshot in snapshots:
            snapshot.destroy()

    def names(self):
        return self.place.names(self.folder) - {'.snapshots'}

    def end(self):
        update, __ = self.driver.delete_group(
            self.rig.context, self.group, self.volumes)
        assert update == {'status': 'deleted'}
        assert self.place.names() == set()


@pytest.fixture
def story(rig, driver, place, monkeypatch):
    monkeypatch.setattr(volume_utils, 'is_group_a_cg_snapshot_type',
                        lambda group: True)
    monkeypatch.setattr(objects.Volume, 'group', None, raising=False)
    return Story(rig, driver, place)


class Writer:
    """Writes a number to the first file, then to the second, then the next.

    Each is on the disk before the next one is written.

    :ivar number: the last one that is in both
    """

    def __init__(self, *paths):
        self._paths = paths
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self.number = 0
        self.error = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        self._thread.join()
        assert self.error is None, self.error

    def advance(self):
        """Until what is in both is newer than all that was begun before."""
        with self._changed:
            goal = self.number + 2
            assert self._changed.wait_for(
                lambda: self.number >= goal or self.error, _LONG)

    def _run(self):
        try:
            with contextlib.ExitStack() as stack:
                files = [stack.enter_context(open(path, 'r+b', buffering=0))
                         for path in self._paths]
                while not self._stop.is_set():
                    for file in files:
                        file.seek(0)
                        file.write(_NUMBER.pack(self.number + 1))
                        os.fsync(file.fileno())
                    with self._changed:
                        self.number += 1
                        self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self.error = error
                self._changed.notify_all()


def number(path):
    with open(path, 'rb') as stream:
        return _NUMBER.unpack(stream.read(_NUMBER.size))[0]


def pairs(story, take):
    """What the two snapshots hold, of each time that they were taken.

    :param take: function that is given the writer
    """
    found, taken = [], []
    with Writer(*map(story.path, story.volumes)) as writer:
        for __ in range(ROUNDS):
            writer.advance()
            taken.append(take(writer))
    for __, snapshots in taken:
        found.append([number(story.path(each)) for each in snapshots])
    for asked in taken:
        story.drop(*asked)
    # Somebody did write all the time.
    firsts = [first for first, __ in found]
    assert firsts == sorted(set(firsts)) and firsts[0] > 0
    return found


def test_all_of_one_moment(story):
    """What was written later is in none, or what was before it as well."""
    for first, second in pairs(story, lambda writer: story.take()):
        assert second in (first, first - 1)
    story.end()


def test_one_by_one_they_are_not(story):
    """So the test above can fail."""
    def one_by_one(writer):
        asked = story.ask()
        for snapshot in asked[1]:
            story.driver.create_snapshot(snapshot)
            writer.advance()
        return asked
    assert all(second > first for first, second in pairs(story, one_by_one))
    story.end()


#: Program, what it is asked for, when it fails.
FAULTS = [('mmcrsnapshot', '', when) for when in ('before', 'half', 'after')]
FAULTS += [('mmclone', verb, when) for verb in ('copy', 'split', 'snap')
           for when in ('before', 'after')]
FAULTS += [('mmclone', 'copy', 'half'), ('mmdelsnapshot', '', 'before'),
           ('mmdelsnapshot', '', 'after')]


@pytest.mark.parametrize('program, verb, when', FAULTS)
def test_a_command_fails(story, place, caplog, program, verb, when):
    """Nothing of it is left, and all goes on."""
    place.storage.fault(program, containing=verb, code=1, when=when)
    asked = story.take('error')
    assert 'told to fail' in caplog.text or 'Killed' in caplog.text
    assert story.names() == {each.name for each in story.volumes}
    assert story.driver._commands.snapshots('gpfs0', story.folder) == []
    story.drop(*asked)
    story.drop(*story.take())
    story.end()


def test_what_stays_goes_with_the_group_snapshot(story, place):
    place.storage.fault('mmdelsnapshot', code=1, times=-1)
    asked = story.take('error')
    assert len(story.driver._commands.snapshots('gpfs0', story.folder)) == 1
    place.storage.release()
    story.drop(*asked)
    assert story.driver._commands.snapshots('gpfs0', story.folder) == []
    story.end()


def test_a_fileset_that_is_not_independent(rig, story, place, caplog):
    """There is an error, and no snapshot that is made in another way."""
    commands = story.driver._commands
    story.driver.delete_group(rig.context, story.group, story.volumes)
    commands.create_fileset('gpfs0', story.folder, False)
    commands.link_fileset('gpfs0', story.folder, place.path(story.folder))
    for volume in story.volumes:
        story.driver.create_volume(volume)
    place.asked()
    asked = story.take('error')
    assert 'is not independent' in caplog.text
    assert not any(call.startswith('mmclone') for call in place.asked())
    story.drop(*asked)
    story.end()


def test_a_snapshot_is_as_any_other(rig, story):
    """Content, mode, revert, a volume of it; deleted before that one."""
    for volume in story.volumes:
        with open(story.path(volume), 'r+b') as stream:
            stream.write(_NUMBER.pack(1))
    asked = story.take()
    first = asked[1][0]
    assert os.stat(story.path(first)).st_mode & 0o777 == 0o640
    with pytest.raises(OSError, match='Read-only'):
        open(story.path(first), 'r+b').close()
    with open(story.path(story.volumes[0]), 'r+b') as stream:
        stream.write(_NUMBER.pack(2))
    copy = rig.new_volume(story.driver, group_id=story.group.id)
    first.status = 'available'
    first.save()
    copy.update(story.driver.create_volume_from_snapshot(copy, first))
    story.driver.revert_to_snapshot(rig.context, story.volumes[0], first)
    story.drop(*asked)
    for each in copy, *story.volumes:
        assert number(story.path(each)) == 1
    story.volumes.append(copy)
    story.end()


def test_the_programs_that_it_takes(story, place):
    place.asked()
    asked = story.take()
    of_one = ['mmclone copy', 'mmclone split', 'mmclone snap']
    assert place.asked() == ['mmcrsnapshot', *of_one, *of_one,
                             'mmdelsnapshot']
    story.drop(*asked)
    story.end()
