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

"""Cinder's image cache: a volume is cloned while it is being filled."""

import os

import pytest

from remotefs_drivers.embedded import config
from tests.functional import conftest
from tests.functional import content
from tests.functional import steps as the_steps

OPTIONS = {'DEFAULT': {
    'cinder_internal_tenant_project_id': config.PROJECT_ID,
    'cinder_internal_tenant_user_id': config.USER_ID}}


@pytest.mark.parametrize('file_format', ['raw', 'qcow2'])
def test_the_second_volume_is_a_clone(new_cloud, tmp_path, file_format):
    cloud = new_cloud(options=OPTIONS)
    name = conftest.POSIX[file_format]
    cloud.spec = cloud.spec.replace(backends={
        name: dict(cloud.spec.backends[name],
                   image_volume_cache_enabled=True)})
    cloud.start()
    user = the_steps.Steps(cloud, tmp_path, conftest.POSIX)
    disk = user.disk('disk', 'qcow2')
    image = user.image(disk, 'qcow2')
    first = user.create(file_format, 1, imageRef=image.id)
    # The volume, and the one that Cinder keeps for itself.
    assert len(user.files(file_format)) == 2
    kept, = (volume for volume in cloud.cinder.volumes.list(
        search_opts={'all_tenants': True}) if volume.id != first.id)
    assert 'image-%s' % image.id == kept.name
    # Glance could not give it a second time.
    os.unlink(cloud.spec.path('glance', 'images', image.id))
    second = user.create(file_format, 2, imageRef=image.id)
    assert len(user.files(file_format)) == 3
    for volume in (first, second, kept):
        content.assert_same(user.path(volume), file_format, disk, 'qcow2')
    assert content.size(user.path(second), file_format) == 2 * content.GIB
    user.delete(first, second, kept)
    assert user.files(file_format) == set()
