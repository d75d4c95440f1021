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

"""The service killed at every place of every verb on snapshots.

And whatever comes after it killed as well, at every step, as often as one
likes: see ``explorer``.
"""

import pytest

from tests.crash import verbs


@pytest.mark.parametrize('backend', sorted(verbs.BACKENDS))
@pytest.mark.parametrize('verb', sorted(verbs.VERBS))
def test_killed_anywhere(verb, backend, explore, capsys):
    # The steps are the same on either base: crashes that follow a crash are
    # tried on one of them.
    report = explore(verb, backend, depth=None if backend == 'raw' else 1)
    with capsys.disabled():
        print('\n%s, %s: %s' % (verb, backend, report.line()))
    assert not report.findings, report.text()
    assert report.cuts > 0
