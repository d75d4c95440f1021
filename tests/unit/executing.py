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
"""Executors at work: hands that break or die, and shares to look at."""

import json
import os

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from remotefs_drivers.store import direct
from remotefs_drivers.store import executor
from tests.unit import chains
from tests.unit import crafted
from tests.unit import fakes
from tests.unit import things

BASE = chains.BASE
INFO, INTENT = BASE + '.info', BASE + '.intent'


class Broken(Exception):
    """What a call raises on request."""


class Died(BaseException):
    """The process was killed."""


class Hands:
    """Does what it is told, and writes it down.

    :ivar calls: (function or command, name of the file)
    :ivar break_at: number of the call that fails, or what ``calls`` has of
                    it, or None
    :ivar late: it fails when it is done already
    :ivar error: what it raises; after Died nothing can be done
    :ivar ask: as a guest's part is asked for; nobody does it by default
    :ivar has_guest: whether a guest may have the volume
    """

    mode = 0o660
    has_guest = False

    def __init__(self, break_at=None, late=False, error=Broken):
        self.calls = []
        self.break_at, self.late, self.error = break_at, late, error
        self.runner = fakes.Runner()
        self._dead = False

    def call(self, what, function, path, *args):
        try:
            return self._step((function, os.path.basename(path)),
                              lambda: getattr(direct, function)(path, *args))
        except FileExistsError:
            raise errors.VolumeFileExists(volume='1', path=path)

    def call_all(self, what, calls):
        """Each of them may be where it ends."""
        for function, args in calls:
            self.call(what, function, *args)

    def run(self, operation):
        verb, path = operation.argv[1], operation.argv[-1]
        self._step(('qemu-img ' + verb, os.path.basename(path)),
                   lambda: operation.run(self.runner))

    def _step(self, name, function):
        if self._dead:
            raise Died()
        number = len(self.calls)
        self.calls.append(name)
        broken = self.break_at in (number, name)
        if broken and not self.late:
            self._break()
        result = function()
        if broken:
            self._break()
        return result

    def _break(self):
        self._dead = self.error is Died
        raise self.error()


class Share:
    """A folder with the files of a chain, and what they hold."""

    def __init__(self, folder, chain):
        self.folder = str(folder)
        self.chain = chain
        for layer in chain.layers:
            self._put(layer)
        if chain.info is not None:
            things.file(self.path(INFO),
                        chain_info.dumps(chain.info).encode())

    def _put(self, layer):
        if layer.format == 'raw':
            things.file(self.path(layer.name), bytes(512))
        else:
            things.file(self.path(layer.name), crafted.padded(crafted.qcow2(
                size=layer.size, backing=layer.backing,
                backing_format=layer.backing_format)))
        fakes.write(self.path(layer.name), layer.name.encode())

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        if not os.path.exists(self.path(name)):
            return None
        return things.read(self.path(name)).decode()

    def table(self):
        text = self.text(INFO)
        return None if text is None else json.loads(text)

    def names(self):
        return set(os.listdir(self.folder))

    def read(self, name):
        """What a host sees through a file, at the one place written to."""
        name = os.path.basename(name)
        found = fakes.content(self.path(name))
        head = None
        if name != BASE or self.chain.lowest.format == 'qcow2':
            head = header.read(self.path(name))
        if not found and head is not None and head.backing_file:
            return self.read(head.backing_file)
        return found

    def state(self):
        """All that a user can see, and the names of the files."""
        table = self.table() or {'active': BASE}
        held = {}
        for key, name in table.items():
            if key == 'active':
                held[key] = self.read(name)
            elif name in self.names():
                below = header.read(self.path(name)).backing_file
                held[key] = below and self.read(below)
        return held, self.names(), self.table()

    def run(self, made, again=False, guest=None, **hands):
        """:param guest: does its part, given a step and a sight"""
        hands = self._hands(guest, hands)
        executor.Executor(hands, self.folder, BASE).run(made, again=again)
        return hands.calls

    def _hands(self, guest, options):
        hands = Hands(**options)
        hands.has_guest = guest is not None
        hands.ask = lambda step, sight: hands._step(
            (type(step).__name__, step.name), lambda: guest(step, sight))
        return hands

    def recover(self, forward=True, guest=None, **hands):
        """What whoever comes next does; (calls, answer)"""
        text = self.text(INTENT)
        if text is None:
            return [], None
        hands = self._hands(guest, hands)
        answer = executor.Executor(hands, self.folder, BASE).recover(
            text, self.text(INFO), forward=forward)
        return hands.calls, answer
