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
"""Ways in which a hypervisor lets Cinder down.

    with compute.Compute(folder, work=misbehaviour.Assisted) as nova:
        nova.assisted.next('slow', seconds=3)

The next request that Cinder makes is treated so, those after it are done as
they should. ``NAMES`` has the ways.
"""

import collections
import hashlib
import os
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import assisted
from remotefs_drivers.embedded.hypervisor import offline
from remotefs_drivers.embedded.hypervisor import validation
from remotefs_drivers.qemu import header

# Bytes per second of a merge that is going to be cut off: one cluster of
# data and it rests for longer than nobody may look at it.
_SLOWLY = 16 << 10

# Seconds: far more than anything takes that comes to an end.
_LONG = 300


class Assisted(assisted.Assisted):
    """:ivar seen: what was asked for: list of validation.Create or Delete
    :ivar begun: the same, of what is done or in the background by now
    """

    def __init__(self, compute):
        super().__init__(compute)
        self.compute = compute
        self.seen = []
        self.begun = []
        self._next = collections.deque()
        self._options = {}

    def next(self, name, **options):
        """Treat the next request in this way; calls are queued.

        :param name: of NAMES
        :param options: of the function there
        """
        self._next.append((NAMES[name], options))

    def accept(self, wanted):
        self.seen.append(wanted)
        if self._next:
            treat, options = self._next.popleft()
            treat(self, wanted, **options)
        else:
            super().accept(wanted)
        self.begun.append(wanted)

    def honestly(self, wanted):
        """As it should be done."""
        super().accept(wanted)

    def in_background(self, wanted, *functions):
        """Check it, and call these in a thread, one after the other."""
        self.check(wanted)

        def run():
            for function in functions:
                function(wanted)
        self.compute.begin(run)

    def merge_options(self, guest, wanted):
        return self._options.pop(wanted, {})

    def attempt(self, wanted):
        """Do it, and keep to oneself whether it worked."""
        try:
            self.perform(wanted)
        except errors.CloudError:
            assisted.LOG.info('%s failed', wanted, exc_info=True)

    def attempt_until(self, wanted, strike):
        """Begin a merge, and call ``strike`` in the midst of it.

        A snapshot is made at once: there ``strike`` comes before.
        """
        struck = []

        def watch(job):
            if not struck and _is_in_the_midst(job):
                struck.append(job)
                strike()
        if isinstance(wanted, validation.Create):
            strike()
            return
        self._options[wanted] = {'speed': _SLOWLY, 'watch': watch}
        self.attempt(wanted)
        if not struck:
            strike()

    def elsewhere(self, path):
        """The same file, by the path of another host's mount point."""
        folder = os.path.dirname(path)
        digest = hashlib.md5(folder.encode(), usedforsecurity=False)
        link = os.path.join(self.compute.folder, 'mnt', digest.hexdigest())
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.islink(link):
            os.symlink(folder, link)
        return os.path.join(link, os.path.basename(path))

    def with_absolute_name(self, wanted):
        """Do it, with absolute paths in the headers that it writes."""
        __, disk = self.find(wanted)
        if isinstance(wanted, validation.Create):
            self._rename_base(disk.beside(wanted.new_file))
            self.carry_out(wanted)
            return
        base = wanted.merge_target_file or wanted.file_to_merge
        if disk.guest.alive:
            self._options[wanted] = {'backing_name': base and self.elsewhere(
                disk.beside(base))}
            self.carry_out(wanted)
            return
        self.attempt(wanted)
        self._rename_base(disk.guest.path)
        self.tell(wanted, wanted.done)

    def _rename_base(self, path):
        found = header.read(path)
        if found.backing_file:
            base = os.path.join(os.path.dirname(path), found.backing_file)
            offline.rename_base(path, self.elsewhere(base),
                                found.backing_format)


def _is_in_the_midst(job):
    """:param job: see embedded.hypervisor.jobs.run"""
    # A merge of the active file is ready when it is copied, and goes on
    # copying what is written until it is told to end.
    return (job['status'] == 'ready'
            or 0 < job['current-progress'] < job['total-progress'])


def _slow(work, wanted, seconds=2, until=None):
    """Let Cinder wait for the answer, so long or until an event."""
    if until is None:
        time.sleep(seconds)
    else:
        until.wait(_LONG)
    work.honestly(wanted)


def _error(work, wanted):
    """Do nothing, and say that it failed."""
    work.in_background(wanted, lambda it: work.tell(it, it.failed))


def _error_after(work, wanted):
    """Do it, and say that it failed."""
    work.in_background(wanted, work.attempt,
                       lambda it: work.tell(it, it.failed))


def _refuse(work, wanted, code=400):
    """Answer with an error of HTTP, and do nothing."""
    raise errors.Refused(code, 'This is not the moment.')


def _silent_done(work, wanted):
    """Do it, and say nothing."""
    work.in_background(wanted, work.attempt)


def _silent_undone(work, wanted):
    """Do nothing, and say nothing."""
    work.in_background(wanted)


def _duplicate(work, wanted, seconds=1):
    """Do it, and say so twice, a while after the first time."""
    work.in_background(wanted, work.carry_out,
                       lambda it: time.sleep(seconds),
                       lambda it: work.tell(it, it.done))


def _early(work, wanted):
    """Do it and say so, and only then answer the request."""
    work.check(wanted)
    work.carry_out(wanted)


def _answer_lost(work, wanted):
    """Do it, but never answer, and say nothing."""
    # Whoever hears no answer looks for a short time only.
    work.check(wanted)
    work.attempt(wanted)
    raise ConnectionAbortedError()


def _killed(work, wanted):
    """QEMU crashes in the midst of it."""
    __, disk = work.find(wanted)
    work.in_background(wanted, lambda it: work.attempt_until(
        it, disk.guest.kill))


def _stopped(work, wanted):
    """The server is switched off in the midst of it."""
    owner, __ = work.find(wanted)
    work.in_background(wanted, lambda it: work.attempt_until(
        it, lambda: work.compute.stop_server(owner.id)))


def _absolute(work, wanted):
    """Write absolute paths of this host, as Nova once did."""
    work.in_background(wanted, work.with_absolute_name)


#: Name -> function of the assistant, the request and options of its own.
NAMES = {'slow': _slow, 'error': _error, 'error_after': _error_after,
         'refuse': _refuse, 'silent_done': _silent_done,
         'silent_undone': _silent_undone, 'duplicate': _duplicate,
         'early': _early, 'answer_lost': _answer_lost, 'killed': _killed,
         'stopped': _stopped, 'absolute': _absolute}
