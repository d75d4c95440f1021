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

"""Shares of a real NFS server: mounted, counted, refused, full."""

import os
import pathlib

import pytest

from cinder import exception
from oslo_utils import units

from remotefs_drivers import errors
from tests.realnfs.guest import layout
from tests.realnfs.guest import nfs_server
from tests.realnfs.inside import backend as backends


def test_capacity_is_the_servers_own(make_backend):
    """Each share is a pool, with the figures that the server itself has."""
    backend = make_backend(layout.ONE, layout.TWO)

    pools = backend.pools()

    assert list(pools) == [layout.ONE.location, layout.TWO.location]
    for share in (layout.ONE, layout.TWO):
        status = os.statvfs(share.path)
        pool = pools[share.location]
        assert pool['total_capacity_gb'] == backends.gib(
            status.f_blocks * status.f_frsize)
        assert pool['free_capacity_gb'] == backends.gib(
            status.f_bavail * status.f_frsize)


def test_start_goes_on_without_a_share_that_is_not_exported(make_backend,
                                                            server):
    server.unexport(layout.TWO)

    backend = make_backend(layout.ONE, layout.TWO, nfs_mount_attempts=1)

    assert backend.volume().provider_location == layout.ONE.location
    pools = backend.pools()
    assert pools[layout.ONE.location]['free_capacity_gb'] > 0
    assert pools[layout.TWO.location]['free_capacity_gb'] == 0
    with pytest.raises(errors.ShareUnavailable):
        backend.volume(layout.TWO)


def test_share_that_is_exported_later_is_taken_up(make_backend, server,
                                                  later):
    server.unexport(layout.TWO)
    backend = make_backend(layout.ONE, layout.TWO, nfs_mount_attempts=1)

    server.export(layout.TWO)
    later()

    assert backend.pools()[layout.TWO.location]['free_capacity_gb'] > 0
    assert backend.volume(layout.TWO).provider_location == (
        layout.TWO.location)


def test_no_share_exported_refuses_to_start(make_backend, server):
    server.unexport(layout.ONE)

    with pytest.raises(errors.NoSharesUsable) as caught:
        make_backend(layout.ONE, nfs_mount_attempts=1)

    assert layout.ONE.location in str(caught.value)


def test_share_with_mount_options_of_its_own(make_backend):
    """The other share gets the newest version there is."""
    backend = make_backend(
        layout.ONE, layout.TWO._replace(mount_options='vers=3,noatime'),
        version=None)

    mounted = {source: options
               for source, _kind, options in backend.mounts().values()}
    assert 'vers=4.2' in mounted[layout.ONE.location]
    assert {'vers=3', 'noatime'} <= set(mounted[layout.TWO.location])


def test_its_own_mount_options_win_over_the_general_ones(make_backend):
    """mount.nfs refuses to be told two versions."""
    backend = make_backend(
        layout.ONE, layout.TWO._replace(mount_options='nfsvers=3'),
        version='4.2', nfs_mount_attempts=1)

    mounted = {source: options
               for source, _kind, options in backend.mounts().values()}
    assert 'vers=4.2' in mounted[layout.ONE.location]
    assert 'vers=3' in mounted[layout.TWO.location]


def test_most_free_room_is_taken_without_a_pool(make_backend):
    backend = make_backend(layout.TWO, layout.ONE, nfs_pool_per_share=False)

    assert backend.volume().provider_location == layout.ONE.location


def test_share_that_left_the_file_is_unmounted(make_backend):
    """It serves its volumes as long as there are any."""
    backend = make_backend(layout.ONE, layout.TWO)
    volume = backend.volume(layout.TWO)
    assert len(backend.mounts()) == 2

    backend.write_shares([layout.ONE])
    assert list(backend.pools()) == [layout.ONE.location]
    assert len(backend.mounts()) == 2
    backend.driver.extend_volume(volume, 2)

    backend.driver.delete_volume(volume)
    volume.destroy()
    backend.pools()
    (source, _kind, _options), = backend.mounts().values()
    assert source == layout.ONE.location
    assert len(os.listdir(backend.base)) == 1


