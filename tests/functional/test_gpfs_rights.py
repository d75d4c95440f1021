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
import pathlib
import pwd
import subprocess
import sys
import tempfile

import pytest

from tests.functional import gpfs_places
from tests.functional import test_privsep

pytestmark = pytest.mark.root

GIB = 1 << 30

configuration = test_privsep.configuration


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix='remotefs-test-',
                                     dir='/var/tmp') as folder:
        os.chmod(folder, 0o755)
        database = os.path.join(folder, 'database')
        os.mkdir(database)
        user = pwd.getpwnam(test_privsep.USER)
        os.chown(database, user.pw_uid, user.pw_gid)
        with contextlib.ExitStack() as stack:
            made = gpfs_places.Place(stack, os.path.join(folder, 'gpfs'),
                                     pools=['system', 'fast'])
            os.chmod(os.path.join(folder, 'gpfs'), 0o755)
            made.database = database
            yield made


@pytest.fixture
def helper(configuration, place):
    """The root helper; root finds the programs of GPFS by its own PATH."""
    command = '%s/cinder-rootwrap %s/rootwrap.conf' % (test_privsep.BIN,
                                                       configuration)
    rule = pathlib.Path('/etc/sudoers.d', os.path.basename(configuration))
    rule.write_text(
        'Defaults:%(user)s secure_path="%(path)s"\n'
        'Defaults:%(user)s env_keep+="PYTHONPATH"\n'
        '%(user)s ALL=(root) NOPASSWD: %(command)s *\n' % {
            'user': test_privsep.USER, 'command': command,
            'path': place.storage.path(
                gpfs_places.HOST, '/usr/sbin:/usr/bin:/sbin:/bin')})
    rule.chmod(0o440)
    try:
        yield 'sudo -n ' + command
    finally:
        rule.unlink()


def run(configuration, helper, place, secure):
    return subprocess.run(
        ['runuser', '-u', test_privsep.USER, '--', sys.executable, '-m',
         'tests.functional.ordinary_gpfs',
         os.path.join(configuration, 'cinder.conf'), helper, place.database,
         place.folder, secure], cwd=test_privsep.REPOSITORY,
        env=dict(os.environ, PYTHONPATH=str(test_privsep.REPOSITORY)),
        capture_output=True, text=True, timeout=180)


@pytest.mark.parametrize('secure', ['true', 'false'])
def test_all_is_done(configuration, helper, place, secure):
    """Its own files, or root's."""
    user = pwd.getpwnam(test_privsep.USER)
    owner = user.pw_uid if secure == 'true' else 0
    os.chown(place.folder, owner, user.pw_gid if owner else 0)
    os.chmod(place.folder, 0o755)
    done = run(configuration, helper, place, secure)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        'create %d 0o660 %d' % (owner, GIB),
        'snapshot %d 0o640 %d' % (owner, GIB),
        'clone %d 0o660 %d' % (owner, 3 * GIB),
        'revert %d 0o660 %d' % (owner, 2 * GIB),
        'left []']
    assert 'mmclone snap' in place.asked()


def test_without_the_right_to_be_root(configuration, place):
    """sudo knows nothing of us: the error says what to install."""
    done = run(configuration, 'sudo -n %s/cinder-rootwrap %s/rootwrap.conf'
               % (test_privsep.BIN, configuration), place, 'true')
    assert done.returncode != 0
    assert 'GpfsNotReady' in done.stderr
    assert 'remotefs.filters' in done.stderr
    assert place.asked() == []
