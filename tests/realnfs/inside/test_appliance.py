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

"""ApplianceNfsDriver on a real NFS server, whose box is the server itself.

What a guest writes goes through an NFS client; what is there is looked at
where the box has it, and in the end nothing is left there, nor mounted.
"""

import contextlib
import os
import time

import pytest

from cinder import exception
from oslo_utils import units

from remotefs_drivers import errors
from tests.functional import content
from tests.functional import groups
from tests.functional import upload
from tests.harness import impatience
from tests.realnfs.guest import layout
from tests.realnfs.guest import nfs_server
from tests.realnfs.inside import backend as backends
from tests.realnfs.inside import boxes
from tests.realnfs.inside import ssh_boxes

MIB, GIB = units.Mi, units.Gi

#: Bytes that are too much for anything but the data of a volume.
_LARGE = 64 * MIB
_SMALL = MIB

_TIMEOUT = 5
# See test_outage.
_SLACK = 120
_RECOVERY = 300

_BOXES = {box.name: box for box in (boxes.Folders, ssh_boxes.Btrfs,
                                    ssh_boxes.ExportedBtrfs)}


def _on(*cases):
    """On these boxes, mounted in these versions.

    All of them would take too long; each has its turn in some tests. There
    is no btrfs-3: version 3 does not go from an export into the subvolumes in
    it, mount says "Stale file handle".
    """
    return pytest.mark.parametrize('case', cases, indirect=True)


@pytest.fixture
def case(request):
    """(kind of box, version of NFS)"""
    return request.param.split('-')


@pytest.fixture
def version(case):
    return case[1]


@pytest.fixture
def box(case, server):
    """A box, whole and empty; nothing is left on it in the end."""
    box = _BOXES[case[0]]()
    with box.ready(server):
        yield box
        assert box.shares() == {}, 'shares were left behind'
        assert box.journals() == []


@pytest.fixture
def make(rig, box, mount_base):
    """Makes a boxes.Backend, that has nothing mounted in the end."""
    made = []

    def make_one(**options):
        folder = mount_base / f'{mount_base.name}-of-box'
        folder.mkdir()
        made.append(boxes.Backend(rig, folder, box, **options))
        return made[-1]
    yield make_one
    for each in made:
        assert each.mounted() == set()


@pytest.fixture
def guest(mount_base):
    # The connection says with which options it is to be mounted.
    return Guest(mount_base / 'compute', None)


class Guest(backends.Host):
    """A compute host with one guest, which has volumes."""

    def __init__(self, *args):
        super().__init__(*args)
        self._points = []

    def plug(self, backend, volume):
        """Attach a volume as Cinder has it; gives the path of its file."""
        backend.driver.create_export(backend.rig.context, volume, {})
        path, attached_as = self.attach(backend, volume)
        assert attached_as == 'raw'
        volume.status, volume.attach_status = 'in-use', 'attached'
        volume.save()
        self._points.append(os.path.dirname(path))
        return path

    def unplug(self, backend, volume):
        for point in self._points:
            nfs_server.run('umount', point)
        self._points.clear()
        volume.status, volume.attach_status = 'available', 'detached'
        volume.save()
        backend.driver.terminate_connection(volume, {})
        backend.driver.remove_export(backend.rig.context, volume)


