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
"""What is on record of attached volumes, and of who lets Cinder down.

Each is a defect of drivers before, see doc/source/defects.rst.
"""

import contextlib
import sqlite3
import threading
import uuid

import pytest

from remotefs_drivers.embedded import waiting
from tests.functional import attached
from tests.functional import conftest

#: Seconds: far more than anything takes that comes to an end.
_LONG = 300


@pytest.fixture
def busy(steps, all_clouds, concurrency):
    """attached.Life of a raw volume."""
    with attached.Life(steps, all_clouds.nova(concurrency),
                       'layered') as life:
        yield life


@conftest.in_threads
def test_no_format_is_recorded(busy):
    """Refused before anything is made; nobody is asked to use it."""
    user = busy.user
    before = user.files(busy.backend)
    asked = len(busy.nova.assisted.seen)
    assert _forget_format(busy) == 1
    failed = user.cloud.cinder.volume_snapshots.create(busy.volume.id)
    user.cloud.wait_snapshot(failed.id, 'error')
    assert user.files(busy.backend) == before
    assert len(busy.nova.assisted.seen) == asked
    busy.check()
    _record_format(busy, 'raw')
    user.delete_snapshot(failed)
    snapshot = busy.snap()
    busy.reboot()
    busy.check()
    busy.drop(snapshot)
    busy.detach()
    busy.check_detached()
    user.delete(busy.volume)


@conftest.in_eventlet
def test_after_the_last_snapshot(busy):
    """The volume can do all that one without snapshots can."""
    user = busy.user
    busy.drop(busy.snap())
    assert set(user.table(busy.volume)) == {'active'}
    busy.detach()
    busy.check_detached()
    number = busy.numbers
    clone = user.create(busy.backend, 2, source_volid=busy.volume.id)
    busy.check_volume(clone, number, number)
    user.extend(busy.volume, 2)
    image = user.upload(busy.volume, 'qcow2')
    busy.check_file(image, 'qcow2', number, number)
    snapshot = busy.snap_detached()
    busy.check_snapshots()
    user.revert(busy.volume, snapshot)
    busy.drop_detached(snapshot)
    busy.check_detached()
    user.delete(busy.volume, clone)


def test_made_and_deleted_at_once(busy):
    """Of two snapshots, and by two users; each waits for the other."""
    snapshots = busy.user.cloud.cinder.volume_snapshots
    old = busy.snap()
    busy.nova.assisted.next('slow', seconds=2)
    with busy.snapping() as made:
        new = snapshots.create(busy.volume.id)
        snapshots.delete(old.id)
        busy.user.cloud.wait_snapshot(new.id)
        made(new)
    busy.user.cloud.wait_gone(old.id, 'snapshot')
    busy.forget(old)
    busy.check()
    busy.drop(new)
    busy.detach()
    busy.check_detached()
    busy.user.delete(busy.volume)


@pytest.mark.parametrize('verb', ['create', 'delete'])
def test_the_service_is_killed_meanwhile(busy, verb):
    """The guest does its part, and nobody is there to hear of it."""
    user, snapshots = busy.user, busy.user.cloud.cinder.volume_snapshots
    first = busy.snap()
    busy.snap()
    nova, killed = busy.nova, threading.Event()
    nova.assisted.next('slow', until=killed)
    asked = len(nova.assisted.seen)
    with busy.snapping() as made:
        if verb == 'create':
            snapshot = snapshots.create(busy.volume.id)
        else:
            snapshot = first
            snapshots.delete(first.id)
        user.until(lambda: len(nova.assisted.seen) > asked,
                   'Nova to be asked')
        user.cloud.kill_cinder()
        # Whoever was asked goes on.
        killed.set()
        waiting.until(lambda: len(nova.assisted.begun) > asked, _LONG,
                      'Nova to begin')
        nova.wait()
        user.cloud.start_cinder()
        if verb == 'create':
            user.cloud.wait_snapshot(snapshot.id)
            made(snapshot)
        else:
            user.cloud.wait_snapshot(snapshot.id, 'error_deleting')
            del busy.held[snapshot.id]
    busy.check()
    busy.reboot()
    if verb == 'delete':
        snapshots.reset_state(snapshot.id, 'available')
        user.delete_snapshot(snapshot)
        busy.check()
    busy.detach()
    busy.check_detached()
    busy.held.clear()
    user.cloud.cinder.volumes.delete(busy.volume.id, cascade=True)
    user.cloud.wait_gone(busy.volume.id)


@pytest.mark.turns
@pytest.mark.parametrize('backend', sorted(attached.FORMATS))
def test_read_only(steps, all_clouds, concurrency, backend):
    """QEMU goes on in no other file: it fails, and nothing is left."""
    user, nova = steps, all_clouds.nova(concurrency)
    volume, server = user.create(backend), str(uuid.uuid4())
    before = user.files(backend)
    disk = nova.attach(server, volume.id, mode='ro')
    failed = user.cloud.cinder.volume_snapshots.create(volume.id)
    user.cloud.wait_snapshot(failed.id, 'error')
    # That is what Nova said; Cinder takes back what it made.
    user.until(lambda: user.files(backend) == before, 'nothing to be left')
    with disk.guest.connect() as drive:
        assert drive.read(0, 512) == bytes(512)
    user.delete_snapshot(failed)
    nova.detach(server, volume.id)
    user.cloud.wait_volume(volume.id)
    user.delete(volume)


def _forget_format(busy):
    """As drivers of old, which recorded none. Returns of how many."""
    with _database(busy) as database:
        return database.execute(
            "DELETE FROM volume_admin_metadata WHERE volume_id = ? AND "
            "key IN ('format', 'base_format')", (busy.volume.id,)).rowcount


def _record_format(busy, file_format):
    with _database(busy) as database:
        database.execute(
            "INSERT INTO volume_admin_metadata "
            "(created_at, deleted, volume_id, key, value) "
            "VALUES (datetime('now'), 0, ?, 'format', ?)",
            (busy.volume.id, file_format))


@contextlib.contextmanager
def _database(busy):
    path = busy.user.cloud.spec.path('cinder.sqlite')
    with contextlib.closing(sqlite3.connect(path, timeout=_LONG)) as database:
        with database:
            yield database
