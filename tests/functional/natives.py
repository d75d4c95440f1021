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

"""Volumes whose snapshots and copies somebody else makes: a life of some.

Always raw, and each a file of its own, whatever happens to it.
"""

from tests.functional import content

GIB, MIB = content.GIB, content.MIB


class Disk:
    """A volume, what was written to it, and what its snapshots hold.

    :param user: steps.Steps
    """

    def __init__(self, user, volume=None, state=(), **fields):
        self.user = user
        self.volume = volume or user.create('raw', **fields)
        self.state = dict(state)
        self.held = {}

    @property
    def path(self):
        return self.user.path(self.volume)

    def write(self, number):
        """Put a pattern of its own at its own place, and at the first."""
        for place in (0, number):
            self.state[place] = 0xa0 + number % 0x50
        content.write_all(self.path, 'raw', [
            (self.state[place], place * MIB, MIB) for place in (0, number)])

    def snap(self):
        snapshot = self.user.snapshot(self.volume)
        self.held[snapshot.id] = dict(self.state)
        return snapshot

    def check(self):
        volume = self.user.cloud.cinder.volumes.get(self.volume.id)
        content.assert_holds(
            self.path, 'raw', volume.size * GIB,
            [(pattern, place * MIB, MIB)
             for place, pattern in self.state.items()], self.user.folder)

    def copy(self, size=None, snapshot=None):
        size = size or self.user.cloud.cinder.volumes.get(
            self.volume.id).size
        source = ({'source_volid': self.volume.id} if snapshot is None
                  else {'snapshot_id': snapshot.id})
        return Disk(self.user, self.user.create('raw', size, **source),
                    self.state if snapshot is None
                    else self.held[snapshot.id])


def live(user):
    """Snapshots, copies of all, a revert, and deleted in any order."""
    disk = Disk(user)
    disk.write(1)
    first = disk.snap()
    disk.write(2)
    second = disk.snap()
    disk.write(3)
    of_first = disk.copy(2, first)
    of_second = disk.copy(1, second)
    of_volume = disk.copy(3)
    of_volume.write(4)
    of_copy = of_volume.copy()
    everything = [disk, of_first, of_second, of_volume, of_copy]
    for each in everything:
        each.check()
    user.revert(disk.volume, second)
    disk.state = disk.held[second.id]
    user.delete_snapshot(first)
    for each in everything:
        each.check()
    user.delete_snapshot(second)
    for each in (of_volume, disk, of_first, of_copy, of_second):
        everything.remove(each)
        user.delete(each.volume)
        for other in everything:
            other.check()


def be_attached(user):
    """Under a guest: a snapshot and copies are what it is just then."""
    disk = Disk(user)
    disk.write(1)
    user.extend(disk.volume, 2)
    disk.check()
    with user.attached(disk.volume) as connection:
        snapshot = user.cloud.cinder.volume_snapshots.create(
            disk.volume.id, force=True)
        user.cloud.wait_snapshot(snapshot.id)
        disk.held[snapshot.id] = dict(disk.state)
        disk.write(2)
        clone = disk.copy(2)
        of_snapshot = disk.copy(2, snapshot)
        disk.write(3)
        clone.check()
        of_snapshot.check()
    user.delete_snapshot(snapshot)
    disk.check()
    user.delete(disk.volume, clone.volume, of_snapshot.volume)
    return connection


def be_uploaded(user):
    disk = Disk(user)
    disk.write(1)
    for disk_format in 'raw', 'qcow2':
        path = user.upload(disk.volume, disk_format)
        content.assert_same(path, disk_format, disk.path, 'raw')
    user.delete(disk.volume)


def pretend_to_be_qcow2(user):
    """Nobody believes it: not at extend, clone, upload, snapshot."""
    disk = Disk(user)
    secret = user.file('secret', b'secret' * 1000)
    with open(disk.path, 'r+b') as stream:
        stream.write(content.qcow2_header(GIB, backing=secret))
    before = content.digest(disk.path)
    clone = disk.copy()
    assert content.digest(clone.path) == before
    snapshot = disk.snap()
    of_snapshot = disk.copy(snapshot=snapshot)
    assert content.digest(of_snapshot.path) == before
    content.assert_same(user.upload(disk.volume, 'qcow2'), 'qcow2',
                        disk.path, 'raw')
    user.extend(disk.volume, 2)
    assert content.size(disk.path, 'raw') == 2 * GIB
    user.delete_snapshot(snapshot)
    user.delete(disk.volume, clone.volume, of_snapshot.volume)


def be_backed_up(user):
    disk = Disk(user)
    disk.write(1)
    backup = user.backup(disk.volume)
    held = dict(disk.state)
    disk.write(2)
    user.restore(backup, disk.volume)
    disk.state = held
    disk.check()
    restored = Disk(user, user.restore(backup), held)
    restored.check()
    user.delete_backup(backup)
    user.delete(disk.volume, restored.volume)
