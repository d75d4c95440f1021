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

"""Snapshots of several shares at one moment, as OpenZFS makes them.

The script is run for what it is; ``zfs`` is that of tests.harness.
pretended_zfs, since there is no OpenZFS on hosts of the tests.
"""

import os
import subprocess

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import ssh
from remotefs_drivers.appliances import zfs
from remotefs_drivers import errors
from tests.harness import appliance_boxes
from tests.harness import pretended_zfs

#: Seconds for a command.
_LIMIT = 300

ROOT = 'tank/cinder'
SHARES = ['volume-1', 'volume-2', 'volume 3']
IDS = ['%s/%s@s' % (ROOT, share) for share in SHARES]
# zfs-fuse, and OpenZFS.
ONE = 'too many arguments\nusage:\n\tsnapshot [-r] <filesystem>@<snap>'
FULL = ("cannot create snapshots : out of space\n"
        'no snapshots were created')
BROKEN = ("cannot create snapshots : I/O error\n"
          'no snapshots were created')


class Line:
    """Stands for ssh.Line: a command is run here, with these programs."""

    def __init__(self, programs):
        self._programs = programs

    def run(self, command, what):
        line = b'export PATH='
        assert command.count(line) == 1
        done = subprocess.run(
            ['sh', '-c', command.replace(
                line, line + os.fsencode(self._programs) + b':')],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=_LIMIT)
        return ssh.Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def pool(tmp_path):
    made = pretended_zfs.Zfs(tmp_path / 'pool', ROOT)
    made.add(*('%s/%s' % (ROOT, share) for share in SHARES))
    return made


@pytest.fixture
def appliance(pool):
    made = zfs.ZfsAppliance(appliance_boxes.section(zfs.ZfsAppliance, {
        'nas_host': 'box', 'nas_login': 'root', 'nas_private_key': '/none',
        'appliance_root': ROOT}))
    made._line = Line(pool.programs)
    return made


def _snapshot(appliance, *shares):
    return appliance.create_snapshots(shares or SHARES, 's')


class TestIt:
    """What it says is what the script relies on."""

    def run(self, pool, *words):
        done = subprocess.run([os.path.join(pool.programs, 'zfs'), *words],
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, timeout=_LIMIT)
        return done.returncode, done.stdout

    def test_all_or_none(self, pool):
        assert self.run(pool, 'snapshot', *IDS[:2]) == (0, '')
        assert pool.names() == set(IDS[:2])
        code, text = self.run(pool, 'snapshot', *IDS[1:])
        assert code == 1
        assert text == ("cannot create snapshot '%s': dataset already exists"
                        '\nno snapshots were created\n' % IDS[1])
        assert pool.names() == set(IDS[:2])

    def test_what_is_there(self, pool):
        assert self.run(pool, 'list', '-H', '-o', 'name', ROOT) == (
            0, ROOT + '\n')
        code, text = self.run(pool, 'list', '-H', '-o', 'name', IDS[0])
        assert (code, 'does not exist' in text) == (1, True)

    def test_anything_else(self, pool):
        assert self.run(pool, 'destroy', ROOT)[0] == 2


class TestAppliance:
    def test_it_is_found_out(self, appliance, pool):
        appliance.check()
        assert appliance.offers('create_snapshots')
        assert pool.names() == set()

    def test_at_one_moment(self, appliance, pool):
        """By one command, for what several make is of several moments."""
        assert _snapshot(appliance) == [interface.Snapshot('s', each)
                                        for each in IDS]
        assert pool.calls() == [['snapshot', *IDS]]
        assert pool.names() == set(IDS)

    def test_a_share_is_missing(self, appliance, pool):
        with pytest.raises(errors.ApplianceShareMissing,
                           match='no share volume-4'):
            _snapshot(appliance, 'volume-1', 'volume-4', 'volume-2')
        assert pool.names() == set()

    def test_one_has_such_a_snapshot(self, appliance, pool):
        pool.add(IDS[1])
        with pytest.raises(errors.ApplianceSnapshotExists,
                           match='share volume-2 has a snapshot s already'):
            _snapshot(appliance)
        assert pool.names() == {IDS[1]}

    def test_the_root_is_missing(self, appliance, pool):
        """Its pool is not imported, say: no share is missing."""
        pool.remove(ROOT)
        with pytest.raises(errors.ApplianceNotReady, match='Import'):
            _snapshot(appliance, 'volume-4')

    @pytest.mark.parametrize('text, error', [
        (FULL, errors.ApplianceFull), (BROKEN, errors.ApplianceError)])
    def test_it_fails(self, appliance, pool, text, error):
        pool.behave(text)
        with pytest.raises(error, match='no snapshots were created') as found:
            _snapshot(appliance)
        assert type(found.value) is error
        assert pool.names() == set()

    def test_one_at_a_time(self, appliance, pool):
        """zfs-fuse: it looks at how much it is asked for first."""
        pool.behave(ONE)
        pool.add(ROOT + '/.none')
        appliance.check()
        assert not appliance.offers('create_snapshots')
        with pytest.raises(errors.ApplianceUnsupported):
            _snapshot(appliance)
        assert pool.names() == set()
