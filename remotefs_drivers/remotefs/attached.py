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
"""Snapshots of attached volumes, as Cinder's database knows them.

Nova tells the state of its part of a snapshot to Cinder's API, which finds
the snapshot in the database; so there is nothing that Nova could do for one
that is not there.
"""

import contextlib

from cinder import exception
from cinder import objects
from oslo_log import log as logging
from oslo_utils import excutils

LOG = logging.getLogger(__name__)

#: Of the snapshots that a copy of an attached volume is made from; Cinder's
#: own drivers call them so.
_NAME = 'tmp-snap-%s'


@contextlib.contextmanager
def temporary_snapshot(volume, create, delete):
    """A snapshot of an attached volume, which goes in the end.

    :param create: makes it, given objects.Snapshot
    :param delete: deletes it
    """
    snapshot = objects.Snapshot(
        context=volume.obj_context.elevated(), volume_id=volume.id,
        status='creating', progress='0%', volume_size=volume.size,
        display_name=_NAME % volume.id, user_id=volume.user_id,
        project_id=volume.project_id, use_quota=False,
        volume_type_id=volume.volume_type_id)
    snapshot.create()
    try:
        create(snapshot)
        _set_status(snapshot, 'available')
        yield snapshot
    except BaseException:
        with excutils.save_and_reraise_exception():
            _drop(snapshot, delete)
    else:
        _drop(snapshot, delete)


def _drop(snapshot, delete):
    """One that cannot be deleted is seen by its users, who can try again."""
    _set_status(snapshot, 'deleting')
    try:
        delete(snapshot)
    except Exception as error:
        LOG.error('Snapshot %s, made for a copy of volume %s, could not be '
                  'deleted again: %s', snapshot.id, snapshot.volume_id, error)
        _set_status(snapshot, 'error_deleting')
    else:
        snapshot.destroy()


def tell_truth(volume, snapshot_id, is_used):
    """Let a snapshot be what became of it, when nobody waits for that.

    The service that did was killed, and Cinder leaves such snapshots as they
    are; or it was stopped, and called them errors.

    :param snapshot_id: of the one that was being made or deleted, or None
    :param is_used: whether it is seen that the guest writes to the overlay
                    of a new one, so that it holds what it should
    """
    try:
        snapshot = objects.Snapshot.get_by_id(
            volume.obj_context.elevated(), snapshot_id)
    except exception.SnapshotNotFound:
        return
    if snapshot.status in ('creating', 'error'):
        _set_status(snapshot, 'available' if is_used else 'error')
    elif snapshot.status == 'deleting':
        # Deleted once more, it goes from Cinder as well.
        _set_status(snapshot, 'error_deleting')
    LOG.warning('Volume %s: snapshot %s, which was worked on when the '
                'service stopped, is "%s" now', volume.id, snapshot.id,
                snapshot.status)


def _set_status(snapshot, status):
    snapshot.status = status
    snapshot.save()
