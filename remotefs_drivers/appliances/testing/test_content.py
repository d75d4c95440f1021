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


"""What hosts can do with a share that they have mounted."""

import os
import pwd

import pytest

from remotefs_drivers.appliances.testing import files as the_files
from remotefs_drivers.qemu import command

#: Into the folder as root, whom no folder above it stops.
_AS_USER = 'cd "$1" && shift && exec "$@"'
_MAKES_A_FILE = 'echo content > beside && mv beside made && rm made'

#: Seconds.
_LONG = 300


@pytest.fixture
def user(request):
    """What to put before a command so that the service's user runs it."""
    name = request.config.getoption('appliance_user')
    if os.geteuid():
        return []
    if not name:
        pytest.skip('not asked for: --appliance-user')
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        pytest.fail('--appliance-user: there is no user %s on this host'
                    % name, pytrace=False)
    return ['setpriv', '--reuid=%d' % found.pw_uid,
            '--regid=%d' % found.pw_gid, '--init-groups']


def test_a_new_one_is_empty(ground, files):
    assert files.names(ground.share()) in ([], ['lost+found'])


def test_files_are_made_renamed_and_removed_in_its_root(ground, files):
    """As the driver's user does: it makes a file beside, and renames it."""
    share = ground.share()
    with files.opened(share) as path:
        beside = os.path.join(path, 'beside')
        files.write_at(beside, 0, b'content')
        os.rename(beside, os.path.join(path, the_files.NAME))
    assert files.read(share) == b'content'
    with files.opened(share) as path:
        os.unlink(os.path.join(path, the_files.NAME))
    assert the_files.NAME not in files.names(share)


def test_the_user_of_the_service_makes_files_in_it(ground, files, user):
    share = ground.share()
    clone = ground.clone(share, ground.snapshot(share))
    for name in share, clone:
        with files.opened(name) as path:
            _run_there(path, [*user, 'sh', '-c', _MAKES_A_FILE])


def _run_there(path, argv):
    code, __, said = command.outcome(
        ['sh', '-c', _AS_USER, 'sh', path, *argv], timeout=_LONG)
    assert code == 0, (
        'the user of the service cannot make files in the root folder of a '
        'share, %s: %s. Give it to that user, or let the export take all '
        'for one user (all_squash).' % (_owner(path), said.strip()))


def _owner(path):
    found = os.stat(path)
    return 'which is of %d:%d with the mode %o' % (
        found.st_uid, found.st_gid, found.st_mode & 0o7777)


def test_two_do_not_mix(ground, files):
    one, other = ground.share(), ground.share()
    files.write(one, b'one')
    files.write(other, b'other')
    assert [files.read(share) for share in (one, other)] == [b'one', b'other']


def test_it_takes_a_file_of_its_size_fully_written(ground, files, size):
    share = ground.share()
    content = the_files.data(1, size)
    files.write(share, content)
    assert files.read(share) == content


def test_snapshots_take_nothing_of_its_room(ground, files, size):
    """A limit that counts them would fill a volume that was snapshotted."""
    share = ground.share()
    for seed in 1, 2, 3:
        files.write(share, the_files.data(seed, size))
        ground.snapshot(share)
    assert files.read(share) == the_files.data(3, size)


def test_a_clone_takes_a_file_of_its_size(ground, files, size):
    share = ground.share()
    files.write(share, the_files.data(1, size))
    clone = ground.clone(share, ground.snapshot(share))
    assert files.read(clone) == the_files.data(1, size)
    files.write(clone, the_files.data(2, size))
    assert files.read(clone) == the_files.data(2, size)
