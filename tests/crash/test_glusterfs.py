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

"""A whole host dies at every place of a verb, on a real GlusterFS.

With it goes the client of the mount, and all that was not flushed to the
bricks. What comes after it is on a mount that was made anew.
"""

import pytest

from tests.crash import verbs

# Mounting is root's.
pytestmark = pytest.mark.root


# The formats take turns.
@pytest.mark.parametrize('verb, backend', [
    (verb, sorted(verbs.BACKENDS)[number % len(verbs.BACKENDS)])
    for number, verb in enumerate(verbs.VERBS)])
def test_the_host_dies_anywhere(verb, backend, explore, capsys):
    report = explore(verb, backend, depth=1, where='hosts')
    with capsys.disabled():
        print('\nGlusterFS: %s, %s: %s' % (verb, backend, report.line()))
    assert not report.findings, report.text()
    assert report.cuts > 0
