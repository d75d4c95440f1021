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

"""Batches of calls, in turns.

A call right after the other driver's children pays for them: cold caches,
pages to copy after a fork. So each driver makes a number of calls in a row,
then the other one; a batch is told by its median, and compared with the
other driver's batch of the same round only, which found the machine in the
same mood. A third batch runs nothing but the qemu-img commands that do the
same, where there are any: what the rest of our driver costs is told by that.
A fourth one does what nobody can be faster than, where that is known. In a
first round, which is not counted, each operation looks whether the drivers do
it.

What a driver, or the making of its surroundings, has not flushed to the disk
would be charged to the next one that flushes anything: so all is flushed
before a batch.
"""

import contextlib
import dataclasses
import gc
import os
import statistics
import subprocess

#: Calls whose children are counted, of which the highest number is told.
_COUNTED = 3
#: Seconds to flush a file system.
_LIMIT = 120
#: Of a bare command: its progress is read by nobody.
_QUIET = ((os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),)


@dataclasses.dataclass
class Figures:
    """One driver in one operation.

    :ivar total: milliseconds, the median of each round's batch
    :ivar net: the same without Cinder's database
    :ivar children: meter.Children of a call
    """

    total: list
    net: list
    children: object = None


class Rounds:
    """All rounds of one operation.

    :param subjects: the two drivers, as subjects.Subject
    :ivar bare: milliseconds of the bare commands, one for each round; empty
                where there are none
    :ivar limit: the same, of what nobody can be faster than
    """

    def __init__(self, operation, subjects, clock):
        self.operation = operation
        self._subjects = subjects
        self._clock = clock
        self.figures = [Figures([], []) for __ in subjects]
        self.bare = []
        self.limit = []

    def time(self, number):
        """Make so many rounds and one more."""
        for index in range(number + 1):
            batches = [self._batch(subject, prove=index == 0)
                       for subject in self._subjects]
            bare = self._bare(self._subjects[1])
            limit = self._limit(self._subjects[1])
            if index > 0:
                self._note(batches)
                self.bare += _median(bare)
                self.limit += _median(limit)

    def count(self, counter):
        """Count the children, see meter: when all times are taken."""
        for figures, subject in zip(self.figures, self._subjects):
            found = [self._counted(subject, counter)
                     for __ in range(_COUNTED)]
            figures.children = max(found, key=lambda one: one.started)

    def _note(self, batches):
        for place, samples in enumerate(batches):
            weight = self.operation.weight(place)
            figures = self.figures[place]
            figures.total.append(statistics.median(
                sample.total for sample in samples) / weight)
            figures.net.append(statistics.median(
                sample.net for sample in samples) / weight)

    def _batch(self, subject, prove):
        with self._states(subject) as states:
            _calm_down(subject)
            with self.operation.surroundings():
                samples = [self._clock.time(
                    self.operation.call, subject.driver, state)
                    for state in states]
            if prove:
                self.operation.prove(subject, states[-1])
            return samples

    def _bare(self, subject):
        """Milliseconds of the bare commands of a call, for each call."""
        with self._states(subject) as states:
            commands = [self.operation.bare(subject, state)
                        for state in states]
            if not all(commands):
                return []
            _calm_down(subject)
            return [self._clock.time(_run, some).total for some in commands]

    def _limit(self, subject):
        """The same, of what nobody can be faster than."""
        with self._states(subject) as states:
            functions = [self.operation.limit(subject, state)
                         for state in states]
            if not all(functions):
                return []
            _calm_down(subject)
            return [self._clock.time(each).total for each in functions]

    @contextlib.contextmanager
    def _states(self, subject):
        """As many as a batch has calls; cleaned up in the end."""
        with contextlib.ExitStack() as stack:
            states = []
            for __ in range(self.operation.calls[subject.place]):
                state = self.operation.set_up(subject)
                stack.callback(self.operation.clean_up, subject, state)
                states.append(state)
            yield states

    def _counted(self, subject, counter):
        state = self.operation.set_up(subject)
        with contextlib.ExitStack() as stack:
            stack.callback(self.operation.clean_up, subject, state)
            stack.enter_context(self.operation.surroundings())
            found = counter.count(self.operation.call, subject.driver, state)
        return found.each(self.operation.weight(subject.place))


def _median(values):
    """A list of it, empty where there are no values."""
    return [statistics.median(values)] if values else []


def _calm_down(subject):
    gc.collect()
    subprocess.run(['sync', '--file-system', *subject.folders], check=True,
                   timeout=_LIMIT)


def _run(commands):
    """As cheap as can be, and by calls that eventlet has not replaced: its
    wait looks every 10 ms only.
    """
    for command in commands:
        child = os.posix_spawnp(command.argv[0], command.argv, os.environ,
                                file_actions=_QUIET)
        __, status, __ = os.wait4(child, 0)
        if status:
            raise RuntimeError('%r ended with status %d' % (command, status))
