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

"""A whole Cinder on real shares, spoken to over HTTP."""

import contextlib
import os
import pathlib
import shutil
import types

import pytest

from oslo_utils import units

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import spec
from tests.functional import content
from tests.functional import natives
from tests.functional import steps
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends
from tests.realnfs.inside import boxes
from tests.realnfs.inside import short_backup
from tests.realnfs import start

# Seconds, on an emulated processor: until it is up, and for a step.
_START = 600
_STEPS = 600

#: Backend -> its share, the version of NFS and the format of its volumes.
_BACKENDS = {'alpha': (layout.ONE, '4.2', 'raw'),
             'beta': (layout.TWO, '3', 'qcow2')}
#: The same of those on appliances, which have a share for each volume.
_APPLIANCE, _OLD_APPLIANCE = 'tau', 'upsilon'
_APPLIANCES = {_APPLIANCE: '4.2', _OLD_APPLIANCE: '3'}

pytestmark = [pytest.mark.slow, pytest.mark.limit(_START + 2 * _STEPS)]


@pytest.fixture(scope='module')
def places(server_of_all):
    """Backend -> box, which is empty in the end."""
    places = {name: boxes.Folders(folder=name) for name in _APPLIANCES}
    with contextlib.ExitStack() as stack:
        for box in places.values():
            stack.enter_context(box.ready(server_of_all))
        yield places
        for box in places.values():
            assert box.shares() == {}, 'shares were left behind'
            assert box.journals() == []


@pytest.fixture
def box(places):
    return places[_APPLIANCE]


@pytest.fixture(scope='module')
def cloud(places, mount_base_of_all):
    base = mount_base_of_all
    options = {name: _options(base / name, *backend)
               for name, backend in _BACKENDS.items()}
    for name, version in _APPLIANCES.items():
        options[name] = {'volume_driver': boxes.DRIVER, **places[name].options(
            appliance_mount_point_base=base / name,
            appliance_mount_options=f'vers={version}')}
    root = base / 'cloud'
    root.mkdir()
    shutil.copy(os.environ[start.DATABASE], root)
    cloud = clouds.Cloud(spec.Spec(
        root=str(root), backends=options, glance=False, backup=True,
        options={'DEFAULT': {
            # What is restored to a new volume is of this type.
            'default_volume_type': _APPLIANCE,
            'backup_driver': short_backup.DRIVER,
            # Every command.
            'default_log_levels': ['oslo_concurrency.processutils=DEBUG']}}))
    cloud.start(limit=_START)
    try:
        yield cloud
    finally:
        cloud.stop()


@pytest.fixture
def user(cloud, tmp_path):
    """steps.Steps: a user of a cloud with all backends."""
    return _Steps(cloud, tmp_path)


def test_create_extend_attach_delete(user, mount_base):
    for name, (share, version, file_format) in _BACKENDS.items():
        volume = user.create(name)
        user.extend(volume, 2)
        host = backends.Host(mount_base / 'compute' / name, version)

        with user.attached(volume) as connection:
            path, attached_as = host.connect(connection)
            assert attached_as == file_format
            content.write(path, file_format, 0xf0, units.Gi, units.Mi)

        served = os.path.join(share.path, f'volume-{volume.id}')
        assert content.size(served, file_format) == 2 * units.Gi
        content.assert_pattern(served, file_format, 0xf0, units.Gi, units.Mi)
        user.delete(volume)
        assert not os.path.exists(served)


def test_into_an_appliance_and_away(user, box, mount_base_of_all):
    """By Cinder's own copy, past the cache of the NFS client."""
    share, *__ = _BACKENDS['alpha']
    volume = user.create('alpha')
    before = os.path.join(share.path, f'volume-{volume.id}')
    ranges = [(0xf0, 0, units.Mi), (0xf1, units.Gi - units.Mi, units.Mi)]
    content.write_all(before, 'raw', ranges)
    copies = _direct_copies(user.cloud)

    _move(user, volume, _APPLIANCE)
    (name,) = box.shares()
    within = f'{box.root}/{name}/volume'
    content.assert_holds(within, 'raw', units.Gi, ranges, user.folder)
    # Cinder deletes the source once the user has the copy.
    user.until(lambda: not os.path.exists(before), 'the end of the source')
    assert _direct_copies(user.cloud) == copies + 1

    _move(user, volume, 'alpha')
    user.until(lambda: box.shares() == {}, 'the end of the source')
    after, = pathlib.Path(share.path).glob('volume-*')
    content.assert_holds(after, 'raw', units.Gi, ranges, user.folder)
    assert _direct_copies(user.cloud) == copies + 2
    user.delete(volume)
    assert _mounted(mount_base_of_all / _APPLIANCE) == {boxes.HOME}


def test_backup_and_restore(cloud, places, mount_base_of_all, tmp_path):
    """One of a volume on version 3; the new volume is on version 4.2."""
    natives.be_backed_up(_User(cloud, tmp_path, places))
    for name in _APPLIANCES:
        assert _mounted(mount_base_of_all / name) == {boxes.HOME}


class _Steps(steps.Steps):
    """A user with time."""

    def until(self, look, what):
        self.cloud.wait(look, _STEPS, what)


class _User(_Steps):
    """A user of volumes on appliances."""

    def __init__(self, cloud, folder, places):
        super().__init__(cloud, folder, {'raw': _OLD_APPLIANCE})
        self._places = places

    def path(self, volume):
        found = self.cloud.cinder.volumes.get(volume.id)
        place = getattr(found, 'os-vol-host-attr:host')
        name = place.partition('@')[2].partition('#')[0]
        return self._places[name].path(types.SimpleNamespace(
            name=f'volume-{volume.id}'))


def _mounted(base):
    """The names of the shares that are mounted there."""
    return {os.path.basename(source) for source, *__
            in backends.mounts_below(base).values()}


def _move(user, volume, backend):
    user.cloud.cinder.volumes.retype(volume.id, backend, 'on-demand')
    user.cloud.wait_retyped(volume.id, backend, _STEPS)


def _direct_copies(cloud):
    """How often data was copied by O_DIRECT, besides tries without data."""
    log = pathlib.Path(cloud.spec.path('log', 'cinder.log')).read_text()
    return sum('Running cmd' in line and ' oflag=direct' in line and
               ' count=0 ' not in line for line in log.splitlines())


def _options(folder, share, version, file_format):
    folder.mkdir()
    shares_file = folder / 'shares'
    shares_file.write_text(f'{share.line}\n')
    return {'volume_driver': backends.DRIVER,
            'nfs_shares_config': shares_file,
            'nfs_mount_point_base': folder / 'mnt',
            'nfs_mount_options': f'vers={version}',
            'nfs_qcow2_volumes': file_format == 'qcow2'}
