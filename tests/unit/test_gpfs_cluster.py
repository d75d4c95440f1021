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

"""The clones of the emulated GPFS, whatever is done in whatever order.

A plain model beside it: what each file holds, and the chain of its parents.
Nothing is mounted; the file system's part is played by the test.
"""

import itertools
import os
import tempfile
import types

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies

from remotefs_drivers.embedded.gpfs import calls
from remotefs_drivers.embedded.gpfs import cluster as clusters
from remotefs_drivers.embedded.gpfs import commands

HOST = types.SimpleNamespace(name='a', state='active', point='/gpfs0')
FILES = stateful.Bundle('files')


class Model:
    """What a file should be.

    :ivar parent: Model, or None
    """

    def __init__(self, name, data):
        self.name = name
        self.data = data
        self.is_parent = None
        self.depth = None
        self.parent = None


class Clones(stateful.RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.cluster = clusters.Cluster(self.folder.name)
        self.programs = commands.Programs(self.cluster, commands.Site())
        self.numbers = itertools.count()
        self.files = {}
        self.root = os.open(self.cluster.root, os.O_PATH)

    def teardown(self):
        os.close(self.root)
        self.folder.cleanup()

    @stateful.rule(target=FILES)
    def create(self):
        file = Model('f%d' % next(self.numbers), os.urandom(4))
        self.files[file.name] = file
        with open(self.path(file), 'xb') as stream:
            stream.write(file.data)
        return file

    @stateful.rule(file=FILES)
    def write(self, file):
        if self.is_gone(file):
            return
        try:
            self.cluster.check_written(self.ino(file), None)
        except OSError:
            assert file.is_parent
            return
        assert not file.is_parent
        file.data = os.urandom(4)
        with open(self.path(file), 'r+b') as stream:
            stream.write(file.data)

    @stateful.rule(target=FILES, file=FILES)
    def snap(self, file):
        new = Model('f%d' % next(self.numbers), file.data)
        if not self.run('snap', file, new):
            assert self.is_gone(file) or file.is_parent
            return stateful.multiple()
        new.is_parent, new.depth, new.parent = (
            True, file.depth or 0, file.parent)
        file.is_parent, file.depth, file.parent = False, new.depth + 1, new
        self.files[new.name] = new
        return new

    @stateful.rule(file=FILES)
    def turn(self, file):
        if not self.run('snap', file):
            assert self.is_gone(file) or file.is_parent
            return
        file.is_parent, file.depth = True, file.depth or 0

    @stateful.rule(target=FILES, file=FILES)
    def copy(self, file):
        new = Model('f%d' % next(self.numbers), file.data)
        if not self.run('copy', file, new):
            assert self.is_gone(file) or not file.is_parent
            return stateful.multiple()
        new.is_parent, new.depth, new.parent = False, file.depth + 1, file
        self.files[new.name] = new
        return new

    @stateful.rule(file=FILES, verb=strategies.sampled_from(
        ['redirect', 'split']))
    def part(self, file, verb):
        if not self.run(verb, file):
            assert self.is_gone(file) or file.parent is None
            return
        file.parent = file.parent.parent if verb == 'redirect' else None
        if file.parent is not None:
            file.depth -= 1
        else:
            file.is_parent = file.is_parent or None
            file.depth = 0 if file.is_parent else None

    @stateful.rule(file=FILES)
    def remove(self, file):
        if self.is_gone(file):
            return
        try:
            with self.cluster.removing(file.name, self.root):
                os.unlink(self.path(file))
        except OSError:
            assert self.children(file)
            return
        assert not self.children(file)
        del self.files[file.name]

    @stateful.rule(file=FILES, other=FILES)
    def replace(self, file, other):
        if self.is_gone(file) or self.is_gone(other) or file is other:
            return
        try:
            with self.cluster.removing(other.name, self.root,
                                       by=(file.name, self.root)):
                os.rename(self.path(file), self.path(other))
        except OSError:
            assert self.children(other)
            return
        assert not self.children(other)
        del self.files[file.name]
        file.name = other.name
        other.name = ''
        self.files[file.name] = file

    @stateful.invariant()
    def all_is_as_it_should_be(self):
        assert set(os.listdir(self.cluster.root)) == set(self.files)
        for file in self.files.values():
            with open(self.path(file), 'rb') as stream:
                assert stream.read() == file.data
            found = self.cluster.file(self.path(file))
            assert (found.is_parent, found.depth, found.parent) == (
                file.is_parent, file.depth,
                file.parent and self.ino(file.parent))
            assert self.cluster.links(os.stat(self.path(file))) == 1 + len(
                self.children(file))

    def run(self, verb, *files):
        names = [file.name for file in files]
        try:
            self.programs.run(
                ['mmclone', verb, *names], HOST, (0, 0),
                {name: os.path.join(self.cluster.root, name)
                 for name in names if name})
        except calls.Refused:
            return False
        return True

    def children(self, file):
        return [each for each in self.files.values() if each.parent is file]

    def is_gone(self, file):
        return self.files.get(file.name) is not file

    def path(self, file):
        return os.path.join(self.cluster.root, file.name)

    def ino(self, file):
        return os.stat(self.path(file)).st_ino


TestClones = Clones.TestCase
TestClones.settings = settings(max_examples=60, stateful_step_count=30,
                               deadline=None)
