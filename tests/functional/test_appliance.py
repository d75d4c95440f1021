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

"""ApplianceNfsDriver by itself: every verb, on boxes of each kind."""

import contextlib
import os

from cinder import exception
import pytest

from remotefs_drivers import errors
from tests.functional import appliance_places
from tests.functional import content
from tests.functional import groups

GIB, MIB = content.GIB, content.MIB

pytestmark = pytest.mark.root


@pytest.fixture(params=appliance_places.KINDS)
def place(request, tmp_path):
    with contextlib.ExitStack() as stack:
        place = appliance_places.FolderPlace(stack, tmp_path, request.param)
        stack.enter_context(place.programs())
        yield place


@pytest.fixture
def driver(rig, place):
    return place.driver(rig)


@pytest.fixture
def volume(rig, driver, place):
    volume = rig.volume(driver)
    _write(place, volume, 1)
    return volume


def _write(place, volume, pattern):
    content.write(place.path(volume), 'raw', pattern, MIB, MIB)


def _holds(place, volume, pattern, tmp_path, size=1):
    content.assert_holds(place.path(volume), 'raw', size * GIB,
                         [(pattern, MIB, MIB)] if pattern else [], tmp_path)


def _cloned(rig, driver, source, size=1):
    clone = rig.new_volume(driver, size, source_volid=source.id)
    clone.update(driver.create_cloned_volume(clone, source))
    clone.status = 'available'
    clone.save()
    return clone


def _from_snapshot(rig, driver, snapshot, size=1):
    copy = rig.new_volume(driver, size, snapshot_id=snapshot.id)
    copy.update(driver.create_volume_from_snapshot(copy, snapshot))
    copy.status = 'available'
    copy.save()
    return copy


def test_create_and_delete(rig, driver, place, tmp_path):
    volume = rig.volume(driver, 2)
    assert volume.provider_location == '%s:%s/%s' % (
        appliance_places.ADDRESS, place.root, volume.name)
    assert volume.provider_id
    _holds(place, volume, None, tmp_path, 2)
    assert place.mounted() == set()
    driver.delete_volume(volume)
    assert place.shares() == {}
    assert place.mounted() == set()
    driver.delete_volume(volume)


def test_snapshots(rig, driver, place, volume, tmp_path):
    first = rig.snapshot(driver, volume)
    assert first.provider_id
    _write(place, volume, 2)
    second = rig.snapshot(driver, volume)
    _write(place, volume, 3)
    copies = [_from_snapshot(rig, driver, each)
              for each in (first, second)]
    for number, copy in enumerate(copies):
        _holds(place, copy, number + 1, tmp_path)
    _holds(place, volume, 3, tmp_path)
    assert place.mounted() == set()
    for copy in copies:
        driver.delete_volume(copy)
    for each in (first, second):
        rig.delete_snapshot(driver, each)
        driver.delete_snapshot(each)
    assert place.shares() == {volume.name: []}
    driver.delete_volume(volume)
    assert place.shares() == {}


def test_copy_is_larger_and_its_own(rig, driver, place, volume, tmp_path):
    clone = _cloned(rig, driver, volume, 2)
    _write(place, volume, 2)
    _holds(place, clone, 1, tmp_path, 2)
    _write(place, clone, 3)
    _holds(place, volume, 2, tmp_path)
    driver.delete_volume(clone)
    assert place.shares() == {volume.name: []}


def test_source_goes_first(rig, driver, place, volume, tmp_path):
    clone = _cloned(rig, driver, volume)
    of_clone = _cloned(rig, driver, clone)
    if place.kind == 'rigid':
        with pytest.raises(errors.ClonesInTheWay):
            driver.delete_volume(volume)
        driver.delete_volume(of_clone)
        driver.delete_volume(clone)
        driver.delete_volume(volume)
        assert place.shares() == {}
        return
    driver.delete_volume(volume)
    for each in clone, of_clone:
        _holds(place, each, 1, tmp_path)
    driver.delete_volume(clone)
    _holds(place, of_clone, 1, tmp_path)
    driver.delete_volume(of_clone)
    assert place.shares() == {}


def test_snapshot_goes_before_its_clones(rig, driver, place, volume,
                                         tmp_path):
    snapshot = rig.snapshot(driver, volume)
    clones = [_from_snapshot(rig, driver, snapshot) for __ in range(2)]
    if place.kind == 'rigid':
        with pytest.raises(errors.SnapshotKept):
            driver.delete_snapshot(snapshot)
        for each in clones:
            driver.delete_volume(each)
    rig.delete_snapshot(driver, snapshot)
    driver.delete_volume(volume)
    if place.kind != 'rigid':
        for each in clones:
            _holds(place, each, 1, tmp_path)
            driver.delete_volume(each)
    assert place.shares() == {}


def test_nothing_that_a_user_has_is_deleted(rig, driver, place, volume):
    snapshot = rig.snapshot(driver, volume)
    place.box.create_snapshot(volume.name, 'nightly')
    for name in snapshot.name, 'nightly':
        with pytest.raises(exception.VolumeIsBusy, match=name):
            driver.delete_volume(volume)
        place.box.delete_snapshot(volume.name, name)
    driver.delete_volume(volume)
    assert place.shares() == {}


