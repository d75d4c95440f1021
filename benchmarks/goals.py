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

"""What our driver promises: so few children, so many times faster. Pure."""

import dataclasses
import statistics
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Goal:
    """For one operation.

    :ivar children: at most so many
    :ivar ratio: the in-tree driver's time is at least so many times ours
    :ivar bare: our time is at most so many times that of the bare qemu-img
                commands; None: nothing is promised
    """

    children: int
    ratio: float
    bare: Optional[float] = None

    def is_met(self, children, ratio):
        return children <= self.children and ratio >= self.ratio

    def is_near_bare(self, ratio):
        """Whether that goal is met; None where there is none.

        :param ratio: our time by that of the bare commands
        """
        return None if self.bare is None else ratio <= self.bare

    def __str__(self):
        return '%d, >= %g' % (self.children, self.ratio)


#: Operation -> Goal. The others are measured too, and promised nothing.
#: Stats: one child for each share, since only a child can be killed when a
#: server does not answer.
GOALS = {
    'create-raw': Goal(children=0, ratio=25),
    'create-qcow2': Goal(children=0, ratio=6),
    'delete': Goal(children=0, ratio=100),
    'extend-raw': Goal(children=0, ratio=100),
    'attach': Goal(children=0, ratio=300),
    'stats-32': Goal(children=32, ratio=10),
    'clone-shared': Goal(children=1, ratio=50),
    'clone-copied': Goal(children=1, ratio=4, bare=1.5),
    'create-snapshot-first': Goal(children=0, ratio=6, bare=1.5),
    'create-snapshot-second': Goal(children=0, ratio=6, bare=1.5),
    'create-snapshot-10': Goal(children=0, ratio=6, bare=1.5),
    'create-snapshot-100': Goal(children=0, ratio=6, bare=1.5),
    'snapshot-threads': Goal(children=0, ratio=10),
    'delete-newest-10': Goal(children=1, ratio=0, bare=1.5),
    'delete-newest-100': Goal(children=1, ratio=0, bare=1.5),
    'delete-middle-10': Goal(children=2, ratio=20, bare=1.5),
    'delete-middle-100': Goal(children=2, ratio=70, bare=1.5),
    'delete-oldest-10': Goal(children=2, ratio=20, bare=1.5),
    'delete-oldest-100': Goal(children=2, ratio=70, bare=1.5),
    'revert-newest-of-2': Goal(children=0, ratio=10, bare=1.5),
    'from-snapshot-shared': Goal(children=1, ratio=50),
    'from-snapshot-copied': Goal(children=1, ratio=4, bare=1.5),
}


@dataclasses.dataclass(frozen=True)
class Spread:
    """The middle of some figures, and how far they lie apart."""

    median: float
    low: float
    high: float


def spread(values):
    """The Spread of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def ratios(slow, fast):
    """Spread of how many times faster it was, round by round.

    :param slow: times of the in-tree driver, one for each round
    :param fast: ours, of the same rounds
    """
    return spread([one / other for one, other in zip(slow, fast)])
