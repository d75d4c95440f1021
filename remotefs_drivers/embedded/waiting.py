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

"""Waiting for a resource, with the reason when it will never get there."""

import time

from remotefs_drivers.embedded import errors

# Seconds between two looks: an eighth of the time that has passed. A look may
# be a request to Cinder, which takes it a twentieth of a second of the
# processor that others wait for.
_SHORTEST, _LONGEST = 0.1, 1
_PART = 8


def until(look, limit, what, check=lambda: None, explain=lambda: ''):
    """Call ``look`` until it returns something true, and return that.

    :param look: function; raises when there is no hope left
    :param limit: seconds
    :param what: text for the message, "volume X to be available"
    :param check: called before every look; raises when there is no hope
    :param explain: returns what to add to the message (the end of a log)
    :raises Timeout: after ``limit`` seconds
    """
    began = time.monotonic()
    while True:
        check()
        found = look()
        if found:
            return found
        passed = time.monotonic() - began
        if passed > limit:
            raise errors.Timeout('Waited %d seconds for %s.' % (limit, what),
                                 explain())
        time.sleep(min(max(passed / _PART, _SHORTEST), _LONGEST))


def is_failed(status):
    """Whether a status of Cinder or Glance is one that stays."""
    return status.startswith('error') or status in ('killed', 'deactivated')
