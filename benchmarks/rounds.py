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
same mood. A first round is not counted.
"""

import contextlib
import dataclasses
import gc
import statistics

#: Calls whose children are counted, of which the highest number is told.
_COUNTED = 3


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
    """

    def __init__(self, operation, subjects, clock):
        self.operation = operation
        self._subjects = subjects
        self._clock = clock
        self.figures = [Figures([], []) for __ in subjects]

    def time(self, number):
        """Make so many rounds and one more."""
        for index in range(number + 1):
            batches = [self._batch(subject) for subject in self._subjects]
            if index > 0:
                self._note(batches)

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

    def _batch(self, subject):
        calls = self.operation.calls[subject.place]
        states = [self.operation.set_up(subject) for __ in range(calls)]
        try:
            gc.collect()
            with self.operation.surroundings():
                return [self._clock.time(self.operation.call, subject.driver,
                                         state) for state in states]
        finally:
            for state in states:
                self.operation.clean_up(subject, state)

    def _counted(self, subject, counter):
        state = self.operation.set_up(subject)
        with contextlib.ExitStack() as stack:
            stack.callback(self.operation.clean_up, subject, state)
            stack.enter_context(self.operation.surroundings())
            found = counter.count(self.operation.call, subject.driver, state)
        return found.each(self.operation.weight(subject.place))
