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

"""The verbs that the crash suite cuts, and what must be so after each.

``act`` is the verb, ``retry`` what a user of Cinder does when it has failed.
``attach`` and ``go_on`` are what happens to the volume in between. After
``finish``, which follows a verb that came to its end, nothing is left.
"""

import os
import subprocess

from cinder import objects

from tests.crash import explorer
from tests.crash import saga as sagas
from tests.functional import stages

LOST, STUCK, ORPHANED = explorer.LOST, explorer.STUCK, explorer.ORPHANED


class Verb:
    """One that changes nothing of the volume or its snapshots.

    :param snapshots: how many the volume has
    :param place: of the snapshot that the verb is about, or None
    :cvar depth: how often a crash may follow a crash, None for any number
    :cvar saga: the class that tells what there is
    :cvar beginning: the one that makes it
    """

    depth = None
    saga = sagas.Saga
    beginning = sagas.Beginning

    def __init__(self, snapshots=3, place=None):
        self.snapshots = snapshots
        self.place = place

    # To be said by each verb

    def act(self, saga):
        raise NotImplementedError()

    def retry(self, saga):
        """What a user does when it has failed."""
        self.act(saga)

    def prepared(self, story):
        """Anything that the verb needs; returns fields for the saga."""
        return {}

    def state(self, saga):
        """What the volume holds after it."""
        return self._current(saga)

    def states(self, saga):
        """What the volume may hold when it was cut off."""
        return [self.state(saga)]

    def sizes(self, saga):
        """GiB that the volume may have when it was cut off."""
        return [saga.volume.size]

    def held(self, saga):
        """Snapshot id -> state of those that there are after it."""
        return saga.held

    def check_more(self, saga):
        """Whatever else must be so after it."""

    # What all have in common

    def prepare(self, rig, driver):
        story = self.beginning(rig, driver, rig.folder)
        story.take(self.snapshots)
        subject = None
        if self.place is not None:
            subject = story.snapshots[self.place].id
        sagas.write_down(story, **{'subject': subject,
                                   **self.prepared(story)})

    def attach(self, saga):
        saga.driver.initialize_connection(saga.volume, {})

    def go_on(self, saga):
        """The volume is whole, and a guest goes on with it."""
        self._check_active(saga)
        if self._may_differ(saga):
            # Only the snapshot that goes need not hold anything.
            with explorer.finding(LOST):
                table = saga.table()
                saga.check_beneath(
                    each for each in saga.others() if each.id in table)
        with explorer.finding(STUCK):
            saga.scribble()
        with open(os.path.join(saga.rig.folder, 'scribbled'), 'w'):
            pass
        self._check_active(saga)

    def finish(self, saga):
        """All is as it should be; nothing is left when all is deleted."""
        self._settle(saga)
        with explorer.finding(LOST):
            saga.check_file(saga.path, saga.format(), self.state(saga))
            for snapshot in saga.snapshots:
                self._check_snapshot(saga, snapshot)
            self.check_more(saga)
        with explorer.finding(ORPHANED):
            saga.check_layers()
        self.remove_all(saga)

    def remove_all(self, saga):
        """Delete what Cinder knows of, as a user must be able to."""
        with explorer.finding(STUCK):
            for snapshot in objects.SnapshotList.get_all_for_volume(
                    saga.rig.context, saga.volume.id):
                saga.driver.delete_snapshot(snapshot)
        self._remove_volumes(saga)

    def _remove_volumes(self, saga):
        with explorer.finding(STUCK):
            for volume in objects.VolumeList.get_all_by_host(
                    saga.rig.context, saga.driver.host):
                saga.driver.delete_volume(volume)
        self.check_empty(saga)

    def check_empty(self, saga):
        with explorer.finding(ORPHANED):
            left = stages.left(os.path.join(saga.rig.folder, 'share'))
            assert left == set(), left

    def _check_active(self, saga):
        with explorer.finding(STUCK):
            path, file_format = saga.path, saga.format()
        with explorer.finding(LOST):
            errors = []
            for state in self.states(saga):
                for size in self.sizes(saga):
                    try:
                        saga.check_file(path, file_format, state, size)
                        return
                    except AssertionError as error:
                        errors.append(str(error))
            raise AssertionError(errors)

    def _may_differ(self, saga):
        return bool(saga.snapshots)

    def _settle(self, saga):
        """What there is after the verb."""
        held = self.held(saga)
        saga.held = held
        saga.snapshots = [saga.snapshot(each) for each in held]
        for snapshot in saga.snapshots:
            snapshot.status = 'available'

    def _check_snapshot(self, saga, snapshot):
        copy = saga.clone(source=snapshot)
        saga.check_volume(copy, saga.held[snapshot.id], copy.size)
        saga.remove(copy)

    def _current(self, saga):
        if saga.is_scribbled():
            return saga.scribbled(saga.state)
        return saga.state


