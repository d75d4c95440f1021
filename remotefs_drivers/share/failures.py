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

"""Mounts that failed a short while ago, and are not tried again so soon.

An attempt to mount a share of a dead server takes as long as it may, a
minute. Without a memory each request for one of its volumes would wait that
long, one after the other.
"""

import contextlib
import math
import time

from remotefs_drivers import errors

#: Seconds that a failure is remembered: half of the time between two polls
#: of Cinder for the stats, so that each poll, which waits for a short time
#: only, tries again and finds out when the server is back.
SECONDS = 30


class Failures:
    """The failed mounts of one backend.

    By share with its options, so that new options are tried at once.
    """

    def __init__(self):
        self._failed = {}

    @contextlib.contextmanager
    def remembered(self, share):
        """Around an attempt to mount a share.

        :raises MountFailed: without an attempt, soon after one that failed
        """
        self._refuse_again(share)
        try:
            yield
        except errors.MountFailed as error:
            self._remember(share, str(error))
            raise
        self._failed.pop(share, None)

    def _remember(self, share, reason):
        """Also forget those that may be tried again."""
        now = time.monotonic()
        self._failed = {**{other: failed for other, failed
                           in list(self._failed.items()) if failed[0] > now},
                        share: (now + SECONDS, reason)}

    def _refuse_again(self, share):
        until, reason = self._failed.get(share, (-math.inf, ''))
        left = until - time.monotonic()
        if left > 0:
            raise errors.MountFailedBefore(before=reason,
                                           seconds=math.ceil(left))
