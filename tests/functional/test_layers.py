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

"""Snapshots through Cinder's API, on raw and on qcow2 bases."""

import os

import pytest

from remotefs_drivers.embedded import errors
from tests.functional import conftest
from tests.functional import content

pytestmark = pytest.mark.pairs

#: Backend -> the format of its volumes.
FORMATS = {'layered': 'raw', 'qcow2': 'qcow2'}


class Disk:
    """A volume, what was written to it, and what its snapshots hold."""

    def __init__(self, user, backend, size=1, **fields):
        self.user = user
        self.backend = backend
        self.volume = user.create(backend, size, **fields)
        self.size = size
        self.state = {}
        self.held = {}

    @property
    def format(self):
        """Of the active file."""
        return 'qcow2' if self.user.table(self.volume) else (
            FORMATS[self.backend])

    def write(self, number):
        """Put a pattern of its own at its own place, and at the first."""
        pattern = 0xa0 + number % 0x50
        for place in (0, number):
            self.state[place] = pattern
            content.write(self.user.active(self.volume), self.format,
                          pattern, place * content.MIB, content.MIB)

    def snap(self, number):
        """Write, and make a snapshot of that."""
        self.write(number)
        snapshot = self.user.snapshot(self.volume)
        self.held[snapshot.id] = dict(self.state)
        return snapshot

    def check(self):
        self.holds(self.volume, self.state)

    def holds(self, volume, state, size=None):
        self.file_holds(self.user.active(volume), 'qcow2' if
                        self.user.table(volume) else FORMATS[self.backend],
                        state, size)

    def file_holds(self, path, file_format, state, size=None):
        content.assert_holds(
            path, file_format, (size or self.size) * content.GIB,
            [(pattern, place * content.MIB, content.MIB)
             for place, pattern in state.items()], self.user.folder)


@pytest.fixture(params=sorted(FORMATS))
def disk(layered_user, request):
    """A new volume of each format."""
    return Disk(layered_user, request.param)


@pytest.mark.short
def test_snapshots_come_and_go(disk):
    user = disk.user
    before = user.files(disk.backend)
    snapshots = [disk.snap(number) for number in (1, 2, 3)]
    disk.write(4)
    assert set(user.table(disk.volume)) == {
        'active', *(snapshot.id for snapshot in snapshots)}
    for snapshot in (snapshots[1], snapshots[2], snapshots[0]):
        for each in disk.held:
            copy = user.create(disk.backend, 1, snapshot_id=each)
            disk.holds(copy, disk.held[each])
            user.delete(copy)
        user.delete_snapshot(snapshot)
        del disk.held[snapshot.id]
        disk.check()
    assert user.files(disk.backend) == before
    user.delete(disk.volume)


@pytest.mark.short
def test_revert(disk):
    user = disk.user
    first, second = disk.snap(1), disk.snap(2)
    disk.write(3)
    user.revert(disk.volume, second)
    disk.state = disk.held[second.id]
    disk.check()
    user.delete_snapshot(second)
    disk.check()
    user.revert(disk.volume, first)
    disk.state = disk.held[first.id]
    disk.check()
    user.delete_snapshot(first)
    user.delete(disk.volume)


def test_copies_and_larger_ones(disk):
    user = disk.user
    first, second = disk.snap(1), disk.snap(2)
    disk.write(3)
    for size in (1, 2):
        for state, origin in [
                (disk.state, {'source_volid': disk.volume.id}),
                (disk.held[first.id], {'snapshot_id': first.id}),
                (disk.held[second.id], {'snapshot_id': second.id})]:
            copy = user.create(disk.backend, size, **origin)
            disk.holds(copy, state, size)
            user.delete(copy)
    for snapshot in (first, second):
        user.delete_snapshot(snapshot)
    user.delete(disk.volume)


def test_extend(disk):
    user = disk.user
    snapshot = disk.snap(1)
    user.extend(disk.volume, 2)
    disk.size = 2
    disk.write(1500)
    disk.check()
    user.delete_snapshot(snapshot)
    disk.check()
    user.delete(disk.volume)


def test_upload(disk):
    check_upload(disk, 'qcow2')


# Glance takes long for a GiB.
@pytest.mark.parametrize('layered_user, disk',
                         conftest.some_with(*sorted(FORMATS)), indirect=True)
def test_upload_raw(disk):
    check_upload(disk, 'raw')


