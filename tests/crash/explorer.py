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

"""Every state that crashes can leave of a verb, and what becomes of each.

The verb is killed at each of its places (see ``cuts.Points``), and each
world that this leaves is kept, once (see ``worlds``). From each of them

* an attach must find the volume whole, and what a guest then writes must
  still be there in the end;
* the verb, tried again as a user would, must come to its end;
* a user who deletes everything instead must leave an empty share;
* both are killed at each of their steps: the worlds that this leaves are
  taken up like the first ones, until no new one turns up (where the verb
  is retried as several, which are explored on their own, this ends earlier).

So it does not matter how often, and where, a recovery itself is cut off. In
every world in which a verb came to its end, all must be as it should be, and
after everything is deleted the share must be empty.

Whatever is not as it should be is a finding: something is lost, the verb is
stuck, or a file is orphaned. All acts run in processes of their own.
"""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import traceback

from tests.crash import cuts
from tests.crash import grounds
from tests.crash import worlds
from tests import rig

LOST, STUCK, ORPHANED = 'lost', 'stuck', 'orphaned'

#: Acts after which nothing is left to go on with.
_LAST = ('finish', 'remove_all')


class Finding(Exception):
    """What is not as it should be."""

    def __init__(self, kind, reason):
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason


@contextlib.contextmanager
def finding(kind):
    """What goes wrong in this block is a finding of this kind."""
    try:
        yield
    except Finding:
        raise
    except Exception as error:
        raise Finding(kind, '%s\n%s' % (error, traceback.format_exc()))


@dataclasses.dataclass
class Report:
    """What came out of one exploration.

    :ivar cuts: how many times a process was killed, or got no answer
    :ivar worlds: how many different worlds were found
    :ivar findings: (kind, how it came to it, reason) of each
    :ivar checked: folders of worlds that were looked at to the end
    """

    cuts: int = 0
    worlds: int = 0
    findings: list = dataclasses.field(default_factory=list)
    checked: set = dataclasses.field(default_factory=set)

    def kinds(self):
        return {kind for kind, __, __ in self.findings}

    def text(self):
        """The first findings, for people."""
        return '\n\n'.join('%s by %s:\n%s' % each
                           for each in self.findings[:3])

    def line(self):
        count = [kind for kind, __, __ in self.findings].count
        return ('%d cuts, %d worlds, %d lost, %d stuck, %d orphaned'
                % (self.cuts, self.worlds, count(LOST), count(STUCK),
                   count(ORPHANED)))


@dataclasses.dataclass(frozen=True)
class Job:
    """One act in one world.

    :ivar stage: Stage
    :ivar world: the folder of the world to begin with
    :ivar act: name of the method of the verb
    :ivar number: of the place where it is cut, None for none
    :ivar fine: see cuts.Points
    """

    stage: object
    world: str
    act: str
    number: object = None
    fine: bool = False


@dataclasses.dataclass(frozen=True)
class Done:
    """How an act ended.

    :ivar world: the folder of the world that it left
    :ivar is_new: whether nobody has been there before
    :ivar seen: the places where it could have been cut, None when it was
    :ivar finding: (kind, reason) or None
    """

    job: Job
    world: str
    is_new: bool
    seen: object
    finding: object


@dataclasses.dataclass(frozen=True)
class Stage:
    """A verb on a backend, in a folder.

    :ivar verb: with the acts, see tests.crash.verbs
    :ivar options: of the backend
    :ivar sabotage: function that breaks the code on purpose, or None
    :ivar ground: of grounds, where it is not that of the lane
    """

    folder: str
    verb: object
    options: tuple
    sabotage: object = None
    ground: object = None

    def play(self, folder, act, points=None):
        """Run an act of the verb in a world, in this process."""
        the_rig = _lane.rig if _lane else rig.Rig(folder)
        driver = self.ground_in(folder).driver(the_rig, self.options)
        if act == 'prepare':
            self.verb.prepare(the_rig, driver)
            return
        if self.sabotage is not None:
            self.sabotage()
        if points is not None:
            points.install(driver)
        getattr(self.verb, act)(self.verb.saga(the_rig, driver))

    def ground_in(self, folder):
        if self.ground is not None:
            return self.ground(folder)
        return _lane.ground if _lane else grounds.Folder(folder)


def prepare(stage, database):
    """Make the world that a verb begins with; returns its folder.

    :param database: path of an empty one, or None
    """
    folder = os.path.join(stage.folder, 'begin')
    os.makedirs(folder)
    if database is not None:
        with open(database, 'rb') as source, open(os.path.join(
                folder, 'cinder.sqlite'), 'wb') as target:
            target.write(source.read())
    assert cuts.run(stage.play, folder, 'prepare')
    return folder


def explore(stage, begin, lanes, most=None):
    """Go to all worlds that there are.

    :param begin: folder of the first one
    :param lanes: multiprocessing.Pool
    :param most: how often a crash may follow a crash, None for any number
    :returns: Report
    """
    report = Report()
    known = set()
    jobs = _every_cut(lanes, [Job(stage, begin, 'act', fine=True)], report)
    depth = 0
    while jobs:
        found = _new(lanes.imap_unordered(do, jobs), known, report)
        report.worlds = len(known)
        again = [Job(stage, world, act) for world in found
                 for act in ('retry', 'attach')]
        jobs = _every_cut(lanes, again, report)
        _check_ends(stage, found, lanes, report)
        depth += 1
        if depth == most:
            break
    return report


