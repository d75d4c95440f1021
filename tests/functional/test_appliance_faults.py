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
they are by links (see tests.harness.linked_mounts), and nobody has to be
root.
"""

import collections
import concurrent.futures
import contextlib
import os
import threading

from cinder import exception
from cinder import objects
import pytest

from remotefs_drivers import appliance
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers import errors
from tests.functional import appliance_places
from tests.functional import content
from tests.harness import linked_mounts

GIB, MIB = content.GIB, content.MIB
#: Seconds.
QUICK = {'appliance_share_timeout': 2, 'appliance_mount_timeout': 3}
_THREADS = 8

#: What an appliance may say, by method: what the interface names.
ANSWERS = {
    'create_share': ('ApplianceShareExists', 'ApplianceFull'),
    'delete_share': ('ApplianceShareInUse',),
    'resize_share': ('ApplianceShareMissing', 'ApplianceFull'),
    'find_share': (),
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
#: Of a snapshot on which nothing hangs that is not so.
UNTRUE = {('delete_snapshot', 'ApplianceSnapshotInUse'),
          ('delete', 'ApplianceSnapshotInUse')}
#: What any method may meet with.
ANY = ('ApplianceDenied', 'ApplianceHostKeyChanged', 'ApplianceNotReady')


class LinkedPlace(appliance_places.FolderPlace):
    """As FolderPlace, and shares are mounted by links."""

    def __init__(self, folder, kind='dependent'):
        self.root = os.path.join(str(folder), 'box')
        self.base = os.path.join(str(folder), 'mnt')
        self.kind = kind
        os.makedirs(self.root)
        self.box = folders.at(self.root, kind=kind)

    def mounter_of(self, driver):
        return linked_mounts.Mounter(
            driver.configuration.appliance_mount_point_base, self.root,
            appliance_places.ADDRESS)

    def mounted(self):
        return set(os.listdir(self.base)) - {appliance_places.HOME}


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = LinkedPlace(tmp_path)
    monkeypatch.setattr(appliance.ApplianceNfsDriver, '_make_mounter',
                        lambda driver: place.mounter_of(driver))
    return place


@pytest.fixture
def world(rig, place):
    return World(rig, place, place.driver(rig, **QUICK))


class World:
    """A volume with a snapshot, copies of both, and what is done to them."""

    def __init__(self, rig, place, driver):
        self.rig, self.place, self.driver = rig, place, driver
        self.volume = rig.volume(driver)
        self.write(1)
        self.snapshot = rig.snapshot(driver, self.volume)
        self.copy = self.copied(snapshot=self.snapshot)
        self.write(2)
        self.clone = self.copied()
        self.alone = rig.volume(driver)
        self.mark = rig.snapshot(driver, self.alone)
        self.going = None
        self.kept = {place.path(volume): [pattern] for volume, pattern in (
            (self.volume, 2), (self.copy, 1), (self.clone, 2),
            (self.alone, 0))}

    def write(self, pattern):
        content.put_at(self.place.path(self.volume), bytes([pattern]) * MIB,
                       MIB)

    def copied(self, snapshot=None):
        volume = self.new_copy(snapshot)
        self.make_copy(volume, snapshot)
        volume.status = 'available'
        volume.save()
        return volume

    def new_copy(self, snapshot=None):
        origin = ({'snapshot_id': snapshot.id} if snapshot else
                  {'source_volid': self.volume.id})
        return self.rig.new_volume(self.driver, 2, **origin)

    def make_copy(self, volume, snapshot=None):
        volume.update(
            self.driver.create_volume_from_snapshot(volume, snapshot)
            if snapshot else
            self.driver.create_cloned_volume(volume, self.volume))

    def check(self):
        """What there is holds what it should; nothing else is there."""
        for path, patterns in self.kept.items():
            if path == self.going and not os.path.exists(path):
                # It was done, and the answer was lost.
                continue
            with open(path, 'rb') as stream:
                stream.seek(MIB)
                assert stream.read(MIB) in [bytes([each]) * MIB
                                            for each in patterns]
            assert os.listdir(os.path.dirname(path)) == ['volume']
        assert self.place.mounted() == set()

    def shape(self):
        """How many snapshots each share has."""
        return sorted(map(len, self.place.shares().values()))

    # The verbs; each returns a function, which can be called again

    def create(self):
        volume = self.rig.new_volume(self.driver)
        return lambda: self.driver.create_volume(volume)

    def create_snapshot(self):
        snapshot = self.rig.new_snapshot(self.volume)
        return lambda: self.driver.create_snapshot(snapshot)

    def delete_snapshot(self):
        return lambda: self.driver.delete_snapshot(self.mark)

    def let_snapshot_wait(self):
        return lambda: self.driver.delete_snapshot(self.snapshot)

    def copy_volume(self):
        volume = self.new_copy()
        return lambda: self.make_copy(volume)

    def copy_snapshot(self):
        volume = self.new_copy(self.snapshot)
        return lambda: self.make_copy(volume, self.snapshot)

    def extend(self):
        return lambda: self.driver.extend_volume(self.volume, 3)

    def revert(self):
        return lambda: self.driver.revert_to_snapshot(
            self.rig.context, self.alone, self.mark)

    def revert_past(self):
        """A newer snapshot, on which a copy hangs, stays.

        When it fails, the volume holds the one or the other.
        """
        path = self.place.path(self.volume)
        self.kept[path].append(1)

        def revert():
            self.driver.revert_to_snapshot(self.rig.context, self.volume,
                                           self.snapshot)
            self.kept[path] = [1]
        return revert

    def delete(self):
        """Whose snapshots clones hang on."""
        self.driver.delete_snapshot(self.snapshot)
        self.going = self.place.path(self.volume)
        return lambda: self.driver.delete_volume(self.volume)

    def delete_copy(self):
        self.going = self.place.path(self.clone)
        return lambda: self.driver.delete_volume(self.clone)


#: Verb -> whether it undoes what it did when it fails.
VERBS = {'create': True, 'create_snapshot': True, 'delete_snapshot': False,
         'let_snapshot_wait': False, 'copy_volume': True,
         'copy_snapshot': True, 'extend': True, 'revert': True,
         'revert_past': True, 'delete': False, 'delete_copy': False}


def _told(calls):
    """(fault, how) of each that can go wrong with these calls."""
    for name, count in collections.Counter(calls).items():
        for skip in range(count):
            for error in ANSWERS[name] + ANY[:1 if skip else None]:
                yield name, {'kind': faults.REFUSE, 'error': error,
                             'skip': skip}
            for kind in faults.LOSE_REQUEST, faults.LOSE_ANSWER:
                yield name, {'kind': kind, 'skip': skip}


@pytest.mark.parametrize('verb', sorted(VERBS))
def test_what_an_appliance_may_say(rig, place, world, verb):
    shape, told = _without_faults(world, verb)
    assert told
    for name, how in told:
        if (verb, how.get('error')) in UNTRUE:
            continue
        other = World(rig, place, world.driver)
        _with_fault(other, verb, name, how)
        assert other.shape() == shape, (name, how)
        _delete_all(other)


def _without_faults(world, verb):
    """(the shape that it leaves, what can go wrong)."""
    act = getattr(world, verb)()
    world.place.box.faults.watch()
    act()
    calls = world.place.box.faults.calls()
    world.check()
    shape = world.shape()
    _delete_all(world)
    return shape, list(_told(calls))


def _with_fault(world, verb, name, how):
    act = getattr(world, verb)()
    before = world.shape()
    world.place.box.faults.add(name, **how)
    try:
        act()
    except exception.CinderException as error:
        assert '%' not in str(error), error
        if VERBS[verb]:
            assert world.shape() == before, (name, how)
        is_done = False
    else:
        is_done = True
    assert world.place.box.faults.next(name, ()) is None, (name, how)
    world.check()
    if not is_done or verb not in ('create', 'create_snapshot',
                                   'copy_volume', 'copy_snapshot'):
        act()
    world.check()
    assert world.place.journals() == []


def _delete_all(world):
    """A user deletes all, and nothing stays."""
    driver, rig = world.driver, world.rig
    for name in list(world.place.shares()):
        volume = objects.Volume.get_by_id(rig.context,
                                          name.removeprefix('volume-'))
        for snapshot in (world.snapshot, world.mark):
            if snapshot.volume_id == volume.id:
                driver.delete_snapshot(snapshot)
        for each in world.place.box.find_share(name).snapshots:
            if each.name.startswith('snapshot-'):
                world.place.box.delete_snapshot(name, each.name)
        driver.delete_volume(volume)
    assert world.place.shares() == {}
    assert world.place.journals() == []
    assert world.place.mounted() == set()


def test_a_box_that_hangs_stops_nobody_else(rig, place, world):
    place.box.faults.add('create_share', faults.HANG, containing='volume')
    waiting = rig.new_volume(world.driver)
    thread = threading.Thread(target=world.driver.create_volume,
                              args=(waiting,))
    place.box.faults.watch()
    thread.start()
    try:
        while 'create_share' not in place.box.faults.calls():
            pass
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
def test_a_share_that_cannot_be_mounted(rig, mounting):
    driver = mounting.driver(rig, **QUICK)
    volume = rig.volume(driver)
    clone = rig.new_volume(driver, source_volid=volume.id)
    location = '%s:%s/%s' % (appliance_places.ADDRESS, mounting.root,
                             clone.name)
    mounting.mounter.export(location, os.path.join(mounting.root,
                                                   clone.name))
    for behave in mounting.mounter.fail, mounting.mounter.hang:
        behave(location)
        with pytest.raises(errors.ShareUnavailable):
            driver.create_cloned_volume(clone, volume)
        _is_not_there(mounting)
        assert mounting.shares() == {volume.name: []}
    mounting.mounter.serve(location)


@pytest.mark.root
def test_a_server_that_dies_under_a_volume(rig, mounting):
    driver = mounting.driver(rig, **QUICK)
    volume, other = rig.volume(driver), rig.volume(driver)
    driver.create_export(rig.context, volume, {})
    mounting.mounter.freeze(volume.provider_location)
    with pytest.raises(exception.ExtendVolumeError,
                       match='appliance_share_timeout'):
        driver.extend_volume(volume, 2)
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
def test_a_volume_goes_while_its_server_is_dead(rig, mounting):
    driver = mounting.driver(rig, **QUICK)
    volume = rig.volume(driver)
    driver.create_export(rig.context, volume, {})
    mounting.mounter.freeze(volume.provider_location)
    driver.delete_volume(volume)
    assert mounting.shares() == {}
    _is_not_there(mounting)
