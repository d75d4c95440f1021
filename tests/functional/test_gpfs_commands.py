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

"""The commands of GPFS, for a service that runs as an ordinary user.

Everything but GPFS is real: sudo, cinder-rootwrap with our filter line and
nothing else, the privsep daemon, an ordinary user. GPFS is an emulated one,
whose programs want root as the real ones do.
"""

import contextlib
import os
import subprocess
import time

import pytest

from tests.functional import root_helper
from tests.harness import emulated

pytestmark = pytest.mark.root


@pytest.fixture
def place():
    """A folder that the ordinary user reaches."""
    with root_helper.home() as folder:
        yield folder


@pytest.fixture
def gpfs(place):
    """An emulated one, with a volume of the ordinary user."""
    with contextlib.ExitStack() as stack:
        made = emulated.gpfs(stack, place)
        made.mount('a', place / 'a')
        volume = place / 'a' / 'volume'
        volume.write_bytes(b'data')
        for path in volume, place / 'a':
            root_helper.give(path)
        yield made


def _serve(place, programs, is_allowed=True):
    with root_helper.configuration() as folder:
        with (root_helper.allowed(folder, programs) if is_allowed else
              contextlib.nullcontext(root_helper.command(folder))) as helper:
            return root_helper.run(
                'tests.functional.ordinary_gpfs_commands', place,
                folder + '/cinder.conf', helper, place / 'database',
                place / 'a')


def test_commands_of_an_ordinary_user(gpfs, place):
    code, out = _serve(place, _hanging_later(gpfs))
    assert code == 0, out
    said = dict(line.split(' ', 1) for line in out.splitlines()
                if ' ' in line)
    assert said['state'] == said['again'] == 'active'
    assert said['pool'] == 'False'
    assert said['clone'] == '1'
    assert said['attributes'] == 'data'
    assert said['exists'].startswith('GpfsCommandFailed GPFS: could not ')
    assert 'File exists' in said['exists']
    for what in 'hostile', 'unknown':
        assert said[what].startswith('GpfsRequestInvalid '), out
    assert said['hangs'].startswith('GpfsCommandTimeout GPFS: could not ')
    # Nothing of it is left, although it was root's.
    _wait_until_gone(str(gpfs.folder))
    assert (place / 'a' / 'volume.clone').read_bytes() == b'data'


def test_they_are_not_installed(gpfs, place):
    code, out = _serve(place, None)
    assert code != 0
    assert 'GpfsCommandMissing' in out and '/usr/lpp/mmfs/bin' in out, out


def test_without_the_right_to_be_root(gpfs, place):
    code, out = _serve(place, gpfs.programs('a'), is_allowed=False)
    assert code != 0
    assert 'PrivilegeMissing' in out and 'remotefs.filters' in out, out
    assert gpfs.calls() == []


def _hanging_later(gpfs):
    """Its programs, of which mmgetstate hangs from the third time on."""
    programs = gpfs.programs('a')
    path = os.path.join(programs, 'mmgetstate')
    with open(path) as stream:
        lines = stream.read().splitlines()
    counter = os.path.join(gpfs.folder, 'counter')
    lines.insert(1, 'echo >> %s\n[ "$(wc -l < %s)" -lt 3 ] || '
                    'sh -c "sleep 600; : %s"' % (counter, counter,
                                                 gpfs.folder))
    with open(path, 'w') as stream:
        stream.write('\n'.join(lines) + '\n')
    return programs


def _wait_until_gone(word):
    deadline = time.monotonic() + 300
    while subprocess.run(['pgrep', '-f', 'sleep 600; : %s' % word],
                         stdout=subprocess.DEVNULL).returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
