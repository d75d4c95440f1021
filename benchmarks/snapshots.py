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

"""Operations on snapshots and on volumes that have some."""

import os
import tempfile

from cinder import objects
from oslo_utils import units

from benchmarks import bare
from benchmarks import chains
from benchmarks import meter
from benchmarks import operation
from remotefs_drivers.chain import model
from remotefs_drivers.qemu import image
from remotefs_drivers.store import files

#: How many overlays a long chain has, and a very long one.
_DEPTHS = (10, 100)


class _OfChain(operation.Operation):
    """A call about a chained volume, which is the state.

    :param depth: how many overlays it has
    :param place: of the snapshot in question, as chains has it
    """

    verb = None

    def __init__(self, depth, place, word):
        self._depth = depth
        self._place = place
        self._moulds = None
        self.name = ('%s-%s' % (self.verb, word)).replace(' ', '-')
        self.title = '%s, %s' % (self.verb, word)

    def prepare(self, pair, root):
        self._moulds = chains.Moulds(tempfile.mkdtemp(dir=root))

    def set_up(self, subject):
        return self._moulds.volume(subject, self._depth, self._place)

    def prove(self, subject, state):
        found = chains.names_of(subject, state.volume)
        expected = self._expected(state)
        if found != expected:
            raise AssertionError('the files are %s, expected %s'
                                 % (found, expected))

    def clean_up(self, subject, state):
        chains.remove(subject, state.volume)

    def _expected(self, state):
        """The names of the files after a call."""
        return state.names


class CreateSnapshot(_OfChain):
    """One more, of a volume that has so many."""

    verb = 'create snapshot'

    def __init__(self, depth, word):
        super().__init__(depth, None, word)
        if depth >= 100:
            self.calls = (3, 8)

    def call(self, driver, state):
        driver.create_snapshot(state.snapshot)

    def bare(self, subject, state):
        return [_overlay(subject, state.names[-1], _file(state))]

    def _expected(self, state):
        return state.names + (_file(state),)


class DeleteSnapshot(_OfChain):
    """One of so many, with a MiB of data."""

    def __init__(self, depth, place, word):
        self.verb = 'delete ' + word
        super().__init__(depth, place, str(depth))
        self.calls = (1, 6) if depth >= 100 else (2, 8)

    def call(self, driver, state):
        driver.delete_snapshot(state.snapshot)

    def bare(self, subject, state):
        folder = subject.folders[0]
        at = state.names.index(_file(state))
        commands = [image.commit(os.path.join(folder, _file(state)))]
        if at + 1 < len(state.names):
            commands.append(image.rebase(
                os.path.join(folder, state.names[at + 1]),
                state.names[at - 1], _format(state.names[at - 1])))
        return commands

    def _expected(self, state):
        return tuple(name for name in state.names if name != _file(state))


class Revert(_OfChain):
    """To the newest snapshot, throwing a MiB of data away."""

    verb = 'revert'

    def call(self, driver, state):
        driver.revert_to_snapshot(state.volume.obj_context, state.volume,
                                  state.snapshot)

    def prove(self, subject, state):
        super().prove(subject, state)
        size = os.path.getsize(os.path.join(subject.folders[0],
                                            _file(state)))
        if size >= units.Mi:
            raise AssertionError('the active file is not empty')

    def bare(self, subject, state):
        os.unlink(os.path.join(subject.folders[0], state.names[-1]))
        return [_overlay(subject, state.names[-2], state.names[-1])]


class ExtendWithSnapshots(_OfChain):
    """From 1 to 2 GiB."""

    verb = 'extend'

    def call(self, driver, state):
        driver.extend_volume(state.volume, 2)

    def bare(self, subject, state):
        return [image.resize(os.path.join(subject.folders[0],
                                          state.names[-1]),
                             'qcow2', 2 * units.Gi)]


class VolumeFromSnapshot(operation.Copy):
    """The oldest snapshot of three: a raw base with 256 MiB of data."""

    verb = 'from-snapshot'

    def _make_sources(self, pair, root):
        folder = tempfile.mkdtemp(dir=root)
        raw = os.path.join(folder, 'raw')
        files.create(raw, units.Gi, 0o600)
        operation.write(raw)
        moulds = chains.Moulds(folder)
        for subject in pair:
            self._sources[subject.driver] = moulds.volume(subject, 3, 0, raw)
        os.unlink(raw)

    def _source(self, driver):
        return self._sources[driver].volume

    def call(self, driver, volume):
        driver.create_volume_from_snapshot(volume,
                                           self._sources[driver].snapshot)


class SnapshotMany(operation.Operation):
    """First snapshots of volumes, by eight threads at once; the time is
    that of one.

    Without the database: eight threads on sqlite would wait for its locks.
    """

    name = 'snapshot-threads'
    title = 'create snapshot, %d threads' % operation.THREADS
    calls = (1, 1)
    saves = False
    _each = (2, 8)

    def prepare(self, pair, root):
        self._moulds = chains.Moulds(tempfile.mkdtemp(dir=root))

    def set_up(self, subject):
        return operation.Crowd([[self._chained(subject) for __ in
                                 range(self._each[subject.place])]
                                for __ in range(operation.THREADS)])

    def call(self, driver, crowd):
        crowd.work(lambda chained: driver.create_snapshot(chained.snapshot))

    def prove(self, subject, crowd):
        for chained in crowd.items():
            if len(chains.names_of(subject, chained.volume)) != 2:
                raise AssertionError('a volume has no overlay')

    def clean_up(self, subject, crowd):
        for chained in crowd.items():
            chains.remove(subject, chained.volume)

    def surroundings(self):
        return meter.without_saving(objects.Volume)

    def weight(self, place):
        return operation.THREADS * self._each[place]

    def _chained(self, subject):
        chained = self._moulds.volume(subject, 0)
        chained.snapshot.volume = operation.loaded(chained.volume)
        return chained


def every():
    """All of these, in the order of the table."""
    deletes = [DeleteSnapshot(depth, place(depth), word)
               for word, place in (('newest', lambda depth: depth - 1),
                                   ('middle', lambda depth: depth // 2),
                                   ('oldest', lambda depth: 0))
               for depth in _DEPTHS]
    return [CreateSnapshot(0, 'first'), CreateSnapshot(1, 'second'),
            *(CreateSnapshot(depth, str(depth)) for depth in _DEPTHS),
            SnapshotMany(), *deletes, Revert(2, 1, 'newest of 2'),
            ExtendWithSnapshots(2, 1, 'with 2'), VolumeFromSnapshot(True),
            VolumeFromSnapshot(False)]


def _file(state):
    """The name of the file that the snapshot adds."""
    return model.overlay(state.volume.name, state.snapshot.id)


def _format(name):
    return 'qcow2' if '.' in name else 'raw'


def _overlay(subject, backing, name):
    return bare.create_overlay(os.path.join(subject.folders[0], name),
                               backing, _format(backing), units.Gi)
