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

"""A user of a service that is killed, and what her guest has written.

As ``tests.functional.steps.Steps``, as far as ``attached.Life`` needs it.
"""

import contextlib
import dataclasses
import json
import os
import time
import uuid

from remotefs_drivers.embedded.hypervisor import guest
from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.embedded.hypervisor import layers
from remotefs_drivers.qemu import header
from tests.crash import explorer
from tests.crash import office
from tests.functional import attached
from tests.functional import content
from tests.functional import stages

#: Backend, as tests.functional.attached calls them -> options.
BACKENDS = {
    'layered': (('posix_attach_type', 'nfs'),),
    'qcow2': (('posix_attach_type', 'nfs'), ('posix_qcow2_volumes', True)),
}
#: Seconds.
_LIMIT = 300
_CHUNK = 128 << 10


@dataclasses.dataclass(frozen=True)
class Thing:
    """A volume or a snapshot."""

    id: str
    size: int = 1


class User:
    """:param folder: of the rig
    :param service: service.Service of office.Office
    """

    def __init__(self, folder, service):
        self.folder = folder
        self.service = service
        # There is no API: what would be asked of it is asked of this.
        self.cloud = self.cinder = self.volume_snapshots = self

    def create(self, backend, size=1, snapshot_id=None, source_volid=None):
        return Thing(self.service.do('create_volume', size, snapshot_id,
                                     source_volid), size)

    def delete(self, *volumes):
        for volume in volumes:
            self.service.do('delete_volume', volume.id)

    def snapshot(self, volume):
        snapshot = Thing(self.service.do('new_snapshot', volume.id))
        self.service.do('create_snapshot', snapshot.id)
        return snapshot

    def delete_snapshot(self, snapshot):
        self.service.do('delete_snapshot', snapshot.id)

    def get(self, snapshot_id):
        """A snapshot; of a size that a copy may have."""
        return Thing(snapshot_id, self.service.do('size_of', snapshot_id))

    def wait_volume(self, volume_id, status=None):
        """Nothing: what is asked for is done at once."""

    def until(self, look, what):
        deadline = time.monotonic() + _LIMIT
        while not look():
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    # Where its result is

    @property
    def share(self):
        return os.path.join(self.folder, office.SHARE)

    def path(self, volume):
        return os.path.join(self.share, 'volume-%s' % volume.id)

    def table(self, volume):
        path = self.path(volume) + '.info'
        if not os.path.exists(path):
            return {}
        with open(path) as stream:
            return json.load(stream)

    def active(self, volume):
        path = self.path(volume)
        name = self.table(volume).get('active', os.path.basename(path))
        return os.path.join(self.share, name)

    def files(self, backend):
        return stages.left(self.share)


class Chunks:
    """A disk that nobody writes to, read in large pieces, each once."""

    def __init__(self, disk):
        self._disk = disk
        self._found = {}
        self.size = disk.size

    def read(self, offset, length):
        first, skipped = divmod(offset, _CHUNK)
        last = (offset + length - 1) // _CHUNK
        return b''.join(map(self._chunk, range(first, last + 1)))[
            skipped:skipped + length]

    def _chunk(self, number):
        if number not in self._found:
            start = number * _CHUNK
            self._found[number] = self._disk.read(
                start, min(_CHUNK, self.size - start))
        return self._found[number]


class Life(attached.Life):
    """What goes wrong is lost, stuck or orphaned."""

    def __exit__(self, *exc_info):
        if exc_info[0] is not None and self.writer is not None:
            # Nobody brings its disk back, if that is away.
            self.writer._disk._patience = 0
            with contextlib.suppress(Exception):
                self.end()
        super().__exit__(*exc_info)

    def check_content(self):
        """The guest sees what it has written, in files that have names."""
        with explorer.finding(explorer.LOST):
            super().check_guest()
            self._check_names()

    def _check_names(self):
        folder = '/proc/%d/fd' % self.disk.guest.pid
        for each in os.listdir(folder):
            try:
                path = os.readlink(os.path.join(folder, each))
            except FileNotFoundError:
                # Closed meanwhile, so not where it writes.
                continue
            assert not (path.startswith(self.user.share) and
                        path.endswith(' (deleted)')), path

    def check_guest(self):
        """It holds what it should, in the file that Cinder says it is in."""
        self.check_content()
        with explorer.finding(explorer.LOST):
            active = self.user.active(self.volume)
            assert self.disk.guest.path == active, self.disk.guest.path
            info = self.nova.cinder.connection_info(self.disk.attachment_id)
            found = os.path.join(self.user.share, info['name'])
            assert (found, info['format']) == (
                active, self.disk.guest.format), info

    def check_snapshots(self):
        with explorer.finding(explorer.LOST):
            super().check_snapshots()

    def check_beneath(self, snapshot_id):
        """What a snapshot holds, read by nobody's help but QEMU's."""
        name = self.user.table(self.volume)[snapshot_id]
        found = header.read(os.path.join(self.user.share, name))
        history, low, high = self.held[snapshot_id]
        with explorer.finding(explorer.LOST):
            number = self.check_file(
                os.path.join(self.user.share, found.backing_file),
                found.backing_format, low, high, history)
        # Another look must find the same state.
        self.held[snapshot_id] = history, number, number

    def check_file(self, path, file_format, low, high, history=None):
        history = history or self._history
        if low < high:
            with guest.running(self.user.folder, path, file_format,
                               read_only=True) as opened:
                with opened.connect() as disk:
                    low = history.journal.find(Chunks(disk), low, high)
        size = (os.path.getsize(path) if file_format == 'raw'
                else header.read(path).virtual_size)
        expected = os.path.join(self.user.folder, 'expected.raw')
        history.begin(expected)
        history.journal.lay_out(expected, size, low)
        content.assert_same(path, file_format, expected, 'raw')
        return low

    def format_of(self, volume):
        """As Cinder has it on record."""
        return self.user.service.do('format_of', volume.id)

    def start_over(self, snapshot_id):
        """It holds what a snapshot does, and forgets what came after it."""
        history, number, __ = self.held[snapshot_id]
        found = os.path.join(self.user.folder, str(uuid.uuid4()))
        history.begin(found)
        history.journal.lay_out(found, self.volume.size << 30, number)
        seed = history.journal.seed + 1
        self._history = attached.History(
            journal.Journal(seed, journal.RawFile(found)), found)

    def check_at_rest(self):
        """Detached: what it holds, and that there is nothing else."""
        with explorer.finding(explorer.LOST):
            self.check_volume(self.volume, self.numbers, self.numbers)
        with explorer.finding(explorer.ORPHANED):
            self.check_files()

    def check_files(self):
        """There are those of the chain and its table, and no others."""
        share, table = self.user.share, self.user.table(self.volume)
        assert set(table) - {'active'} == set(self.held), table
        expected = {os.path.basename(each.path) for each in layers.read(
            self.user.active(self.volume), self.format_of(self.volume))}
        assert set(table.values()) <= expected, (table, expected)
        for name in set(table.values()):
            if name != os.path.basename(self.user.path(self.volume)):
                content.check_qcow2(os.path.join(share, name))
        if table:
            expected.add(os.path.basename(self.user.path(self.volume)) +
                         '.info')
        found = {name for name in self.user.files(self.backend)
                 if self.volume.id in name}
        assert found == expected, (found, expected)
