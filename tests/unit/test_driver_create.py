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

"""Making volumes: which steps, in which order, and what is left of them."""

import os
import stat

import pytest

from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things

GiB = 1 << 30
THICK = {'posix_sparsed_volumes': False}
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}


@pytest.fixture
def volume():
    return fakes.Volume(size=2, status='creating')


@pytest.mark.parametrize('options, steps, size, recorded', [
    # No child process for a sparse file.
    ({}, ['record', 'create'], 2 * GiB, 'raw'),
    (THICK, ['statfs', 'record', 'create', 'fallocate'], 2 * GiB, 'raw'),
    ({'nas_volume_prov_type': 'thick'},
     ['statfs', 'record', 'create', 'fallocate'], 2 * GiB, 'raw'),
    (QCOW2, ['record', 'create', 'write'], None, 'qcow2'),
    # Made empty and exclusively, which qemu-img cannot.
    ({**QCOW2, **THICK}, ['statfs', 'record', 'create', 'create'], None,
     'qcow2'),
])
def test_the_steps(built, volume, options, steps, size, recorded):
    update = built.posix(**options).create_volume(volume)
    assert built.names() == steps
    assert {held for __, held in built.steps} == {(volume.id,)}
    assert update == {'provider_location': os.path.join(built.folder, 'a')}
    assert volume.admin_metadata == {'format': recorded}
    made = built.files()
    assert list(made) == [volume.name]
    assert size is None or made[volume.name] == size


@pytest.mark.parametrize('options, children', [
    (QCOW2, 0), ({**QCOW2, **THICK}, 1)])
def test_of_qcow2_the_size_is_virtual(built, volume, options, children):
    built.posix(**options).create_volume(volume)
    path = os.path.join(built.folder, 'a', volume.name)
    assert header.read(path).virtual_size == 2 * GiB
    assert len(built.run.calls) == children
    for argv in built.run.calls:
        assert 'preallocation=falloc' in argv


@pytest.mark.parametrize('permissions, mode, warned', [
    ('true', 0o660, False),
    ('false', 0o666, True),
])
def test_the_mode(built, volume, caplog, permissions, mode, warned):
    driver = built.posix(nas_secure_file_permissions=permissions)
    caplog.clear()
    driver.create_volume(volume)
    path = os.path.join(built.folder, 'a', volume.name)
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert ('%s can be read and written by everyone' % path
            in caplog.text) is warned


def test_what_is_needed_to_find_it_is_recorded_before_it_is_made(built,
                                                                 volume):
    """A service that is killed in between leaves nothing that is lost."""
    built.posix().create_volume(volume)
    assert built.names()[0] == 'record'
    assert volume.saved == [(os.path.join(built.folder, 'a'),
                             {'format': 'raw'})]


@pytest.mark.parametrize('options, count', [({}, 2), (THICK, 4), (QCOW2, 3)])
def test_at_whichever_step_it_fails_nothing_is_left(built, volume, options,
                                                    count):
    driver = built.posix(**options)
    for number in range(count):
        built.steps.clear()
        built.break_at = number
        with pytest.raises((builder.Broken, errors.VolumeFileInvalid,
                            errors.NoSuitableShare)):
            driver.create_volume(volume)
        assert built.files() == {}
        assert built.locks.held == ()
    built.steps.clear()
    built.break_at = count
    driver.create_volume(volume)


def test_what_cannot_be_removed_is_said(built, volume, monkeypatch, caplog):
    driver = built.posix(**THICK)
    built.run.broken['fallocate'] = KeyError('the first one')
    real = driver._shares.call

    def call(share, what, *args, **kwargs):
        if what == 'delete':
            raise errors.ShareTimeout(share=share.location, seconds=1,
                                      what=what, option='x')
        return real(share, what, *args, **kwargs)
    monkeypatch.setattr(driver._shares, 'call', call)
    with pytest.raises(KeyError, match='the first one'):
        driver.create_volume(volume)
    assert '%s is left behind' % os.path.join(
        built.folder, 'a', volume.name) in caplog.text


@pytest.mark.parametrize('put', things.ALL)
@pytest.mark.parametrize('options', [{}, QCOW2])
def test_something_is_there_already(built, volume, put, options):
    driver = built.posix(**options)
    path = os.path.join(built.folder, 'a', volume.name)
    put(path)
    before = things.describe(path)
    with pytest.raises(errors.VolumeFileExists) as info:
        driver.create_volume(volume)
    assert path in str(info.value)
    assert things.describe(path) == before


def test_without_room_for_all_of_it_nothing_is_begun(built, volume):
    driver = built.posix(**THICK)
    built.room = GiB
    with pytest.raises(errors.NoSuitableShare, match='only 1.00 GiB'):
        driver.create_volume(volume)
    assert built.names() == ['statfs']
    assert volume.saved == []


class TestWhere:
    def test_as_the_scheduler_says(self, built):
        driver = built.posix('a', 'b')
        for name in 'ba':
            pool = os.path.join(built.folder, name)
            volume = fakes.Volume(host='host@backend#' + pool)
            assert driver.create_volume(volume) == {'provider_location':
                                                    pool}
            assert list(built.files(name)) == [volume.name]

    def test_it_says_what_is_not_ours(self, built):
        driver = built.posix()
        volume = fakes.Volume(host='host@backend#/etc')
        with pytest.raises(errors.NoSuitableShare):
            driver.create_volume(volume)
        assert volume.saved == []

    def test_with_one_pool_for_all_it_says_nothing(self, built):
        driver = built.posix(posix_pool_per_share=False)
        volume = fakes.Volume(host='host@backend#Posix')
        assert driver.create_volume(volume)

    @pytest.mark.parametrize('name', ['../x', 'a/b', '.x', ''])
    def test_a_name_that_leads_elsewhere(self, built, name, monkeypatch):
        monkeypatch.setattr(fakes.Volume, 'name', name)
        volume = fakes.Volume()
        with pytest.raises(errors.VolumeNameInvalid):
            built.posix().create_volume(volume)
        assert built.steps == []
        assert volume.saved == []


class TestKinds:
    @pytest.mark.parametrize('status', ['target:other', 'target:'])
    def test_plain_bytes_will_be_copied_into_it(self, built, volume, status):
        """Cinder's generic migration, onto a backend of qcow2 volumes."""
        volume.migration_status = status
        built.posix(**QCOW2).create_volume(volume)
        assert volume.admin_metadata['format'] == 'raw'
        assert built.files() == {volume.name: 2 * GiB}

    def test_an_encrypted_type(self, built, volume):
        volume.encryption_key_id = 'key'
        driver = built.posix()
        with pytest.raises(errors.EncryptionUnsupported):
            driver.create_volume(volume)
        with pytest.raises(errors.EncryptionUnsupported):
            driver.create_cloned_volume(volume, fakes.Volume())
        with pytest.raises(errors.EncryptionUnsupported):
            driver.copy_image_to_encrypted_volume(None, volume, None, 'x',
                                                  disable_sparse=False)
        assert built.steps == []
