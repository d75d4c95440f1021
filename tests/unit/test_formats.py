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

"""The recorded formats of a volume."""

import pytest

from remotefs_drivers.chain import model
from remotefs_drivers import formats
from tests.unit import fakes


def chain(*layer_formats):
    layers = tuple(model.Layer('volume-1' if not number else
                               'volume-1.%d' % number, each, 512)
                   for number, each in enumerate(layer_formats))
    return model.Chain('1', 'volume-1', layers)


@pytest.mark.parametrize('metadata, base, active', [
    ({'format': 'raw'}, None, 'raw'),
    ({'format': 'qcow2', 'readonly': 'True'}, None, 'qcow2'),
    # With snapshots, as Cinder's own drivers write it too.
    ({'format': 'qcow2', 'base_format': 'raw'}, 'raw', 'qcow2'),
    # What the layer below a snapshot is, says nothing of the file itself.
    ({'base_format': 'raw'}, 'raw', None),
    ({}, None, None),
    ({'readonly': 'True'}, None, None),
    (None, None, None),
    # Whatever it is; who takes a format knows which there are.
    ({'format': 'vmdk', 'base_format': 'QCOW2'}, 'QCOW2', 'vmdk'),
    # A migrated volume: what was noted for its file counts, for its base.
    ({'format': 'raw', 'format:new': 'qcow2'}, 'qcow2', 'qcow2'),
    ({'format': 'qcow2', 'base_format': 'qcow2', 'format:new': 'raw'},
     'raw', 'raw'),
    # Noted for a file that it did not get: the migration failed.
    ({'format': 'raw', 'format:other': 'qcow2'}, None, 'raw'),
])
def test_recorded(metadata, base, active):
    volume = fakes.Volume(_name_id='new', admin_metadata=metadata)
    assert formats.recorded(volume) == model.Recorded(base, active, None)
    assert formats.recorded(volume, 'qcow2').legacy == 'qcow2'
    assert volume.saved == []


def test_metadata_that_was_not_loaded_is_loaded(monkeypatch):
    volume = fakes.Volume()
    del volume.admin_metadata
    monkeypatch.setattr(
        volume, 'obj_load_attr',
        lambda name: setattr(volume, name, {'format': 'qcow2'}))
    assert formats.recorded(volume).active == 'qcow2'


@pytest.mark.parametrize('before, layers, after', [
    # Nothing is written that is there.
    ({'format': 'raw'}, ['raw'], None),
    ({'format': 'qcow2', 'base_format': 'raw'}, ['raw', 'qcow2'], None),
    # A volume from before formats were recorded.
    ({}, ['raw'], {'format': 'raw'}),
    # The first snapshot, and the last one.
    ({'format': 'raw'}, ['raw', 'qcow2'],
     {'format': 'qcow2', 'base_format': 'raw'}),
    ({'format': 'qcow2', 'base_format': 'raw'}, ['raw'],
     {'format': 'raw', 'base_format': 'raw'}),
    ({'format': 'qcow2'}, ['qcow2', 'qcow2', 'qcow2'],
     {'format': 'qcow2', 'base_format': 'qcow2'}),
    # What is not about formats is kept.
    ({'readonly': 'True'}, ['raw'], {'readonly': 'True', 'format': 'raw'}),
    # Of a volume that was migrated: for whoever reads the one key only.
    ({'format': 'qcow2', 'format:new': 'raw'}, ['raw'],
     {'format': 'raw', 'format:new': 'raw'}),
])
def test_settle(before, layers, after):
    volume = fakes.Volume(_name_id='new', admin_metadata=dict(before))
    formats.settle(volume, chain(*layers))
    assert volume.saved == ([] if after is None else [(None, after)])


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
        assert formats.recorded(old) == model.Recorded(None, 'qcow2')

    def test_then_it_is_what_the_new_one_was(self, volumes):
        old, new = volumes
        old._name_id = new.id
        assert formats.recorded(old) == model.Recorded('raw', 'raw')

    def test_the_same_when_the_metadata_were_swapped(self, volumes):
        old, new = volumes
        old._name_id = new.id
        old.admin_metadata, new.admin_metadata = (
            new.admin_metadata, old.admin_metadata)
        assert formats.recorded(old) == model.Recorded(None, 'raw')

    def test_moved_twice(self, volumes):
        old, new = volumes
        old._name_id = new.id
        newest = fakes.Volume(admin_metadata={'format': 'qcow2'})
        formats.record_moved(old, newest)
        assert formats.recorded(old).active == 'raw'
        old._name_id = newest.id
        assert formats.recorded(old).active == 'qcow2'

    def test_with_snapshots_afterwards(self, volumes):
        """What is noted is of the base, and holds for it alone."""
        old, new = volumes
        old._name_id = new.id
        formats.settle(old, chain('raw', 'qcow2'))
        assert old.admin_metadata['format'] == 'qcow2'
        assert formats.recorded(old).base == 'raw'

    def test_with_snapshots_before(self):
        """The new volume of a migration has none; its record counts."""
        old = fakes.Volume(admin_metadata={'format': 'qcow2',
                                           'base_format': 'qcow2'})
        new = fakes.Volume(admin_metadata={'format': 'raw'})
        formats.record_moved(old, new)
        old._name_id = new.id
        assert formats.recorded(old) == model.Recorded('raw', 'raw')
