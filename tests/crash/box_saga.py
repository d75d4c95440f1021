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
"""A saga of volumes that are shares of an appliance, and what must be there.

Nothing is on the box but what Cinder knows of: a share for each volume, with
one file in it; the snapshots of users, and such as wait for a clone. Nothing
is mounted but the share with the journals, which are gone, and what is
attached.
"""

import json
import os

from cinder import objects

from remotefs_drivers.chain import sharing
from remotefs_drivers.embedded.folders import rules
from tests.crash import saga as sagas
from tests.crash import worlds
from tests.functional import appliance_places
from tests.functional import content
from tests.functional import stages

_STATE = 'state'


class Boxed:
    """Of a volume whose file is in a share, which is not mounted."""

    @property
    def share(self):
        return os.path.join(self.rig.folder, worlds.SHARE)

    @property
    def path(self):
        return self.path_of(self.volume)

    def path_of(self, volume):
        """Of its file, on the box."""
        return os.path.join(self.share, volume.name, sharing.FILE)

    @property
    def box(self):
        return self.driver._appliance

    def table(self):
        """Snapshot id -> appliances.interface.Snapshot."""
        found = {each.name: each for each in self.shares()[
            self.volume.name].snapshots}
        return {each.id: found[each.name] for each in self.rows()
                if each.name in found}

    def rows(self):
        """Cinder's snapshots of the volume."""
        return objects.SnapshotList.get_all_for_volume(
            self.rig.context, self.volume.id)

    def volumes(self):
        """Those that Cinder has."""
        return objects.VolumeList.get_all_by_host(self.rig.context,
                                                  self.driver.host)

    def shares(self):
        """Name -> appliances.interface.Share, of all but the home."""
        return {each.name: each for each in self.box.list_shares()
                if each.name != appliance_places.HOME}

    def check_beneath(self, snapshots):
        table = self.table()
        for snapshot in snapshots:
            number = int(table[snapshot.id].id.rpartition('-')[2])
            self.check_file(
                os.path.join(self.share, rules.snapshot_folder(number),
                             sharing.FILE),
                'raw', self.held[snapshot.id], snapshot.volume_size)

    def check_volume(self, volume, state, size=None):
        volume = self.rig.reload(volume)
        assert volume.provider_location == self.box.find_share(
            volume.name).location
        self.driver.initialize_connection(volume, {})
        self.check_file(self.path_of(volume), 'raw', state,
                        size or volume.size)

    def check_file(self, path, file_format, state, size=None):
        """Without a child process: it is as raw as the driver says."""
        assert file_format == 'raw'
        size = (size or self.volume.size) * content.GIB
        assert os.path.getsize(path) == size, os.path.getsize(path)
        assert dict(worlds.blocks(path)) == {
            number * self.APART: bytes([pattern]) * content.KIB +
            bytes(worlds.BLOCK - content.KIB)
            for number, pattern in state.items()}, path

    def clone(self, size=None, source=None, driver=None):
        """As of story.Story; what it holds is written on it."""
        size = size or self.volume.size
        state = json.dumps(self.held[source.id] if source else self.state)
        origin = ({'snapshot_id': source.id} if source else
                  {'source_volid': self.volume.id})
        copy = self.rig.new_volume(self.driver, size,
                                   metadata={_STATE: state}, **origin)
        if source is None:
            update = self.driver.create_cloned_volume(copy, self.reload())
        else:
            update = self.driver.create_volume_from_snapshot(copy, source)
        copy.update(update)
        copy.status = 'available'
        copy.save()
        return copy

    def check_copies(self):
        """All that were made before the verb hold what they should."""
        for volume in self.volumes():
            if _STATE in volume.metadata:
                self.check_volume(volume, sagas.numbers(
                    json.loads(volume.metadata[_STATE])))

    def check_layers(self):
        """Nothing is there that nobody names, on the box or on the host."""
        volumes, shares = self.volumes(), self.shares()
        made = {each.name for each in volumes if each.provider_location}
        assert set(shares) == made, (set(shares), made)
        asked_for = {each.name for each in
                     objects.SnapshotList.get_all(self.rig.context, {})}
        for share in shares.values():
            folder = os.path.join(self.share, share.name)
            assert os.listdir(folder) == [sharing.FILE], os.listdir(folder)
            for each in share.snapshots:
                assert (each.name in asked_for or each.clones and
                        sharing.is_waiting(each.name)), (share, each)
        self._check_hidden(shares)
        self._check_mounts(volumes)

    def check_empty(self):
        assert self.shares() == {}, self.shares()
        self._check_hidden({})
        self._check_mounts(())

    def _check_hidden(self, shares):
        """Nothing is left where the box prepares, nor of journals."""
        numbers = {each.id.rpartition('-')[2] for share in shares.values()
                   for each in share.snapshots}
        snapshots = set(os.listdir(os.path.join(self.share,
                                                rules.SNAPSHOTS)))
        assert snapshots == numbers, (snapshots, numbers)
        assert os.listdir(os.path.join(self.share, rules.NEW)) == []
        left = stages.left(os.path.join(self.share, appliance_places.HOME))
        assert left == set(), left

    def _check_mounts(self, volumes):
        held = {each.name for each in volumes
                if each.attach_status == 'attached'}
        found = set(os.listdir(os.path.join(self.rig.folder, worlds.MOUNTS)))
        assert found - {appliance_places.HOME} == held, found


class Beginning(Boxed, sagas.Beginning):
    """How it begins."""


class Saga(Boxed, sagas.Saga):
    """How it goes on: Cinder tells the driver what is attached."""

    def __init__(self, rig, driver):
        super().__init__(rig, driver)
        for volume in self.volumes():
            if volume.attach_status == 'attached':
                driver.ensure_export(rig.context, volume)

    def scribble(self):
        for number, pattern in sagas.MARKS.items():
            content.put_at(self.path, bytes([pattern]) * content.KIB,
                           number * self.APART)