@_on('folders-3', 'btrfs_exported-4.2')
def test_a_life(make, box, guest, version, server, tmp_path):
    """Whatever is made of a volume is made by the box, not by us."""
    backend = make(version=version)
    driver, rig = backend.driver, backend.rig
    volume = backend.volume()
    assert volume.provider_location == box.location(volume)
    assert backend.mounted() == set()

    path = guest.plug(backend, volume)
    before = server.traffic()
    content.write(path, 'raw', 0xf0, 0, _LARGE)
    assert _moved(server, before) >= _LARGE
    before = server.traffic()
    snapshot = rig.snapshot(driver, volume)
    content.write(path, 'raw', 0xf1, 0, _SMALL)
    of_snapshot = backend.copy(snapshot, size=2)
    of_volume = backend.clone(volume)
    driver.extend_volume(volume, 3)
    assert _moved(server, before) < 2 * _SMALL
    assert os.path.getsize(path) == 3 * GIB
    content.write(path, 'raw', 0xf2, 2 * GIB, _SMALL)
    old, new = [(0xf0, 0, _LARGE)], [(0xf0, _SMALL, _LARGE - _SMALL),
                                     (0xf1, 0, _SMALL)]
    _holds(box, of_snapshot, 2, old, tmp_path)
    _holds(box, of_volume, 1, new, tmp_path)
    _holds(box, volume, 3, [*new, (0xf2, 2 * GIB, _SMALL)], tmp_path)
    assert backend.mounted() == {volume.name}
    guest.unplug(backend, volume)
    assert backend.mounted() == set()

    volume.size = 3
    volume.save()
    before = server.traffic()
    driver.revert_to_snapshot(rig.context, volume, snapshot)
    driver.extend_volume(volume, 3)
    _holds(box, volume, 3, old, tmp_path)
    # On v3 the snapshot is read, and its data are written.
    is_copied = version == '3' and not box.rolls_back
    assert _moved(server, before) < _SMALL + is_copied * (GIB + _LARGE)
    # As a guest sees it, whose client knows the share from before.
    path = guest.plug(backend, volume)
    content.assert_pattern(path, 'raw', 0xf0, 0, _SMALL)
    content.write(path, 'raw', 0xf3, 0, _SMALL)
    guest.unplug(backend, volume)

    rig.delete_snapshot(driver, snapshot)
    driver.delete_volume(volume)
    _holds(box, of_snapshot, 2, old, tmp_path)
    _holds(box, of_volume, 1, new, tmp_path)
    for each in of_snapshot, of_volume:
        driver.delete_volume(each)


@_on('folders-3', 'btrfs-4.2')
def test_uploaded_and_managed(make, box, guest, version, tmp_path):
    """The image is of one moment; the share gets another name, and place.
    """
    backend = make(version=version)
    driver, rig = backend.driver, backend.rig
    volume = backend.volume()
    content.write(guest.plug(backend, volume), 'raw', 0xf0, MIB, MIB)
    path = str(tmp_path / 'uploaded')
    upload.to_file(path, driver, rig.context, rig.reload(volume), 'qcow2')
    content.assert_same(path, 'qcow2', box.path(volume), 'raw')
    guest.unplug(backend, volume)
    assert set(box.shares()) == {volume.name}

    rig.unmanage(driver, volume)
    managed = rig.manage(driver, {'source-name': volume.name})
    assert managed.provider_location == box.location(managed)
    assert set(box.shares()) == {managed.name}
    content.write(guest.plug(backend, managed), 'raw', 0xf1, 2 * MIB, MIB)
    guest.unplug(backend, managed)
    _holds(box, managed, 1, [(0xf0, MIB, MIB), (0xf1, 2 * MIB, MIB)],
           tmp_path)
    driver.delete_volume(managed)


@_on('folders-3', 'folders-4.2', 'btrfs-4.2')
def test_group(make, box, version, tmp_path):
    """Of one moment where the box can; else Cinder's manager does it."""
    backend = make(version=version)
    driver, context = backend.driver, backend.rig.context
    is_able = box.box.offers('create_snapshots')
    with groups.type_is(consistent=True):
        with (contextlib.nullcontext() if is_able
              else pytest.raises(errors.ApplianceGroupUnsupported)):
            driver.create_group(context, groups.new())
    with groups.type_is(is_able):
        groups.Group(backend.rig, driver, box, tmp_path).live()


def _moved(server, before):
    """Bytes that went over the network since then."""
    return sum(server.traffic()) - sum(before)


def _holds(box, volume, size, ranges, tmp_path):
    status = os.stat(box.path(volume))
    assert (status.st_uid, status.st_mode & 0o777) == (os.geteuid(), 0o660)
    # What the server has not written out has no place on its disk yet.
    os.sync()
    content.assert_holds(box.path(volume), 'raw', size * GIB, ranges,
                         tmp_path)


