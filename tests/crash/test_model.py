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

"""A random walk over all verbs, by threads of a service that is killed.

Each thread has a family of volumes, and a note of what they hold and of what
it is doing. The service dies by SIGKILL at any time; the next one does what
a user would (delete what failed to be made, try the rest again), compares
all volumes with the notes, and goes on. In the end everything is deleted.

REMOTEFS_WALK_SEED repeats a walk as far as its dice go, REMOTEFS_WALK_SECONDS
says how long it takes.
"""

import json
import os
import random
import signal
import threading
import time
import traceback

from cinder import exception
from cinder import objects
import pytest

from tests.crash import verbs
from tests.functional import content
from tests.functional import stages
from tests import rig

_SEED = 'REMOTEFS_WALK_SEED'
_SECONDS = 'REMOTEFS_WALK_SECONDS'
_FAILURES = 'failures'
_THREADS = 3
_MOST_VOLUMES, _MOST_SNAPSHOTS, _MOST_GIB = 3, 4, 4
_PLACES = 8
#: Times as long as usual that a life may be on a busy machine.
_LONGEST = 64


class Family:
    """The volumes of one thread, and what they must hold.

    :ivar told: volume id -> its size, its state, its snapshots from the
        oldest on, each with its state; JSON, written before and after each
        verb
    """

    def __init__(self, walk, number, dice):
        self._rig, self._driver = walk.rig, walk.driver
        self._dice = dice
        self._folder = os.path.join(walk.rig.folder, 'family-%d' % number)
        os.makedirs(self._folder, exist_ok=True)
        self._notes = os.path.join(self._folder, 'notes')
        self._history = open(os.path.join(self._folder, 'history'), 'a')
        self.told, self._doing = {}, None
        if os.path.exists(self._notes):
            with open(self._notes) as stream:
                self.told, self._doing = json.load(stream)

    def step(self):
        """Any verb that can be now."""
        volume_id = self._dice.choice(sorted(self.told) or [None])
        if volume_id is None:
            return self._do('make', None, None)
        one = self.told[volume_id]
        verb = self._dice.choice(['write', 'write', 'write', 'snap', 'snap',
                                  'drop', 'drop', 'revert', 'extend', 'make',
                                  'clone', 'from_snapshot', 'remove'])
        snapshot = self._dice.choice(one['snapshots'] or [[None]])[0]
        if verb == 'revert' and one['snapshots']:
            snapshot = one['snapshots'][-1][0]
        possible = {
            'snap': len(one['snapshots']) < _MOST_SNAPSHOTS,
            'drop': snapshot, 'revert': snapshot,
            'from_snapshot': snapshot and self._has_room(),
            'make': self._has_room(), 'clone': self._has_room(),
            'extend': one['size'] < _MOST_GIB,
            'remove': not one['snapshots'],
        }
        if possible.get(verb, True):
            self._do(verb, volume_id, snapshot)

    def _has_room(self):
        return len(self.told) < _MOST_VOLUMES

    def _do(self, verb, volume_id, snapshot_id):
        made = None
        size = self.told[volume_id]['size'] if volume_id else 1
        if verb in ('make', 'clone', 'from_snapshot'):
            made = self._rig.new_volume(self._driver, size).id
        elif verb == 'snap':
            made = self._rig.new_snapshot(self._volume(volume_id)).id
        place = self._dice.randrange(_PLACES)
        pattern = self._dice.randrange(1, 256)
        self._go([verb, volume_id, snapshot_id, made, place, pattern])

    def repair(self):
        """What a user does after a crash, with what was under way."""
        if self._doing is None:
            return
        verb, volume_id, __, made = self._doing[:4]
        if verb in ('make', 'clone', 'from_snapshot'):
            self._driver.delete_volume(self._volume(made))
            self._note(None)
        elif verb == 'snap':
            self._driver.delete_snapshot(self._snapshot(made))
            self._note(None)
        else:
            self._go(self._doing)

    def _go(self, doing):
        self._note(doing)
        verb, *rest = doing
        getattr(self, '_' + verb)(*rest)
        self._note(None)

    def _note(self, doing):
        self._doing = doing
        with open(self._notes + '.new', 'w') as stream:
            json.dump([self.told, doing], stream)
        os.rename(self._notes + '.new', self._notes)
        self._history.write('%.3f %s\n' % (time.time(), doing or 'done'))
        self._history.flush()

    # The verbs

    def _write(self, volume_id, snapshot_id, made, place, pattern):
        path, file_format = self._attach(volume_id)
        content.write(path, file_format, pattern, place * content.MIB,
                      content.KIB)
        self.told[volume_id]['state'][str(place)] = pattern

    def _snap(self, volume_id, snapshot_id, made, *dice):
        snapshot = self._snapshot(made)
        self._driver.create_snapshot(snapshot)
        snapshot.status = 'available'
        snapshot.save()
        one = self.told[volume_id]
        one['snapshots'].append([made, dict(one['state'])])

    def _drop(self, volume_id, snapshot_id, *rest):
        self._driver.delete_snapshot(self._snapshot(snapshot_id))
        one = self.told[volume_id]
        one['snapshots'] = [each for each in one['snapshots']
                            if each[0] != snapshot_id]

    def _revert(self, volume_id, snapshot_id, *rest):
        self._driver.revert_to_snapshot(
            self._rig.context, self._volume(volume_id),
            self._snapshot(snapshot_id))
        one = self.told[volume_id]
        one['state'] = dict(one['snapshots'][-1][1])

    def _extend(self, volume_id, *rest):
        one, volume = self.told[volume_id], self._volume(volume_id)
        size = one['size'] + 1
        self._driver.extend_volume(volume, size)
        volume.size = size
        volume.save()
        one['size'] = size

    def _make(self, volume_id, snapshot_id, made, *dice):
        self._finish(made, self._driver.create_volume(self._volume(made)),
                     {})

    def _clone(self, volume_id, snapshot_id, made, *dice):
        self._finish(made, self._driver.create_cloned_volume(
            self._volume(made), self._volume(volume_id)),
            self.told[volume_id]['state'])

    def _from_snapshot(self, volume_id, snapshot_id, made, *dice):
        self._finish(made, self._driver.create_volume_from_snapshot(
            self._volume(made), self._snapshot(snapshot_id)),
            dict(self.told[volume_id]['snapshots'])[snapshot_id])

    def _finish(self, made, update, state):
        volume = self._volume(made)
        volume.update(update)
        volume.status = 'available'
        volume.save()
        self.told[made] = {'size': volume.size, 'state': dict(state),
                           'snapshots': []}

    def _remove(self, volume_id, *rest):
        try:
            volume = self._volume(volume_id)
        except exception.VolumeNotFound:
            pass
        else:
            self._driver.delete_volume(volume)
            volume.destroy()
        del self.told[volume_id]

    # What must be so

    def check(self, snapshots=False):
        """All volumes hold what the notes say."""
        for volume_id, one in list(self.told.items()):
            self._check_file(*self._attach(volume_id), one['size'],
                             one['state'])
            if snapshots:
                for snapshot_id, state in one['snapshots']:
                    self._check_snapshot(snapshot_id, one['size'], state)

    def _check_snapshot(self, snapshot_id, size, state):
        copy = self._rig.new_volume(self._driver, size)
        copy.update(self._driver.create_volume_from_snapshot(
            copy, self._snapshot(snapshot_id)))
        copy.save()
        self._check_file(*self._attach(copy.id), size, state)
        self._driver.delete_volume(copy)
        copy.destroy()

    def _check_file(self, path, file_format, size, state):
        content.assert_holds(
            path, file_format, size * content.GIB,
            [(pattern, int(place) * content.MIB, content.KIB)
             for place, pattern in state.items()], self._folder)

    def end(self):
        """Delete everything, snapshots in any order."""
        for volume_id, one in list(self.told.items()):
            snapshots = [each[0] for each in one['snapshots']]
            self._dice.shuffle(snapshots)
            for snapshot_id in snapshots:
                self._do('drop', volume_id, snapshot_id)
            self._do('remove', volume_id, None)

    def _attach(self, volume_id):
        volume = self._volume(volume_id)
        connection = self._driver.initialize_connection(volume, {})
        return (self._driver.local_path(volume),
                connection['data']['format'])

    def _volume(self, volume_id):
        return objects.Volume.get_by_id(self._rig.context, volume_id)

    def _snapshot(self, snapshot_id):
        return objects.Snapshot.get_by_id(self._rig.context, snapshot_id)


