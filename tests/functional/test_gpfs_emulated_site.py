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

"""What a site of the emulated GPFS says of itself, and whose things are."""

import contextlib
import os
import pathlib
import subprocess
import tempfile

import pytest

from remotefs_drivers.embedded.gpfs import storage
from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests
from tests.functional import gpfs_hosts
from tests.harness import emulated


class TestSites:
    """What a site says of itself, in old forms and new ones."""

    @pytest.mark.parametrize('site, release, version', [
        ({}, (5, 2, 1, 0), (5, 2, 1, 0)),
        ({'level': '1403', 'version': '14.03 (4.1.0.0)'}, (4, 1, 0, 0),
         (4, 1, 0, 0)),
        ({'level': '1199', 'version': '11.05 (3.3.0.2)'}, (3, 3, 0, 0),
         (3, 3, 0, 2)),
        # It does not know the name by which older drivers ask.
        ({'level_names': ('minReleaseLevel',)}, (5, 2, 1, 0), (5, 2, 1, 0)),
    ])
    def test_releases(self, tmp_path, monkeypatch, site, release, version):
        with storage.Storage(tmp_path / 'gpfs', **site) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = gpfs_hosts.Hosts(gpfs, tmp_path, monkeypatch)
            assert hosts.commands.release() == release
            assert hosts.commands.filesystem_release('gpfs0') == version

    def test_encryption_and_pools(self, tmp_path, monkeypatch):
        with storage.Storage(tmp_path / 'gpfs', device='fs1', pools=['system',
                             'gold'], has_encryption=False) as gpfs:
            gpfs.mount('a', tmp_path / 'a')
            hosts = gpfs_hosts.Hosts(gpfs, tmp_path, monkeypatch)
            assert not hosts.commands.has_encryption('fs1')
            assert hosts.commands.has_pool('/dev/fs1', 'gold')
            assert not hosts.commands.has_pool('fs1', 'data')
            with pytest.raises(errors.GpfsCommandFailed, match='not known'):
                hosts.commands.has_pool('gpfs0', 'gold')

    def test_cluster(self, hosts):
        assert hosts.commands.cluster_id() == hosts.gpfs.site.cluster_id
        assert hosts.commands.state() == 'active'

    def test_attributes(self, hosts):
        path = str(hosts.file())
        hosts.commands.change_attributes(path, requests.Wanted(
            pool='data', replicas='2', dio='yes', write_affinity_depth='1',
            block_group_factor='128', write_affinity_failure_group='1,0,1'))
        found = hosts.commands.attributes(path)
        assert (found.storage_pool, found.data_replicas) == ('data', 2)
        with pytest.raises(errors.GpfsCommandFailed, match='nix was not'):
            hosts.commands.change_attributes(path,
                                             requests.Wanted(pool='nix'))

    def test_attributes_without_a_flag(self, hosts):
        """As the in-tree driver asks whether a path is in GPFS."""
        done = hosts.run('mmlsattr', hosts.a)
        assert done.returncode == 0 and str(hosts.a) in done.stdout
        assert hosts.run('mmlsattr', '/').returncode != 0

    @pytest.mark.parametrize('argv', [
        ['mmclone'], ['mmclone', 'nix', '/a'], ['mmclone', 'snap'],
        ['mmlsfs', 'gpfs0', '--nix'], ['mmchattr', '/'], ['mmgetstate', 'x'],
        ['mmlinkfileset', 'gpfs0', 'root'], ['mmcrfileset', 'gpfs0']])
    def test_usage(self, hosts, argv):
        done = hosts.run(*argv)
        assert done.returncode == 1
        assert done.stderr.startswith(argv[0] + ': ')


@pytest.mark.root
class TestRights:
    """What belongs to whom, where root has it mounted for all."""

    def run_as_user(self, *argv):
        return subprocess.run(
            ['setpriv', '--reuid', '65534', '--regid', '65534',
             '--clear-groups', *map(str, argv)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    @pytest.fixture
    def hosts(self, monkeypatch):
        """Where an ordinary user gets at it."""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(
                prefix='remotefs-test-', dir='/var/tmp'))
            os.chmod(folder, 0o755)
            gpfs = emulated.gpfs(stack, folder)
            gpfs.mount('a', folder + '/a')
            os.chmod(folder + '/a', 0o777)
            yield gpfs_hosts.Hosts(gpfs, pathlib.Path(folder), monkeypatch)

    def test_a_new_file_is_its_maker_s(self, hosts):
        assert self.run_as_user('touch', hosts.a / 'x').returncode == 0
        assert self.run_as_user('mkdir', hosts.a / 'y').returncode == 0
        for name in 'xy':
            assert (hosts.a / name).stat().st_uid == 65534

    def test_modes_count(self, hosts):
        path = hosts.file()
        path.chmod(0o600)
        assert self.run_as_user('cat', path).returncode != 0
        path.chmod(0o644)
        assert self.run_as_user('cat', path).stdout == 'old'

    def test_some_programs_are_root_s(self, hosts):
        path = hosts.file()
        programs = hosts.gpfs.programs('a')
        done = self.run_as_user(programs + '/mmgetstate', '-Y')
        assert done.returncode == 1 and 'root authority' in done.stdout
        done = self.run_as_user(programs + '/mmlsattr', '-L', path)
        assert done.returncode == 0

    def test_whose_clones_are(self, hosts):
        """New files are their maker's, the source stays its owner's."""
        path = hosts.file()
        os.chown(path, 65534, 65534)
        path.chmod(0o644)
        parent = hosts.snap()
        assert (path.stat().st_uid, parent.stat().st_uid) == (65534, 0)
        assert parent.stat().st_mode & 0o777 == 0o644
        assert hosts.copy().stat().st_uid == 0
        programs = hosts.gpfs.programs('a')
        assert self.run_as_user(programs + '/mmclone', 'copy', parent,
                                hosts.a / 'theirs').returncode == 0
        assert (hosts.a / 'theirs').stat().st_uid == 65534
