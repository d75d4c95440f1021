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

"""What every operation has in common, and what several of them need."""

import contextlib
import functools
import os
import threading

from oslo_utils import units

from remotefs_drivers.qemu import image
from remotefs_drivers.store import files

#: What is written into the volume or image that is copied, bytes of 1 GiB.
DATA = 256 * units.Mi
THREADS = 8
#: Seconds that the threads may take together.
_PATIENCE = 300


class Operation:
    """A call to a driver.

    :cvar calls: how many calls make a batch, by the in-tree driver and ours
    :cvar shares: how many shares the drivers have
    :cvar saves: whether Cinder's database takes part
    :cvar may_share: whether the file system may share blocks
    """

    name = None
    title = None
    calls = (5, 20)
    shares = 1
    qcow2 = False
    saves = True
    may_share = True

    def prepare(self, pair, root):
        """Once, before all calls.

        :returns: why it cannot be measured here, or None
        """

    def set_up(self, subject):
        """What ``call`` needs: its state."""
        raise NotImplementedError()

    def call(self, driver, state):
        raise NotImplementedError()

    def prove(self, subject, state):
        """Look whether a call has really done it, in the first round.

        :raises AssertionError: when it has not
        """

    def clean_up(self, subject, state):
        """Remove what a call left."""

    def surroundings(self):
        """A context for the calls of a batch."""
        return contextlib.nullcontext()

    def weight(self, place):
        """For how many calls of a driver's method one ``call`` stands."""
        return 1

    def bare(self, subject, state):
        """The bare qemu-img commands that do the work of a call.

        :returns: a list of qemu.command.Operation
        """
        return []

    def limit(self, subject, state):
        """What no driver can be faster than that keeps data in a crash.

        :returns: a function that does it once, or None
        """
        return None


class OfVolume(Operation):
    """A call about one volume, which is the state."""

    def set_up(self, subject):
        return fresh(subject, subject.rig.volume(subject.driver))

    def clean_up(self, subject, volume):
        files.remove(path_of(subject, volume))


class Copy(OfVolume):
    """A new raw volume, of what is in 256 MiB of a raw file of 1 GiB.

    :param shared: whether the file system may share blocks
    :cvar verb: begins the name
    """

    calls = (2, 4)
    verb = None

    def __init__(self, shared):
        self._sources = {}
        self.may_share = shared
        word = 'shared' if shared else 'copied'
        self.name = '%s-%s' % (self.verb, word)
        self.title = '%s, blocks %s' % (self.verb.replace('-', ' '), word)

    def prepare(self, pair, root):
        if self.may_share != can_clone(root):
            return ('the file system cannot share blocks' if self.may_share
                    else 'the file system shares them: name a folder of '
                         'another one')
        self._make_sources(pair, root)
        return None

    def _make_sources(self, pair, root):
        """Fill ``_sources``: driver -> what it copies."""
        raise NotImplementedError()

    def _source(self, driver):
        """The volume whose file is copied."""
        return self._sources[driver]

    def set_up(self, subject):
        return subject.rig.new_volume(subject.driver)

    def prove(self, subject, volume):
        check_copy(*self._paths(subject, volume))

    def bare(self, subject, volume):
        if self.may_share:
            return []
        source, target = self._new_paths(subject, volume)
        return [image.convert(source, 'raw', target, 'raw')]

    def limit(self, subject, volume):
        if self.may_share:
            return None
        return functools.partial(copy_durably,
                                 *self._new_paths(subject, volume))

    def _new_paths(self, subject, volume):
        """(source, target), which is made."""
        source, target = self._paths(subject, volume)
        files.create(target, units.Gi, 0o600)
        return source, target

    def _paths(self, subject, volume):
        return [path_of(subject, one) for one
                in (self._source(subject.driver), volume)]


class Crowd:
    """Threads that each do a lot of work, one after the other.

    :param lots: for each thread a list of what the function is called with
    """

    def __init__(self, lots):
        self.lots = lots
        self._errors = []

    def items(self):
        return [item for lot in self.lots for item in lot]

    def work(self, function):
        threads = [threading.Thread(target=self._work, args=(function, lot),
                                    daemon=True) for lot in self.lots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE)
            if thread.is_alive():
                raise RuntimeError('a thread hangs in %r' % function)
        if self._errors:
            raise self._errors[0]

    def _work(self, function, lot):
        try:
            for item in lot:
                function(item)
        except Exception as error:
            self._errors.append(error)


def fresh(subject, volume):
    """The volume as a request brings it: out of the database."""
    return subject.rig.reload(volume)


def loaded(volume):
    """The volume, which will not need the database any more."""
    with volume.obj_as_admin():
        volume.admin_metadata
    return volume


def path_of(subject, volume):
    return os.path.join(subject.folders[0], volume.name)


def write(path):
    """Write data into a file that is there."""
    block = os.urandom(units.Mi)
    with open(path, 'r+b') as stream:
        for __ in range(DATA // len(block)):
            stream.write(block)


def check_copy(source, copy):
    """:raises AssertionError: unless a raw file has the source's content"""
    with open(source, 'rb') as one, open(copy, 'rb') as other:
        block = True
        while block:
            block = one.read(units.Mi)
            if block != other.read(units.Mi):
                raise AssertionError('%s is no copy of %s' % (copy, source))


def copy_durably(source, target):
    """Copy what ``write`` wrote, as fast as it can reach the disk."""
    with open(source, 'rb') as origin, open(target, 'r+b') as copy:
        done = 0
        while done < DATA:
            done += os.copy_file_range(origin.fileno(), copy.fileno(),
                                       DATA - done)
        os.fdatasync(copy.fileno())


def can_clone(root):
    """Whether the file system can share blocks."""
    source, target = (os.path.join(root, 'clone-%s' % name)
                      for name in ('source', 'target'))
    for path in (source, target):
        files.create(path, 0, 0o600)
    with open(source, 'wb') as stream:
        stream.write(b'data' * units.Ki)
    try:
        return files.clone(source, target)
    finally:
        for path in (source, target):
            files.remove(path)
