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

"""Random walks of volumes that are attached and detached: see ``walk``.

REMOTEFS_WALK_SEED repeats a walk as far as its dice go, REMOTEFS_WALK_SECONDS
says how long it takes.
"""

import os
import random

from tests.crash import online_explorer
from tests.crash import tenant

_SEED = 'REMOTEFS_WALK_SEED'
_SECONDS = 'REMOTEFS_WALK_SECONDS'


def test_a_walk(benches, capsys):
    seed = os.environ.get(_SEED) or str(random.SystemRandom().getrandbits(32))
    seconds = float(os.environ.get(_SECONDS, 75))
    jobs = [(backend, '%s %s' % (seed, backend), seconds)
            for backend in sorted(tenant.BACKENDS)]
    # At the same time, as far as there are processors.
    done = benches.map(online_explorer.stroll, jobs, chunksize=1)
    for job, each in zip(jobs, done):
        with capsys.disabled():
            print('\nattached walk, %s: %s=%s, %s'
                  % (job[0], _SEED, seed, each.line))
    for job, each in zip(jobs, done):
        assert each.finding is None, '%s, %s=%s\n%s\n%s: %s' % (
            job[0], _SEED, seed, '\n'.join(each.told), *each.finding)
