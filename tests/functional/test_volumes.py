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

"""Every verb through Cinder's API, on raw and on qcow2 volumes.

``alpha`` makes raw volumes, ``beta`` qcow2 ones.
"""

import os
import stat

import pytest

from os_brick.initiator import connector as brick

from tests.functional import content

FORMATS = {'alpha': 'raw', 'beta': 'qcow2'}

both = pytest.mark.parametrize('backend', sorted(FORMATS))


@pytest.mark.short
@both
def test_create_and_delete(steps, backend):
    volume = steps.create(backend, 2)
    path = steps.path(volume)
    assert content.is_qcow2(path) == (FORMATS[backend] == 'qcow2')
    content.assert_holds(path, FORMATS[backend], 2 * content.GIB, [],
                         steps.folder)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    assert os.stat(path).st_blocks * 512 < content.MIB
    steps.delete(volume)
    assert not os.path.exists(path)


@pytest.mark.short
@both
# Cinder itself cannot read a VHD image: it asks qemu-img for "vhd".
@pytest.mark.parametrize('disk_format', ['qcow2', 'raw', 'vmdk', 'vdi'])
def test_image_to_volume(steps, backend, disk_format):
    disk = steps.disk('disk', disk_format)
    image = steps.image(disk, disk_format)
    volume = steps.create(backend, 1, imageRef=image.id)
    path = steps.path(volume)
    # The volume is in its backend's format, whatever the image is in.
    assert content.is_qcow2(path) == (FORMATS[backend] == 'qcow2')
    assert content.size(path, FORMATS[backend]) == content.GIB
    content.assert_same(path, FORMATS[backend], disk, disk_format)
    assert volume.bootable == 'true'
    steps.delete(volume)


@pytest.mark.parametrize('backend, disk_format', [
    # Sent as it is: all of its GiB goes through Glance.
    ('alpha', 'raw'),
    ('alpha', 'qcow2'),
    ('beta', 'qcow2'),
    ('beta', 'vmdk'),
])
def test_volume_to_image(steps, backend, disk_format):
    volume = steps.create(backend)
    path = steps.path(volume)
    content.write(path, FORMATS[backend], 0xab, content.MIB, content.MIB)
    content.write(path, FORMATS[backend], 0xcd,
                  content.GIB - content.MIB, content.MIB)
    download = steps.upload(volume, disk_format)
    content.assert_same(path, FORMATS[backend], download, disk_format)
    steps.delete(volume)


@pytest.mark.short
@both
def test_extend(steps, backend):
    volume = steps.create(backend)
    path = steps.path(volume)
    last = (0x5a, content.GIB - content.MIB, content.MIB)
    content.write(path, FORMATS[backend], *last)
    steps.extend(volume, 3)
    content.assert_holds(path, FORMATS[backend], 3 * content.GIB, [last],
                         steps.folder)
    steps.delete(volume)


@pytest.mark.short
@both
@pytest.mark.parametrize('size', [1, 2])
def test_clone(steps, backend, size):
    source = steps.create(backend)
    content.write(steps.path(source), FORMATS[backend], 0x77, 0,
                  content.MIB)
    clone = steps.create(backend, size, source_volid=source.id)
    path = steps.path(clone)
    assert content.size(path, FORMATS[backend]) == size * content.GIB
    content.assert_same(path, FORMATS[backend], steps.path(source),
                        FORMATS[backend])
    # They are two volumes: what is written to one is not in the other.
    content.write(path, FORMATS[backend], 0x11, 0, 64 * content.KIB)
    content.assert_pattern(steps.path(source), FORMATS[backend], 0x77, 0,
                           content.MIB)
    steps.delete(source, clone)


@pytest.mark.short
@both
def test_attach_data(steps, backend):
    volume = steps.create(backend)
    path = steps.path(volume)
    with steps.attached(volume) as connection:
        assert connection['format'] == FORMATS[backend]
        if connection['driver_volume_type'] == 'nfs':
            assert connection['name'] == os.path.basename(path)
            assert connection['export'] == os.path.dirname(path)
        else:
            assert connection['device_path'] == path
    steps.delete(volume)


@pytest.mark.short
def test_attach_by_os_brick_and_write(steps):
    volume = steps.create('alpha')
    with steps.attached(volume) as connection:
        host = brick.InitiatorConnector.factory(
            connection['driver_volume_type'], None, conn={
                'data': connection, 'mount_point_base': None})
        device = host.connect_volume(connection)
        content.write(device['path'], 'raw', 0x42, content.MIB, content.MIB)
        host.disconnect_volume(connection, device)
    content.assert_pattern(steps.path(volume), 'raw', 0x42, content.MIB,
                           content.MIB)
    steps.delete(volume)


@pytest.mark.parametrize('source, target', [
    ('alpha', 'beta'),
    # The qcow2 volume is copied byte by byte, as plain bytes.
    ('beta', 'alpha'),
])
def test_retype_with_migration(steps, source, target):
    volume = steps.create(source)
    ranges = [(0x66, 0, content.MIB),
              (0x67, content.GIB - content.MIB, content.MIB)]
    for one in ranges:
        content.write(steps.path(volume), FORMATS[source], *one)
    before = steps.files(source)
    old = steps.path(volume)
    volume = steps.retype(volume, target)
    path = steps.path(volume)
    assert os.path.dirname(path) == steps.share(target)
    # Cinder copies plain bytes to the new volume, which so is a raw one.
    assert not content.is_qcow2(path)
    content.assert_holds(path, 'raw', content.GIB, ranges, steps.folder)
    # Cinder removes the source after it has said that it is done.
    steps.until(lambda: not os.path.exists(old), 'the source to be gone')
    assert steps.files(source) == before - {os.path.basename(old)}
    # The format is known where it is now: verbs go on working.
    steps.extend(volume, 2)
    assert content.size(path, 'raw') == 2 * content.GIB
    clone = steps.create(target, 2, source_volid=volume.id)
    content.assert_same(steps.path(clone), 'raw', path, 'raw')
    steps.delete(volume, clone)


@pytest.mark.short
def test_pools(steps):
    pools = {pool.name.split('#')[1]: pool
             for pool in steps.cloud.cinder.pools.list(detailed=True)}
    for backend in FORMATS:
        pool = pools[steps.share(backend)]
        room = os.statvfs(steps.share(backend))
        total = room.f_blocks * room.f_frsize / content.GIB
        assert abs(pool.total_capacity_gb - total) < 0.1
        assert 0 < pool.free_capacity_gb < total
        assert pool.thin_provisioning_support is True


@both
def test_snapshots_are_refused_and_leave_nothing(steps, backend):
    volume = steps.create(backend)
    before = steps.files(backend)
    snapshot = steps.cloud.cinder.volume_snapshots.create(volume.id)
    steps.cloud.wait_snapshot(snapshot.id, 'error')
    assert steps.files(backend) == before
    steps.cloud.cinder.volume_snapshots.delete(snapshot.id)
    steps.cloud.wait_gone(snapshot.id, 'snapshot')
    steps.delete(volume)
