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

"""The recorded format of a volume."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers import formats
from tests.unit import fakes


@pytest.mark.parametrize('metadata, expected', [
    ({'format': 'raw'}, 'raw'),
    ({'format': 'qcow2'}, 'qcow2'),
    ({'format': 'raw', 'readonly': 'True'}, 'raw'),
    # A migrated volume: what was noted for its file counts.
    ({'format': 'raw', 'format:new': 'qcow2'}, 'qcow2'),
    # Noted for a file that it did not get: the migration failed.
    ({'format': 'raw', 'format:other': 'qcow2'}, 'raw'),
])
def test_of(metadata, expected):
    volume = fakes.Volume(_name_id='new', admin_metadata=metadata)
    assert formats.of(volume) == expected


@pytest.mark.parametrize('metadata, value', [
    ({}, None),
    ({'readonly': 'True'}, None),
    ({'format': ''}, ''),
    ({'format': 'vmdk'}, 'vmdk'),
    ({'format': 'QCOW2'}, 'QCOW2'),
    # What the layer below a snapshot is, says nothing of the file itself.
    ({'base_format': 'raw'}, None),
])
def test_unknown_is_an_error_and_no_guess(metadata, value):
    volume = fakes.Volume(admin_metadata=metadata)
    with pytest.raises(errors.FormatUnknown) as info:
        formats.of(volume)
    assert volume.id in str(info.value)
    assert 'is %s,' % value in str(info.value)
    assert volume.saved == []


def test_metadata_that_was_not_loaded_is_loaded(monkeypatch):
    volume = fakes.Volume()
    del volume.admin_metadata
    monkeypatch.setattr(
        volume, 'obj_load_attr',
        lambda name: setattr(volume, name, {'format': 'qcow2'}))
    assert formats.of(volume) == 'qcow2'


def test_no_metadata_at_all():
    with pytest.raises(errors.FormatUnknown):
        formats.of(fakes.Volume(admin_metadata=None))


def test_reading_saves_nothing():
    volume = fakes.Volume(admin_metadata={'format': 'raw'})
    formats.of(volume)
    assert volume.saved == []


def test_record_keeps_what_else_is_there():
    volume = fakes.Volume(admin_metadata={'readonly': 'True'})
    formats.record(volume, 'qcow2', 'nas:/a')
    assert volume.saved == [('nas:/a', {'readonly': 'True',
                                        'format': 'qcow2'})]


def test_the_metadata_is_replaced_and_not_changed():
    """An object of Cinder's sees a change only when it is assigned."""
    before = {'format': 'raw'}
    volume = fakes.Volume(admin_metadata=before)
    formats.record(volume, 'qcow2', 'nas:/a')
    assert before == {'format': 'raw'}


class TestMigration:
    """Cinder swaps the admin metadata of the two volumes, or does not."""

    @pytest.fixture
    def volumes(self):
        old = fakes.Volume(admin_metadata={'format': 'qcow2'})
        new = fakes.Volume(admin_metadata={'format': 'raw'})
        formats.record_moved(old, new)
        return old, new

    def test_until_cinder_says_so_the_volume_is_what_it_was(self, volumes):
        old, __ = volumes
        assert formats.of(old) == 'qcow2'

    def test_then_it_is_what_the_new_one_was(self, volumes):
        old, new = volumes
        old._name_id = new.id
        assert formats.of(old) == 'raw'
        # Written down for whoever reads the one key only.
        assert old.admin_metadata['format'] == 'raw'

    def test_the_same_when_the_metadata_were_swapped(self, volumes):
        old, new = volumes
        old._name_id = new.id
        old.admin_metadata, new.admin_metadata = (
            new.admin_metadata, old.admin_metadata)
        assert formats.of(old) == 'raw'

    def test_moved_twice(self, volumes):
        old, new = volumes
        old._name_id = new.id
        newest = fakes.Volume(admin_metadata={'format': 'qcow2'})
        formats.record_moved(old, newest)
        assert formats.of(old) == 'raw'
        old._name_id = newest.id
        assert formats.of(old) == 'qcow2'
