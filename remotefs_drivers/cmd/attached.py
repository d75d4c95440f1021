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
"""The part of the walkthrough in which a guest has the volume.

A QEMU process has its files open, and something writes to its disk all the
time. What a snapshot holds that is taken meanwhile is not known beforehand:
it must be what the disk held after one of the writes that were made between
the request and its end, and nothing else.
"""

import json
import os
import uuid

from oslo_utils import units

from remotefs_drivers.cmd import content
from remotefs_drivers.cmd import disks as volumes
from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.embedded.hypervisor import writer
from remotefs_drivers import names

# Writes between two things that are done to the volume.
_SOME = 50

# Seconds that the guest waits for a disk that is taken away for a moment.
_PATIENCE = 30

# GiB, before and after it is extended.
_SIZE, _NEW_SIZE = 1, 2


class Attached:
    """Steps on the volume of a Snapshots, while a guest has it.

    :param disks: disks.Disks
    :param snapshots: snapshots.Snapshots, whose steps are done
    :param nova: compute.Compute, of the same cloud
    """

    def __init__(self, disks, snapshots, nova):
        self._disks = disks
        self._cloud = disks.cloud
        self._snapshots = snapshots
        self._nova = nova
        self._server = str(uuid.uuid4())
        self._disk = None
        self._writer = None
        # What it held before, and all that was written since.
        self._before = None
        self._journal = None
        self._copy = None
        self._copied = None

    def steps(self):
        """Pairs of a title and a function that takes a Progress."""
        return (
            ('attach it to a guest (QEMU), which writes all the time',
             self._attach),
            ('take 3 snapshots while it writes', self._take),
            ('  compare the disk of the guest', self._compare_guest),
            ('volume from the first of them', self._from_first),
            ('  compare with what the guest had written then',
             self._compare_copy),
            ('clone the volume while it writes', self._clone),
            ('  compare', self._compare_copy),
            ('delete a snapshot in the middle while it writes',
             self._delete_middle),
            ('  compare the disk of the guest', self._compare_guest),
            ('delete the newest while it writes', self._delete_newest),
            ('  compare the disk of the guest', self._compare_guest),
            ('delete the oldest while it writes', self._delete_oldest),
            ('  compare the disk of the guest', self._compare_guest),
            ('extend the volume to 2 GiB while it writes', self._extend),
            ('  compare the disk of the guest', self._compare_guest),
            ('hard reboot of the guest, with the file that Cinder says',
             self._reboot),
            ('  compare the disk of the guest', self._compare_guest),
            ('detach it', self._detach),
            ('  compare the volume', self._snapshots.compare),
            ('  compare the other snapshots',
             self._snapshots.compare_snapshots),
        )

    proven = (
        'snapshots and clones of an attached volume hold what its guest had '
        'written at one moment, while it went on',
        'what the guest has is what it wrote, whatever snapshot is deleted '
        'meanwhile, after an extend and a hard reboot too',
    )

    def _attach(self, progress):
        self._before = self._snapshots.expected
        self._disk = self._nova.attach(self._server, self._volume)
        self._write()
        progress.note = self._disk.guest.format

    def _write(self):
        """Begin to write, or go on."""
        self._writer = writer.Writer(
            self._disk.guest.connect(_PATIENCE),
            seed=uuid.UUID(self._volume).int >> 80)
        if self._journal is None:
            self._journal = self._writer.journal
        self._writer.journal = self._journal
        self._writer.finished = self._writer.flushed = len(self._journal)
        self._writer.start()
        self._writer.wait(_SOME)

    def _take(self, progress):
        began = self._writer.finished
        for __ in range(3):
            with self._meanwhile() as held:
                snapshot = self._cloud.cinder.volume_snapshots.create(
                    self._volume, name='demo').id
                self._cloud.wait_snapshot(snapshot)
            self._snapshots.held[snapshot] = held
        progress.note = '%d writes' % (self._writer.finished - began)

    def _from_first(self, progress):
        snapshot = list(self._snapshots.held)[-3]
        self._copied = self._snapshots.held[snapshot]
        self._copy = self._disks.new(_SIZE, snapshot_id=snapshot)

    def _clone(self, progress):
        self._disks.delete(self._copy)
        with self._meanwhile() as self._copied:
            self._copy = self._disks.new(_SIZE, source_volid=self._volume)

    def _meanwhile(self):
        return _Meanwhile(self._writer, self._before)

    def _delete_middle(self, progress):
        self._delete(-2, progress)

    def _delete_newest(self, progress):
        self._delete(-1, progress)

    def _delete_oldest(self, progress):
        self._delete(0, progress)

    def _delete(self, number, progress):
        began = self._writer.finished
        self._snapshots.delete(list(self._snapshots.held)[number])
        self._writer.wait(_SOME)
        progress.note = '%d writes' % (self._writer.finished - began)

    def _extend(self, progress):
        self._cloud.cinder.volumes.extend(self._volume, _NEW_SIZE)
        self._cloud.wait_extended(self._volume, _NEW_SIZE)
        self._cloud.wait(self._has_grown, what='the guest to see %d GiB'
                         % _NEW_SIZE)
        self._before = self._before.copy()
        self._before.grow(_NEW_SIZE * units.Gi)
        # It writes at the new end as well.
        self._writer.wait(_SOME)

    def _has_grown(self):
        with self._disk.guest.connect(_PATIENCE) as drive:
            return drive.size == _NEW_SIZE * units.Gi

    def _reboot(self, progress):
        self._writer.stop()
        self._nova.hard_reboot(self._server)
        folder, found = os.path.split(self._disk.guest.path)
        table = names.snapshot_table('volume-%s' % self._volume)
        with open(os.path.join(folder, table)) as stream:
            active = json.load(stream)['active']
        if found != active:
            raise content.Differs('The guest came up on %s, expected %s.'
                                  % (found, active))
        self._write()
        progress.note = 'the active one'

    def _detach(self, progress):
        number = self._writer.stop()
        self._nova.detach(self._server, self._volume)
        self._cloud.wait_volume(self._volume)
        self._snapshots.expected = self._state(number)
        progress.note = '%d writes' % number

    def _compare_guest(self, progress):
        """It holds still for that."""
        with self._writer.paused() as number:
            with self._disk.guest.connect(_PATIENCE) as drive:
                compared = content.compare_disk(drive, self._state(number),
                                                progress)
        progress.note = volumes.same('through QEMU', compared)

    def _compare_copy(self, progress):
        self._disks.compare(self._copy, self._copied, progress)

    def _state(self, number):
        return _state(self._before, self._journal, number)

    @property
    def _volume(self):
        return self._snapshots.volume


class _Meanwhile:
    """The content of a copy that is made in the block, by what it may be.

    :param busy: writer.Writer
    :param before: content.Expected, without what is in its journal
    """

    def __init__(self, busy, before):
        self._writer = busy
        self._journal = busy.journal
        self._before = before
        self._low = self._high = None

    def __enter__(self):
        self._writer.wait(_SOME)
        self._low = self._writer.finished
        return self

    def __exit__(self, *exc_info):
        self._high = self._writer.started
        if exc_info[0] is None:
            self._writer.wait(_SOME)

    def found_in(self, path):
        """As content.Expected: the state that it is, if it is any."""
        number = self._journal.find(journal.RawFile(path), self._low,
                                    self._high)
        # Another look must find the same.
        self._low = self._high = number
        return _state(self._before, self._journal, number)


def _state(before, written, number):
    """What a disk holds after a write.

    :param before: content.Expected
    :param written: journal.Journal
    :returns: content.Expected
    """
    state = before.copy()
    for offset, data in written.pieces(number):
        state.write(offset, data)
    return state
