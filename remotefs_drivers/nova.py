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
"""What the QEMU of a guest does for us, asked for by way of Nova.

Nova's API os-assisted-volume-snapshots takes the request and answers at
once. What came of it, Nova's compute service tells Cinder's API later, which
writes it into the snapshot: "90%" as its progress, and its status, which is
left as it is or becomes an error. So the snapshot is looked at again and
again; and since that answer can get lost, so are the files.

A wait can end in these ways:

=========================  ==================================================
Nova refuses               NovaRefused: nothing was begun
Nova says that it is done  it is; a merge is looked for as well
Nova says that it failed   NovaFailed
nothing, but it is seen    done, after a moment in which Nova may say it
the guest is gone          GuestGone: nobody has the files open any more, or
                           Nova knows that the instance does not run
the snapshot is deleted    SnapshotUnwanted
time is over               NovaTimeout
the service stops          ServiceStopping
=========================  ==================================================
"""

import itertools
import time

from cinder.compute import nova
from cinder import exception
from cinder import objects
from keystoneauth1 import exceptions as keystone
from oslo_config import cfg
from oslo_log import log as logging

from remotefs_drivers import attachments
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers import locks

LOG = logging.getLogger(__name__)

#: What Nova writes as the progress of a snapshot when it has done its part.
DONE = '90%'
_BEGINNING = '0%'

#: Seconds between two looks: the first, the longest, and the longest once
#: the end is in sight.
_SHORTEST, _LONGEST, _NEAR = 0.05, 5.0, 0.5
#: Seconds in which Nova mostly answers; after that the files are looked at.
_QUICK = 1.0
#: Seconds that Nova may take to say what is seen already.
_GRACE = 5.0
#: Seconds without anybody who has the files open, or after which Nova is
#: asked for the instance.
_GONE = 10.0
#: Seconds for a request whose answer was lost.
_UNSURE = 5.0
#: Seconds until a change by another host is seen here.
_VISIBLE = 10.0
#: Seconds for Nova to tell of an instance.
_SERVER_TIMEOUT = 10

#: Instances in these states, as Nova calls them, run no QEMU.
_NOT_RUNNING = ('CRASHED', 'DELETED', 'ERROR', 'SHELVED',
                'SHELVED_OFFLOADED', 'SHUTOFF', 'SOFT_DELETED', 'SUSPENDED')

_CREATING, _DELETING = 'creating', 'deleting'
#: States that say that a snapshot which is being made shall go.
_UNWANTED = ('deleting', 'deleted', 'error_deleting')


class Assistant:
    """Has the guest of a volume do its part for one snapshot.

    :param snapshot: objects.Snapshot, in the state "creating" or "deleting"
    :param settings: settings.common.Settings
    """

    def __init__(self, snapshot, settings):
        self._snapshot = snapshot
        self._settings = settings
        self._api = nova.API()

    def __call__(self, step, sight):
        """Ask for it, and wait until it is done.

        :param step: one of chain.steps.OF_GUESTS
        :param sight: has ``done()`` and ``in_use()``, what can be seen of
                      it in the files
        :raises: as in the table above
        """
        if isinstance(step, steps.GuestSwitch):
            self._switch(step, sight)
        else:
            self._merge(step, sight)

    def _switch(self, step, sight):
        limit = self._settings.assisted_create_timeout
        self._ask(self._api.create_volume_snapshot, self._snapshot.volume_id,
                  {'snapshot_id': self._snapshot.id, 'type': 'qcow2',
                   'new_file': step.name},
                  _Wait(self._snapshot, self._api, _CREATING, sight), limit)

    def _merge(self, step, sight):
        limit = self._settings.assisted_delete_timeout
        pulls = step.source is None
        wait = _Wait(self._snapshot, self._api, _DELETING, sight)
        self._ask(self._api.delete_volume_snapshot, self._snapshot.id,
                  {'volume_id': self._snapshot.volume_id, 'type': 'qcow2',
                   'file_to_merge': step.backing if pulls else step.source,
                   'merge_target_file': None if pulls else step.backing},
                  wait, limit)
        wait.until_seen()

    def _ask(self, function, about, info, wait, limit):
        """Send a request, and wait for its end."""
        # Of an attempt before this one; nobody else writes it now.
        self._snapshot.progress = _BEGINNING
        self._snapshot.save()
        try:
            function(self._snapshot.obj_context.elevated(), about, info)
        except Exception as error:
            if is_refusal(error):
                raise errors.NovaRefused(volume=self._snapshot.volume_id,
                                         snapshot=self._snapshot.id,
                                         reason=error)
            LOG.warning('Snapshot %s: whether Nova got the request is not '
                        'known: %s', self._snapshot.id, error)
            wait.for_answer(_UNSURE, error)
        else:
            wait.for_answer(limit)


def is_configured():
    """Whether Nova can be asked in the service's own name."""
    return bool(cfg.CONF[nova.NOVA_GROUP].auth_type)


