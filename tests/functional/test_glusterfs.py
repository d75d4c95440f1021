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

"""A real GlusterFS under a whole Cinder, and what only it can do.

All else that Cinder's API has is tried on it in test_layers, test_attached,
test_volumes, test_hostile and test_managing_http.
"""

import pytest

from tests.functional import attached
from tests.functional import conftest

# Mounting is root's.
pytestmark = [pytest.mark.root,
              pytest.mark.parametrize('layered_user', conftest.GLUSTERFS,
                                      indirect=True)]
formats = pytest.mark.parametrize('backend', sorted(attached.FORMATS))


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
