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

"""What goes wrong with a program, on demand."""

import dataclasses
import threading

BEFORE = 'before'
HALF = 'half'
AFTER = 'after'

#: Of which there can be a half: (program, what its arguments begin with).
_DIVISIBLE = (('mmclone', 'snap'), ('mmclone', 'copy'), ('mmcrsnapshot', ''))


@dataclasses.dataclass
class Fault:
    """:ivar program: its name, or '' for any
    :ivar containing: only when one of its arguments contains this
    :ivar code: exit code that it ends with, 0 for a good end
    :ivar when: it ends so BEFORE it has done anything, when HALF is done, or
                AFTER all of it
    :ivar seconds: that it takes longer, before anything is done
    :ivar hangs: it does not end; with AFTER, what it was to do is done
    :ivar times: how often, -1 for always
    """

    program: str = ''
    containing: str = ''
    code: int = 0
    text: str = 'it was told to fail'
    when: str = BEFORE
    seconds: float = 0
    hangs: bool = False
    times: int = 1

    def fits(self, argv):
        return (self.program in ('', argv[0]) and
                any(self.containing in word for word in argv))


class Faults:
    def __init__(self):
        self._lock = threading.Lock()
        self._coming = []

    def add(self, fault):
        """:raises ValueError: for a half of what cannot be divided"""
        if fault.when == HALF and fault.program not in {
                program for program, __ in _DIVISIBLE}:
            raise ValueError('%s is done or not, never half'
                             % fault.program)
        with self._lock:
            self._coming.append(fault)

    def clear(self):
        with self._lock:
            self._coming.clear()

    def next(self, argv):
        """What goes wrong with this one; a Fault, of nothing perhaps."""
        with self._lock:
            for fault in self._coming:
                if fault.fits(argv) and _is_possible(fault, argv):
                    fault.times -= 1
                    if fault.times == 0:
                        self._coming.remove(fault)
                    return fault
        return Fault()


def _is_possible(fault, argv):
    return fault.when != HALF or any(
        argv[0] == program and argv[1].startswith(first)
        for program, first in _DIVISIBLE if len(argv) > 1)
