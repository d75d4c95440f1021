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

import os
import shutil

import pytest

from oslo_utils import units

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import spec
from tests.functional import content
from tests.functional import steps
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends
from tests.realnfs import start

# Seconds, on an emulated processor: until it is up, and for a step.
_START = 600
_STEPS = 600

#: Backend -> its share, the version of NFS and the format of its volumes.
_BACKENDS = {'alpha': (layout.ONE, '4.2', 'raw'),
             'beta': (layout.TWO, '3', 'qcow2')}


@pytest.fixture
def user(server, mount_base):
    """steps.Steps: a user of a cloud with the two backends."""
    options = {name: _options(mount_base / name, *backend)
               for name, backend in _BACKENDS.items()}
    root = mount_base / 'cloud'
    root.mkdir()
    shutil.copy(os.environ[start.DATABASE], root)
    cloud = clouds.Cloud(spec.Spec(root=str(root), backends=options,
                                   glance=False))
    cloud.start(limit=_START)
    try:
        yield steps.Steps(cloud, mount_base)
    finally:
        cloud.stop()


@pytest.mark.slow
@pytest.mark.limit(_START + _STEPS)
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


def _options(folder, share, version, file_format):
    folder.mkdir()
    shares_file = folder / 'shares'
    shares_file.write_text(f'{share.line}\n')
    return {'volume_driver': backends.DRIVER,
            'nfs_shares_config': shares_file,
            'nfs_mount_point_base': folder / 'mnt',
            'nfs_mount_options': f'vers={version}',
            'nfs_qcow2_volumes': file_format == 'qcow2'}
