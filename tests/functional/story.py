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

"""A volume with a history, and what it must hold at each point of it.

Each ``write`` puts a pattern of its own at a place of its own, and over a
place that all writes share, so that a layer that is lost, merged twice or
merged into the wrong one shows.
"""

import json
import os

from remotefs_drivers.qemu import header
from tests.functional import content

KIB = content.KIB
_COMMON = 0
_FIRST = 0xa0


class Story:
    """A volume on a driver of a rig (see tests.rig) and its snapshots.

    :param volume: that is there already, else one is made
    :ivar state: pattern of each place that was written
    :ivar held: snapshot id -> the state when it was taken
    :cvar APART: bytes from one place to the next
    """

    APART = KIB

    def __init__(self, rig, driver, folder, size=1, volume=None, **fields):
        self.rig = rig
        self.driver = driver
        self.volume = volume or rig.volume(driver, size, **fields)
        self.snapshots = []
        self.state = {}
        self.held = {}
        self._folder = str(folder)
        self._count = 0

    @property
    def path(self):
        """Of the active file."""
        return self.driver.local_path(self.reload())

    @property
    def share(self):
        return os.path.dirname(self.path)

    @property
    def base(self):
        return os.path.join(self.share, self.reload().name)

    def reload(self):
        self.volume = self.rig.reload(self.volume)
        return self.volume

    def table(self):
        """The table of snapshots as it lies there, {} when there is none."""
        path = self.base + '.info'
        if not os.path.exists(path):
            return {}
        with open(path) as stream:
            return json.load(stream)

    def format(self):
        """What a host is told."""
        connection = self.driver.initialize_connection(self.reload(), {})
        return connection['data']['format']

    def write(self):
        """Write at a place of its own, and at the common one."""
        self._count += 1
        pattern = _FIRST + self._count % 0x50
        places = (_COMMON, self._count)
        content.write_all(self.path, self.format(),
                          [(pattern, place * self.APART, KIB)
                           for place in places])
        self.state.update(dict.fromkeys(places, pattern))

    def snap(self, **fields):
        snapshot = self.rig.snapshot(self.driver, self.reload(), **fields)
        self.snapshots.append(snapshot)
        self.held[snapshot.id] = dict(self.state)
        return snapshot

    def take(self, count):
        """So many snapshots, with something written before and after."""
        self.write()
        for __ in range(count):
            self.snap()
            self.write()
        return self.snapshots[-count:]

    def drop(self, snapshot):
        self.rig.delete_snapshot(self.driver, snapshot)
        self.snapshots = [each for each in self.snapshots
                          if each.id != snapshot.id]
        self.held.pop(snapshot.id, None)

    def revert(self, snapshot):
        self.driver.revert_to_snapshot(self.rig.context, self.reload(),
                                       snapshot)
        self.state = dict(self.held[snapshot.id])

    def extend(self, size):
        self.driver.extend_volume(self.reload(), size)
        self.volume.size = size
        self.volume.save()

    def clone(self, size=None, source=None, driver=None):
        """A new volume of the volume, or of a snapshot of it; its path."""
        driver = driver or self.driver
        copy = self.rig.new_volume(driver, size or self.volume.size)
        if source is None:
            update = driver.create_cloned_volume(copy, self.reload())
        else:
            update = driver.create_volume_from_snapshot(copy, source)
        copy.update(update)
        copy.status = 'available'
        copy.save()
        return copy

    def remove(self, volume=None):
        volume = self.rig.reload(volume or self.volume)
        self.driver.delete_volume(volume)
        volume.destroy()

    # What must be so

    def check(self):
        """The volume and all of its snapshots hold what they should."""
        self.check_file(self.path, self.format(), self.state)
        for snapshot in self.snapshots:
            copy = self.clone(source=snapshot, size=max(
                self.volume.size, snapshot.volume_size))
            try:
                self.check_volume(copy, self.held[snapshot.id])
            finally:
                self.remove(copy)
        self.check_layers()

    def check_beneath(self, snapshots):
        """What snapshots hold, read by nobody's help but qemu-img's."""
        table = self.table()
        for snapshot in snapshots:
            found = header.read(os.path.join(self.share, table[snapshot.id]))
            self.check_file(os.path.join(self.share, found.backing_file),
                            found.backing_format, self.held[snapshot.id],
                            snapshot.volume_size)

    def check_volume(self, volume, state, size=None):
        connection = self.driver.initialize_connection(
            self.rig.reload(volume), {})
        self.check_file(self.driver.local_path(volume),
                        connection['data']['format'], state,
                        size or volume.size)

    def check_file(self, path, file_format, state, size=None):
        content.assert_holds(
            path, file_format, (size or self.volume.size) * content.GIB,
            [(pattern, number * self.APART, KIB)
             for number, pattern in state.items()], self._folder)

    def check_layers(self):
        """Nothing is there but what the table names, all of it whole."""
        table = self.table()
        found = {name for name in os.listdir(self.share)
                 if name.startswith(os.path.basename(self.base)) or
                 name.startswith('.' + os.path.basename(self.base))}
        expected = {os.path.basename(self.base), *table.values()}
        if table:
            expected.add(os.path.basename(self.base) + '.info')
            assert set(table) - {'active'} == {each.id for each
                                               in self.snapshots}
        assert found == expected
        for name in table.values():
            if name != os.path.basename(self.base):
                content.check_qcow2(os.path.join(self.share, name))
