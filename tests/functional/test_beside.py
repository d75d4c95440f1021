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

"""Our drivers beside those of Cinder's tree, in one service."""

import subprocess
import sys

import pytest

#: Builds a driver as the service does, in a section of its own.
_BUILD = '''
import sys, tempfile, warnings
warnings.simplefilter('ignore')
from tests import rig
the_rig = rig.Rig(tempfile.mkdtemp(dir=sys.argv[1]))
for number, path in enumerate(sys.argv[2:]):
    driver = the_rig.driver(path, 'beside%d' % number, setup=False)
    value = driver.configuration.nas_secure_file_operations
    assert value == 'auto', value
print('built')
'''

_OURS = ['remotefs_drivers.nfs.NfsDriver',
         'remotefs_drivers.posix.PosixDriver']
_THEIRS = ['cinder.volume.drivers.nfs.NfsDriver']


@pytest.mark.short
@pytest.mark.parametrize('paths', [_OURS + _THEIRS, _THEIRS + _OURS],
                         ids=['ours first', 'theirs first'])
def test_options_of_the_same_names(tmp_path, paths):
    done = subprocess.run(
        [sys.executable, '-c', _BUILD, str(tmp_path)] + paths,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    assert b'built' in done.stdout, done.stdout.decode()
