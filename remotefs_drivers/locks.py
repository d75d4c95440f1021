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

"""Locks on volumes: ``with locks.volumes(id, ...)``.

Whoever works on several volumes names them all at once. They are sorted, so
that no two threads wait for each other, and released in reverse.

Three forms with the same interface: ``ProcessLocks`` between the threads
and processes of one host (lock files of oslo.concurrency),
``CoordinationLocks`` between the hosts of a cluster (Cinder's coordination,
tooz), and ``NoLocks`` for a driver whose callers lock.
"""

import contextlib

from cinder import coordination
from cinder import utils
from oslo_concurrency import lockutils
from oslo_config import cfg
from oslo_log import log as logging
import tenacity

from remotefs_drivers import errors

LOG = logging.getLogger(__name__)

#: Seconds between two looks at whether waiting makes sense any more.
_TICK = 1.0
#: Of Cinder's own lock files, which its clean-up command knows.
_FILE_PREFIX = 'cinder-'


def until_stop():
    """A function that tells whether the service has begun to stop since now.

    A service of Cinder's that stops lets go of its coordinator first, and
    then waits for what is under way. Whoever holds locks of a cluster must
    not go on for long after that: their heartbeat has ended.
    """
    coordinator = coordination.COORDINATOR
    if not coordinator.started:
        return lambda: False
    return lambda: not coordinator.started


def are_files():
    """Whether the locks of a cluster are files, as by default."""
    return cfg.CONF.coordination.backend_url.startswith('file:')


class _VolumeLocks:
    """What both forms have in common.

    :param prefix: beginning of the locks' names, the driver's prefix
    """

    def __init__(self, prefix):
        self._prefix = prefix

    def volumes(self, *volume_ids):
        """A context that holds the locks of these volumes."""
        names = sorted({self.name(volume_id) for volume_id in volume_ids})
        if len(names) == 1:
            return self._lock(names[0])
        return self._all(names)

    @contextlib.contextmanager
    def _all(self, names):
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(self._lock(name))
            yield

    def name(self, volume_id):
        return 'remotefs-%s-%s' % (self._prefix, volume_id)

    def _lock(self, name):
        raise NotImplementedError


class NoLocks(_VolumeLocks):
    """None at all."""

    def _lock(self, name):
        return contextlib.nullcontext()

    def forget(self, volume_id):
        """Nothing."""


class ProcessLocks(_VolumeLocks):
    """Between the threads and the processes of one host."""

    @contextlib.contextmanager
    def _lock(self, name):
        stopping = until_stop()
        with lockutils.lock(name, lock_file_prefix=_FILE_PREFIX,
                            external=True, do_log=False):
            _refuse_late(stopping, name)
            yield

    def forget(self, volume_id):
        """Remove the lock file of a volume that is no more."""
        utils.synchronized_remove(self.name(volume_id))


class CoordinationLocks(_VolumeLocks):
    """Between the hosts of a cluster, by tooz."""

    @contextlib.contextmanager
    def _lock(self, name):
        stopping = until_stop()
        lock = coordination.COORDINATOR.get_lock(name)
        while not _acquire(lock):
            _refuse_late(stopping, name)
        try:
            _refuse_late(stopping, name)
            yield
        finally:
            _release(lock, name)

    @contextlib.contextmanager
    def at_once(self, volume_id):
        """The lock of a volume, if it can be had within a moment.

        :returns: a context, which tells whether it is held in there
        """
        name = self.name(volume_id)
        lock = coordination.COORDINATOR.get_lock(name)
        if not _acquire(lock):
            yield False
            return
        try:
            yield True
        finally:
            _release(lock, name)

    def forget(self, volume_id):
        """Remove the lock file of a volume that is no more, if it has one."""
        coordination.synchronized_remove(self.name(volume_id))


def _refuse_late(stopping, name):
    """Begin nothing when the service stops: it was waited for too long."""
    if stopping():
        raise errors.ServiceStopping(what=name)


def _acquire(lock):
    """Wait a moment for a lock of tooz. Returns whether it is ours."""
    try:
        return lock.acquire(blocking=_TICK)
    except tenacity.RetryError:
        # "Not yet", from tooz's drivers for etcd, memcached and MySQL.
        return False


def _release(lock, name):
    """Give a lock of tooz back; the work that it was for is done.

    When the backend cannot be reached, it lets go of the lock by itself.
    """
    try:
        held = lock.release()
    except Exception as error:
        LOG.warning('The lock %s could not be released, and ends by itself '
                    'after its lease: %s', name, error)
        return
    if not held:
        LOG.error('The lock %s was lost while it was needed: its lease was '
                  'not renewed in time. Check the coordination backend, and '
                  'that no other host worked on the volume meanwhile.', name)
