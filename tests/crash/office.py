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

"""What cinder-volume and Cinder's API do around a driver, for one tenant.

Its methods are called by way of ``service.Service``: what goes in and out is
plain data.
"""

import os

from cinder.compute import nova
from cinder import objects

from tests.crash import one_by_one
from tests.crash import places
from tests.functional import stages
from tests import rig as rigs

SHARE, DATABASE, TURN = 'share', 'cinder.sqlite', 'turn'
CONFIG = 'cinder.conf'

_CONNECTOR = {'ip': '127.0.0.1', 'host': 'compute', 'platform': 'x86_64',
              'initiator': 'iqn.1994-05.com.example:none',
              'os_type': 'linux', 'multipath': False}


def prepare(folder):
    """What is done once for all services; see ``service.Service``."""
    rig = rigs.Rig(folder)
    rig.get_ready_to_fork()
    return rig


class Office:
    """One life of a service, in this process.

    :param rig: tests.rig.Rig
    :param options: of the backend
    :param sabotage: function that breaks the code on purpose, or None
    :param fine: see places.Places
    """

    def __init__(self, rig, options, sabotage=None, fine=False):
        # Nova has its port since the rig was made.
        self._rig = rigs.Rig(rig.folder, os.path.join(rig.folder, CONFIG))
        one_by_one.Turn(
            os.path.join(rig.folder, TURN)).cover_sqlalchemy()
        self._driver = self._rig.driver(
            stages.POSIX,
            posix_directories=[os.path.join(rig.folder, SHARE)],
            **dict(options))
        if sabotage is not None:
            sabotage()
        self._places = places.Places(fine=fine)
        self._places.install(self._driver)

    # Cuts

    def arm(self, number=None):
        """Die at this place of what is done next."""
        self._places.arm(number)

    def seen(self):
        """The places that were passed since."""
        return self._places.seen

    def reach_end(self):
        self._places.reach('end')

    # What cinder-volume does

    def start(self):
        """What it does with volumes in use when it starts."""
        for volume in objects.VolumeList.get_all(self._rig.context):
            if volume.status == 'in-use':
                self._driver.ensure_export(self._rig.context, volume)

    def create_volume(self, size=1, snapshot=None, source=None):
        """:returns: its id"""
        volume = self._rig.new_volume(self._driver, size)
        if snapshot is not None:
            update = self._driver.create_volume_from_snapshot(
                volume, self._snapshot(snapshot))
        elif source is not None:
            update = self._driver.create_cloned_volume(
                volume, self._volume(source))
        else:
            update = self._driver.create_volume(volume)
        volume.update(update or {})
        volume.status = 'available'
        volume.save()
        return volume.id

    def delete_volume(self, volume_id):
        volume = self._volume(volume_id)
        self._driver.delete_volume(volume)
        volume.destroy()

    def extend_volume(self, volume_id, size):
        volume = self._volume(volume_id)
        self._driver.extend_volume(volume, size)
        volume.size = size
        volume.save()
        servers = [each.instance_uuid for each in volume.volume_attachment]
        if servers:
            assert nova.API().extend_volume(self._rig.context, servers,
                                            volume_id)

    def new_snapshot(self, volume_id):
        """:returns: the id of one that is to be created"""
        return self._rig.new_snapshot(self._volume(volume_id)).id

    def create_snapshot(self, snapshot_id):
        snapshot = self._snapshot(snapshot_id)
        self._tell(snapshot, self._driver.create_snapshot, 'error')
        self._set(snapshot_id, 'available')

    def delete_snapshot(self, snapshot_id):
        snapshot = self._set(snapshot_id, 'deleting')
        self._tell(snapshot, self._driver.delete_snapshot, 'error_deleting')
        self._snapshot(snapshot_id).destroy()

    def revert(self, volume_id, snapshot_id):
        self._driver.revert_to_snapshot(
            self._rig.context, self._volume(volume_id),
            self._snapshot(snapshot_id))

    def _tell(self, snapshot, verb, status):
        try:
            verb(snapshot)
        except Exception:
            self._set(snapshot.id, status)
            raise
        self.reach_end()

    # What its API does for Nova

    def reserve(self, volume_id, server_id, mode):
        """:returns: the id of an attachment"""
        attachment = objects.VolumeAttachment(
            context=self._rig.context, volume_id=volume_id,
            instance_uuid=server_id, attach_mode=mode,
            attach_status='reserved')
        attachment.create()
        return attachment.id

    def connect(self, attachment_id):
        """:returns: what a host needs to know"""
        attachment = self._attachment(attachment_id)
        found = self._driver.initialize_connection(
            self._volume(attachment.volume_id), _CONNECTOR)
        info = dict(found.pop('data'), **found)
        attachment.connection_info = info
        attachment.save()
        return info

    def complete(self, attachment_id):
        attachment = self._attachment(attachment_id)
        attachment.attach_status = 'attached'
        attachment.save()
        self._set_volume(attachment.volume_id, 'in-use', 'attached')

    def release(self, attachment_id):
        attachment = self._attachment(attachment_id)
        volume = self._volume(attachment.volume_id)
        self._driver.terminate_connection(volume, _CONNECTOR)
        attachment.destroy()
        self._set_volume(volume.id, 'available', 'detached')

    def _set_volume(self, volume_id, status, attach_status):
        volume = self._volume(volume_id)
        volume.status, volume.attach_status = status, attach_status
        volume.save()

    # Everything that Cinder knows

    def volumes(self):
        """:returns: the ids of all"""
        return [each.id for each
                in objects.VolumeList.get_all(self._rig.context)]

    def snapshots(self, volume_id):
        """:returns: id -> status"""
        return {each.id: each.status for each
                in objects.SnapshotList.get_all_for_volume(
                    self._rig.context, volume_id)}

    def format_of(self, volume_id):
        """:returns: what is on record for its active file"""
        return self._volume(volume_id).admin_metadata['format']

    def size_of(self, snapshot_id):
        """:returns: GiB"""
        return self._snapshot(snapshot_id).volume_size

    def forget(self):
        """Have no volume any more, whatever lies on the share."""
        for volume_id in self.volumes():
            for snapshot_id in self.snapshots(volume_id):
                self._snapshot(snapshot_id).destroy()
            self._volume(volume_id).destroy()

    def _set(self, snapshot_id, status):
        snapshot = self._snapshot(snapshot_id)
        snapshot.status = status
        snapshot.save()
        return snapshot

    def _volume(self, volume_id):
        return objects.Volume.get_by_id(self._rig.context, volume_id)

    def _snapshot(self, snapshot_id):
        return objects.Snapshot.get_by_id(self._rig.context, snapshot_id)

    def _attachment(self, attachment_id):
        return objects.VolumeAttachment.get_by_id(self._rig.context,
                                                  attachment_id)
