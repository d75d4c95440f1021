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

"""Groups of volumes, each with a fileset, for the crash suite.

As in ``gpfs_verbs``. The groups, their type and their snapshots are real
objects in the database, of one group there.
"""

import os

from cinder import objects
from cinder.volume import group_types

from tests.crash import explorer
from tests.crash import gpfs_verbs
from tests.crash import saga as sagas
from tests.functional import content
from tests import rig as rigs

_OWNER = {'user_id': rigs.USER, 'project_id': rigs.PROJECT}
_CONSISTENT = {'consistent_group_snapshot_enabled': '<is> True'}
#: What the second volume of a group holds.
_OTHER = {0: 0xb0, 7: 0xb7}
#: Names of group snapshots: of one that may fail, and of that after it.
_FIRST, _FRESH = 'first', 'fresh'


class Group(gpfs_verbs.Saga):
    """There is a group as well."""

    @property
    def group(self):
        found, = objects.GroupList.get_all(self.rig.context)
        return found

    @property
    def folder(self):
        """Of the group."""
        return os.path.join(self.rig.folder, 'share',
                            'consisgroup-' + self.group.id)

    def volumes(self):
        """Those of the group."""
        return [each for each in objects.VolumeList.get_all_by_host(
            self.rig.context, self.driver.host)
            if each.group_id == self.group.id]

    def remove_group(self):
        update, __ = self.driver.delete_group(self.rig.context, self.group,
                                              self.volumes())
        assert update == {'status': 'deleted'}, update


class Saga(Group):
    """Of a volume in the group, in which there is another one."""

    def group_snapshot(self, name):
        """A group snapshot, and its snapshots."""
        found, = [each for each in objects.GroupSnapshotList.get_all(
            self.rig.context) if each.name == name]
        return found, list(objects.SnapshotList.get_all_for_group_snapshot(
            self.rig.context, found.id))

    def take(self, name):
        update, __ = self.driver.create_group_snapshot(
            self.rig.context, *self.group_snapshot(name))
        assert update == {'status': 'available'}, update

    def drop(self, name):
        update, __ = self.driver.delete_group_snapshot(
            self.rig.context, *self.group_snapshot(name))
        assert update == {'status': 'deleted'}, update

    def check_layers(self):
        """The fileset has the volumes in it, and whole group snapshots."""
        expected = {each.name for each in self.volumes()}
        for name in _FIRST, _FRESH:
            names = {each.name for each in self.group_snapshot(name)[1]}
            if names & set(os.listdir(self.folder)):
                expected |= names
        assert set(os.listdir(self.folder)) == expected
        assert self.frozen() == []

    def frozen(self):
        """Names of the snapshots of the fileset."""
        return [each.name for each in self.driver._commands.snapshots(
            'gpfs0', 'consisgroup-' + self.group.id)]


class GroupSnapshot(gpfs_verbs.verbs.Verb):
    """What all verbs of a group with volumes have in common."""

    depth = 1
    saga = Saga

    def prepare(self, rig, driver):
        group = _new_group(rig)
        driver.create_group(rig.context, group)
        story = sagas.Beginning(rig, driver, rig.folder, group_id=group.id)
        story.write()
        other = rig.volume(driver, group_id=group.id)
        content.write_all(driver.local_path(other), 'raw', [
            (pattern, number * story.APART, content.KIB)
            for number, pattern in _OTHER.items()])
        for name in _FIRST, _FRESH:
            _new_snapshot(rig, group, name, (story.volume, other))
        self.begin(story)
        sagas.write_down(story, spare=other.id)

    def begin(self, story):
        """Anything else."""

    def held(self, saga):
        return dict.fromkeys(saga.table(), self.state(saga))

    def check_more(self, saga):
        saga.check_volume(saga.spare_volume(), _OTHER, 1)
        for name in _FIRST, _FRESH:
            for snapshot in saga.group_snapshot(name)[1]:
                path = os.path.join(saga.folder, snapshot.name)
                if snapshot.volume_id == saga.spare and os.path.exists(path):
                    saga.check_file(path, 'raw', _OTHER, 1)

    def remove_all(self, saga):
        with explorer.finding(explorer.STUCK):
            for name in _FIRST, _FRESH:
                saga.drop(name)
            saga.remove_group()
        self.check_empty(saga)