def check_upload(disk, disk_format):
    user = disk.user
    snapshot = disk.snap(1)
    disk.write(2)
    disk.file_holds(user.upload(disk.volume, disk_format), disk_format,
                    disk.state)
    user.delete_snapshot(snapshot)
    user.delete(disk.volume)


def test_attach(disk):
    user = disk.user
    snapshot = disk.snap(1)
    with user.attached(disk.volume) as connection:
        assert connection['format'] == 'qcow2'
        assert connection['name'] == os.path.basename(
            user.active(disk.volume))
        # Not while a guest may write: that is Nova's part.
        refused = user.cloud.cinder.volume_snapshots.create(
            disk.volume.id, force=True)
        user.cloud.wait_snapshot(refused.id, 'error')
    user.cloud.cinder.volume_snapshots.delete(refused.id)
    user.cloud.wait_gone(refused.id, 'snapshot')
    disk.check()
    user.delete_snapshot(snapshot)
    user.delete(disk.volume)


@pytest.mark.parametrize(
    'layered_user, kind', conftest.some_with(
        ('layered', 0), ('layered', 1), ('layered', 1), ('qcow2', 0)),
    indirect=['layered_user'])
def test_backup(layered_user, kind):
    """Also of a single layer that is not raw; the bytes are the volume's."""
    user = layered_user
    backend, depth = kind
    disk = Disk(user, backend)
    snapshots = [disk.snap(1) for __ in range(depth)]
    disk.write(2)
    backup = user.backup(disk.volume)
    saved = dict(disk.state)
    before = user.files(backend)
    disk.write(3)
    user.restore(backup, disk.volume)
    disk.state = saved
    disk.check()
    assert before == user.files(backend)
    for snapshot in snapshots:
        copy = user.create(backend, 1, snapshot_id=snapshot.id)
        disk.holds(copy, disk.held[snapshot.id])
        user.delete(copy)
        user.delete_snapshot(snapshot)
    disk.check()
    user.delete_backup(backup)
    user.delete(disk.volume)


@pytest.mark.parametrize('layered_user', conftest.SOME_LAYERED,
                         indirect=True)
def test_backup_of_a_snapshot(layered_user):
    """cinder-backup makes a volume of it by itself."""
    user = layered_user
    disk = Disk(user, 'layered')
    snapshot = disk.snap(1)
    disk.write(2)
    answer = user.cloud.cinder.backups.create(disk.volume.id,
                                              snapshot_id=snapshot.id)
    backup = user.cloud.wait_backup(answer.id)
    new = user.restore(backup, user.create(disk.backend))
    disk.holds(new, disk.held[snapshot.id])
    user.delete_backup(backup)
    user.delete_snapshot(snapshot)
    user.delete(disk.volume, new)


def test_a_volume_of_local_files_takes_none(steps):
    user = steps
    volume = user.create('raw')
    before = user.files('raw')
    snapshot = user.cloud.cinder.volume_snapshots.create(volume.id)
    user.cloud.wait_snapshot(snapshot.id, 'error')
    assert user.files('raw') == before
    user.delete_snapshot(snapshot)
    user.delete(volume)


def test_delete_with_snapshots_is_refused(disk):
    """By Cinder; nothing happens to the files."""
    user = disk.user
    snapshot = disk.snap(1)
    before = user.files(disk.backend)
    with pytest.raises(Exception, match='have snapshots'):
        user.cloud.cinder.volumes.delete(disk.volume.id)
    assert user.files(disk.backend) == before
    # With all of them is what Cinder knows as cascade.
    user.cloud.cinder.volumes.delete(disk.volume.id, cascade=True)
    user.cloud.wait_gone(disk.volume.id)
    assert snapshot.id not in str(user.files(disk.backend))


def test_an_unknown_table_is_refused(disk):
    """Damaged: nothing is changed, and the volume comes back with it."""
    user = disk.user
    snapshot = disk.snap(1)
    path = user.path(disk.volume) + '.info'
    with open(path) as stream:
        text = stream.read()
    with open(path, 'w') as stream:
        stream.write(text[:20])
    before = user.files(disk.backend)
    with pytest.raises(errors.ResourceFailed):
        user.delete_snapshot(snapshot)
    assert user.files(disk.backend) == before
    with open(path, 'w') as stream:
        stream.write(text)
    user.cloud.cinder.volume_snapshots.reset_state(snapshot.id, 'available')
    disk.check()
    user.delete_snapshot(snapshot)
    user.delete(disk.volume)
