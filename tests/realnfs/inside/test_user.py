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

"""The service as an ordinary user, with no right but its rootwrap filters.

As root the driver would mount without help, and a server that trusts root
would let it do anything: only here it shows who works on which files. The
user has what an operator gives to cinder-volume, see guest/accounts.py.
"""

import os
import pathlib
import shutil
import sys

import pytest

from oslo_config import cfg
from oslo_privsep import priv_context
from oslo_utils import units

from remotefs_drivers import privileged
from remotefs_drivers.share import rights
from tests.functional import content
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends
from tests.realnfs.inside import boxes

# The first test starts python twice, for sudo's cinder-rootwrap and for the
# daemon, and imports Cinder again.
pytestmark = [pytest.mark.service_user, pytest.mark.limit(1800)]

_OWN = [pytest.param(*case, id='-'.join((case[0].name, *case[1:])))
        for case in ((layout.MINE, '3', 'raw'),
                     (layout.MINE, '4.2', 'qcow2'),
                     (layout.SQUASHED, '3', 'qcow2'),
                     (layout.SQUASHED, '4.2', 'raw'))]
_ROOTWRAP = pathlib.Path(sys.executable).parent / 'cinder-rootwrap'


@pytest.fixture(scope='module')
def root_helper(rig):
    """What cinder-volume does at its start to get root where it needs it."""
    cfg.CONF.config_file = ['/etc/cinder/cinder.conf']
    priv_context.init(root_helper=['sudo', '-n', str(_ROOTWRAP),
                                   '/etc/cinder/rootwrap.conf'])
    yield
    privileged.default.stop()
    del cfg.CONF.config_file


@pytest.fixture
def make(rig, root_helper, tmp_path):
    """Makes a backend.Backend; what it mounted is unmounted in the end."""
    def make_backend(*shares, **options):
        return backends.Backend(rig, tmp_path, shares, **options)
    yield make_backend
    for point in backends.mounts_below(tmp_path):
        privileged.run(['umount', '-l', point])


def test_we_are_not_root():
    assert os.geteuid() != 0
    assert 0 not in os.getgroups()
    with pytest.raises(PermissionError):
        open('/etc/shadow')


@pytest.mark.parametrize('share, version, file_format', _OWN)
def test_share_of_our_own(make, share, version, file_format):
    """All is ours, whether the server trusts root or not."""
    backend = make(share, version=version,
                   nfs_qcow2_volumes=file_format == 'qcow2')

    volume = backend.volume()
    backend.driver.extend_volume(volume, 2)

    served = _on_server(volume, share)
    assert served.stat().st_uid == os.geteuid()
    assert served.stat().st_mode & 0o777 == 0o660
    assert content.size(str(served), file_format) == 2 * units.Gi
    backend.driver.delete_volume(volume)
    assert not served.exists()


def test_new_installation_is_secure_on_a_share_of_our_own(make):
    backend = make(layout.SQUASHED, nas_secure_file_operations='auto',
                   nas_secure_file_permissions='auto')

    assert backend.driver.secure_file_operations_enabled()
    marker = pathlib.Path(layout.SQUASHED.path, rights.MARKER)
    assert marker.stat().st_uid == os.geteuid()
    marker.unlink()


@pytest.mark.parametrize('version', ['3', '4.2'])
def test_share_of_roots_that_trusts_root(make, version):
    """Nothing can be made there without root; the daemon makes it."""
    backend = make(layout.TWO, version=version,
                   nas_secure_file_operations='auto',
                   nas_secure_file_permissions='auto')
    assert not backend.driver.secure_file_operations_enabled()

    volume = backend.volume()
    backend.driver.extend_volume(volume, 2)

    status = _on_server(volume, layout.TWO).stat()
    assert (status.st_uid, status.st_size) == (0, 2 * units.Gi)
    assert status.st_mode & 0o777 == 0o666
    backend.driver.delete_volume(volume)
    assert not _on_server(volume, layout.TWO).exists()


def test_share_that_does_not_trust_root(make):
    """Root is nobody there: working as root is refused with words."""
    backend = make(layout.SQUASHED, nas_secure_file_operations='false')

    with pytest.raises(Exception) as caught:
        backend.volume()

    assert 'denied' in str(caught.value).lower()
    assert os.listdir(layout.SQUASHED.path) == []


def test_share_of_roots_without_root(make):
    """The user may not write there, and says so; nothing is tried as root."""
    backend = make(layout.TWO)

    with pytest.raises(Exception) as caught:
        backend.volume()

    assert 'denied' in str(caught.value).lower()
    assert backend.pools()[layout.TWO.location]['free_capacity_gb'] > 0


def test_attach_by_the_stock_filters(make, tmp_path):
    """os-brick mounts by its own daemon, as it does in nova-compute."""
    backend = make(layout.MINE)
    volume = backend.volume()

    host = backends.Host(tmp_path / 'compute')
    content.write(*host.attach(backend, volume), 0xf0, 0, units.Mi)

    content.assert_pattern(str(_on_server(volume, layout.MINE)), 'raw', 0xf0,
                           0, units.Mi)
    backend.driver.delete_volume(volume)


@pytest.mark.parametrize('version', ['3', '4.2'])
def test_shares_of_an_appliance(rig, root_helper, tmp_path, version):
    """All that is done in them is done by the user; only mounting is not.
    """
    box = boxes.Folders(layout.SQUASHED)
    with box.ready(None):
        backend = boxes.Backend(rig, tmp_path, box, version=version)
        driver = backend.driver
        volume = backend.volume()
        snapshot = rig.snapshot(driver, volume)
        driver.extend_volume(volume, 2)
        copy = backend.copy(snapshot)
        assert backend.mounted() == set()
        driver.create_export(rig.context, copy, {})
        assert backend.mounted() == {copy.name}
        driver.remove_export(rig.context, copy)

        for each, size in ((volume, 2), (copy, 1)):
            status = os.stat(box.path(each))
            assert status.st_uid == os.geteuid()
            assert status.st_mode & 0o777 == 0o660
            assert status.st_size == size * units.Gi
        rig.delete_snapshot(driver, snapshot)
        for each in volume, copy:
            driver.delete_volume(each)
        assert box.shares() == {}
        assert backend.mounted() == set()
        for point in backend.mounts():
            privileged.run(['umount', '-l', point])
        shutil.rmtree(box.root)


def _on_server(volume, share):
    return pathlib.Path(share.path, volume.name)
