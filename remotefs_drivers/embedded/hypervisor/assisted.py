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
"""Assisted snapshots: what Cinder asks Nova to do to an attached volume.

A request is answered at once and done in a thread, which tells Cinder in the
end how that went. When the server was switched off meanwhile, or QEMU has
crashed, nobody tells anything.
"""

import logging

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import offline
from remotefs_drivers.embedded.hypervisor import validation

LOG = logging.getLogger(__name__)


class Assisted:
    """Each step may be done in another way by a subclass.

    :param compute: compute.Compute
    """

    def __init__(self, compute):
        self._compute = compute

    def accept(self, wanted):
        """Check a request, and have it done; the answer goes out after it.

        :param wanted: validation.Create or Delete
        :raises Refused: 400
        """
        self.check(wanted)
        self._compute.begin(self.carry_out, wanted)

    def check(self, wanted):
        """:raises Refused: where Nova would"""
        owner = self._compute.servers.owner(wanted.volume_id)
        if owner.task:
            raise errors.Refused(400, 'Instance %s is busy: %s.'
                                 % (owner.id, owner.task))
        if (isinstance(wanted, validation.Delete)
                and wanted.merge_target_file and not owner.active):
            raise errors.Refused(400, 'Instance %s is not active.'
                                 % owner.id)

    def carry_out(self, wanted):
        """Do it, and tell Cinder."""
        owner, disk = self.find(wanted)
        was_active = owner.active
        try:
            self.perform(wanted)
        except Exception:
            LOG.exception('%s failed', wanted)
            if owner.active == was_active == disk.guest.alive:
                self.tell(wanted, wanted.failed)
        else:
            self.tell(wanted, wanted.done)

    def perform(self, wanted):
        """Do it.

        :raises GuestFailed, Timeout:
        """
        owner, disk = self.find(wanted)
        if isinstance(wanted, validation.Create):
            self._snapshot(owner, disk, wanted)
        elif owner.active:
            self._merge(disk.guest, wanted)
        else:
            with owner.lock:
                offline.rebase(disk.guest.path, disk.guest.format,
                               wanted.file_to_merge)

    def tell(self, wanted, status):
        """Tell Cinder how it ended."""
        try:
            self._compute.cinder.report(wanted.snapshot_id, status)
        except Exception:
            LOG.exception('Cinder did not take that %s is %s', wanted,
                          status)

    def merge_options(self, guest, wanted):
        """How to merge: options of guest.Guest.commit and stream."""
        return {}

    def find(self, wanted):
        """:returns: servers.Server and servers.Disk"""
        owner = self._compute.servers.owner(wanted.volume_id)
        return owner, owner.disks[wanted.volume_id]

    def _snapshot(self, owner, disk, wanted):
        path = disk.beside(wanted.new_file)
        if owner.active:
            disk.guest.snapshot(path)
            return
        with owner.lock:
            # The next start opens it.
            disk.guest.path, disk.guest.format = path, 'qcow2'

    def _merge(self, guest, wanted):
        options = self.merge_options(guest, wanted)
        if wanted.merge_target_file is None:
            guest.stream(wanted.file_to_merge, **options)
        else:
            guest.commit(wanted.file_to_merge, wanted.merge_target_file,
                         **options)