@_on('btrfs-4.2', 'btrfs_exported-3')
def test_a_share_that_is_another_one_now(make, box, version):
    """Deleted and made anew on the box while it was mounted here.

    Not of folders: to v3 one that was deleted stays an empty one for a while.
    """
    backend = make(version=version)
    driver, context = backend.driver, backend.rig.context
    volume = backend.volume()
    driver.create_export(context, volume, {})
    box.box.delete_share(volume.name)
    box.box.create_share(volume.name, GIB)
    with open(box.path(volume), 'wb') as stream:
        stream.truncate(GIB)

    driver.extend_volume(volume, 2)

    assert os.path.getsize(box.path(volume)) == 2 * GIB
    assert backend.mounted() == {volume.name}
    driver.remove_export(context, volume)
    assert backend.mounted() == set()
    driver.delete_volume(volume)


@_on('folders-4.2', 'btrfs_exported-3')
def test_server_restarts_under_a_guest(make, box, guest, version, server):
    backend = make(version=version)
    volume = backend.volume()
    path = guest.plug(backend, volume)
    content.write(path, 'raw', 0xf0, 0, _SMALL)
    with server.stopped():
        pass

    snapshot = backend.rig.snapshot(backend.driver, volume)
    content.write(path, 'raw', 0xf1, 0, _SMALL)
    backend.driver.extend_volume(volume, 2)

    copy = backend.copy(snapshot)
    content.assert_pattern(box.path(copy), 'raw', 0xf0, 0, _SMALL)
    content.assert_pattern(box.path(volume), 'raw', 0xf1, 0, _SMALL)
    guest.unplug(backend, volume)
    backend.rig.delete_snapshot(backend.driver, snapshot)
    for each in volume, copy:
        backend.driver.delete_volume(each)


@_on('folders-3', 'folders-4.2')
def test_server_goes_away(make, make_backend, box, server, version):
    """Verbs end in time, others are served, nothing stays mounted for ever.
    """
    box.address = layout.FAR_ADDRESS
    far = make(version=version)
    # See test_outage for why it is another version.
    near = make_backend(layout.ONE, version='4.2' if version == '3' else '3')
    held, idle = far.volume(), far.volume()
    new = far.rig.new_volume(far.driver)
    context = far.rig.context
    far.driver.create_export(context, held, {})
    with server.unplugged(), contextlib.ExitStack() as impatient:
        impatient.enter_context(impatience.shares(
            far.driver, _TIMEOUT, far.driver._home.location,
            held.provider_location))
        for each in idle, new:
            impatient.enter_context(impatience.mounts(
                far.driver, _TIMEOUT, box.location(each)))
        for verb in (lambda: far.driver.extend_volume(held, 2),
                     lambda: far.driver.create_export(context, idle, {}),
                     lambda: far.driver.create_volume(new)):
            error = _in_time(_failure, verb)
            assert layout.FAR_ADDRESS in str(error), error
        assert far.mounted() == {held.name}
        # What hangs there keeps it busy.
        _in_time(far.driver.remove_export, context, held)
        assert far.mounted() == set()
        near.driver.delete_volume(near.volume())

    _wait_until_served(far, idle)
    assert far.mounted() == set()
    for each in held, idle, new:
        far.driver.delete_volume(each)


def _in_time(function, *args):
    """The function's result; fails when it took too long."""
    start = time.monotonic()
    result = function(*args)
    took = time.monotonic() - start
    assert took < 4 * _TIMEOUT + _SLACK, f'{took:.1f} seconds'
    return result


def _failure(verb):
    with pytest.raises(Exception) as caught:
        verb()
    return caught.value


def _wait_until_served(backend, volume):
    deadline = time.monotonic() + _RECOVERY
    while True:
        try:
            backend.driver.create_export(backend.rig.context, volume, {})
        except exception.CinderException as error:
            assert time.monotonic() < deadline, error
            time.sleep(1)
        else:
            backend.driver.remove_export(backend.rig.context, volume)
            return
