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

"""Where a driver can be cut that has a guest do its part.

To the places of ``cuts.Points`` come those around the request to Nova. The
one after the request was sent and before it is answered is reached on the
other side: the hypervisor kills the service when the request arrives.
"""

import dataclasses
import functools
import os

from cinder.compute import nova
from cinder import objects

from remotefs_drivers import formats
from remotefs_drivers.store import copying
from remotefs_drivers.store import files
from remotefs_drivers.store import guests
from remotefs_drivers.store import layers
from tests.crash import cuts

BEFORE, SENT, ANSWERED = 'before Nova', 'Nova is asked', 'Nova has answered'

#: Functions of store.direct that change nothing.
_LOOKING = ('backing_of', 'is_open', 'is_written', 'journal', 'look',
            'names_on', 'size_of', 'table')


class Places(cuts.Points):
    """For a service that does several verbs: it is armed for one of them."""

    def arm(self, number):
        """Die at this place of what comes next; None: nowhere."""
        self.seen = []
        self.number = number

    def install(self, driver):
        formats._save = self._before('record', formats._save)
        objects.VolumeAttachment.save = self._before(
            'attachment', objects.VolumeAttachment.save)
        for name in ('create_volume_snapshot', 'delete_volume_snapshot'):
            setattr(nova.API, name, self._asking(getattr(nova.API, name)))
        means = dataclasses.replace(driver._means,
                                    run=self._around(driver._means.run))
        if self._fine:
            files.os = copying.os = guests.os = layers.os = cuts._Os(
                self, os)
        else:
            means = dataclasses.replace(means,
                                        files=_Files(self, means.files))
        driver._means = means

    def _asking(self, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            self.reach(BEFORE)
            # Whoever gets the request kills us, if this is the place.
            self.seen.append(SENT)
            answer = function(*args, **kwargs)
            self.reach(ANSWERED)
            return answer
        return call


class _Files:
    """A module's functions, with a place to be cut before each change.

    Not all are calls of their own: some are handed over in a row.
    """

    def __init__(self, points, module):
        self._points = points
        self._module = module

    def __getattr__(self, name):
        function = getattr(self._module, name)
        if name in _LOOKING:
            return function
        return self._points._before(name, function)