def test_revert(rig, driver, place, volume, tmp_path):
    snapshot = rig.snapshot(driver, volume)
    _write(place, volume, 2)
    driver.revert_to_snapshot(rig.context, volume, snapshot)
    _holds(place, volume, 1, tmp_path)
    assert place.shares() == {volume.name: [snapshot.name]}
    # What is newer has a clone, and must not go.
    _write(place, volume, 2)
    clone = _cloned(rig, driver, volume)
    _write(place, volume, 3)
    driver.revert_to_snapshot(rig.context, volume, snapshot)
    _holds(place, volume, 1, tmp_path)
    _holds(place, clone, 2, tmp_path)
    assert place.mounted() == set()
    assert set(place.shares()) == {volume.name, clone.name}
    assert place.journals() == []


def test_extend(rig, driver, place, volume, tmp_path):
    driver.extend_volume(volume, 3)
    _holds(place, volume, 1, tmp_path, 3)
    assert place.box.find_share(volume.name).size == 3 * GIB
    with pytest.raises(exception.ExtendVolumeError):
        driver.extend_volume(volume, 0)
    assert place.mounted() == set()


def test_attach(rig, driver, place, volume):
    driver.create_export(rig.context, volume, {})
    assert place.mounted() == {volume.name}
    connection = driver.initialize_connection(volume, {})
    assert connection['driver_volume_type'] == 'nfs'
    assert connection['data'] == {'export': volume.provider_location,
                                  'name': 'volume', 'format': 'raw'}
    rig.snapshot(driver, volume)
    assert place.mounted() == {volume.name}
    assert os.path.exists(driver.local_path(volume))
    assert driver.terminate_connection(volume, {}) is False
    driver.remove_export(rig.context, volume)
    assert place.mounted() == set()
    driver.remove_export(rig.context, volume)


def test_what_a_crash_left_mounted(rig, place, volume):
    place.driver(rig, 'again').create_export(rig.context, volume, {})
    assert place.mounted() == {volume.name}
    place.driver(rig, 'again')
    assert place.mounted() == set()


# Manage


@pytest.mark.parametrize('name', ['volume', 'wild', 'disk.img'])
def test_manage(rig, driver, place, tmp_path, name):
    place.box.create_share('wild', GIB)
    path = os.path.join(place.root, 'wild', name)
    with open(path, 'wb') as stream:
        stream.truncate(GIB + MIB)
    content.write(path, 'raw', 5, MIB, MIB)
    listed = driver.get_manageable_volumes([], None, 10, 0, ['size'],
                                           ['asc'])
    assert [each['reference'] for each in listed] == [
        {'source-name': 'wild'}]
    if place.kind == 'rigid':
        with pytest.raises(errors.ReferenceInvalid, match='no way'):
            rig.manage(driver, {'source-name': 'wild'})
        return
    volume = rig.manage(driver, {'source-name': 'wild'})
    assert volume.size == 2
    _holds(place, volume, 5, tmp_path, 2)
    assert set(place.shares()) == {volume.name}
    assert place.mounted() == set()
    with pytest.raises(exception.ManageExistingAlreadyManaged):
        rig.manage(driver, {'source-id': volume.id})
    rig.unmanage(driver, volume)
    _holds(place, rig.manage(driver, {'source-name': '%s:%s/%s' % (
        appliance_places.ADDRESS, place.root, volume.name)}), 5, tmp_path, 2)


@pytest.mark.parametrize('content_of_it, reason', [
    ({}, 'there are 0 files'),
    ({'a': b'1' * 512, 'b': b'1' * 512}, 'there are 2 files'),
    ({'volume': b'QFI\xfb' + bytes(600)}, 'cannot be managed'),
    ({'volume': b''}, 'empty'),
])
def test_manage_what_cannot_be(rig, driver, place, content_of_it, reason):
    place.box.create_share('wild', GIB)
    for name, data in content_of_it.items():
        with open(os.path.join(place.root, 'wild', name), 'wb') as stream:
            stream.write(data)
    for ref in ({'source-name': 'wild'}, {'source-name': 'none'},
                {'source-name': appliance_places.HOME}):
        with pytest.raises(errors.ReferenceInvalid, match=(
                reason if ref['source-name'] == 'wild' else 'no share')):
            rig.manage(driver, ref)
    assert place.mounted() == set()
    assert sorted(os.listdir(os.path.join(place.root, 'wild'))) == sorted(
        content_of_it)


def test_manage_snapshot(rig, driver, place, volume, tmp_path):
    place.box.create_snapshot(volume.name, 'nightly')
    _write(place, volume, 2)
    listed = driver.get_manageable_snapshots([], None, 10, 0, ['size'],
                                             ['asc'])
    assert [each['reference'] for each in listed] == [
        {'source-name': 'nightly'}]
    if place.kind == 'rigid':
        with pytest.raises(errors.SnapshotReferenceInvalid):
            rig.manage_snapshot(driver, volume, {'source-name': 'nightly'})
        return
    snapshot = rig.manage_snapshot(driver, volume,
                                   {'source-name': 'nightly'})
    assert place.shares() == {volume.name: [snapshot.name]}
    driver.revert_to_snapshot(rig.context, volume, snapshot)
    _holds(place, volume, 1, tmp_path)
    for ref in ({'source-name': 'none'}, {'source-name': snapshot.name}):
        with pytest.raises((errors.SnapshotReferenceInvalid,
                            errors.ReferenceManaged)):
            rig.manage_snapshot(driver, volume, ref)


# Groups


@pytest.mark.parametrize('consistent', [True, False],
                         ids=['consistent', 'generic'])
def test_group(rig, driver, place, tmp_path, consistent):
    with groups.type_is(consistent):
        group = groups.Group(rig, driver, place, tmp_path)
        if consistent:
            driver.create_group(rig.context, group.group)
        group.live()
    assert place.shares() == {}
    assert place.mounted() == set()
