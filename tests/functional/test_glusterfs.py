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

"""GlusterfsDriver in a whole Cinder, on a real GlusterFS."""

import pytest

from tests.functional import attached
from tests.functional import conftest
from tests.functional import test_attached
from tests.functional import test_layers

# Mounting is root's.
pytestmark = [pytest.mark.root,
              pytest.mark.parametrize('layered_user', conftest.GLUSTERFS,
                                      indirect=True)]
formats = pytest.mark.parametrize('backend', sorted(attached.FORMATS))


@formats
def test_snapshots(layered_user, backend):
    test_layers.test_snapshots_come_and_go(
        test_layers.Disk(layered_user, backend))


@formats
def test_snapshots_under_a_guest(life, backend):
    """Which has the share by a mount of its own, as on a compute host."""
    test_attached.test_snapshots_come_and_go(life(backend))


@formats
def test_a_brick_dies_under_a_guest(life, layered_user, all_clouds, backend,
                                    request):
    """It goes on writing, and Cinder goes on with its snapshots."""
    gluster = all_clouds.gluster()
    volume = '%s-%s' % (layered_user.backends[backend],
                        request.node.callspec.params['layered_user'])
    busy = life(backend)
    first = busy.snap()
    gluster.kill_bricks(volume, 1)
    busy.write()
    second = busy.snap()
    busy.check()
    busy.drop(first)
    busy.check()
    gluster.bring_back(volume)
    busy.write()
    busy.drop(second)
    busy.check()
    busy.detach()
    busy.check_detached()
    layered_user.delete(busy.volume)
