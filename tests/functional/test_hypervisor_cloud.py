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
"""The embedded hypervisor beside a whole Cinder.
"""

import uuid

from cinderclient import exceptions as cinder_exceptions
import pytest

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded.hypervisor import cinder
from remotefs_drivers.embedded.hypervisor import compute
from remotefs_drivers.embedded.hypervisor import writer
from tests.harness import backends

SERVER = str(uuid.uuid4())


@pytest.fixture(scope='module')
def nova(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cloud')
    wanted = backends.posix(folder / 'cloud', glance=False)
    with compute.Compute(folder / 'nova') as running:
        with clouds.Cloud(running.configured(wanted)) as cloud:
            running.cinder = cinder.Cinder(cloud)
            running.cloud = cloud
            yield running


@pytest.fixture(params=['alpha', 'beta'])
def volume(request, nova):
    made = nova.cloud.cinder.volumes.create(1, volume_type=request.param)
    nova.cloud.wait_volume(made.id)
    yield made
    made.delete()
    nova.cloud.wait_gone(made.id)


def test_a_server_with_a_volume(nova, volume):
    disk = nova.attach(SERVER, volume.id)
    found, = nova.cloud.cinder.volumes.get(volume.id).attachments
    assert found['server_id'] == SERVER
    assert disk.guest.format == ('qcow2' if volume.volume_type == 'beta'
                                 else 'raw')
    with writer.Writer(disk.guest.connect()) as busy:
        busy.wait(20)
    nova.hard_reboot(SERVER)
    with disk.guest.connect() as drive:
        assert drive.size == 1 << 30
        busy.journal.check(drive)
    # Cinder asks Nova, in the name of the user, who may not do that.
    with pytest.raises(cinder_exceptions.ClientException) as caught:
        nova.cloud.cinder.attachments.delete(disk.attachment_id)
    assert caught.value.code == 409
    nova.detach(SERVER, volume.id)
    nova.cloud.wait_volume(volume.id)


def test_an_attachment_without_a_server(nova, volume):
    disk = nova.attach(SERVER, volume.id, mode='ro', named=False)
    found, = nova.cloud.cinder.volumes.get(volume.id).attachments
    assert not found['server_id']
    with disk.guest.connect() as drive:
        assert drive.read(0, 512) == bytes(512)
    nova.detach(SERVER, volume.id)
    nova.cloud.wait_volume(volume.id)
