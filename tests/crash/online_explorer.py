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

"""All cuts of a verb on an attached volume; see ``online``."""

import dataclasses
import multiprocessing
import os

from tests.crash import explorer
from tests.crash import holding
from tests.crash import online
from tests.crash import online_jobs
from tests.crash import places
from tests.crash import walk

#: When a request in Nova's hands is carried out, by the place of the cut.
#: That it was answered makes no difference to what is done.
WHEN = {places.SENT: (holding.AT_ONCE, holding.LATE),
        places.ANSWERED: (holding.AT_ONCE, holding.MIDST, holding.LATE,
                          holding.LATER)}
#: The same, in short.
SOME = {places.SENT: (holding.LATE,), places.ANSWERED: (holding.AT_ONCE,)}

#: Of this lane.
_benches = []


def lanes(count, folder, database):
    """Processes that play jobs at the same time, each with a hypervisor."""
    return multiprocessing.get_context('fork').Pool(
        count, _begin_lane, (str(folder), database))


def _begin_lane(folder, database):
    _benches.append(online.Bench(
        os.path.join(folder, 'online-%d' % os.getpid()), database))


def _play(job):
    return _benches[0].play(job)


def stroll(job):
    """A walk in this lane.

    :param job: arguments of walk.walk but the bench
    :returns: walk.Done
    """
    return walk.walk(_benches[0], *job)


@dataclasses.dataclass
class Report(explorer.Report):
    """:ivar jobs: how many were played"""

    jobs: int = 0

    def note(self, done):
        self.jobs += 1
        self.cuts += done.kills
        if done.finding is not None:
            kind, reason = done.finding
            self.findings.append((kind, str(done.job), reason))
        return done

    def line(self):
        count = [kind for kind, __, __ in self.findings].count
        return '%d cuts, %d lost, %d stuck, %d orphaned' % (
            self.cuts, count(explorer.LOST), count(explorer.STUCK),
            count(explorer.ORPHANED))


def explore(pool, verb, backend, when=WHEN, sabotage=None, fine=False):
    """Cut a verb at each of its places.

    :param when: WHEN or SOME
    :returns: Report
    """
    report = Report()
    first = online_jobs.Job(verb, backend, sabotage=sabotage, fine=fine)
    seen = report.note(pool.apply(_play, (first,))).seen
    for done in pool.imap_unordered(_play, list(_cuts(first, seen, when))):
        report.note(done)
    return report


def explore_again(pool, verb, backend, cut, when):
    """Cut what comes after a cut at each of its places.

    :param cut: a word, for the last place that has it
    :param when: see holding
    :returns: Report
    """
    report = Report()
    first = online_jobs.Job(verb, backend)
    seen = report.note(pool.apply(_play, (first,))).seen
    number = len(seen) - 1 - seen[::-1].index(cut)
    job = dataclasses.replace(first, number=number, word=cut, when=when)
    again = report.note(pool.apply(_play, (job,))).seen_again
    jobs = [dataclasses.replace(job, again=each)
            for each, word in enumerate(again) if word != places.SENT]
    for done in pool.imap_unordered(_play, jobs):
        report.note(done)
    return report


def _cuts(job, seen, when):
    for number, word in enumerate(seen):
        for each in when.get(word, (holding.AT_ONCE,)):
            yield dataclasses.replace(job, number=number, word=word,
                                      when=each)