class Walk:
    """One life of a service, in this process."""

    def __init__(self, folder, options, seed):
        self.rig = rig.Rig(folder)
        self.driver = self.rig.driver(
            stages.POSIX,
            posix_directories=[os.path.join(folder, 'share')],
            **dict(options))
        self._families = [
            Family(self, number, random.Random('%s %d' % (seed, number)))
            for number in range(_THREADS)]
        self._failed = False

    def begin(self):
        """The database is there then, and what the families write."""

    def live(self):
        """Until it is killed."""
        self._in_threads(self._live)

    def end(self):
        """Check everything, and delete it."""
        self._in_threads(self._end)

    def _in_threads(self, function):
        threads = [threading.Thread(target=self._guarded,
                                    args=(function, family))
                   for family in self._families]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self._failed

    def _guarded(self, function, family):
        try:
            function(family)
        except BaseException:
            _report(self.rig.folder)
            self._failed = True

    def _live(self, family):
        family.repair()
        family.check()
        while not self._failed:
            family.step()

    def _end(self, family):
        family.repair()
        family.check(snapshots=True)
        family.end()


def _lives(folder, backend, seed, life):
    """Whether a life that nobody cuts short ends well."""
    pid = _fork(folder, verbs.BACKENDS[backend], seed, life)
    __, status = os.waitpid(pid, 0)
    return status == 0


