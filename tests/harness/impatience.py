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


"""Drivers that soon give up what does not answer.

A test of a dead server waits a time limit out, so that must be short. What
is alive may take longer on a slow machine: to write, to mount, to start a
child. So there a driver has all the time, and is impatient for as long as
one of these context managers lasts, with what is dead only.
"""

import contextlib
import dataclasses
import time
from unittest import mock

from remotefs_drivers.share import table
from remotefs_drivers.share import visiting

#: Seconds that what is dead is given.
SHORT = 3
#: Seconds that the machine may be slower than it should. Who waits for what is
#: dead with the limit of what is alive takes longer.
SLACK = 40


@contextlib.contextmanager
def bounded(seconds=SHORT):
    """Around what takes no longer, whatever comes of it."""
    began = time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - began < seconds + SLACK


@contextlib.contextmanager
def share_and_mounts(driver, location, seconds=SHORT):
    """Give up this share so soon, and to mount or unmount any."""
    all_shares = driver._shares
    settings = dataclasses.replace(all_shares._settings,
                                   share_timeout=seconds)
    with shares(driver, seconds, location), \
            mock.patch.object(all_shares, '_settings', settings), \
            mock.patch.object(all_shares._mounter, '_timeout', seconds):
        yield


@contextlib.contextmanager
def shares(driver, seconds, *locations):
    """Give up these shares so soon.

    :param locations: of shares that are mounted, and stay so for as long
    """
    with contextlib.ExitStack() as stack:
        for location in locations:
            gate = driver._shares._gate(table.Share(location))
            stack.enter_context(mock.patch.object(gate, '_timeout', seconds))
        yield


@contextlib.contextmanager
def mounts(driver, seconds, location):
    """Give up so soon to mount this share."""
    mounter = driver._shares._mounter
    mount = mounter.mount

    def mount_soon(share, limit=None):
        mount(share, seconds if share.location == location else limit)
    with mock.patch.object(mounter, 'mount', mount_soon):
        yield


@contextlib.contextmanager
def unmounts(driver, seconds, location):
    """Give up so soon to unmount this share in order."""
    path = driver._shares.path(table.Share(location))
    unmount = visiting._umount

    def unmount_soon(which, timeout):
        unmount(which, seconds if which == path else timeout)
    with mock.patch.object(visiting, '_umount', unmount_soon):
        yield