class Take(GroupSnapshot):
    """A user deletes one that failed, and makes another one."""

    def act(self, saga):
        saga.take(_FIRST)

    def retry(self, saga):
        saga.drop(_FIRST)
        saga.drop(_FRESH)
        saga.take(_FRESH)

    def check_more(self, saga):
        super().check_more(saga)
        with explorer.finding(explorer.LOST):
            assert saga.table(), 'there is no snapshot'


class Drop(GroupSnapshot):
    depth = 2

    def begin(self, story):
        Saga.take(_Beginning(story), _FIRST)
        story.write()

    def act(self, saga):
        saga.drop(_FIRST)

    def held(self, saga):
        return {}


class DropRest(Drop):
    """Of one that was cut off while it was made."""

    def begin(self, story):
        frozen = os.path.join(story.share, _freeze(story))
        story.driver._commands.clone_copy(
            os.path.join(frozen, story.volume.name), os.path.join(
                story.share, '.%s.new-snapshot' % story.volume.name))


class RemoveGroup(GroupSnapshot):
    """With what older crashes have left in it."""

    depth = None

    def begin(self, story):
        beginning = _Beginning(story)
        Saga.take(beginning, _FIRST)
        Saga.drop(beginning, _FIRST)
        _freeze(story)

    def act(self, saga):
        saga.remove_group()

    def attach(self, saga):
        """Nobody attaches a volume that is being deleted."""

    go_on = attach

    def finish(self, saga):
        self.check_empty(saga)

    def remove_all(self, saga):
        with explorer.finding(explorer.STUCK):
            saga.remove_group()
        self.check_empty(saga)


class MakeGroup(gpfs_verbs.verbs.Verb):
    """Beside a volume. A user deletes one that failed, and tries again."""

    saga = Group

    def __init__(self):
        super().__init__(snapshots=1)

    def prepared(self, story):
        _new_group(story.rig)
        return {}

    def act(self, saga):
        update = saga.driver.create_group(saga.rig.context, saga.group)
        assert update == {'status': 'available'}

    def retry(self, saga):
        saga.remove_group()
        self.act(saga)

    def finish(self, saga):
        """A volume can be made in it."""
        with explorer.finding(explorer.STUCK):
            volume = saga.rig.volume(saga.driver, group_id=saga.group.id)
        with explorer.finding(explorer.LOST):
            assert os.listdir(saga.folder) == [volume.name]
        super().finish(saga)

    def remove_all(self, saga):
        with explorer.finding(explorer.STUCK):
            saga.remove_group()
            for volume in saga.volumes():
                volume.destroy()
        super().remove_all(saga)


class _Beginning:
    """What a Saga asks of a story that is not written down yet."""

    group_snapshot = Saga.group_snapshot

    def __init__(self, story):
        self.rig = story.rig
        self.driver = story.driver


def _freeze(story):
    """Make the snapshot of the fileset, as it is in the group's folder."""
    name = _Beginning(story).group_snapshot(_FIRST)[0].id
    story.driver._commands.create_snapshot(
        'gpfs0', 'consisgroup-' + story.volume.group_id, name)
    return os.path.join('.snapshots', name)


def _new_group(rig):
    kind = group_types.create(rig.context, 'consistent', _CONSISTENT)
    group = objects.Group(rig.context, status='available',
                          group_type_id=kind.id, **_OWNER)
    group.create()
    return group


def _new_snapshot(rig, group, name, volumes):
    made = objects.GroupSnapshot(
        rig.context, name=name, group_id=group.id, status='creating',
        group_type_id=group.group_type_id, **_OWNER)
    made.create()
    for volume in volumes:
        rig.new_snapshot(volume, group_snapshot_id=made.id)


BACKENDS = {'in a fileset': ()}

VERBS = {
    'create a group': MakeGroup(),
    'create a group snapshot': Take(),
    'delete a group snapshot': Drop(),
    'delete the rest of a group snapshot': DropRest(),
    'delete a group': RemoveGroup(),
}

CASES = [(verb, 'in a fileset') for verb in sorted(VERBS)]
