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

"""The service killed at every step of the verbs on an attached volume.

The guest's QEMU goes on meanwhile, and writes all the time: see ``online``.
"""

import time

import pytest

from tests.crash import holding
from tests.crash import online_explorer
from tests.crash import online_jobs
from tests.crash import places
from tests.crash import tenant

#: The steps are the same on either base.
_WHEN = {'layered': online_explorer.WHEN, 'qcow2': online_explorer.SOME}


@pytest.fixture
def told(capsys, request):
    """Print what came out of an exploration, and that nothing was found."""
    began = time.monotonic()

    def told(report):
        with capsys.disabled():
            print('\n%s: %s; %d s' % (request.node.callspec.id,
                                      report.line(),
                                      time.monotonic() - began))
        assert not report.findings, report.text()
        assert report.cuts > 0
    return told


@pytest.mark.parametrize('backend', sorted(tenant.BACKENDS))
@pytest.mark.parametrize('verb', sorted(online_jobs.VERBS))
def test_killed_anywhere(verb, backend, benches, told):
    told(online_explorer.explore(benches, verb, backend, _WHEN[backend]))


@pytest.mark.parametrize('verb, cut, when', [
    ('create another snapshot', places.ANSWERED, holding.MIDST),
    ('create another snapshot', places.SENT, holding.LATE),
    ('delete a middle snapshot', places.ANSWERED, holding.AT_ONCE),
    ('delete the newest snapshot', places.ANSWERED, holding.MIDST),
])
def test_killed_again(verb, cut, when, benches, told):
    told(online_explorer.explore_again(benches, verb, 'layered', cut, when))
