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

"""Root-owned shares, for a service that runs as an ordinary user.

Everything is real: sudo, cinder-rootwrap with our filter line and nothing
else, the privsep daemon, an ordinary user.
"""

import os

import pytest

from remotefs_drivers.share import directories
from tests.functional import root_helper

pytestmark = pytest.mark.root


@pytest.fixture
def configuration():
    """A folder below /etc with what an operator puts into /etc/cinder."""
    with root_helper.configuration() as folder:
        yield folder


@pytest.fixture
def helper(configuration):
    """The root helper, which sudo allows to the ordinary user."""
    with root_helper.allowed(configuration) as command:
        yield command


@pytest.fixture
def place():
    """A folder that the ordinary user reaches; the share in it is root's."""
    with root_helper.home() as folder:
        share = folder / 'share'
        share.mkdir(mode=0o755)
        (share / directories.MARKER).touch()
        # As root copies one to it: for others to read, at most.
        (share / 'disk').write_bytes(bytes(1 << 20))
        yield folder


def _serve(configuration, helper, place, *options):
    """Run the service; returns (exit code, output)."""
    return root_helper.run('tests.functional.ordinary', place,
                           configuration + '/cinder.conf', helper,
                           place / 'database', place / 'share', *options)


@pytest.mark.parametrize('options, sizes', [
    ([], (1 << 30, 2 << 30, 3 << 30, 1 << 30)),
    (['posix_sparsed_volumes=false'], (1 << 30, 2 << 30, 3 << 30, 1 << 30)),
    # What a qcow2 file has before anything is written to it.
    (['posix_qcow2_volumes=true', 'posix_attach_type=nfs'], None),
])
def test_verbs_on_a_share_of_root(configuration, helper, place, options,
                                  sizes):
    code, out = _serve(configuration, helper, place, *options)
    assert code == 0, out
    lines = [line.split() for line in out.splitlines()
             if line.startswith(('create', 'extend', 'clone', 'manage'))]
    assert [line[0] for line in lines] == ['create', 'extend', 'clone',
                                           'manage'], out
    # Root's, and open to the user that runs qemu-img and the guests.
    assert {(line[1], line[2]) for line in lines} == {('0', '0o666')}
    if sizes:
        assert tuple(int(line[3]) for line in lines) == sizes
    assert 'left [\'%s\']' % directories.MARKER in out


def test_without_the_right_to_be_root(configuration, place):
    """sudo knows nothing of us: the error says what to install."""
    code, out = _serve(configuration, root_helper.command(configuration),
                       place)
    assert code != 0
    assert 'PrivilegeMissing' in out and 'remotefs.filters' in out, out
    assert set(os.listdir(str(place / 'share'))) == {directories.MARKER,
                                                     'disk'}
