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

"""The driver that Cinder had until 2016, taken over on a real GlusterFS.

Its files, at its mount point, under its options; the database says nothing
of formats. Then volume_driver is another one, and one option is new.
"""

import os

import pytest

from remotefs_drivers.embedded import mounts
from tests.functional import old_share
from tests.functional import test_takeover
from tests.harness import backends

# Mounting is root's.
pytestmark = pytest.mark.root

#: What its cinder.conf had, and what it did without.
_OF_OLD = {'glusterfs_sparsed_volumes': True,
           'nas_secure_file_operations': 'false',
           'nas_secure_file_permissions': 'false'}


@pytest.fixture
def take(rig, place, tmp_path):
    def make(layout, base_format):
        share = backends.mount_point_below(str(tmp_path / 'mnt' / 'mnt'),
                                           place.share)
        # As it is when the old service has stopped: it unmounts nothing.
        mounts.mount('glusterfs', place.share, share)
        driver = place.driver(glusterfs_legacy_base_format=base_format,
                              **_OF_OLD)
        old = old_share.Old(rig, driver, place.share, share, base_format)
        old_share.LAYOUTS[layout](old)
        return old_share.Taken(old, rig, driver, tmp_path)
    return make


@pytest.mark.parametrize('layout, base_format', [
    ('deleted out of order', 'raw'), ('without formats', 'raw'),
    ('newest deleted online', 'qcow2'), ('paths of a host', 'qcow2')])
def test_it_goes_on(take, layout, base_format):
    one = take(layout, base_format)
    assert set(os.listdir(one.share)) >= {one.volume.name + '.info'}
    for verb in test_takeover.READING:
        verb(one)
    for verb in ('create', 'delete oldest', 'revert', 'extend'):
        for step in test_takeover.CHANGING[verb]:
            step(one)
        one.check()
    one.remove()
    for snapshot in one.snapshots:
        snapshot.destroy()