def _fork(folder, options, seed, life):
    """A life in a new process; its id, once it is about to do anything."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with open(reading, 'rb') as stream:
            stream.read()
        return pid
    os.close(reading)
    code = 70
    try:
        walk = Walk(folder, options, seed)
        os.close(writing)
        getattr(walk, life)()
        code = 0
    except BaseException:
        _report(folder)
    finally:
        os._exit(code)


def _report(folder):
    """Write down what went wrong, where the test finds it."""
    with open(os.path.join(folder, _FAILURES), 'a') as stream:
        traceback.print_exc(file=stream)


def _kill(pid, seconds):
    """Let it live so long, and kill it. False: it had ended by itself."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    __, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def _histories(folder):
    failures = os.path.join(folder, _FAILURES)
    if os.path.exists(failures):
        with open(failures) as stream:
            yield stream.read()
    for number in range(_THREADS):
        path = os.path.join(folder, 'family-%d' % number, 'history')
        with open(path) as stream:
            yield 'family %d:\n%s' % (number, stream.read())


def _steps(folder):
    """How many verbs came to their end."""
    return sum(each.count(' done') for each in _histories(folder))


def _is_enough(folder, kills):
    return kills > 1 and _steps(folder) > 5


@pytest.mark.parametrize('backend', sorted(verbs.BACKENDS))
def test_a_walk(backend, tmp_path, capsys):
    folder = str(tmp_path)
    os.makedirs(os.path.join(folder, 'share'))
    seed = os.environ.get(_SEED) or str(random.SystemRandom().getrandbits(32))
    dice = random.Random(seed)
    limit = time.monotonic() + float(os.environ.get(_SECONDS, 30))
    kills, longer = 0, 1
    well = _lives(folder, backend, seed, 'begin')
    while well and (time.monotonic() < limit or
                    not _is_enough(folder, kills) and longer < _LONGEST):
        pid = _fork(folder, verbs.BACKENDS[backend], '%s %d' % (seed, kills),
                    'live')
        well = _kill(pid, longer * dice.uniform(1, 4))
        kills += well
        if time.monotonic() > limit:
            # No verb comes to its end in so short a life.
            longer *= 2
    well = well and _lives(folder, backend, seed, 'end')
    told, steps = list(_histories(folder)), _steps(folder)
    with capsys.disabled():
        print('\nwalk, %s: %s=%s, %d kills, %d verbs'
              % (backend, _SEED, seed, kills, steps))
    assert well, 'see above; %s=%s\n%s' % (_SEED, seed, '\n'.join(told))
    assert stages.left(os.path.join(folder, 'share')) == set()
    assert _is_enough(folder, kills), (kills, steps)
