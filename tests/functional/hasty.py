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

"""Drivers that lose patience, with what is dead and with nothing else.

What works may take long on a slow machine, and what is dead is waited for to
the end: one limit cannot be right for both.
"""

import contextlib
import dataclasses
import time

from tests.harness import backends

#: Seconds that what is dead is given.
SHORT = 3
#: Seconds that the machine may be slower than it should. Whoever waits for
#: what is dead without a limit, or with that of PATIENT, takes longer.
SLACK = 40
#: Seconds for what works, by the option without the driver's prefix.
PATIENT = {'share_timeout': backends.PATIENCE, 'mount_timeout': 60}


def patient(prefix, *names):
    """The options of a driver that waits for what works."""
    return {'%s_%s' % (prefix, name): PATIENT[name]
            for name in names or PATIENT}


@contextlib.contextmanager
def with_share(driver, location, seconds=SHORT):
    """In this block a driver waits so long for one share, and for mounts."""
    shares = driver._shares
    gate, mounter = shares._gate(shares.table[location]), shares._mounter
    settings, mount_timeout = shares._settings, mounter._timeout
    shares._settings = dataclasses.replace(settings, share_timeout=seconds)
    gate._timeout = mounter._timeout = seconds
    try:
        yield
    finally:
        shares._settings = settings
        gate._timeout = settings.share_timeout
        mounter._timeout = mount_timeout


@contextlib.contextmanager
def bounded(seconds=SHORT):
    """Around what takes no longer, whatever comes of it."""
    began = time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - began < seconds + SLACK
