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

"""Snapshots of volumes, as chains of qcow2 overlays.

A verb loads the chain, asks for a plan, and has it done; see chain.plan for
what is done, and store.executor for what becomes of it in a crash. All that
a volume without snapshots can do, it can do with them as well: see volumes.

While a guest has the volume, its QEMU has the files open: it is asked to
write to the new overlay, or to merge, by way of Nova (see nova).
"""

import contextlib
import functools

from cinder import exception
from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import units

from remotefs_drivers.chain import plan
from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers import names
from remotefs_drivers import nova
from remotefs_drivers.remotefs import attached
from remotefs_drivers.remotefs import clustered
from remotefs_drivers.remotefs import managing
from remotefs_drivers import states

LOG = logging.getLogger(__name__)


class RemoteFSSnapDriverBase(managing.ManagingDriver):
    """Volumes with snapshots; nobody locks: for subclasses that do."""

    locks_class = locks.NoLocks

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Shares that did not answer when the service started.
        self._silent = set()

    def check_for_setup_error(self):
        """Say so when Nova could not be asked for its part."""
        super().check_for_setup_error()
        if self._grows_attached() and not nova.is_configured():
            LOG.warning('Snapshots of attached volumes will fail: the '
                        'section [nova] of cinder.conf has no auth_type. '
                        'It takes a user with the role "service".')

    def create_snapshot(self, snapshot):
        """Add an overlay, which takes what is written from now on."""
        volume = snapshot.volume
        states.refuse_encrypted(volume)
        states.refuse_snapshot_of(volume, snapshot)
        self._check_attachable(volume, 'qcow2')
        with self._locks.volumes(volume.id):
            self._create_snapshot(self._file_of(volume), volume, snapshot)

    def delete_snapshot(self, snapshot):
        """Merge what was written after a snapshot into the layer below.

        One that the volume has no record of is gone already.
        """
        volume = snapshot.volume
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain()
            if snapshot.id not in chain.snapshots:
                LOG.info('Volume %s has no record of snapshot %s: there is '
                         'nothing to delete', volume.id, snapshot.id)
                return
            states.refuse_delete_snapshot_of(volume)
            self._delete_snapshot(file, chain, volume, snapshot)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Throw away what was written since the newest snapshot."""
        states.refuse_revert_of(volume)
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain(changing=True)
            self._change(file, chain, plan.revert(
                chain, snapshot.id, volume.size * units.Gi,
                names.temporary(file.name, names.NEW_OVERLAY)), snapshot)

    def snapshot_revert_use_temp_snapshot(self):
        """No: a revert is a rename, and cannot fail half way."""
        return False

    def create_volume_from_snapshot(self, volume, snapshot):
        """Copy what a snapshot holds, into a larger volume if asked to."""
        states.refuse_encrypted(volume)
        states.refuse_busy_snapshot(snapshot)
        with self._locks.volumes(volume.id, snapshot.volume_id):
            source = self._file_of(snapshot.volume)
            chain = source.chain(changing=True, reading=snapshot.id)
            return self._copy(volume, source,
                              chain.up_to(chain.content(snapshot.id)))

    def ensure_export(self, context, volume):
        """Finish what a guest did while this service was down.

        Cinder calls it at start for each volume in use, and sets the volume
        to "error" when it fails: for a server that is away for a while. Of
        a share that is, one volume is tried.
        """
        if volume.provider_location in self._silent:
            return
        try:
            with self._locks.volumes(volume.id):
                self._reconcile(self._file_of(volume), volume)
        except errors.ShareUnavailable as error:
            self._silent.add(volume.provider_location)
            self._put_off(volume, error)
        except Exception as error:
            self._put_off(volume, error)

    def _put_off(self, volume, error):
        LOG.warning('Volume %s: what a guest may have done meanwhile is '
                    'looked at later: %s', volume.id, error)

    def _reconcile(self, file, volume):
        begun = file.begun()
        if begun is None:
            return
        chain = file.chain()
        name = chain.snapshots.get(begun)
        attached.tell_truth(volume, begun, name == chain.active.name and
                            file.is_used(chain))

    def _create_snapshot(self, file, volume, snapshot):
        chain = file.chain(changing=True)
        self._change(file, chain, plan.create_snapshot(
            chain, snapshot.id, volume.size * units.Gi,
            has_guest=states.is_attached(volume)), snapshot)

    def _delete_snapshot(self, file, chain, volume, snapshot):
        chain = file.to_be_changed(chain, snapshot.id)
        deletion = plan.delete_snapshot(
            chain, snapshot.id, has_guest=states.is_attached(volume))
        # Else it was begun before, and has just been finished.
        if deletion is not None:
            self._change(file, chain, deletion, snapshot,
                         _Progress(snapshot))

    def _change(self, file, chain, a_plan, snapshot, watcher=None):
        if a_plan.guest is None:
            file.apply(a_plan, watcher)
        else:
            self._change_under_guest(file, a_plan, snapshot)
        # What lies there now is known without a look.
        file.settle(plan.outcome(chain, a_plan))

    def _change_under_guest(self, file, a_plan, snapshot):
        try:
            file.apply(a_plan, ask=nova.Assistant(snapshot, self._settings))
        except exception.CinderException:
            # What came of it nevertheless is on record before anybody
            # starts the guest again.
            with excutils.save_and_reraise_exception():
                file.settle(file.peek())

    @contextlib.contextmanager
    def _still(self, file, volume):
        """A chain of the volume that nobody writes to, as it is now."""
        if not states.is_attached(volume):
            with super()._still(file, volume) as chain:
                yield chain
            return
        states.refuse_guest(volume)
        # Before the guest is asked for anything.
        file.check_readable(file.peek())
        with attached.temporary_snapshot(
                volume,
                functools.partial(self._create_snapshot, file, volume),
                lambda snapshot: self._delete_snapshot(
                    file, file.chain(), volume, snapshot)) as snapshot:
            chain = file.peek()
            yield chain.up_to(chain.content(snapshot.id))


class RemoteFSSnapDriver(RemoteFSSnapDriverBase):
    """The same, with locks between threads and processes of one host."""

    locks_class = locks.ProcessLocks


class RemoteFSSnapDriverDistributed(clustered.Clustered,
                                    RemoteFSSnapDriverBase):
    """The same, with Cinder's coordination locks, for clusters."""


class _Progress:
    """Writes percentages to where the user sees them.

    Cinder sets 100 % in the end. "90%" is what Nova says, of success and of
    failure alike; it is left to Nova.
    """

    def __init__(self, snapshot):
        self._snapshot = snapshot

    def __call__(self, percent):
        text = '%d%%' % min(percent, 99)
        self._snapshot.progress = '89%' if text == '90%' else text
        try:
            self._snapshot.save()
        except Exception as error:
            # A database that is away for a moment must not stop a merge.
            LOG.warning('Snapshot %s is at %s, which could not be saved: %s',
                        self._snapshot.id, text, error)
