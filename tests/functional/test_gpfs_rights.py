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

"""GPFSDriver as an ordinary user, with our filter line and nothing else.

As in test_privsep everything is real but GPFS, which is emulated: sudo,
cinder-rootwrap, the privsep daemon, which alone runs the mm* commands.
"""

import contextlib
import os

import pytest

from tests.functional import gpfs_places
from tests.functional import root_helper

pytestmark = pytest.mark.root

GIB = 1 << 30


@pytest.fixture
def configuration():
    """A folder below /etc with what an operator puts into /etc/cinder."""
    with root_helper.configuration() as folder:
        yield folder


@pytest.fixture
def home():
    """A folder that the ordinary user reaches."""
    with root_helper.home() as folder:
        yield folder


@pytest.fixture
def place(home):
    """gpfs_places.Place in it."""
    with contextlib.ExitStack() as stack:
        made = gpfs_places.Place(stack, str(home / 'gpfs'),
                                 pools=['system', 'fast'])
        os.chmod(home / 'gpfs', 0o755)
        yield made


def run(configuration, helper, home, place, secure):
    return root_helper.run(
        'tests.functional.ordinary_gpfs', home,
        os.path.join(configuration, 'cinder.conf'), helper,
        home / 'database', place.folder, secure)


@pytest.mark.parametrize('secure', ['true', 'false'])
def test_all_is_done(configuration, home, place, secure):
    """Its own files, or root's."""
    os.chown(place.folder, 0, 0)
    os.chmod(place.folder, 0o755)
    if secure == 'true':
        root_helper.give(place.folder)
    owner = os.stat(place.folder).st_uid
    with root_helper.allowed(configuration, place.storage.programs(
            gpfs_places.HOST)) as helper:
        code, out = run(configuration, helper, home, place, secure)
    assert code == 0, out
    said = [line for line in out.splitlines() if line.startswith(
        ('create', 'snapshot', 'clone', 'revert', 'group', 'left'))]
    assert said == [
        'create %d 0o660 %d' % (owner, GIB),
        'snapshot %d 0o640 %d' % (owner, GIB),
        'clone %d 0o660 %d' % (owner, 3 * GIB),
        'revert %d 0o660 %d' % (owner, 2 * GIB),
        'group %d 0o640 %d' % (owner, GIB),
        'left []'], out
    assert 'mmclone snap' in place.asked()


def test_without_the_right_to_be_root(configuration, home, place):
    """sudo knows nothing of us: the error says what to install."""
    code, out = run(configuration, root_helper.command(configuration), home,
                    place, 'true')
    assert code != 0
    assert 'GpfsNotReady' in out and 'remotefs.filters' in out, out
    assert place.asked() == []