def test_read_only_export(make_backend, server):
    """Says so for each verb, and takes nothing for done."""
    backend = make_backend(layout.ONE, layout.TWO)
    volume = backend.volume(layout.ONE)
    server.export(layout.ONE, access='ro')

    for verb in (lambda: backend.driver.delete_volume(volume),
                 lambda: backend.driver.extend_volume(volume, 2),
                 lambda: backend.volume(layout.ONE)):
        with pytest.raises(Exception) as caught:
            verb()
        assert 'read-only' in str(caught.value).lower(), caught.value

    assert _on_server(volume, layout.ONE).stat().st_size == 1 * units.Gi
    assert len(os.listdir(layout.ONE.path)) == 1
    backend.driver.delete_volume(backend.volume(layout.TWO))


def test_full_share(make_backend):
    """Thick volumes that do not fit are refused, and leave nothing."""
    backend = make_backend(layout.SMALL, nas_volume_prov_type='thick')

    with pytest.raises(exception.RemoteFSNoSuitableShareFound) as caught:
        backend.volume()

    assert 'GiB are free' in str(caught.value)
    assert os.listdir(layout.SMALL.path) == []


def test_share_filled_behind_our_back(make_backend):
    """What fails in its midst is undone; with room again it works."""
    backend = make_backend(layout.SMALL, nfs_qcow2_volumes=True)
    volume = backend.volume()
    filler = pathlib.Path(layout.SMALL.path, 'filler')
    _fill(filler)

    with pytest.raises(Exception) as caught:
        backend.volume()
    assert str(caught.value)
    assert sorted(os.listdir(layout.SMALL.path)) == sorted(
        ['filler', volume.name])
    assert backend.pools()[layout.SMALL.location]['free_capacity_gb'] == 0

    filler.unlink()
    backend.driver.delete_volume(backend.volume())
    backend.driver.delete_volume(volume)
    assert os.listdir(layout.SMALL.path) == []


def test_delete_on_a_share_that_cannot_be_mounted(make_backend, server,
                                                  later):
    """Not finding the share is no proof that the file is gone."""
    backend = make_backend(layout.ONE, layout.TWO)
    volume = backend.volume(layout.TWO)
    _unmount(backend, layout.TWO)
    server.unexport(layout.TWO)

    with pytest.raises(errors.ShareUnavailable):
        backend.driver.delete_volume(volume)
    assert _on_server(volume, layout.TWO).exists()

    server.export(layout.TWO)
    later()
    backend.driver.delete_volume(volume)
    assert not _on_server(volume, layout.TWO).exists()


def test_share_unmounted_by_somebody_is_mounted_again(make_backend):
    backend = make_backend(layout.ONE)
    volume = backend.volume()
    _unmount(backend, layout.ONE)

    backend.driver.extend_volume(volume, 2)

    assert _on_server(volume, layout.ONE).stat().st_size == 2 * units.Gi
    assert len(backend.mounts()) == 1


def test_other_share_at_the_mount_point_is_not_touched(make_backend):
    """A mount point with something else on it is not ours to write to."""
    backend = make_backend(layout.ONE, layout.TWO)
    volume = backend.volume(layout.TWO)
    point = _unmount(backend, layout.TWO)
    nfs_server.run('mount', '-t', 'nfs', '-o', 'vers=4.2',
                   layout.SMALL.location, point)

    with pytest.raises(errors.ShareNotMounted) as caught:
        backend.driver.extend_volume(volume, 2)

    assert layout.SMALL.location in str(caught.value)


def _on_server(volume, share):
    return pathlib.Path(share.path, volume.name)


def _unmount(backend, share):
    """Take a share away from the driver; gives its mount point."""
    point, = (point for point, (source, *_rest) in backend.mounts().items()
              if source == share.location)
    nfs_server.run('umount', point)
    return point


def _fill(path):
    with open(path, 'wb', buffering=0) as stream, pytest.raises(OSError):
        while True:
            stream.write(bytes(1 << 16))
