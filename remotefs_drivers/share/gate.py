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

"""The way to one share: calls that cannot hang the service.

A call that does not come back in time marks the share as down. From then on
nothing is sent to it before a child process, which can be killed, has got
an answer: so a dead server costs a few stuck threads, not one for each
request, and no other share waits for them.
"""

import threading

from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.share import capacity

LOG = logging.getLogger(__name__)

#: Calls under way at once, and beside them those with a limit of their own,
#: which may take minutes and must be in nobody's way. It is also how many
#: threads of a dead share can be stuck.
_AT_ONCE = 4
_LONG_AT_ONCE = 2
#: What a child says of a mount that is dead, in the C locale.
_NOT_CONNECTED = 'Transport endpoint is not connected'


class Gate:
    """The way to one share.

    :param location: of the share, for messages
    :param path: its mount point
    :param timeout: seconds that a call may take
    :param option: the name of the option with the timeout, for messages
    :ivar mounting: lock to hold while mounting the share
    """

    def __init__(self, location, path, timeout, option):
        self.path = path
        self.mounting = threading.Lock()
        self._location = location
        self._timeout = timeout
        self._option = option
        self._down = False
        self._renew_workers()

    def call(self, what, function, *args, limit=None):
        """Call a function that touches the share.

        :param what: for the message when it hangs, such as 'create'
        :param limit: seconds, for a call that may take longer than usual
        :raises ShareTimeout: when it does not come back in time
        """
        if self._down:
            self.check()
        workers = self._long_workers if limit else self._workers
        seconds = limit or self._timeout
        try:
            return workers.call(seconds, function, *args)
        except offload.Hung:
            self._mark_down()
            raise self._silent(what, seconds)

    def check(self):
        """Ask for the capacity by a child process; the share is up or down.

        :returns: a capacity.Capacity
        :raises ShareTimeout, MountDead, ShareUnavailable: when it does not
                                                           answer
        """
        try:
            answer = capacity.ask(self.path, self._timeout)
        except errors.CommandTimeout:
            self._mark_down()
            raise self._silent('statfs', self._timeout)
        except errors.CommandFailed as error:
            kind = (errors.MountDead if _NOT_CONNECTED in str(error)
                    else errors.ShareUnavailable)
            raise kind(share=self._location, reason=str(error))
        if self._down:
            LOG.info('Share %s answers again', self._location)
            self._down = False
            # Threads that hang in the old call keep their places: have new
            # ones.
            self._renew_workers()
        return answer

    def is_silent(self):
        """Whether it counts as down, and does not answer now either.

        It is asked again: what took too long may only have been slow. An
        error is an answer too.
        """
        if not self._down:
            return False
        try:
            self.check()
        except errors.ShareTimeout:
            return True
        except errors.ShareUnavailable:
            return False
        return False

    def close(self):
        """Let go of the threads that made calls; the next call has new ones.
        """
        self._workers.close()
        self._long_workers.close()
        self._renew_workers()

    def _renew_workers(self):
        self._workers = offload.Workers(_AT_ONCE)
        self._long_workers = offload.Workers(_LONG_AT_ONCE)

    def _mark_down(self):
        if not self._down:
            LOG.error('Share %s does not answer and counts as down',
                      self._location)
            self._down = True

    def _silent(self, what, seconds):
        return errors.ShareTimeout(share=self._location, what=what,
                                   seconds=seconds, option=self._option)
