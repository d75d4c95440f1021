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
"""ApplianceNfsDriver where the box, or the way to it, does not do its part.

The box is one of folders. Where it does not matter how shares are mounted,
they are by links (see appliance_worlds), and nobody has to be root.
"""

import collections
import concurrent.futures
import contextlib
import os
import threading
import time

from cinder import exception
import pytest

from remotefs_drivers import appliance
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers import errors
from tests.functional import appliance_places
from tests.functional import appliance_worlds
from tests.harness import impatience
from tests.harness import patience

#: Seconds that a dead share is waited for.
_SOON = 2
#: The same for whom others are waited for in this test: longer than it is.
_FOR_EVER = 3600
_THREADS = 8

#: What an appliance may say, by method: what the interface names.
ANSWERS = {
    'create_share': ('ApplianceShareExists', 'ApplianceFull'),
    'delete_share': ('ApplianceShareInUse',),
    'resize_share': ('ApplianceShareMissing', 'ApplianceFull'),
    'rename_share': ('ApplianceShareMissing', 'ApplianceShareExists',
                     'ApplianceUnsupported'),
    'find_share': (),
    'list_shares': (),
    'create_snapshot': ('ApplianceShareMissing', 'ApplianceSnapshotExists',
                        'ApplianceFull'),
    'delete_snapshot': ('ApplianceSnapshotInUse',),
    'rename_snapshot': ('ApplianceSnapshotMissing',
                        'ApplianceSnapshotExists', 'ApplianceUnsupported'),
    'clone_snapshot': ('ApplianceShareExists', 'ApplianceSnapshotMissing',
                       'ApplianceFull'),
    'promote': ('ApplianceShareMissing', 'ApplianceSnapshotExists',
                'ApplianceUnsupported'),
    'roll_back': ('ApplianceSnapshotMissing', 'ApplianceRollbackRefused',
                  'ApplianceUnsupported'),
}
#: What any method may meet with.
ANY = ('ApplianceDenied', 'ApplianceHostKeyChanged', 'ApplianceNotReady')


@pytest.fixture
def kind():
    """Of the box, see remotefs_drivers.embedded.folders.rules."""
    return 'dependent'


@pytest.fixture
def place(tmp_path, monkeypatch, kind):
    place = appliance_worlds.LinkedPlace(tmp_path, kind)
    monkeypatch.setattr(appliance.ApplianceNfsDriver, '_make_mounter',
                        lambda driver: place.mounter_of(driver))
    return place


@pytest.fixture
def world(rig, place, tmp_path):
    return appliance_worlds.World(rig, place, place.driver(rig), tmp_path)


#: Those that undo what they did when they fail.
UNDONE = {'create', 'create_snapshot', 'copy_volume', 'copy_snapshot',
          'extend', 'revert', 'revert_past', 'upload_attached',
          'back_up_attached'}
#: Those that are not done twice, for somebody has the name by then.
ONCE = {'create', 'create_snapshot', 'copy_volume', 'copy_snapshot',
        'manage', 'manage_snapshot', 'back_up_attached'}
#: Where it matters what kind of box it is, and where it does not.
VARIED = ['copy_volume', 'delete', 'delete_copy', 'delete_snapshot',
          'let_snapshot_wait', 'revert', 'revert_past']
ALIKE = ['back_up_attached', 'copy_snapshot', 'create', 'create_snapshot',
         'extend', 'manage', 'manage_snapshot', 'upload_attached']
#: Kind, verb, which call: a snapshot is said to be in use, and is not. It is
#: left to wait, and goes with the next thing that hangs on it, or with its
#: volume. Others are asked to go again, or it is true.
UNTRUE = {('independent', 'back_up_attached', 0),
          ('independent', 'copy_volume', 0),
          ('independent', 'delete_snapshot', 0),
          ('independent', 'let_snapshot_wait', 0),
          ('dependent', 'delete', 1),
          ('dependent', 'delete_snapshot', 0)}


def _told(calls):
    """(fault, how) of each that can go wrong with these calls."""
    for name, count in collections.Counter(calls).items():
        for skip in range(count):
            for error in ANSWERS[name] + ANY[:1 if skip else None]:
                yield name, {'kind': faults.REFUSE, 'error': error,
                             'skip': skip}
            for kind in faults.LOSE_REQUEST, faults.LOSE_ANSWER:
                yield name, {'kind': kind, 'skip': skip}


@pytest.mark.parametrize('kind', appliance_places.KINDS)
@pytest.mark.parametrize('verb', VARIED)
def test_what_an_appliance_may_say(world, tmp_path, verb):
    _try_all(world, tmp_path, verb)


@pytest.mark.turns
@pytest.mark.parametrize('kind', appliance_places.KINDS)
@pytest.mark.parametrize('verb', ALIKE)
def test_what_any_appliance_may_say(world, tmp_path, verb):
    _try_all(world, tmp_path, verb)


