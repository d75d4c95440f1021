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

On each cloud that there is: embedded in both concurrency modes, and stock
services over a message broker, on PosixDriver and on NfsDriver.
"""

import os
import stat

import pytest

from os_brick.initiator import connector as brick

from tests.functional import content

pytestmark = pytest.mark.pairs

both = pytest.mark.parametrize('file_format', ['raw', 'qcow2'])


@pytest.mark.short
@both
def test_create_and_delete(user, file_format):
    volume = user.create(file_format, 2)
    path = user.path(volume)
    assert content.is_qcow2(path) == (file_format == 'qcow2')
    content.assert_holds(path, file_format, 2 * content.GIB, [],
                         user.folder)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    assert os.stat(path).st_blocks * 512 < content.MIB
    user.delete(volume)
    assert not os.path.exists(path)


@pytest.mark.short
@both
# Cinder itself cannot read a VHD image: it asks qemu-img for "vhd".
@pytest.mark.parametrize('disk_format', ['qcow2', 'raw', 'vmdk', 'vdi'])
def test_image_to_volume(user, file_format, disk_format):
    disk = user.disk('disk', disk_format)
    image = user.image(disk, disk_format)
    volume = user.create(file_format, 1, imageRef=image.id)
    path = user.path(volume)
    # The volume is in its backend's format, whatever the image is in.
    assert content.is_qcow2(path) == (file_format == 'qcow2')
    assert content.size(path, file_format) == content.GIB
    content.assert_same(path, file_format, disk, disk_format)
    assert volume.bootable == 'true'
    user.delete(volume)


@pytest.mark.turns
@pytest.mark.parametrize('file_format, disk_format', [
    # Sent as it is: all of its GiB goes through Glance.
    ('raw', 'raw'),
    ('raw', 'qcow2'),
    ('qcow2', 'qcow2'),
    ('qcow2', 'vmdk'),
])
def test_volume_to_image(user, file_format, disk_format):
    volume = user.create(file_format)
    path = user.path(volume)
    content.write(path, file_format, 0xab, content.MIB, content.MIB)
    content.write(path, file_format, 0xcd,
                  content.GIB - content.MIB, content.MIB)
    download = user.upload(volume, disk_format)
    content.assert_same(path, file_format, download, disk_format)
    user.delete(volume)


@pytest.mark.short
@both
def test_extend(user, file_format):
    volume = user.create(file_format)
    path = user.path(volume)
    last = (0x5a, content.GIB - content.MIB, content.MIB)
    content.write(path, file_format, *last)
    user.extend(volume, 3)
    content.assert_holds(path, file_format, 3 * content.GIB, [last],
                         user.folder)
    user.delete(volume)


@pytest.mark.short
@both
@pytest.mark.parametrize('size', [1, 2])
def test_clone(user, file_format, size):
    source = user.create(file_format)
    content.write(user.path(source), file_format, 0x77, 0,
                  content.MIB)
    clone = user.create(file_format, size, source_volid=source.id)
    path = user.path(clone)
    assert content.size(path, file_format) == size * content.GIB
    content.assert_same(path, file_format, user.path(source),
                        file_format)
    # They are two volumes: what is written to one is not in the other.
    content.write(path, file_format, 0x11, 0, 64 * content.KIB)
    content.assert_pattern(user.path(source), file_format, 0x77, 0,
                           content.MIB)
    user.delete(source, clone)


@pytest.mark.short
@both
def test_attach_data(user, file_format):
    volume = user.create(file_format)
    path = user.path(volume)
    with user.attached(volume) as connection:
        assert connection['format'] == file_format
        if connection['driver_volume_type'] == 'nfs':
            assert connection['name'] == os.path.basename(path)
            assert connection['export'] == user.location(file_format)
        else:
            assert connection['device_path'] == path
    user.delete(volume)


@pytest.mark.short
def test_attach_by_os_brick_and_write(user):
    base = user.mount_point_base('raw')
    # A host that attaches a qcow2 volume has its share mounted.
    for file_format in ('raw', 'qcow2') if base else ('raw',):
        volume = user.create(file_format)
        with user.attached(volume) as connection:
            host = brick.InitiatorConnector.factory(
                connection['driver_volume_type'], None,
                conn={'data': connection, 'mount_point_base': base})
            device = host.connect_volume(connection)
            content.write(device['path'], file_format, 0x42, content.MIB,
                          content.MIB)
            host.disconnect_volume(connection, device)
        content.assert_pattern(user.path(volume), file_format, 0x42,
                               content.MIB, content.MIB)
        user.delete(volume)


@pytest.mark.parametrize('source, target', [
    ('raw', 'qcow2'),
    # The qcow2 volume is copied byte by byte, as plain bytes.
    ('qcow2', 'raw'),
])
def test_retype_with_migration(moving_user, source, target):
    user = moving_user
    volume = user.create(source)
    ranges = [(0x66, 0, content.MIB),
              (0x67, content.GIB - content.MIB, content.MIB)]
    for one in ranges:
        content.write(user.path(volume), source, *one)
    before = user.files(source)
    old = user.path(volume)
    volume = user.retype(volume, target)
    path = user.path(volume)
    assert os.path.dirname(path) == user.share(target)
    # Cinder copies plain bytes to the new volume, which so is a raw one.
    assert not content.is_qcow2(path)
    content.assert_holds(path, 'raw', content.GIB, ranges, user.folder)
    # Cinder removes the source after it has said that it is done.
    user.until(lambda: not os.path.exists(old), 'the source to be gone')
    assert user.files(source) == before - {os.path.basename(old)}
    # The format is known where it is now: verbs go on working.
    user.extend(volume, 2)
    assert content.size(path, 'raw') == 2 * content.GIB
    clone = user.create(target, 2, source_volid=volume.id)
    content.assert_same(user.path(clone), 'raw', path, 'raw')
    user.delete(volume, clone)


@pytest.mark.short
def test_pools(user):
    pools = {pool.name.split('#')[1]: pool
             for pool in user.cloud.cinder.pools.list(detailed=True)}
    for file_format in ('raw', 'qcow2'):
        pool = pools[user.location(file_format)]
        room = os.statvfs(user.share(file_format))
        total = room.f_blocks * room.f_frsize / content.GIB
        assert abs(pool.total_capacity_gb - total) < 0.1
        assert 0 < pool.free_capacity_gb < total
        assert pool.thin_provisioning_support is True