def is_refusal(error):
    """Whether a request that failed so was not taken, for certain.

    Of an answer 5xx, or a connection that broke, that is not known.
    """
    if isinstance(error, (keystone.CatalogException,
                          keystone.AuthPluginException,
                          keystone.AuthorizationFailure)):
        return True
    code = (getattr(error, 'http_status', None) or
            getattr(error, 'code', None))
    return isinstance(code, int) and 400 <= code < 500


class _Wait:
    """For the end of one request.

    :param api: of Nova, as Cinder has it
    :param status: of the snapshot, as long as Nova works on it
    """

    def __init__(self, snapshot, api, status, sight):
        self._snapshot = snapshot
        self._status = status
        self._sight = sight
        self._server = _Server(snapshot, api)
        # Since when it is seen, or nobody has the files; None: it is not so.
        self._done_since = None
        self._idle_since = None
        self._was_in_use = sight.in_use()

    def for_answer(self, limit, cause=None):
        """Until Nova says that it is done, or it is seen to be.

        :param limit: seconds
        :param cause: why there may be no answer at all, or None
        """
        stopping = locks.until_stop()
        began = time.monotonic()
        for pause in _pauses():
            if self._has_answer():
                return
            passed = time.monotonic() - began
            if passed >= _QUICK and self._look(passed):
                LOG.warning('Snapshot %s: Nova does not say so, but it is '
                            'done', self._snapshot.id)
                return
            if passed >= limit:
                raise self._over(limit, cause)
            if stopping():
                raise errors.ServiceStopping(
                    what='Nova to end its part for snapshot %s'
                         % self._snapshot.id)
            time.sleep(min(pause, limit - passed, self._longest()))

    def _longest(self):
        """Seconds to the next look, at most."""
        return _LONGEST if self._done_since is self._idle_since else _NEAR

    def until_seen(self):
        """Until what Nova says is done can be seen in the files.

        :raises GuestNotMerged: when it cannot
        """
        end = time.monotonic() + _VISIBLE
        for pause in _pauses():
            if self._sight.done():
                return
            if time.monotonic() >= end:
                raise errors.GuestNotMerged(
                    volume=self._snapshot.volume_id,
                    snapshot=self._snapshot.id)
            time.sleep(pause)

    def _has_answer(self):
        """Whether Nova says that it is done."""
        try:
            found = objects.Snapshot.get_by_id(
                self._snapshot.obj_context, self._snapshot.id)
        except exception.SnapshotNotFound:
            raise self._unwanted('gone')
        if found.status == self._status:
            return found.progress == DONE
        if self._status == _CREATING and found.status in _UNWANTED:
            raise self._unwanted(found.status)
        if self._status == _CREATING and found.status == 'available':
            return True
        raise errors.NovaFailed(volume=self._snapshot.volume_id,
                                snapshot=self._snapshot.id,
                                status=found.status)

    def _look(self, passed):
        """Look at the files, and at the instance.

        :param passed: seconds since the request
        :returns: whether it is done, and Nova does not say so
        :raises GuestGone: when it will not be done any more
        """
        now = time.monotonic()
        if self._sight.done():
            self._done_since = self._done_since or now
            return now - self._done_since >= _GRACE
        self._done_since = None
        if self._sight.in_use():
            self._was_in_use, self._idle_since = True, None
            return False
        self._idle_since = self._idle_since or now
        if now - self._idle_since >= _GONE and (
                self._was_in_use or self._server.is_down()):
            raise errors.GuestGone(volume=self._snapshot.volume_id,
                                   snapshot=self._snapshot.id)
        return False

    def _over(self, limit, cause):
        if cause is not None:
            return errors.NovaUnreachable(
                volume=self._snapshot.volume_id, snapshot=self._snapshot.id,
                reason=cause)
        return errors.NovaTimeout(volume=self._snapshot.volume_id,
                                  snapshot=self._snapshot.id, seconds=limit)

    def _unwanted(self, status):
        return errors.SnapshotUnwanted(volume=self._snapshot.volume_id,
                                       snapshot=self._snapshot.id,
                                       status=status)


class _Server:
    """The instances that have the volume of a snapshot, as Nova knows them."""

    def __init__(self, snapshot, api):
        self._snapshot = snapshot
        self._api = api
        self._asked = None

    def is_down(self):
        """Whether none of them runs; asked for now and then only."""
        now = time.monotonic()
        if self._asked is not None and now - self._asked < _GONE:
            return False
        self._asked = now
        ids = attachments.instances(self._snapshot.volume)
        return bool(ids) and all(map(self._is_down, ids))

    def _is_down(self, server_id):
        try:
            server = self._api.get_server(
                self._snapshot.obj_context, server_id, privileged_user=True,
                timeout=_SERVER_TIMEOUT)
        except exception.ServerNotFound:
            return True
        except Exception as error:
            LOG.warning('Nova does not tell of instance %s: %s', server_id,
                        error)
            return False
        return server.status in _NOT_RUNNING


def _pauses():
    """Seconds between looks, longer and longer."""
    for number in itertools.count():
        yield min(_SHORTEST * 2 ** min(number, 16), _LONGEST)
