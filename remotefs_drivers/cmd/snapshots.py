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

"""The part of the walkthrough that is about snapshots.

A volume gets four of them, with something written after each; one of the
writes is so long that merging it takes a while, in which the service is
killed.
"""

import os
import threading
import time

from oslo_utils import units

from remotefs_drivers.cmd import sample
from remotefs_drivers.embedded import attachment
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.qemu import image

# Where the guest begins to write after each snapshot, and how much: each
# overwrites half of what was written before.
_WRITES = tuple((first * units.Mi, size * units.Mi)
                for first, size in ((200, 2), (201, 2), (202, 128),
                                    (329, 2)))

# Seconds until the service begins to delete, and between two looks.
_LIMIT = 60
_LOOK = 0.001


class Snapshots:
    """Steps on a volume and its snapshots.

    :param disks: disks.Disks
    :ivar volume: its id
    :ivar expected: content.Expected, what must be in it now
    :ivar held: snapshot id -> the same of each; the oldest comes first
    """

    def __init__(self, disks):
        self._disks = disks
        self._cloud = disks.cloud
        self.volume = None
        self.expected = None
        self.held = {}
        self._copy = None
        self._copied = None
        self._cut_off = None

    def begin(self, volume, expected):
        """:param expected: content.Expected, what is in the volume"""
        self.volume = volume
        self.expected = expected

    def steps(self):
        """Pairs of a title and a function that takes a Progress."""
        return (
            ('take 4 snapshots of the qcow2 volume, write after each',
             self._take),
            ('  compare', self.compare),
            ('volume from the oldest snapshot', self._from_oldest),
            ('  compare', self._compare_copy),
            ('clone the volume that has snapshots', self._clone),
            ('  compare', self._compare_copy),
            ('revert to the newest snapshot', self._revert),
            ('  compare', self.compare),
            ('delete a snapshot in the middle', self._delete),
            ('  compare the volume', self.compare),
            ('  compare the other snapshots', self.compare_snapshots),
            ('delete another one: kill -9 the service in the middle',
             self._delete_and_kill),
            ('  start the service again', self._start),
            ('  compare the volume', self.compare),
            ('  delete that snapshot again', self._delete_again),
            ('  compare the volume', self.compare),
            ('  compare the other snapshots', self.compare_snapshots),
        )

    proven = (
        'volumes from a snapshot, clones and reverts hold what was there '
        'when it was taken',
        'deleting a snapshot changes neither the volume nor the others, '
        'whatever kills the service meanwhile',
    )

    def _take(self, progress):
        for offset, size in _WRITES:
            snapshot = self._cloud.cinder.volume_snapshots.create(
                self.volume, name='demo').id
            self._cloud.wait_snapshot(snapshot)
            self.held[snapshot] = self.expected.copy()
            self._write(offset, size)
        progress.note = '%d MiB' % (
            sum(size for __, size in _WRITES) // units.Mi)

    def _write(self, offset, size):
        data = os.urandom(units.Mi)
        source = os.path.join(self._disks.folder, 'data')
        with open(source, 'wb') as stream:
            stream.write(data)
        with attachment.Attachment(self._cloud, self.volume) as attached:
            sample.write(attached.path, attached.format, source, offset,
                         size)
        self.expected.write(offset, data * (size // len(data)))

    def _from_oldest(self, progress):
        oldest = next(iter(self.held))
        self._copied = self.held[oldest]
        self._copy = self._disks.new(1, snapshot_id=oldest)

    def _clone(self, progress):
        self._disks.delete(self._copy)
        self._copied = self.expected
        self._copy = self._disks.new(1, source_volid=self.volume)

    def _revert(self, progress):
        self._disks.delete(self._copy)
        newest = list(self.held)[-1]
        volumes = self._cloud.cinder.volumes
        volumes.revert_to_snapshot(self.volume, newest)
        self._cloud.wait_volume(self.volume)
        self._cloud.wait_snapshot(newest)
        self.expected = self.held[newest].copy()

    def _delete(self, progress):
        self.delete(list(self.held)[1])

    def delete(self, snapshot):
        """:param snapshot: its id"""
        self._cloud.cinder.volume_snapshots.delete(snapshot)
        self._cloud.wait_gone(snapshot, 'snapshot')
        del self.held[snapshot]

    def _delete_and_kill(self, progress):
        self._cut_off = list(self.held)[1]
        active = self._active()
        journal = os.path.join(os.path.dirname(active), names.journal(
            'volume-%s' % self.volume))
        asking = threading.Thread(target=self._ask, daemon=True)
        asking.start()
        _wait(lambda: os.path.exists(journal))
        self._cloud.kill_cinder()
        asking.join()
        if not os.path.exists(journal):
            raise RuntimeError('The snapshot was deleted faster than the '
                               'service could be killed.')
        # What it had started goes on alone, and comes to its end.
        _wait(lambda: not _is_locked(active))
        progress.note = 'its journal is left'

    def _active(self):
        with attachment.Attachment(self._cloud, self.volume,
                                   mode='ro') as attached:
            return attached.path

    def _ask(self):
        try:
            self._cloud.cinder.volume_snapshots.delete(self._cut_off)
        except Exception:
            """The answer may have been lost with the service."""

    def _start(self, progress):
        self._cloud.start_cinder()

    def _delete_again(self, progress):
        # Cinder does not do that itself, nor do its own drivers.
        self._cloud.cinder.volume_snapshots.reset_state(self._cut_off,
                                                        'available')
        self.delete(self._cut_off)
        progress.note = 'after cinder snapshot-reset-state'

    def compare(self, progress):
        """What is in the volume."""
        self._disks.compare(self.volume, self.expected, progress)

    def _compare_copy(self, progress):
        self._disks.compare(self._copy, self._copied, progress)

    def compare_snapshots(self, progress):
        """What is in each, by a volume that is made from it for a while."""
        for snapshot, expected in self.held.items():
            copy = self._disks.new(1, snapshot_id=snapshot)
            self._disks.compare(copy, expected, progress)
            self._disks.delete(copy)
        progress.note = '%d snapshots are the same' % len(self.held)


def _wait(look):
    deadline = time.monotonic() + _LIMIT
    while not look():
        if time.monotonic() > deadline:
            raise RuntimeError('Nothing happened within %d seconds.'
                               % _LIMIT)
        time.sleep(_LOOK)


def _is_locked(path):
    """Whether a program writes to a file, or to one below it."""
    try:
        image.info_of_chain(path, 'qcow2').run()
    except errors.CommandFailed as error:
        if 'lock' in str(error):
            return True
        raise
    return False
