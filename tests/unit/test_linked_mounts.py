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
"""Mounts that are links do as mounts do."""

import inspect
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import table
from remotefs_drivers.share import visiting
from tests.harness import linked_mounts

ADDRESS = '127.0.0.1'


@pytest.fixture
def share(tmp_path):
    (tmp_path / 'box' / 'one').mkdir(parents=True)
    return table.Share('%s:%s/box/one' % (ADDRESS, tmp_path))


@pytest.fixture
def mounter(tmp_path):
    return linked_mounts.Mounter(str(tmp_path / 'mnt'), str(tmp_path / 'box'),
                                 ADDRESS)


@pytest.mark.parametrize('name', ['path', 'is_there', 'mount', 'unmount',
                                  'detach', 'prove', 'renew', 'mounted'])
def test_the_methods_are_the_same(name):
    def parameters(cls):
        return list(inspect.signature(getattr(cls, name)).parameters)
    assert parameters(linked_mounts.Mounter) == parameters(
        visiting.VisitingMounter)


def test_mount_and_unmount(mounter, share, tmp_path):
    assert not mounter.is_there(share)
    with pytest.raises(errors.MountDead, match='nothing'):
        mounter.prove(mounter.path(share))
    mounter.mount(share)
    assert mounter.is_there(share)
    mounter.prove(mounter.path(share))
    assert mounter.mounted() == {share.location}
    (tmp_path / 'box' / 'one' / 'volume').touch()
    assert os.listdir(mounter.path(share)) == ['volume']
    for __ in range(2):
        mounter.unmount(share)
        assert mounter.mounted() == set()


def test_what_is_gone(mounter, share, tmp_path):
    mounter.mount(share)
    (tmp_path / 'box' / 'one').rmdir()
    assert mounter.is_there(share)
    with pytest.raises(errors.MountDead, match='gone'):
        mounter.prove(mounter.path(share))
    with pytest.raises(errors.MountFailed):
        mounter.renew(share)
    assert mounter.mounted() == set()


def test_it_goes_along(mounter, share, tmp_path):
    mounter.mount(share)
    os.rename(tmp_path / 'box', tmp_path / 'other')
    (tmp_path / 'elsewhere').mkdir()
    for old, new in (('other', 'box'), ('mnt', 'mnt')):
        os.rename(tmp_path / old, tmp_path / 'elsewhere' / new)
    assert os.path.isdir(tmp_path / 'elsewhere' / 'mnt' / 'one')
