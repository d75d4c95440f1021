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

"""A volume's life on a real NFS server, in both versions and formats."""

import os

import pytest

from oslo_utils import units

from tests.functional import content
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends

VERSIONS = ('3', '4.2')
FORMATS = ('raw', 'qcow2')


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(params=FORMATS)
def file_format(request):
    return request.param


@pytest.fixture
def backend(make_backend, version, file_format):
    return make_backend(layout.ONE, version=version,
                        nfs_qcow2_volumes=file_format == 'qcow2')


@pytest.fixture
def host(mount_base, version):
    return backends.Host(mount_base / 'compute', version)


def on_server(volume, share=layout.ONE):
    """The volume's file as the server has it."""
    return os.path.join(share.path, volume.name)


def test_setup_mounts_the_share_in_the_version_asked_for(backend, version):
    (source, kind, options), = backend.mounts().values()

    assert source == layout.ONE.location
    assert kind == ('nfs' if version == '3' else 'nfs4')
    assert f'vers={version}' in options


def test_life_of_a_volume(backend, host, file_format):
    """Create, attach, write, extend, write in the new part, delete."""
    volume = backend.volume()
    assert volume.provider_location == layout.ONE.location
    served = on_server(volume)
    assert os.stat(served).st_mode & 0o777 == 0o660

    attached, attached_as = host.attach(backend, volume)
    assert attached_as == file_format
    assert content.size(attached, file_format) == 1 * units.Gi
    content.write(attached, file_format, 0xf0, 1 * units.Mi, 2 * units.Mi)

    backend.driver.extend_volume(volume, 3)
    assert content.size(attached, file_format) == 3 * units.Gi
    content.write(attached, file_format, 0xf1, 2 * units.Gi, 1 * units.Mi)
    for pattern, offset, length in (
            (0x00, 0, 1), (0xf0, 1, 2), (0x00, 3, 1), (0xf1, 2048, 1)):
        content.assert_pattern(served, file_format, pattern,
                               offset * units.Mi, length * units.Mi)

    backend.driver.delete_volume(volume)
    assert os.listdir(layout.ONE.path) == []


@pytest.mark.slow
def test_clone(backend, host, server, version, file_format):
    """A clone has the source's content; on v4.2 the server makes it."""
    source = backend.volume()
    original, __ = host.attach(backend, source)
    content.write(original, file_format, 0xf0, 0, 64 * units.Mi)
    before, sent = _used(layout.ONE), server.traffic()

    clone = backend.clone(source, size=2)

    sent = sum(server.traffic()) - sum(sent)
    cloned, __ = host.attach(backend, clone)
    assert content.size(cloned, file_format) == 2 * units.Gi
    content.assert_pattern(cloned, file_format, 0xf0, 0, 64 * units.Mi)
    taken = _used(layout.ONE) - before
    if version == '4.2':
        assert sent < 1 * units.Mi
        # XFS takes some in advance.
        assert taken < 32 * units.Mi
    else:
        assert sent >= 64 * units.Mi
        assert taken >= 64 * units.Mi
    # Neither sees what is written to the other.
    content.write(cloned, file_format, 0xf1, 0, units.Mi)
    content.write(original, file_format, 0xf2, units.Mi, units.Mi)
    content.assert_pattern(original, file_format, 0xf0, 0, units.Mi)
    content.assert_pattern(cloned, file_format, 0xf0, units.Mi, units.Mi)


@pytest.mark.slow
def test_thick_volume_has_its_room(make_backend, version):
    """On v4.2 the server reserves it; on v3 it has to be written."""
    backend = make_backend(layout.ONE, version=version,
                           nas_volume_prov_type='thick')

    volume = backend.volume()

    assert os.stat(on_server(volume)).st_blocks * 512 >= 1 * units.Gi
    assert os.path.getsize(on_server(volume)) == 1 * units.Gi


def _used(share):
    """Bytes in use on the server, with all written out."""
    os.sync()
    status = os.statvfs(share.path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize
