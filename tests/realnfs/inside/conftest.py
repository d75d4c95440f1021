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

import os
import pathlib
import shutil
import subprocess

import pytest

from tests.realnfs.guest import layout
from tests.realnfs.guest import nfs_server
from tests.realnfs.inside import backend
from tests.realnfs import start
from tests import rig as the_rig


_DELETE_SUBVOLUMES = '''
find "$1" -mindepth 1 -depth -type d -inum 256 \\
    -exec btrfs subvolume delete {} +
'''


@pytest.fixture(scope='session')
def rig(tmp_path_factory):
    """The one rig of this process, see tests.rig."""
    folder = tmp_path_factory.mktemp('rig')
    shutil.copy(os.environ[start.DATABASE], folder)
    return the_rig.Rig(folder)


@pytest.fixture(scope='session')
def the_server():
    return nfs_server.NfsServer()


@pytest.fixture
def server(the_server):
    """The NFS server, with empty shares, all exported. For root."""
    yield from _with_empty_shares(the_server)


@pytest.fixture(scope='module')
def server_of_all(the_server):
    """The same for all tests of a module together."""
    yield from _with_empty_shares(the_server)


@pytest.fixture
def mount_base(tmp_path):
    """A folder for mount points; what is left there is unmounted."""
    yield from _with_nothing_mounted(tmp_path)


@pytest.fixture(scope='module')
def mount_base_of_all(tmp_path_factory):
    """The same for all tests of a module together."""
    yield from _with_nothing_mounted(tmp_path_factory.mktemp('all'))


@pytest.fixture
def make_backend(rig, server, mount_base):
    """Makes a backend.Backend. For root."""
    def make(*shares, **options):
        return backend.Backend(rig, mount_base, shares, **options)
    return make


def _with_empty_shares(the_server):
    the_server.reset()
    _empty_all()
    yield the_server
    the_server.reset()
    # Tests of who is not root cannot do that.
    _empty_all()


def _empty_all():
    for share in layout.SHARES:
        if share.file_system == 'btrfs':
            # Among them are some that cannot be written to.
            nfs_server.run('sh', '-c', _DELETE_SUBVOLUMES, 'sh', share.path)
        _empty(share.path)


def _with_nothing_mounted(folder):
    yield folder
    for point in backend.mounts_below(folder):
        subprocess.run(['umount', '-f', '-l', point], check=True, timeout=300)


def _empty(folder):
    for path in pathlib.Path(folder).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)