def _every_cut(lanes, jobs, report):
    """A job for each place where these can be cut.

    They are done to their end first, which tells how many there are; where
    a retry ends all must be well.
    """
    every, ends = [], {}
    for done in lanes.imap_unordered(do, jobs):
        _note(done, report)
        every += [dataclasses.replace(done.job, number=number)
                  for number in range(len(done.seen or ()))]
        if done.job.act != 'attach' and done.finding is None:
            ends[done.world] = Job(done.job.stage, done.world, 'finish')
    _check(lanes, ends.values(), report)
    return every


def _check_ends(stage, found, lanes, report):
    """A guest goes on with the volume in between, and loses nothing.

    And a user who does not try again, but deletes it all, leaves nothing.
    """
    written, ends = [], {}
    for done in lanes.imap_unordered(
            do, [Job(stage, world, 'remove_all') for world in found]):
        _note(done, report)
    for done in lanes.imap_unordered(
            do, [Job(stage, world, 'go_on') for world in found]):
        _note(done, report)
        if done.finding is None:
            written.append(Job(stage, done.world, 'retry'))
    for done in lanes.imap_unordered(do, written):
        _note(done, report)
        if done.finding is None:
            ends[done.world] = Job(stage, done.world, 'finish')
    _check(lanes, ends.values(), report)


def _check(lanes, jobs, report):
    """Check worlds in which all should be well, each only once."""
    jobs = [job for job in jobs if job.world not in report.checked]
    report.checked.update(job.world for job in jobs)
    for done in lanes.imap_unordered(do, jobs):
        _note(done, report)


def _new(many, known, report):
    """The worlds that nobody knew before."""
    found = []
    for done in many:
        _note(done, report)
        report.cuts += done.seen is None and done.finding is None
        if done.world not in known:
            known.add(done.world)
            found.append(done.world)
    return found


def _note(done, report):
    if done.finding is not None:
        kind, reason = done.finding
        report.findings.append((kind, _way(done), reason))


def _way(done):
    job = done.job
    return '%s of %s, cut at %s; on the share: %s' % (
        job.act, os.path.basename(job.world), job.number,
        ' '.join(worlds.names(job.world)))


def do(job):
    """Do one job, in this lane; called in a process of the pool."""
    folder = _lane.rig.folder
    worlds.copy(job.world, folder, job.stage.ground_in(folder).moved)
    seen, found = _fork(job, folder)
    if job.act in _LAST:
        return Done(job, job.world, False, seen, found)
    world, is_new = _keep(job.stage, folder)
    return Done(job, world, is_new, seen, found)


def _keep(stage, folder):
    """Keep what a lane has made; (folder, whether it was not there)."""
    world = os.path.join(stage.folder, 'world-' + worlds.digest(folder))
    if os.path.exists(world):
        return world, False
    copy = '%s.%d' % (world, os.getpid())
    worlds.copy(folder, copy)
    try:
        os.rename(copy, world)
    except OSError:
        # The other lane was here in between.
        return world, False
    return world, True


def _fork(job, folder):
    """Do it in a process of its own.

    :returns: (the places where it could have been cut, or None when it was
              cut; the finding or None)
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _in_child(job, folder, writing)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    __, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        _lane.ground.come_back()
        return None, None
    assert status == 0 and text, status
    return json.loads(text)


def _in_child(job, folder, writing):
    points = cuts.Points(job.number, job.fine, _lane.ground.die)
    found = None
    try:
        try:
            with finding(STUCK), points.expected():
                job.stage.play(folder, job.act, points)
            points.end()
        except Finding as error:
            found = error.kind, error.reason
        with os.fdopen(writing, 'w') as stream:
            json.dump((None if points.struck else points.seen, found),
                      stream)
        os._exit(0)
    finally:
        os._exit(70)


def lanes(count, folder, database, locations=None):
    """Processes that do jobs at the same time, in folders below this one.

    :param database: path of an empty one
    :param locations: of GlusterFS, when the lanes are to be there, one each
    """
    context = multiprocessing.get_context('fork')
    queue = None
    if locations is not None:
        queue = context.SimpleQueue()
        for location in locations:
            queue.put(location)
    return context.Pool(count, _begin_lane, (str(folder), database, queue))


class _Lane:
    """Of this process.

    What the processes that are forked from here share with it is a
    configuration and compiled queries; no driver has been here.
    """

    def __init__(self, folder, database, location):
        os.makedirs(folder)
        self.ground = (grounds.Folder(folder) if location is None else
                       grounds.Glusterfs(folder, location))
        shutil.copy(database, folder)
        self.rig = rig.Rig(folder)
        self.rig.get_ready_to_fork()


_lane = None


def _begin_lane(root, database, queue):
    global _lane
    _lane = _Lane(os.path.join(root, 'lane-%d' % os.getpid()), database,
                  queue and queue.get())
