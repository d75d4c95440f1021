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
"""The verbs of ApplianceNfsDriver that the crash suite cuts, as in ``verbs``.
"""

import shutil

from cinder import exception

from tests.crash import box_saga
from tests.crash import explorer
from tests.crash import verbs
from tests.functional import content

LOST, STUCK, ORPHANED = explorer.LOST, explorer.STUCK, explorer.ORPHANED

KINDS = ('dependent', 'independent', 'rigid')
_IMAGE = '11111111-2222-4333-8444-555555555555'


class OnBox:
    """For a verb: volumes are shares.

    :cvar kinds: of boxes on which it is done
    """

    depth = 1
    saga = box_saga.Saga
    beginning = box_saga.Beginning
    kinds = ('dependent',)

    def attach(self, saga):
        saga.driver.create_export(saga.rig.context, saga.volume, {})
        super().attach(saga)

    def check_more(self, saga):
        super().check_more(saga)
        saga.check_copies()

    def remove_all(self, saga):
        """Delete all, in an order that the box allows."""
        with explorer.finding(STUCK):
            while _remove_some(saga):
                pass
        self.check_empty(saga)

    def check_empty(self, saga):
        with explorer.finding(ORPHANED):
            saga.check_empty()


def _remove_some(saga):
    """:returns: whether there is more, which goes once this has gone"""
    busy, gone = [], 0
    for volume in saga.volumes():
        saga.volume = volume
        try:
            for snapshot in saga.rows():
                saga.driver.delete_snapshot(snapshot)
                snapshot.destroy()
                gone += 1
            saga.driver.delete_volume(volume)
            volume.destroy()
            gone += 1
        except (exception.VolumeIsBusy, exception.SnapshotIsBusy) as error:
            busy.append(error)
    assert gone or not busy, busy
    return busy


class Make(OnBox, verbs.Verb):
    """A volume beside the other one.

    A user deletes one that failed, and makes another one.
    """

    depth = 2

    def prepared(self, story):
        return {'spare': story.rig.new_volume(story.driver, 2).id}

    def act(self, saga):
        made = saga.spare_volume()
        made.update(saga.driver.create_volume(made))
        made.save()

    def retry(self, saga):
        saga.driver.delete_volume(saga.spare_volume())
        self.act(saga)

    def check_more(self, saga):
        super().check_more(saga)
        saga.check_volume(saga.spare_volume(), self.state_of_spare(), 2)

    def state_of_spare(self):
        return {}


class Fill(Make):
    """With an image."""

    depth = 1

    def act(self, saga):
        super().act(saga)
        saga.driver.copy_image_to_volume(
            saga.rig.context, saga.spare_volume(), _Images(), _IMAGE,
            disable_sparse=False)

    def state_of_spare(self):
        return {0: 0x11, 1: 0x11}


class _Images:
    """As cinder.image.glance, with one image."""

    def __init__(self):
        self.temp_images = None

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': 'raw', 'size': content.GIB,
                'container_format': 'bare', 'status': 'active',
                'properties': {}}

    def download(self, context, image_id, data, *args):
        data.truncate(2 * content.MIB)
        for place in range(2):
            data.seek(place * box_saga.Saga.APART)
            data.write(bytes([0x11]) * content.KIB)

    def update(self, context, image_id, image_meta, data, **fields):
        shutil.copyfileobj(data, _Nowhere())


class _Nowhere:
    def write(self, data):
        """Nothing is kept."""


class Create(OnBox, verbs.Create):
    pass


class Delete(OnBox, verbs.Delete):
    pass


class LetWait(Delete):
    """Delete a snapshot that a copy hangs on."""

    kinds = ('dependent', 'independent')

    def prepared(self, story):
        story.clone(source=story.snapshots[self.place])
        return super().prepared(story)


class Extend(OnBox, verbs.Extend):
    def finish(self, saga):
        saga.volume.size = 2
        saga.volume.save()
        verbs.Verb.finish(self, saga)


class Revert(OnBox, verbs.Revert):
    pass


class RevertPast(Revert):
    """Newer ones, which a box may not keep: a copy is made."""

    kinds = KINDS


