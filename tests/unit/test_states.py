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


@pytest.mark.parametrize('status, file_format, refused', [
    ('backing-up', 'raw', False),
    ('restoring-backup', 'raw', False),
    # cinder-backup would take the file for the bytes of the volume.
    ('backing-up', 'qcow2', True),
    ('restoring-backup', 'qcow2', True),
    ('in-use', 'qcow2', False),
    ('available', 'qcow2', False),
])
def test_refuse_backup_of(status, file_format, refused):
    volume = fakes.Volume(status=status)
    if not refused:
        states.refuse_backup_of(volume, file_format)
        return
    with pytest.raises(errors.RawDataOnly, match=status):
        states.refuse_backup_of(volume, file_format)


#: status, migration_status, attached -> target, source, Cinder's own
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
