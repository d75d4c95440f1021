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

"""What a volume's state tells."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers import states
from tests.unit import fakes


@pytest.mark.parametrize('key, refused', [(None, False), ('', False),
                                          ('the-key', True)])
def test_refuse_encrypted(key, refused):
    volume = fakes.Volume(encryption_key_id=key)
    if not refused:
        states.refuse_encrypted(volume)
        return
    with pytest.raises(errors.EncryptionUnsupported, match=volume.id):
        states.refuse_encrypted(volume)


#: Each status in which a volume's or a snapshot's file is looked after:
#: may be copied, snapshot made, snapshot of the image cache made, deleted,
#: reverted; a snapshot: may be copied.
STATUSES = [
    ('available', 'copy snap cached delete revert from'),
    # cinder-backup makes its own snapshot, reads it, and deletes it.
    ('backing-up', 'copy snap cached delete from'),
    # Cinder fills a volume with an image, and its cache from that.
    ('downloading', 'copy cached delete'),
    # A volume that is deleted goes with its snapshots ("cascade").
    ('deleting', 'delete'),
    ('reverting', 'revert'),
    # Of a snapshot, as cinder-backup sets it.
    ('restoring', 'from'),
    # A guest has it.
    ('in-use', ''),
    ('attaching', ''), ('detaching', ''), ('reserved', ''),
    ('creating', ''), ('extending', ''), ('restoring-backup', ''),
    ('uploading', ''), ('retyping', ''), ('maintenance', ''),
    ('error', ''), ('error_deleting', ''), ('error_extending', ''),
]


def _verbs(volume, display_name=None):
    snapshot = fakes.Snapshot(volume, display_name=display_name)
    of_cache = fakes.Snapshot(volume, display_name='tmp-snap-the-image')
    snapshot.status = volume.status
    return {
        'copy': (lambda: states.refuse_busy_source(volume),
                 errors.SourceBusy),
        'snap': (lambda: states.refuse_snapshot_of(volume, snapshot),
                 errors.VolumeBusy),
        'cached': (lambda: states.refuse_snapshot_of(volume, of_cache),
                   errors.VolumeBusy),
        'delete': (lambda: states.refuse_delete_snapshot_of(volume),
                   errors.VolumeBusy),
        'revert': (lambda: states.refuse_revert_of(volume),
                   errors.VolumeBusy),
        'from': (lambda: states.refuse_busy_snapshot(snapshot),
                 errors.SnapshotBusy),
    }


@pytest.mark.parametrize('status, allowed', STATUSES)
@pytest.mark.parametrize('verb', ['copy', 'snap', 'cached', 'delete',
                                  'revert', 'from'])
def test_what_a_status_allows(status, allowed, verb):
    volume = fakes.Volume(status=status)
    check, error = _verbs(volume)[verb]
    if verb in allowed.split():
        check()
        return
    with pytest.raises(error) as info:
        check()
    assert '"%s"' % status in str(info.value)
    assert 'available' in str(info.value)


@pytest.mark.parametrize('name', [None, '', 'mine', 'x-tmp-snap-'])
def test_a_name_that_is_not_of_the_cache(name):
    volume = fakes.Volume(status='downloading')
    check, error = _verbs(volume, display_name=name)['snap']
    with pytest.raises(error):
        check()


@pytest.mark.parametrize('status', ['available', 'in-use', 'reverting'])
def test_nothing_is_thrown_away_under_a_guest(status):
    volume = fakes.Volume(status=status, attach_status='attached')
    check, __ = _verbs(volume)['revert']
    with pytest.raises(errors.VolumeAttached, match=volume.id):
        check()


def _attached(status, **fields):
    return fakes.Volume(status=status, attach_status='attached', **dict(
        {'volume_attachment': [fakes.Attachment()]}, **fields))


@pytest.mark.parametrize('status, allowed', [
    # Cinder backs up volumes that are in use.
    ('in-use', True), ('backing-up', True),
    ('available', False), ('reverting', False), ('downloading', False),
    ('deleting', False), ('extending', False), ('error', False)])
@pytest.mark.parametrize('verb', ['snap', 'cached', 'delete', 'copy'])
def test_what_a_status_allows_under_a_guest(status, allowed, verb):
    check, error = _verbs(_attached(status))[verb]
    if allowed:
        check()
        return
    with pytest.raises(error, match='"%s".*in-use' % status):
        check()


@pytest.mark.parametrize('verb', ['snap', 'delete'])
class TestNoSingleGuest:
    def test_in_use_by_nobody(self, verb):
        """An administrator has set its state."""
        volume = _attached('in-use', volume_attachment=[])
        with pytest.raises(errors.GuestUnknown, match='no attachment'):
            _verbs(volume)[verb][0]()

    def test_by_several(self, verb):
        volume = _attached('in-use', multiattach=True)
        with pytest.raises(errors.VolumeShared, match='Detach it from all'):
            _verbs(volume)[verb][0]()

    def test_which_is_no_matter_when_it_is_detached(self, verb):
        _verbs(fakes.Volume(multiattach=True))[verb][0]()


@pytest.mark.parametrize('multiattach, file_format, attached, refused', [
    (True, 'qcow2', True, True),
    # The first one; a raw file; a host that an instance moves to.
    (True, 'qcow2', False, False), (True, 'raw', True, False),
    (False, 'qcow2', True, False)])
def test_a_file_for_one_qemu(multiattach, file_format, attached, refused):
    volume = fakes.Volume(
        multiattach=multiattach,
        attach_status='attached' if attached else 'detached')
    if refused:
        with pytest.raises(errors.VolumeShared, match='kept as qcow2'):
            states.refuse_shared(volume, file_format)
    else:
        states.refuse_shared(volume, file_format)


@pytest.mark.parametrize('fields, expected', [
    ({}, False), ({'multiattach': True}, True),
    ({'migration_status': 'target:x'}, True)])
def test_is_raw_only(fields, expected):
    assert states.is_raw_only(fakes.Volume(**fields)) is expected


@pytest.mark.parametrize('attach_status, expected', [
    ('attached', True), ('detached', False), ('attaching', False),
    ('error_attaching', False), (None, False)])
def test_is_attached(attach_status, expected):
    volume = fakes.Volume(attach_status=attach_status)
    assert states.is_attached(volume) is expected


@pytest.mark.parametrize('fields, expected', [
    ({}, True),
    ({'migration_status': 'success'}, True),
    ({'migration_status': 'error'}, True),
    ({'status': 'in-use', 'attach_status': 'attached'}, False),
    # Another record than its own.
    ({'attach_status': 'attached'}, False),
    ({'volume_attachment': [fakes.Attachment()]}, False),
    ({'status': 'reserved'}, False),
    ({'status': 'attaching'}, False),
    ({'status': 'detaching'}, False),
    ({'status': 'backing-up'}, False),
    ({'status': 'uploading'}, False),
    # Cinder attaches these without a word.
    ({'migration_status': 'starting'}, False),
    ({'migration_status': 'migrating'}, False),
    ({'migration_status': 'target:1'}, False),
    ({'migration_status': 'completing'}, False),
])
def test_is_idle(fields, expected):
    assert states.is_idle(fakes.Volume(**fields)) is expected


@pytest.mark.parametrize('status, expected', [
    ('error_managing_deleting', True), ('error_managing', False),
    ('deleting', False), ('available', False)])
def test_is_failed_manage(status, expected):
    assert states.is_failed_manage(fakes.Volume(status=status)) is expected


@pytest.mark.parametrize('status, migration, attached, expected', [
    # (plain bytes only, restored)
    ('available', None, False, (False, False)),
    ('backing-up', None, False, (True, False)),
    ('restoring-backup', None, False, (True, True)),
    ('available', 'migrating', False, (True, False)),
    # Its guest's host copies it, and knows its format.
    ('in-use', 'migrating', True, (False, False)),
    # Raw always.
    ('available', 'target:x', False, (False, False)),
])
def test_plain_bytes(status, migration, attached, expected):
    volume = fakes.Volume(status=status, migration_status=migration,
                          volume_attachment=['x'] if attached else [])
    assert (states.is_plain_bytes_only(volume),
            states.is_restored(volume)) == expected


ROWS = [
    ('available', None, False, (False, False, False)),
    ('in-use', None, True, (False, False, False)),
    ('attaching', '', False, (False, False, False)),
    ('backing-up', None, False, (False, False, True)),
    ('restoring-backup', None, False, (False, False, True)),
    # The new volume of a migration, while it is made and then filled.
    ('creating', 'target:old', False, (True, False, False)),
    ('available', 'target:old', False, (True, False, True)),
    # A guest's host fills it: Nova attaches it meanwhile.
    ('in-use', 'target:old', True, (True, False, False)),
    # The old one, and the same when a guest has it.
    ('available', 'migrating', False, (False, True, True)),
    ('retyping', 'migrating', False, (False, True, True)),
    ('in-use', 'migrating', True, (False, False, False)),
    # Before and after that nothing is copied.
    ('available', 'starting', False, (False, False, False)),
    ('available', 'completing', False, (False, False, False)),
    ('available', 'error', False, (False, False, False)),
    ('available', 'success', False, (False, False, False)),
]


@pytest.mark.parametrize('status, migration, attached, expected', ROWS)
def test_migration(status, migration, attached, expected):
    volume = fakes.Volume(status=status, migration_status=migration,
                          volume_attachment=['x'] if attached else [])
    assert (states.is_migration_target(volume),
            states.is_migration_source(volume),
            states.is_cinders_own(volume)) == expected