class Clone(OnBox, verbs.Clone):
    """Larger than what it is made of."""

    kinds = KINDS

    def prepared(self, story):
        origin = {'source_volid': story.volume.id}
        if self.place is not None:
            origin = {'snapshot_id': story.snapshots[self.place].id}
        return {'spare': story.rig.new_volume(story.driver, 2, **origin).id}


class Remove(OnBox, verbs.Remove):
    """Delete the volume."""

    def attach(self, saga):
        """Nobody attaches a volume that is being deleted."""

    def prepared(self, story):
        for snapshot in list(story.snapshots):
            story.drop(snapshot)
        return {}

    def finish(self, saga):
        with explorer.finding(LOST):
            saga.check_copies()
        with explorer.finding(ORPHANED):
            if not saga.volume.deleted:
                saga.volume.destroy()
            saga.check_layers()
        self.remove_all(saga)


class RemoveSource(Remove):
    """With copies of it, of snapshots and of a copy, which go on."""

    kinds = ('dependent', 'independent')

    def prepared(self, story):
        story.clone(source=story.snapshots[0])
        for __ in range(2):
            story.clone()
            story.write()
        return super().prepared(story)


class RemoveCopy(OnBox, verbs.Verb):
    """Delete a copy of the volume, which goes on."""

    kinds = KINDS

    def prepared(self, story):
        return {'spare': self.copied(story).id}

    def copied(self, story):
        return story.clone()

    def act(self, saga):
        saga.driver.delete_volume(saga.spare_volume())

    def finish(self, saga):
        with explorer.finding(ORPHANED):
            saga.spare_volume().destroy()
        super().finish(saga)


class RemoveLast(RemoveCopy):
    """Delete the last copy of a snapshot that is deleted and waits."""

    kinds = ('dependent',)

    def copied(self, story):
        copy = story.clone(source=story.snapshots[0])
        story.drop(story.snapshots[0])
        return copy


class RemoveMiddle(RemoveCopy):
    """Delete a copy that was copied itself."""

    kinds = ('dependent',)

    def copied(self, story):
        copy = story.clone()
        volume, story.volume = story.volume, copy
        story.clone()
        story.volume = volume
        return copy


class Attach(OnBox, verbs.Verb):
    """And detach."""

    depth = 2

    def act(self, saga):
        self.attach(saga)
        saga.driver.terminate_connection(saga.volume, {})
        saga.driver.remove_export(saga.rig.context, saga.volume)


class Upload(OnBox, verbs.Verb):
    """Make an image of a volume that a guest has."""

    kinds = KINDS

    def prepared(self, story):
        volume = story.reload()
        story.driver.create_export(story.rig.context, volume, {})
        volume.attach_status, volume.status = 'attached', 'in-use'
        volume.save()
        return {}

    def act(self, saga):
        saga.driver.copy_volume_to_image(
            saga.rig.context, saga.volume, _Images(),
            {'id': _IMAGE, 'disk_format': 'raw', 'container_format': 'bare'})

    def remove_all(self, saga):
        """It is detached before."""
        for volume in saga.volumes():
            saga.driver.remove_export(saga.rig.context, volume)
            volume.attach_status, volume.status = 'detached', 'available'
            volume.save()
        super().remove_all(saga)


VERBS = {
    'create a volume': Make(),
    'fill a volume': Fill(),
    'create the first snapshot': Create(snapshots=0),
    'create another snapshot': Create(),
    'delete a snapshot': Delete(place=1),
    'delete a snapshot with a copy': LetWait(place=1),
    'extend': Extend(),
    'revert': Revert(place=2),
    'revert past newer ones': RevertPast(place=0),
    'clone': Clone(),
    'clone a snapshot': Clone(place=1),
    'delete the volume': Remove(),
    'delete the source of copies': RemoveSource(),
    'delete a copy': RemoveCopy(),
    'delete the last copy': RemoveLast(),
    'delete a copy with a copy': RemoveMiddle(),
    'attach and detach': Attach(),
    'upload in use': Upload(),
}

BACKENDS = {
    '%s-%s' % (kind, start): (('folders_kind', kind),
                              ('recovers', start == 'recovers'))
    for kind in KINDS for start in ('recovers', 'forgets')
}