class Create(Verb):
    """A user deletes a snapshot that failed, and makes another one."""

    depth = 2

    def prepared(self, story):
        return {'subject': story.rig.new_snapshot(story.volume).id,
                'fresh': story.rig.new_snapshot(story.volume).id}

    def act(self, saga):
        saga.driver.create_snapshot(saga.snapshot(saga.subject))

    def retry(self, saga):
        saga.driver.delete_snapshot(saga.snapshot(saga.subject))
        saga.driver.delete_snapshot(saga.snapshot(saga.fresh))
        saga.driver.create_snapshot(saga.snapshot(saga.fresh))

    def held(self, saga):
        table = saga.table()
        return dict(saga.held, **{
            each: self.state(saga) for each in (saga.subject, saga.fresh)
            if each in table})


class Delete(Verb):
    def act(self, saga):
        saga.driver.delete_snapshot(saga.snapshot(saga.subject))

    def held(self, saga):
        return {each: state for each, state in saga.held.items()
                if each != saga.subject}


class Revert(Verb):
    """Tried again, it throws away what was written in between."""

    depth = 2

    def act(self, saga):
        saga.driver.revert_to_snapshot(
            saga.rig.context, saga.volume, saga.snapshot(saga.subject))

    def state(self, saga):
        return saga.held[saga.subject]

    def states(self, saga):
        states = [saga.state, saga.held[saga.subject]]
        if saga.is_scribbled():
            return [saga.scribbled(state) for state in states]
        return states


class Extend(Verb):
    def act(self, saga):
        saga.driver.extend_volume(saga.volume, 2)

    def sizes(self, saga):
        return [1, 2]

    def finish(self, saga):
        saga.volume.size = 2
        saga.volume.save()
        # qemu-img, killed while it makes the tables larger, leaves clusters
        # that nobody uses, 64 KiB each: harmless, and all that may be wrong.
        with explorer.finding(LOST):
            subprocess.run(['qemu-img', 'check', '-q', '-r', 'leaks', '-f',
                            'qcow2', saga.path], check=True)
        super().finish(saga)


class Clone(Verb):
    """Of the volume, or of a snapshot of it.

    A user deletes a copy that failed, and makes another one.
    """

    depth = 2

    def prepared(self, story):
        return {'spare': story.rig.new_volume(story.driver, 2).id}

    def act(self, saga):
        copy = saga.spare_volume()
        if saga.subject is None:
            update = saga.driver.create_cloned_volume(copy, saga.volume)
        else:
            update = saga.driver.create_volume_from_snapshot(
                copy, saga.snapshot(saga.subject))
        copy.update(update)
        copy.save()

    def retry(self, saga):
        saga.driver.delete_volume(saga.spare_volume())
        self.act(saga)

    def check_more(self, saga):
        state = (self.state(saga) if saga.subject is None
                 else saga.held[saga.subject])
        saga.check_volume(saga.spare_volume(), state, 2)


class Remove(Verb):
    """Delete the volume, with files that older crashes have left."""

    def prepared(self, story):
        for name in ('.%s.plain-copy', '.%s.new-overlay',
                     '%s.0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f'):
            path = os.path.join(story.share, name % story.volume.name)
            with open(path, 'w') as stream:
                stream.write('left')
        return {}

    def act(self, saga):
        saga.driver.delete_volume(saga.volume)

    def attach(self, saga):
        """Nobody attaches a volume that is being deleted."""

    def go_on(self, saga):
        """Nobody does."""

    def finish(self, saga):
        self.check_empty(saga)

    def remove_all(self, saga):
        # Cinder has no snapshots of a volume any more that it deletes.
        self._remove_volumes(saga)


class Mend(Verb):
    """Attach a volume whose overlays name paths, as old Novas wrote them."""

    depth = 2

    def prepared(self, story):
        for path in story.overlays():
            below = os.path.join('/mnt/of/a/compute/host', path[1])
            subprocess.run(
                ['qemu-img', 'rebase', '-q', '-u', '-f', 'qcow2', '-F',
                 path[2], '-b', below, path[0]], check=True)
        return {}

    def act(self, saga):
        self.attach(saga)

    def go_on(self, saga):
        # Read beneath the driver, it is not readable before it was mended.
        saga.driver.initialize_connection(saga.volume, {})
        super().go_on(saga)


BACKENDS = {
    'raw': (('posix_attach_type', 'nfs'),),
    'qcow2': (('posix_attach_type', 'nfs'), ('posix_qcow2_volumes', True)),
}

VERBS = {
    'create the first snapshot': Create(snapshots=0),
    'create another snapshot': Create(),
    'delete the newest snapshot': Delete(place=2),
    'delete a middle snapshot': Delete(place=1),
    'delete the oldest snapshot': Delete(place=0),
    'delete the only snapshot': Delete(snapshots=1, place=0),
    'revert': Revert(place=2),
    'extend': Extend(),
    'clone': Clone(),
    'clone a snapshot': Clone(place=1),
    'delete the volume': Remove(),
    'mend': Mend(snapshots=2),
}
