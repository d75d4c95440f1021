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

"""The harness as pytest fixtures.

A test module asks for them with

    from tests.harness.fixtures import broker  # noqa: F401

or ``pytest_plugins = ['tests.harness.fixtures']``.
"""

import pytest

from tests.harness import etcd as harness_etcd
from tests.harness import rabbitmq
from tests.harness import user_mount


@pytest.fixture(scope='session')
def broker(tmp_path_factory):
    """A RabbitMQ for all of the run."""
    with rabbitmq.Broker(tmp_path_factory.mktemp('rabbitmq')) as running:
        yield running


@pytest.fixture(scope='session')
def etcd(tmp_path_factory):
    """An etcd for all of the run."""
    with harness_etcd.Etcd(tmp_path_factory.mktemp('etcd')) as running:
        yield running


@pytest.fixture(scope='module')
def mounter(tmp_path_factory):
    """Stands in for the kernel's NFS client, see user_mount."""
    with user_mount.UserMount(tmp_path_factory.mktemp('mounter')) as ready:
        yield ready
