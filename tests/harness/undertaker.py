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

"""Ends all that was started with a token, however the starter ended.

The parent-death signal reaches a child, not the workers that it forks, and
those of cinder-volume live on when both their parent and the broker are
gone. Every process inherits its environment, so a variable there marks them
all, daemons of theirs included. It holds a random token: no other process
can be meant.
"""

import os
import secrets
import signal
import sys
import time

from remotefs_drivers.embedded import keeper

VARIABLE = 'REMOTEFS_TESTS_TOKEN'

# Seconds that processes may take to end after SIGKILL; less than whoever
# dismisses a watchman waits.
_LIMIT = 50

_TICK = 0.05


class Undertaker:
    """:ivar environment: for whatever shall end with this process"""

    def __init__(self):
        token = secrets.token_hex(16)
        # The second keeps setproctitle from writing over the first.
        self.environment = {VARIABLE: token, 'SPT_NOENV': '1'}
        self._watchman = keeper.Watchman('tests.harness.undertaker', token)

    def bury(self):
        """End what still runs.

        :raises Withstood: when something goes on
        """
        self._watchman.dismiss()


def marked(token):
    """Process ids of those that have the token and are still running."""
    entry = ('%s=%s' % (VARIABLE, token)).encode()
    return [int(name) for name in os.listdir('/proc')
            if name.isdigit() and entry in _environment(name)]


def _environment(pid):
    """Empty for zombies, and for other users' processes."""
    try:
        with open('/proc/%s/environ' % pid, 'rb') as stream:
            return stream.read().split(b'\0')
    except OSError:
        return []


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main(token):
    keeper.wait()
    deadline = time.monotonic() + _LIMIT
    pids = marked(token)
    # Again, since what is about to be killed may have forked.
    while pids and time.monotonic() < deadline:
        for pid in pids:
            _kill(pid)
        time.sleep(_TICK)
        pids = marked(token)
    sys.exit(1 if pids else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
