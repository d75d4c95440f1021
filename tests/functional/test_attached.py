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
"""Snapshots of volumes whose guests write to them all the time."""

import pytest

from tests.functional import attached


@pytest.fixture(params=sorted(attached.FORMATS))
def busy(life, request):
    """attached.Life of each format."""
    return life(request.param)


def test_snapshots_come_and_go(busy):
    user = busy.user
    first, second, third = (busy.snap() for __ in range(3))
    busy.check()
    # The one in the middle, the newest, the oldest, which is the last.
    busy.drop(second)
    busy.check()
    busy.drop(third)
    busy.check()
    busy.drop(first)
    busy.check()
    busy.detach()
    busy.check_detached()
    user.delete(busy.volume)
