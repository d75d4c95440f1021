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

"""What a host is told to attach a volume, by both drivers."""

import os

from cinder.common import constants
import pytest

from remotefs_drivers import errors
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things

GiB = 1 << 30
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}


def make(built, driver, **fields):
    volume = fakes.Volume(**fields)
    volume.provider_location = driver.create_volume(
        volume)['provider_location']
    built.steps.clear()
    built.run.calls.clear()
    return volume


class TestPosix:
    @pytest.mark.parametrize('attach_type', ['local', 'gpfs'])
    def test_as_a_path(self, built, attach_type):
        driver = built.posix(posix_attach_type=attach_type)
        volume = make(built, driver)
        assert driver.initialize_connection(volume, {}) == {
            'driver_volume_type': attach_type,
            'data': {'device_path': os.path.join(built.folder, 'a',
                                                 volume.name),
                     'format': 'raw'},
            'mount_point_base': None}

    @pytest.mark.parametrize('options, file_format', [
        ({'posix_attach_type': 'nfs'}, 'raw'), (QCOW2, 'qcow2')])
    def test_as_an_export(self, built, options, file_format):
        a = os.path.join(built.folder, 'a')
        driver = built.posix(posix_nfs_exports={a: 'nas:/exported'},
                             **options)
        volume = make(built, driver)
        found = driver.initialize_connection(volume, {})
        assert found['driver_volume_type'] == 'nfs'
        assert found['data'] == {'export': 'nas:/exported',
                                 'name': volume.name, 'format': file_format}

    def test_without_an_export_it_is_the_path(self, built):
        driver = built.posix('a', 'b', posix_attach_type='nfs',
                             posix_nfs_exports={'/other': 'nas:/x'})
        volume = make(built, driver, host='host@backend#' + os.path.join(
            built.folder, 'b'))
        found = driver.initialize_connection(volume, {})
        assert found['data']['export'] == os.path.join(built.folder, 'b')

    @pytest.mark.parametrize('attach_type', ['local', 'gpfs'])
    def test_qcow2_needs_an_export(self, built, attach_type):
        """The volume is of a time when the options were others."""
        volume = make(built, built.posix(**QCOW2))
        driver = built.posix(posix_attach_type=attach_type)
        with pytest.raises(errors.AttachTypeMismatch, match=attach_type):
            driver.initialize_connection(volume, {})

    @pytest.mark.parametrize('fields', [
        {'status': 'backing-up'}, {'status': 'restoring-backup'},
        {'migration_status': 'target:x'},
        {'migration_status': 'migrating'}])
    def test_cinder_itself_needs_no_export(self, built, fields):
        """A host of Cinder's has the directory, and no mount of it."""
        driver = built.posix(posix_attach_type='nfs')
        volume = make(built, driver, **fields)
        found = driver.initialize_connection(volume, {})
        assert found['driver_volume_type'] == 'local'
        assert found['data']['device_path'].endswith(volume.name)

    @pytest.mark.parametrize('attach_type, protocol', [
        ('local', constants.FILE), ('gpfs', constants.FILE),
        ('nfs', constants.NFS_VARIANT)])
    def test_the_scheduler_is_told(self, built, attach_type, protocol):
        driver = built.posix(posix_attach_type=attach_type)
        assert driver.get_volume_stats(True)['storage_protocol'] == protocol


