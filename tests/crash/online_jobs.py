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

"""Which verbs ``online`` cuts, where, and how that went."""

import dataclasses

from tests.crash import holding


@dataclasses.dataclass(frozen=True)
class Verb:
    """:param snapshots: how many the volume has before
    :param place: of the one that is deleted; None: another one is made
    """

    snapshots: int
    place: object = None


VERBS = {
    'create the first snapshot': Verb(0),
    'create another snapshot': Verb(1),
    'delete the newest snapshot': Verb(2, 1),
    'delete a middle snapshot': Verb(3, 1),
    'delete the oldest snapshot': Verb(2, 0),
    'delete the only snapshot': Verb(1, 0),
}


@dataclasses.dataclass(frozen=True)
class Job:
    """One cut.

    :ivar verb: a key of VERBS
    :ivar backend: a key of tenant.BACKENDS
    :ivar number: of the place where the verb is cut, None for none
    :ivar word: what is there
    :ivar when: the hypervisor does what is in its hands then
    :ivar again: of the place where what comes after it is cut as well
    :ivar sabotage: function that breaks the code on purpose, or None
    """

    verb: str
    backend: str
    number: object = None
    word: object = None
    when: str = holding.AT_ONCE
    again: object = None
    sabotage: object = None
    fine: bool = False

    def __str__(self):
        return '%s, %s, cut at %s (%s), Nova %s, then at %s' % (
            self.verb, self.backend, self.number, self.word, self.when,
            self.again)


@dataclasses.dataclass(frozen=True)
class Done:
    """How it went.

    :ivar seen: the places of the verb, when it was not cut
    :ivar seen_again: those of what came after it
    :ivar kills: how many times a service was killed
    :ivar finding: (kind, reason) or None
    """

    job: Job
    seen: tuple
    seen_again: tuple
    kills: int
    finding: object