def _try_all(world, tmp_path, verb):
    shape, waiting, outcome, told = _without_faults(world, verb)
    assert told
    for name, how in told:
        other = appliance_worlds.World(world.rig, world.place, world.driver,
                                       tmp_path)
        _with_fault(other, verb, name, how, outcome)
        assert other.shape() == shape, (name, how)
        is_untrue = (how.get('error') == 'ApplianceSnapshotInUse' and
                     (world.place.kind, verb, how['skip']) in UNTRUE)
        assert other.waiting() == waiting + is_untrue, (name, how)
        other.delete_all()


def _without_faults(world, verb):
    """(shape, waiting, error, if any, and what can go wrong)."""
    act = getattr(world, verb)()
    world.place.box.faults.watch()
    outcome = _outcome(act)
    calls = world.place.box.faults.calls()
    world.check()
    shape, waiting = world.shape(), world.waiting()
    world.delete_all()
    return shape, waiting, outcome, list(_told(calls))


def _outcome(act):
    """The class of what it raises, or None."""
    try:
        act()
    except exception.CinderException as error:
        assert '%' not in str(error), error
        return type(error)


def _with_fault(world, verb, name, how, outcome):
    act = getattr(world, verb)()
    before = world.shape(), world.waiting()
    world.place.box.faults.add(name, **how)
    failed = _outcome(act)
    if failed and verb in UNDONE:
        assert (world.shape(), world.waiting()) == before, (name, how)
    assert world.place.box.faults.next(name, ()) is None, (name, how)
    world.check()
    if failed or verb not in ONCE:
        assert _outcome(act) == outcome, (name, how)
    world.check()
    assert world.place.journals() == []


@pytest.mark.parametrize('verb', ['back_up', 'clone_image', 'download',
                                  'restore', 'upload'])
def test_what_needs_no_appliance(world, verb):
    """So none of it can fail by what that says."""
    act = getattr(world, verb)()
    world.place.box.faults.watch()
    act()
    assert world.place.box.faults.calls() == []
    world.check()


def test_a_box_that_hangs_stops_nobody_else(rig, place, world):
    place.box.faults.add('create_share', faults.HANG, containing='volume',
                         seconds=_FOR_EVER)
    waiting = rig.new_volume(world.driver)
    thread = threading.Thread(target=world.driver.create_volume,
                              args=(waiting,))
    place.box.faults.watch()
    thread.start()
    try:
        while 'create_share' not in place.box.faults.calls():
            assert thread.is_alive()
            time.sleep(0.01)
        world.driver.extend_volume(world.volume, 2)
        rig.snapshot(world.driver, world.volume)
        assert waiting.name not in place.shares()
    finally:
        place.box.faults.clear()
        thread.join()
    assert waiting.name in place.shares()
    world.check()


def test_somebody_unmounts_what_is_held(rig, place, world):
    driver, volume = world.driver, world.volume
    driver.create_export(rig.context, volume, {})
    os.unlink(os.path.join(place.base, volume.name))
    driver.initialize_connection(volume, {})
    driver.extend_volume(volume, 3)
    driver.remove_export(rig.context, volume)
    world.check()


def _many(function, count):
    """Call it so often, in several threads; raises what one of them did."""
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        for future in [threads.submit(function, number)
                       for number in range(count)]:
            future.result()


def test_many_at_once(rig, place, world):
    """100 lives of volumes in 8 threads."""
    def live(number):
        driver = world.driver
        volume = rig.volume(driver)
        snapshot = rig.snapshot(driver, volume)
        driver.create_export(rig.context, volume, {})
        copy = rig.new_volume(driver, source_volid=volume.id)
        copy.update(driver.create_cloned_volume(copy, volume))
        driver.initialize_connection(volume, {})
        driver.remove_export(rig.context, volume)
        rig.delete_snapshot(driver, snapshot)
        for each in ((volume, copy) if number % 2 else (copy, volume)):
            driver.delete_volume(each)
            each.destroy()

    before = place.shares()
    _many(live, 100)
    assert place.shares() == before
    assert place.journals() == []
    world.check()


def test_two_hosts_on_one_box(rig, place, world, tmp_path):
    """Each with its own mounts; they copy and delete the same volumes."""
    other = place.driver(rig, appliance_mount_point_base=str(
        tmp_path / 'other'))
    drivers = [world.driver, other]

    def live(number):
        copy = world.new_copy()
        copy.update(drivers[number % 2].create_cloned_volume(copy,
                                                             world.volume))
        of_copy = rig.new_volume(other, 2, source_volid=copy.id)
        copy.status = 'available'
        of_copy.update(drivers[number // 2 % 2].create_cloned_volume(of_copy,
                                                                     copy))
        for each in copy, of_copy:
            drivers[(number + 1) % 2].delete_volume(each)

    before = world.shape()
    _many(live, 24)
    assert world.shape() == before
    assert place.journals() == []
    assert os.listdir(tmp_path / 'other') == [appliance_places.HOME]
    world.check()