class TestNfs:
    @pytest.mark.parametrize('line, data', [
        ('nas:/a', {'export': 'nas:/a'}),
        ('nas:/a -o vers=3', {'export': 'nas:/a', 'options': '-o vers=3'}),
        ('nas:/with\\040blank', {'export': 'nas:/with blank'}),
    ])
    def test_as_nova_takes_it(self, built, line, data):
        driver = built.nfs(line)
        volume = make(built, driver)
        assert driver.initialize_connection(volume, {}) == {
            'driver_volume_type': 'nfs',
            'data': dict(data, name=volume.name, format='raw'),
            'mount_point_base': built.mounter.base}

    def test_the_format_is_handed_on(self, built):
        driver = built.nfs(nfs_qcow2_volumes=True)
        found = driver.initialize_connection(make(built, driver), {})
        assert found['data']['format'] == 'qcow2'

    def test_a_share_that_left_still_serves(self, built):
        driver = built.nfs('nas:/a', 'nas:/b')
        volume = make(built, driver, host='host@backend#nas:/a')
        with open(os.path.join(built.folder, 'nfs_shares'), 'w') as stream:
            stream.write('nas:/b\n')
        built.homes.add('nas:/a')
        driver.get_volume_stats(refresh=True)
        assert driver.initialize_connection(volume, {})

    def test_what_was_migrated_keeps_its_file(self, built):
        driver = built.nfs()
        old, new = make(built, driver), make(built, driver)
        update = driver.update_migrated_volume(None, old, new, 'available')
        assert update == {'_name_id': new.id, 'provider_location': 'nas:/a'}
        old._name_id = new.id
        found = driver.initialize_connection(old, {})
        assert found['data']['name'] == 'volume-' + new.id


def test_no_child_and_one_look_at_the_file(built):
    driver = built.posix()
    volume = make(built, driver)
    driver.initialize_connection(volume, {})
    assert built.steps == [('stat', (volume.id,))]
    assert built.run.calls == []


def test_a_size_that_a_crash_took_back_is_set_again(built, caplog):
    driver = built.posix()
    volume = make(built, driver)
    volume.size = 3
    driver.initialize_connection(volume, {})
    assert built.files() == {volume.name: 3 * GiB}
    assert 'made as large' in caplog.text


def test_a_larger_file_stays(built):
    driver = built.posix()
    volume = make(built, driver, size=3)
    volume.size = 1
    driver.initialize_connection(volume, {})
    assert built.files() == {volume.name: 3 * GiB}


def test_the_size_of_a_qcow2_file_means_nothing(built):
    driver = built.posix(**QCOW2)
    volume = make(built, driver)
    before = built.files()
    driver.initialize_connection(volume, {})
    assert built.files() == before


@pytest.mark.parametrize('put', [things.link, things.directory, things.fifo,
                                 things.dangling_link])
def test_what_is_no_file_is_not_handed_out(built, put):
    driver = built.posix()
    volume = make(built, driver)
    path = os.path.join(built.folder, 'a', volume.name)
    os.remove(path)
    put(path)
    with pytest.raises(errors.VolumeFileInvalid):
        driver.initialize_connection(volume, {})


def test_nor_is_a_file_of_unknown_format(built):
    driver = built.posix()
    volume = make(built, driver)
    volume.admin_metadata = {}
    with pytest.raises(errors.FormatUnknown):
        driver.initialize_connection(volume, {})


