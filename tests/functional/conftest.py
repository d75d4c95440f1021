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

"""A whole Cinder and a Glance for the tests that talk HTTP.

``steps`` is a user of ``cloud``, which is one for the whole session and each
concurrency mode, with the backends ``alpha`` (raw) and ``beta`` (qcow2): a
test that uses one of them runs once in each mode. ``new_cloud`` makes a
cloud for a single test that wants to stop or kill it.
"""

import os

import pytest

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import spec
from tests.functional import steps as the_steps
from tests import rig as the_rig

#: The concurrency modes that this Cinder has.
MODES = [spec.EVENTLET] + (
    [spec.THREADS] if installed.has_native_threads() else [])

#: An interpreter with Glance, where it is not the one of the tests.
_GLANCE_PYTHON = os.environ.get('REMOTEFS_GLANCE_PYTHON')


def files_on(share):
    """Names of what is on a share besides the markers."""
    return set(os.listdir(share)) - set(the_steps.MARKERS)


@pytest.fixture(scope='session', params=MODES)
def concurrency(request):
    """'eventlet', then 'threads' where this Cinder has it."""
    return request.param


@pytest.fixture(scope='session')
def cloud(concurrency, tmp_path_factory):
    """cloud.Cloud with alpha, beta, Glance and cinder-backup, running.

    In the end its shares must be empty again.
    """
    root = str(tmp_path_factory.mktemp('cloud-' + concurrency))
    with clouds.Cloud(_spec(root, concurrency, backup=True)) as running:
        yield running
        left = {share: files_on(share) for share in running.spec.folders
                if files_on(share)}
    assert not left, 'tests or drivers left files behind'


@pytest.fixture
def steps(cloud, tmp_path):
    """steps.Steps: a user of the cloud."""
    return the_steps.Steps(cloud, tmp_path)


@pytest.fixture(scope='session')
def rig(tmp_path_factory):
    """rig.Rig: drivers in this process, without the services."""
    return the_rig.Rig(tmp_path_factory.mktemp('rig'))


@pytest.fixture
def new_cloud(tmp_path):
    """Makes a cloud.Cloud that is not started; stopped after the test.

    Keyword arguments are fields of spec.Spec; ``name`` gives a directory of
    its own.
    """
    made = []

    def make(name='cloud', concurrency=spec.EVENTLET, **fields):
        made.append(clouds.Cloud(_spec(str(tmp_path / name), concurrency,
                                       **fields)))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def _spec(root, concurrency, **fields):
    return spec.two_posix_backends(root, concurrency=concurrency,
                                   glance_python=_GLANCE_PYTHON, **fields)