def test_detached_by_the_other_host(rig, place, tmp_path):
    """Of a cluster: the one that it was attached by finds out."""
    def host(name):
        return place.driver(
            rig, cluster='cluster@appliance',
            appliance_mount_point_base=str(tmp_path / name))

    def mounted(name):
        return set(os.listdir(tmp_path / name)) - {appliance_places.HOME}

    one, other = host('one'), host('other')
    volume, kept = rig.volume(one), rig.volume(one)
    for each in volume, kept:
        each.update({'status': 'attaching'})
        each.save()
        one.create_export(rig.context, each, {})
    one.get_volume_stats(refresh=True)
    assert mounted('one') == {volume.name, kept.name}
    other.remove_export(rig.context, volume)
    volume.update({'status': 'available'})
    volume.save()
    other.get_volume_stats(refresh=True)
    assert mounted('one') == {volume.name, kept.name}
    one.get_volume_stats(refresh=True)
    assert mounted('one') == {kept.name}
    # The same of one that was deleted.
    kept.destroy()
    one.get_volume_stats(refresh=True)
    assert mounted('one') == set()


@pytest.fixture
def mounting(tmp_path):
    """A FolderPlace, for root: its shares are mounted as NFS ones are."""
    with contextlib.ExitStack() as stack:
        place = appliance_places.FolderPlace(stack, tmp_path)
        stack.enter_context(place.programs())
        yield place


def _is_not_there(mounting):
    assert mounting.mounted() == set()
    assert mounting.journals() == []


@pytest.mark.root
def test_a_share_that_cannot_be_mounted(rig, mounting, later):
    driver = mounting.driver(rig)
    volume = rig.volume(driver)
    clone = rig.new_volume(driver, source_volid=volume.id)
    location = '%s:%s/%s' % (appliance_places.ADDRESS, mounting.root,
                             clone.name)
    mounting.mounter.export(location, os.path.join(mounting.root,
                                                   clone.name))
    for behave, limit, reason in (
            (mounting.mounter.fail, patience.PATIENCE, 'Input/output'),
            (mounting.mounter.hang, _SOON, 'no end')):
        behave(location)
        with impatience.mounts(driver, limit, location), pytest.raises(
                errors.ShareUnavailable, match=reason):
            driver.create_cloned_volume(clone, volume)
        _is_not_there(mounting)
        assert mounting.shares() == {volume.name: []}
        # One that failed just now is not tried again.
        later()
    mounting.mounter.serve(location)


@pytest.mark.root
def test_a_server_that_dies_under_a_volume(rig, mounting):
    driver = mounting.driver(rig)
    volume, other = rig.volume(driver), rig.volume(driver)
    driver.create_export(rig.context, volume, {})
    mounting.mounter.freeze(volume.provider_location)
    with impatience.shares(driver, _SOON, volume.provider_location):
        with pytest.raises(exception.ExtendVolumeError,
                           match='appliance_share_timeout'):
            driver.extend_volume(volume, 2)
        assert mounting.mounted() == {volume.name}
        driver.extend_volume(other, 2)
        # The appliance itself answers.
        snapshot = rig.snapshot(driver, volume)
        driver.remove_export(rig.context, volume)
    _is_not_there(mounting)
    driver.extend_volume(volume, 2)
    driver.delete_snapshot(snapshot)
    for each in volume, other:
        driver.delete_volume(each)
    assert mounting.shares() == {}
    _is_not_there(mounting)


@pytest.mark.root
def test_the_server_of_the_journals_dies(rig, mounting):
    """The scheduler is told of no room until it is back."""
    driver = mounting.driver(rig)
    home = driver._home.location
    mounting.mounter.freeze(home)
    with impatience.shares(driver, _SOON, home):
        text = str(driver.get_volume_stats(refresh=True))
    assert "'free_capacity_gb': 0" in text
    mounting.mounter.thaw(home)
    volume = rig.volume(driver)
    text = str(driver.get_volume_stats(refresh=True))
    assert "'free_capacity_gb': 0" not in text
    driver.delete_volume(volume)


@pytest.mark.root
def test_a_server_that_dies_in_a_visit(rig, mounting):
    """Its mount goes at once, whatever hangs there."""
    driver = mounting.driver(rig)
    volume = rig.volume(driver)
    with contextlib.ExitStack() as until_it_is_left, driver._visit(volume):
        driver.extend_volume(volume, 2)
        mounting.mounter.freeze(volume.provider_location)
        until_it_is_left.enter_context(impatience.shares(
            driver, _SOON, volume.provider_location))
        with pytest.raises(exception.ExtendVolumeError):
            driver.extend_volume(volume, 3)
        assert mounting.mounted() == {volume.name}
    _is_not_there(mounting)
    what, __, __, flags = mounting.mounter.calls()[-1]
    assert (what, flags) == ('umount', ['-l'])
    assert mounting.mounter.calls()[-2][0] == 'mount'
    driver.extend_volume(volume, 3)
    driver.delete_volume(volume)
    _is_not_there(mounting)


@pytest.mark.root
def test_a_volume_goes_while_its_server_is_dead(rig, mounting):
    driver = mounting.driver(rig)
    volume = rig.volume(driver)
    driver.create_export(rig.context, volume, {})
    mounting.mounter.freeze(volume.provider_location)
    with impatience.unmounts(driver, _SOON, volume.provider_location):
        driver.delete_volume(volume)
    assert mounting.shares() == {}
    _is_not_there(mounting)
