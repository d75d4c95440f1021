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

"""A database of volumes, as far as drivers ask it."""

from cinder import exception
from cinder import objects

objects.register_all()


class Database:
    """Stands for that of Cinder; its volumes are fakes.Volume.

    :ivar asked: how many values each filter had
    :ivar snapshots: of the volumes, fakes.Snapshot
    """

    def __init__(self, monkeypatch):
        self._volumes = {}
        self.asked = []
        self.snapshots = []
        monkeypatch.setattr(objects.VolumeList, 'get_all', self._get_all)
        monkeypatch.setattr(objects.Volume, 'get_by_id', self._get_by_id)
        monkeypatch.setattr(objects.SnapshotList, 'get_all_for_volume',
                            self._get_snapshots)

    def add(self, volume):
        self._volumes[volume.id] = volume
        return volume

    def remove(self, volume):
        del self._volumes[volume.id]

    def _get_all(self, context, filters, limit=None):
        (field, values), = filters.items()
        self.asked.append(len(values))
        return [volume for volume in self._volumes.values()
                if getattr(volume, field) in values]

    def _get_by_id(self, context, volume_id):
        try:
            return self._volumes[volume_id]
        except KeyError:
            raise exception.VolumeNotFound(volume_id=volume_id)

    def _get_snapshots(self, context, volume_id):
        return [snapshot for snapshot in self.snapshots
                if snapshot.volume_id == volume_id]
