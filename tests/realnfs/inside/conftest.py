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
    the_server.reset()
    for share in layout.SHARES:
        _empty(share.path)
    yield the_server
    the_server.reset()


@pytest.fixture
def mount_base(tmp_path):
    """A folder for mount points; what is left there is unmounted."""
    yield tmp_path
    for point in backend.mounts_below(tmp_path):
        subprocess.run(['umount', '-f', '-l', point], check=True, timeout=60)


@pytest.fixture
def make_backend(rig, server, mount_base):
    """Makes a backend.Backend. For root."""
    def make(*shares, **options):
        return backend.Backend(rig, mount_base, shares, **options)
    return make


def _empty(folder):
    for path in pathlib.Path(folder).iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)
