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

"""Calls that somebody else makes, in a process that eventlet has patched."""

import pathlib
import subprocess
import sys

from tests import unit

_TESTS = pathlib.Path(unit.__file__).with_name('test_offload.py')

#: As Cinder's commands do it: before anything else is imported.
_RUN = '''
import eventlet
eventlet.monkey_patch()
import sys
import pytest
sys.exit(pytest.main(sys.argv[1:]))
'''

#: What is said there of a Cinder without eventlet.
_PLAIN = 'not TestOffLoop and not TestOriginal'


def test_all_the_same_under_eventlet(tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', _RUN, '-q', '-p',
         'no:cacheprovider', '--noconftest', '--basetemp',
         str(tmp_path / 'inner'), '-k', _PLAIN, str(_TESTS)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600)
    assert done.returncode == 0, done.stdout
    assert ' passed' in done.stdout
