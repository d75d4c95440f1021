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

"""Volumes of an appliance whose box, or the way to it, does not do its part.

The box is one of folders. Shares are mounted by links (see
tests.harness.linked_mounts), and nobody has to be root.
"""

import contextlib
import os
import types

from cinder import objects

from remotefs_drivers.chain import sharing
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors
from tests.functional import appliance_places
from tests.functional import content
from tests.functional import upload
from tests.harness import linked_mounts

GIB, MIB = content.GIB, content.MIB
#: A share that an administrator made, and a snapshot.
WILD, NIGHTLY = 'wild', 'nightly'


class LinkedPlace(appliance_places.FolderPlace):
    """As FolderPlace, and shares are mounted by links."""

    def __init__(self, folder, kind='dependent'):
        self.root = os.path.join(str(folder), 'box')
        self.base = os.path.join(str(folder), 'mnt')
        self.kind = kind
        os.makedirs(self.root)
        self.box = folders.at(self.root, kind=kind)

    def mounter_of(self, driver):
        return linked_mounts.Mounter(
            driver.configuration.appliance_mount_point_base, self.root,
            appliance_places.ADDRESS)

    def mounted(self):
        return set(os.listdir(self.base)) - {appliance_places.HOME}


class World:
    """A volume with a snapshot, copies of both, and what is done to them.

    :param folder: for images
    :ivar kept: path of a file on the box -> patterns, of which it has one
    """

    def __init__(self, rig, place, driver, folder):
        self.rig, self.place, self.driver = rig, place, driver
        self._image = folder / 'image'
        self._image.write_bytes(bytes([3]) * 2 * MIB)
        self.volume = rig.volume(driver)
        self.write(1)
        self.snapshot = rig.snapshot(driver, self.volume)
        self.copy = self.copied(snapshot=self.snapshot)
        self.write(2)
        self.clone = self.copied()
        self.alone = rig.volume(driver)
        self.mark = rig.snapshot(driver, self.alone)
        self.going = None
        self.kept = {place.path(volume): [pattern] for volume, pattern in (
            (self.volume, 2), (self.copy, 1), (self.clone, 2),
            (self.alone, 0))}

    def write(self, pattern):
        content.put_at(self.place.path(self.volume), bytes([pattern]) * MIB,
                       MIB)

    def copied(self, snapshot=None):
        volume = self.new_copy(snapshot)
        self.make_copy(volume, snapshot)
        volume.status = 'available'
        volume.save()
        return volume

    def new_copy(self, snapshot=None):
        origin = ({'snapshot_id': snapshot.id} if snapshot else
                  {'source_volid': self.volume.id})
        return self.rig.new_volume(self.driver, 2, **origin)

    def make_copy(self, volume, snapshot=None):
        volume.update(
            self.driver.create_volume_from_snapshot(volume, snapshot)
            if snapshot else
            self.driver.create_cloned_volume(volume, self.volume))

    def check(self):
        """What there is holds what it should; nothing else is there."""
        for path, patterns in self.kept.items():
            if path == self.going and not os.path.exists(path):
                # It was done, and the answer was lost.
                continue
            with open(path, 'rb') as stream:
                stream.seek(MIB)
                assert stream.read(MIB) in [bytes([each]) * MIB
                                            for each in patterns]
            assert os.listdir(os.path.dirname(path)) == ['volume']
        assert self.place.mounted() == set()

    def shape(self):
        """How many snapshots that are asked for each share has."""
        return sorted(sum(not sharing.is_waiting(each) for each in names)
                      for names in self.place.shares().values())

    def waiting(self):
        """How many snapshots wait for the end of their last clone."""
        return sum(map(sharing.is_waiting,
                       sum(self.place.shares().values(), [])))

    def delete_all(self):
        """A user deletes all, and nothing stays."""
        shares = self.place.shares()
        while shares:
            for name in shares:
                with self._in_turn():
                    self._delete_share(name)
            left = self.place.shares()
            assert len(left) < len(shares)
            shares = left
        assert self.place.journals() == []
        assert self.place.mounted() == set()

    def _in_turn(self):
        """What hangs on a snapshot of a rigid box goes first."""
        return (contextlib.suppress(errors.SnapshotKept,
                                    errors.ClonesInTheWay)
                if self.place.kind == 'rigid' else contextlib.nullcontext())

    def _delete_share(self, name):
        if name == WILD:
            self.place.box.delete_share(name)
            return
        for snapshot in self.snapshot, self.mark:
            if snapshot.volume.name == name:
                self.driver.delete_snapshot(snapshot)
        for each in self.place.box.find_share(name).snapshots:
            if not sharing.is_waiting(each.name):
                self.place.box.delete_snapshot(name, each.name)
        self.driver.delete_volume(objects.Volume.get_by_id(
            self.rig.context, name.removeprefix('volume-')))

    # The verbs; each returns a function, which can be called again

    def create(self):
        volume = self.rig.new_volume(self.driver)
        return lambda: self.driver.create_volume(volume)

    def create_snapshot(self):
        snapshot = self.rig.new_snapshot(self.volume)
        return lambda: self.driver.create_snapshot(snapshot)

    def delete_snapshot(self):
        return lambda: self.driver.delete_snapshot(self.mark)

    def let_snapshot_wait(self):
        return lambda: self.driver.delete_snapshot(self.snapshot)

    def copy_volume(self):
        volume = self.new_copy()
        return lambda: self.make_copy(volume)

    def copy_snapshot(self):
        volume = self.new_copy(self.snapshot)
        return lambda: self.make_copy(volume, self.snapshot)

    def extend(self):
        return lambda: self.driver.extend_volume(self.volume, 3)

    def revert(self):
        return lambda: self.driver.revert_to_snapshot(
            self.rig.context, self.alone, self.mark)

    def revert_past(self):
        """A newer snapshot, on which a copy hangs, stays.

        When it fails, the volume holds the one or the other.
        """
        path = self.place.path(self.volume)
        self.kept[path].append(1)

        def revert():
            self.driver.revert_to_snapshot(self.rig.context, self.volume,
                                           self.snapshot)
            self.kept[path] = [1]
        return revert

    def delete(self):
        """Whose snapshots clones hang on."""
        with self._in_turn():
            self.driver.delete_snapshot(self.snapshot)
        self.going = self.place.path(self.volume)
        return lambda: self.driver.delete_volume(self.volume)

    def delete_copy(self):
        self.going = self.place.path(self.clone)
        return lambda: self.driver.delete_volume(self.clone)

    def manage(self):
        """A share of an administrator's, which is found by its location."""
        location = self.place.box.create_share(WILD, GIB).location
        path = os.path.join(self.place.root, WILD, 'disk')
        with open(path, 'wb') as stream:
            stream.truncate(GIB)
        volume = self.rig.new_volume(self.driver, 0, status='managing')
        return lambda: self.rig.manage_as(self.driver, volume,
                                          {'source-name': location})

    def manage_snapshot(self):
        self.place.box.create_snapshot(self.volume.name, NIGHTLY)
        snapshot = self.rig.new_snapshot(self.volume)
        said = {'source-name': NIGHTLY}

        def manage():
            self.driver.manage_existing_snapshot_get_size(snapshot, said)
            self.driver.manage_existing_snapshot(snapshot, said)
        return manage

    def upload_attached(self):
        """What a guest goes on writing to."""
        self.volume.update({'status': 'in-use', 'attach_status': 'attached'})

        def upload_it():
            path = self._image.with_suffix('.up')
            self._upload(path)
            content.assert_pattern(str(path), 'qcow2', 2, MIB, MIB)
        return upload_it

    def back_up_attached(self):
        """By a copy, which cinder-backup reads."""
        self.volume.update({'status': 'backing-up',
                            'previous_status': 'in-use',
                            'attach_status': 'attached'})
        self.volume.save()

        def back_up():
            backup = types.SimpleNamespace(
                volume_id=self.volume.id, snapshot_id=None,
                save=lambda: None)
            device, __ = self.driver.get_backup_device(self.rig.context,
                                                       backup)
            assert device.id == backup.temp_volume_id
            self._read(device, 2)
        return back_up

    # Verbs that ask the appliance for nothing

    def download(self):
        self.kept[self.place.path(self.volume)].append(3)
        return lambda: self.driver.copy_image_to_volume(
            self.rig.context, self.volume, upload.Images(self._image),
            upload.IMAGE_ID)

    def upload(self):
        return lambda: self._upload(self._image.with_suffix('.up'))

    def clone_image(self):
        """Never: images are no shares."""
        def clone_image():
            assert self.driver.clone_image(
                self.rig.context, self.volume, ('file:///image', None),
                {'id': upload.IMAGE_ID},
                upload.Images(self._image)) == (None, False)
        return clone_image

    def back_up(self):
        self.volume.status = 'backing-up'
        return lambda: self._read(self.volume, 2)

    def restore(self):
        self.volume.status = 'restoring-backup'
        self.kept[self.place.path(self.volume)].append(5)
        return lambda: self._attached(self.volume, lambda path: (
            content.put_at(path, bytes([5]) * MIB, MIB)))

    def _upload(self, path):
        upload.to_file(path, self.driver, self.rig.context, self.volume,
                       'qcow2')

    def _read(self, volume, pattern):
        self._attached(volume, lambda path: content.assert_pattern(
            path, 'raw', pattern, MIB, MIB))

    def _attached(self, volume, function):
        """Cinder attaches it to its own host, calls this with its path."""
        driver, context = self.driver, self.rig.context
        driver.create_export(context, volume, {})
        try:
            connection = driver.initialize_connection(volume, {})
            function(os.path.join(self.place.base, volume.name,
                                  connection['data']['name']))
            driver.terminate_connection(volume, {})
        finally:
            driver.remove_export(context, volume)
