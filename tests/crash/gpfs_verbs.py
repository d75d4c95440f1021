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

"""The verbs of GPFSDriver that the crash suite cuts, as in ``verbs``.

A snapshot is a file of its own; a table there is none.
"""

import os

from cinder import objects

from tests.crash import explorer
from tests.crash import saga as sagas
from tests.crash import verbs

LOST, STUCK, ORPHANED = explorer.LOST, explorer.STUCK, explorer.ORPHANED

#: What older crashes may have left of a volume.
_LEFT = ('.%s.plain-copy', '.%s.new-clone', '.%s.new-text')


class Saga(sagas.Saga):
    """Of a volume whose snapshots are files beside it."""

    def table(self):
        """Snapshot id -> name, of those that have a file."""
        snapshots = objects.SnapshotList.get_all_for_volume(
            self.rig.context, self.volume.id)
        return {each.id: each.name for each in snapshots
                if os.path.exists(os.path.join(self.share, each.name))}

    def check_beneath(self, snapshots):
        for snapshot in snapshots:
            self.check_file(os.path.join(self.share, snapshot.name), 'raw',
                            self.held[snapshot.id], snapshot.volume_size)

    def check_layers(self):
        """Nothing of the volume but its file, and no journal."""
        base = os.path.basename(self.base)
        found = {name for name in os.listdir(self.share)
                 if name.startswith((base, '.' + base))}
        assert found == {base}, found


class Create(verbs.Create):
    saga = Saga


class Delete(verbs.Delete):
    saga = Saga


class Revert(verbs.Revert):
    saga = Saga


class RevertPast(Revert):
    """To one that is older than one that was deleted, and waits."""

    def prepared(self, story):
        story.drop(story.snapshots[-1])
        return {'subject': story.snapshots[-1].id}


class Extend(verbs.Extend):
    saga = Saga

    def finish(self, saga):
        saga.volume.size = 2
        saga.volume.save()
        verbs.Verb.finish(self, saga)


class Clone(verbs.Clone):
    saga = Saga


class CloneOfClone(Clone):
    """Of a volume that others are based on, and that is based on others."""

    def prepared(self, story):
        story.drop(story.snapshots[0])
        story.clone()
        return super().prepared(story)


class Make(verbs.Verb):
    """A volume with attributes, beside the other one.

    A user deletes one that failed, and makes another one.
    """

    depth = 2
    saga = Saga

    def prepared(self, story):
        return {'spare': story.rig.new_volume(
            story.driver, 2, metadata={'replicas': '2'}).id}

    def act(self, saga):
        made = saga.spare_volume()
        made.update(saga.driver.create_volume(made))
        made.save()

    def retry(self, saga):
        saga.driver.delete_volume(saga.spare_volume())
        self.act(saga)

    def check_more(self, saga):
        saga.check_volume(saga.spare_volume(), {}, 2)


class CloneWithAttributes(Clone):
    """Which are set once the clone is there."""

    def prepared(self, story):
        return {'spare': story.rig.new_volume(
            story.driver, 2, metadata={'replicas': '2'}).id}


class Remove(verbs.Remove):
    """Delete the volume, whose snapshots are deleted and wait."""

    saga = Saga

    def prepared(self, story):
        for snapshot in list(story.snapshots):
            story.drop(snapshot)
        for name in _LEFT:
            path = os.path.join(story.share, name % story.volume.name)
            with open(path, 'w') as stream:
                stream.write('left')
        return {}


class RemoveSource(Remove):
    """The same, and copies of it go on."""

    def prepared(self, story):
        copy = story.clone(source=story.snapshots[0])
        super().prepared(story)
        return {'spare': copy.id}

    def remove_all(self, saga):
        self._remove_volumes(saga)

    def finish(self, saga):
        with explorer.finding(LOST):
            saga.check_volume(saga.spare_volume(),
                              next(iter(saga.held.values()), saga.state)
                              if saga.held else self._of_first(saga), 1)
        with explorer.finding(STUCK):
            saga.driver.delete_volume(saga.spare_volume())
        self.check_empty(saga)

    def _of_first(self, saga):
        """What the volume held when its first snapshot was taken."""
        return {0: 0xa1, 1: 0xa1}


class RemoveCopy(verbs.Verb):
    """Delete a copy, whose source goes on."""

    saga = Saga

    def prepared(self, story):
        return {'spare': story.clone().id}

    def act(self, saga):
        saga.driver.delete_volume(saga.spare_volume())


BACKENDS = {
    'any depth': (),
    'not too deep': (('gpfs_max_clone_depth', 1),),
}

VERBS = {
    'create a volume': Make(),
    'create the first snapshot': Create(snapshots=0),
    'create another snapshot': Create(),
    'delete the newest snapshot': Delete(place=2),
    'delete a middle snapshot': Delete(place=1),
    'delete the oldest snapshot': Delete(place=0),
    'delete the only snapshot': Delete(snapshots=1, place=0),
    'revert': Revert(place=2),
    'revert to the oldest': Revert(place=0),
    'revert past one that waits': RevertPast(),
    'extend': Extend(),
    'clone': Clone(),
    'clone a clone': CloneOfClone(),
    'clone with attributes': CloneWithAttributes(),
    'clone a snapshot': Clone(place=1),
    'delete the volume': Remove(),
    'delete the source of a copy': RemoveSource(),
    'delete a copy': RemoveCopy(),
}

CASES = [(verb, backend) for verb in sorted(VERBS)
         for backend in sorted(BACKENDS)]
