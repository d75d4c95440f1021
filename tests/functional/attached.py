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
"""A volume whose guest writes to it all the time, and what it must hold."""

import contextlib
import os
import uuid

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import guest
from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.embedded.hypervisor import nbd
from remotefs_drivers.embedded.hypervisor import writer
from tests.functional import content

#: Backend -> the format of its volumes.
FORMATS = {'layered': 'raw', 'qcow2': 'qcow2'}
#: The same, and that of volumes that can have no snapshots.
_ALL_FORMATS = dict(FORMATS, raw='raw')
#: Seconds that a guest waits for its disk when its QEMU is started again.
_PATIENCE = 30
#: Writes between two things that are done to it.
_SOME = 20


class History:
    """What was written since the last crash, and what was there before.

    :param path: of a raw file with that, None for zeroes
    """

    def __init__(self, kept, path=None):
        self.journal = kept
        self._path = path

    def begin(self, path):
        """Make a sparse file of what was there before."""
        if self._path is None:
            with open(path, 'wb'):
                return
        content.copy(self._path, 'raw', path)


class Life:
    """From its attachment to its detachment.

    :param user: steps.Steps
    :param nova: compute.Compute
    :param backend: a key of FORMATS
    :ivar held: snapshot id -> (journal, numbers of writes): it holds the
                state after one of them
    """

    def __init__(self, user, nova, backend, **fields):
        self.user, self.nova, self.backend = user, nova, backend
        self.volume = user.create(backend, **fields)
        self.server = str(uuid.uuid4())
        self.held = {}
        self.disk = None
        self.writer = None
        self._history = None

    def __enter__(self):
        self.attach()
        return self

    def __exit__(self, *exc_info):
        if self.disk is None:
            return
        if exc_info[0] is None:
            self.detach()
            return
        # What went wrong tells more than what comes of it.
        self.disk.guest.kill()
        with contextlib.suppress(Exception):
            self.end()
        with contextlib.suppress(Exception):
            self.nova.detach(self.server, self.volume.id)

    # What the guest does

    def attach(self):
        """Attach it, and begin to write."""
        self.disk = self.nova.attach(self.server, self.volume.id)
        self.begin()

    def begin(self):
        """Begin to write, or go on."""
        self.writer = writer.Writer(
            self.disk.guest.connect(_PATIENCE), seed=_seed(self.volume))
        if self._history is None:
            self._history = History(self.writer.journal)
        self.writer.journal = self._history.journal
        self.writer.finished = self.writer.flushed = self.numbers
        self.writer.start()
        self.write()

    def write(self):
        """Let it write something more."""
        self.writer.wait(_SOME)

    def end(self):
        """Stop to write; returns the number of the last write."""
        return self.writer.stop()

    def detach(self):
        self.end()
        self.nova.detach(self.server, self.volume.id)
        self.user.cloud.wait_volume(self.volume.id)
        self.disk = None

    def reboot(self):
        """Hard: with the file that Cinder says."""
        self.end()
        self.nova.hard_reboot(self.server)
        self.begin()

    def come_back(self):
        """Go on after a crash, or after it was switched off.

        What was not flushed may be lost by then, and no more than that.
        """
        with contextlib.suppress(nbd.Broken, errors.CloudError):
            self.end()
        low, high = self.writer.flushed, self.writer.started
        self.nova.hard_reboot(self.server)
        with self.disk.guest.connect(_PATIENCE) as disk:
            self._history.journal.check_crashed(disk, low, high)
        found = os.path.join(self.user.folder, str(uuid.uuid4()))
        with self.disk.guest.url() as url:
            content.copy(url, 'raw', found)
        self._history = History(journal.Journal(
            _seed(self.volume) + 1, journal.RawFile(found)), found)
        self.begin()

    # What the user does

    @contextlib.contextmanager
    def snapping(self):
        """Around the making of a snapshot, while the guest writes.

        :returns: a function to be called with the snapshot, when it is one
        """
        self.write()
        history, low = self._history, self.writer.finished

        def made(snapshot):
            self.held[snapshot.id] = history, low, len(history.journal)
        yield made

    def snap(self):
        with self.snapping() as made:
            snapshot = self.user.snapshot(self.volume)
            made(snapshot)
        self.write()
        return snapshot

    def drop(self, snapshot):
        self.user.delete_snapshot(snapshot)
        self.forget(snapshot)

    def forget(self, snapshot):
        del self.held[snapshot.id]
        self.write()

    def snap_detached(self):
        """A snapshot while no guest has it."""
        snapshot = self.user.snapshot(self.volume)
        self.held[snapshot.id] = self._history, self.numbers, self.numbers
        return snapshot

    def drop_detached(self, snapshot):
        self.user.delete_snapshot(snapshot)
        del self.held[snapshot.id]

    @property
    def numbers(self):
        """How many writes there were."""
        return len(self._history.journal)

    def size(self):
        """What the guest sees, bytes."""
        with self.disk.guest.connect(_PATIENCE) as disk:
            return disk.size

    def wait_size(self, size):
        """Until the guest sees the new size, GiB, and writes at its end."""
        self.user.cloud.wait_volume(self.volume.id, 'in-use')
        self.user.until(lambda: self.size() == size << 30,
                        'the guest to see %d GiB' % size)
        self.writer.wait(10 * _SOME)

    # What must be so

    def check(self):
        """The guest's view, and what each snapshot holds."""
        self.check_guest()
        self.check_snapshots()

    def check_guest(self):
        with self.writer.paused() as number:
            self._compare(self.disk.guest, self._history, number)

    def check_snapshots(self):
        for snapshot_id, (history, low, high) in list(self.held.items()):
            snapshot = self.user.cloud.cinder.volume_snapshots.get(
                snapshot_id)
            copy = self.user.create(self.backend, snapshot.size,
                                    snapshot_id=snapshot_id)
            number = self.check_volume(copy, low, high, history=history)
            # Another look must find the same state.
            self.held[snapshot_id] = history, number, number
            self.user.delete(copy)

    @contextlib.contextmanager
    def copied(self):
        """Around the making of a copy: yields what it must hold.

        :returns: a list, which has the numbers of writes in the end
        """
        numbers = [self.writer.finished]
        yield numbers
        numbers.append(self.writer.started)
        self.write()

    def check_volume(self, volume, low, high, file_format=None,
                     history=None):
        """A detached volume holds the state after one of these writes.

        :param file_format: of one that is no copy of this volume
        """
        return self.check_file(self.user.active(volume), file_format or
                               self.format_of(volume), low, high, history)

    def check_file(self, path, file_format, low, high, history=None):
        """The same of a file that is none of a volume's."""
        history = history or self._history
        with guest.running(self.user.folder, path, file_format,
                           read_only=True) as opened:
            with opened.connect() as disk:
                number = history.journal.find(disk, low, high)
            self._compare(opened, history, number)
        return number

    def _compare(self, opened, history, number):
        """The whole disk, byte by byte; holes cost nothing."""
        expected = os.path.join(self.user.folder, 'expected.raw')
        history.begin(expected)
        with opened.connect(_PATIENCE) as disk:
            history.journal.lay_out(expected, disk.size, number)
        with opened.url() as url:
            content.assert_same(url, 'raw', expected, 'raw')

    def check_detached(self):
        """What it holds now that no guest has it, and that it is clean."""
        self.check_volume(self.volume, self.numbers, self.numbers)
        self.check_snapshots()
        self.check_files()

    def check_files(self):
        """There are the files of the table, the base, and no others."""
        table = self.user.table(self.volume)
        base = os.path.basename(self.user.path(self.volume))
        found = {name for name in self.user.files(self.backend)
                 if base in name}
        expected = set(table.values()) or {base}
        if table:
            expected.add(base + '.info')
            assert set(table) == {'active', *self.held}
        assert found - {base} == expected - {base}
        for name in expected - {base, base + '.info'}:
            content.check_qcow2(os.path.join(
                os.path.dirname(self.user.path(self.volume)), name))

    def format_of(self, volume):
        """Of its active file, or of a copy: that of the lowest layer."""
        if (self.user.table(volume) or
                not os.path.exists(self.user.path(self.volume))):
            return 'qcow2'
        return _ALL_FORMATS[self.backend]


def _seed(volume):
    return uuid.UUID(volume.id).int >> 80