class TestRawCopy:
    """Of a qcow2 volume, for Cinder's own copying of bytes."""

    @pytest.fixture
    def driver(self, built):
        return built.posix(**QCOW2)

    @pytest.fixture
    def volume(self, built, driver):
        made = make(built, driver)
        made.migration_status = 'migrating'
        return made

    def test_it_is_shown_instead(self, built, driver, volume):
        found = driver.initialize_connection(volume, {})
        name = '.%s.plain-copy' % volume.name
        assert found['data'] == {
            'device_path': os.path.join(built.folder, 'a', name),
            'format': 'raw'}
        assert built.files()[name] == GiB
        (argv,) = built.run.calls
        assert argv[argv.index('-f') + 1] == 'qcow2'
        assert argv[argv.index('-O') + 1] == 'raw'

    def test_it_goes_in_the_end(self, built, driver, volume):
        driver.initialize_connection(volume, {})
        driver.terminate_connection(volume, {}, force=True)
        assert list(built.files()) == [volume.name]
        driver.terminate_connection(volume, {}, force=True)

    def test_what_a_killed_service_left_is_replaced(self, built, driver,
                                                    volume):
        name = '.%s.plain-copy' % volume.name
        things.file(os.path.join(built.folder, 'a', name), b'x' * 99)
        driver.initialize_connection(volume, {})
        assert built.files()[name] == GiB

    def test_when_it_fails_nothing_is_left(self, built, driver, volume):
        built.run.broken['qemu-img convert'] = builder.Broken()
        with pytest.raises(builder.Broken):
            driver.initialize_connection(volume, {})
        assert list(built.files()) == [volume.name]

    def test_a_guest_gets_the_file_itself(self, built, driver, volume):
        volume.volume_attachment = ['by a guest']
        found = driver.initialize_connection(volume, {})
        assert found['data']['name'] == volume.name
        driver.terminate_connection(volume, {}, force=False)
        assert built.names() == ['stat']

    def test_for_a_backup_it_is_read(self, built, driver, volume):
        volume.status, volume.migration_status = 'backing-up', None
        found = driver.initialize_connection(volume, {})
        assert found['data']['format'] == 'raw'
        built.run.calls.clear()
        driver.terminate_connection(volume, {}, force=True)
        assert list(built.files()) == [volume.name]
        assert built.run.calls == []

    def test_what_is_restored_into_it_is_kept(self, built, driver, volume):
        volume.status, volume.migration_status = 'restoring-backup', None
        found = driver.initialize_connection(volume, {})
        fakes.write(found['data']['device_path'], b'restored')
        driver.terminate_connection(volume, {}, force=True)
        path = os.path.join(built.folder, 'a', volume.name)
        assert fakes.content(path) == b'qcow2 of restored'
        assert list(built.files()) == [volume.name]

    @pytest.mark.parametrize('status', ['backing-up', 'restoring-backup'])
    def test_none_of_a_raw_volume(self, built, status):
        driver = built.posix()
        volume = make(built, driver, status=status)
        found = driver.initialize_connection(volume, {})
        assert found['data']['device_path'].endswith('/' + volume.name)
        driver.terminate_connection(volume, {}, force=True)
        assert built.run.calls == []
        assert list(built.files()) == [volume.name]

    def test_a_raw_one_is_as_large_as_before(self, built):
        """Cinder cuts it, and writes no zeroes into a new volume."""
        driver = built.posix()
        volume = make(built, driver, status='restoring-backup')
        path = driver.initialize_connection(volume, {})['data']['device_path']
        with open(path, 'wb') as stream:
            stream.write(b'restored')
        driver.terminate_connection(volume, {}, force=True)
        assert fakes.content(path) == b'restored'
        assert built.files() == {volume.name: GiB}

    @pytest.mark.parametrize('number', [0, 1, 2])
    def test_a_restored_copy_is_not_lost_by_an_error(self, built, driver,
                                                     volume, number):
        volume.status, volume.migration_status = 'restoring-backup', None
        driver.initialize_connection(volume, {})
        built.steps.clear()
        built.break_at = number
        with pytest.raises((builder.Broken, errors.VolumeFileInvalid)):
            driver.terminate_connection(volume, {}, force=True)
        assert '.%s.plain-copy' % volume.name in built.files()


class TestExports:
    """The share is exported by its server: nothing is done for a volume."""

    @pytest.mark.parametrize('name, arguments', [
        ('create_export', (None, 'volume', {})),
        ('remove_export', (None, 'volume')),
        ('create_export_snapshot', (None, 'snapshot', {})),
        ('remove_export_snapshot', (None, 'snapshot')),
        ('validate_connector', ({},)),
        ('check_for_setup_error', ()),
    ])
    def test_nothing(self, built, name, arguments):
        assert getattr(built.posix(), name)(*arguments) is None
        assert built.steps == []

    def test_at_start_a_dead_share_is_no_error_of_its_volumes(self, built):
        """Cinder would set a volume that a guest uses to "error"."""
        driver = built.nfs('nas:/a', 'nas:/b')
        volume = make(built, driver, host='host@backend#nas:/a')
        built.mounter.broken.add('nas:/a')
        built.mounter.drop(driver._shares.known(volume))
        built.mounter.calls.clear()
        for __ in range(3):
            driver.ensure_export(None, volume)
        # Nor is it waited for, once for each volume.
        assert len(built.mounter.calls) == 1

    def test_nor_is_a_share_that_nobody_knows(self, built):
        driver = built.nfs()
        driver.ensure_export(None, fakes.Volume(provider_location='x:/y'))
