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

"""Snapshots on a real NFS server, by one host and by two."""

import os
import pathlib

import pytest

from tests.functional import story
from tests.realnfs.guest import layout
from tests.realnfs.inside import backend as backends

pytestmark = pytest.mark.limit(1800)


class Served(story.Story):
    """One whose files are looked at where the server has them.

    Version 3 shows no holes: a comparison, or a copy of a snapshot, would
    read gigabytes through it.
    """

    def check(self):
        self.check_file(self.path, self.format(), self.state)
        self.check_beneath(self.snapshots)
        self.check_layers()

    def check_file(self, path, *args):
        super().check_file(os.path.join(layout.ONE.path,
                                        os.path.basename(path)), *args)


#: By the version of NFS.
STORIES = {'3': Served, '4.2': story.Story}


@pytest.mark.parametrize('version, file_format', [('3', 'raw'),
                                                  ('4.2', 'qcow2')])
def test_a_life_with_snapshots(make_backend, tmp_path, version, file_format):
    backend = make_backend(layout.ONE, version=version,
                           nfs_qcow2_volumes=file_format == 'qcow2')
    one = STORIES[version](backend.rig, backend.driver, tmp_path)
    oldest, newest = one.take(2)
    one.revert(newest)
    one.write()
    one.check()
    one.extend(2)
    one.drop(oldest)
    one.check()
    one.drop(newest)
    one.check()
    one.remove()
    assert [name for name in os.listdir(layout.ONE.path)
            if name.startswith('volume')] == []


@pytest.fixture
def no_delegations():
    """The server lends no file to a client.

    A client that has a delegation asks nobody. The server takes it back when
    another client writes; but our two hosts are one machine, and so one
    client to it.
    """
    switch = pathlib.Path('/proc/sys/fs/leases-enable')
    before = switch.read_text()
    switch.write_text('0')
    yield
    switch.write_text(before)


@pytest.mark.parametrize('version', ['3', '4.2'])
def test_another_host_sees_it_at_once(rig, server, no_delegations,
                                      mount_base, version):
    """Whatever its NFS client remembers of the share."""
    here, there = (_host(rig, mount_base / name, version)
                   for name in ('here', 'there'))
    one = STORIES[version](rig, here.driver, mount_base)
    one.write()
    for __ in range(2):
        # It has just seen that there is no such table, or an older one.
        assert _active(there, one) == os.path.basename(one.path)
        one.snap()
        assert _active(there, one) == os.path.basename(one.path)
        one.driver, before = there.driver, one.driver
        one.write()
        one.drop(one.snapshots[0])
        assert _active(here, one) == os.path.basename(one.path)
        one.snap()
        one.driver = before
    one.check()
    while one.snapshots:
        one.drop(one.snapshots[-1])
        assert _active(there, one) == os.path.basename(one.path)
    one.check()
    one.remove()


def _host(rig, folder, version):
    """A host with an NFS client of its own: no cache is shared."""
    folder.mkdir()
    return backends.Backend(
        rig, folder, [layout.ONE], version=None,
        nfs_mount_options='vers=%s,nosharecache' % version)


def _active(host, one):
    connection = host.driver.initialize_connection(one.reload(), {})
    return connection['data']['name']
