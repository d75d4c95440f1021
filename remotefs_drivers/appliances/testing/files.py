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


"""What the tests write into shares, and read from them."""

import contextlib
import os
import random
import threading

#: The name of the file in a share, as the driver has it.
NAME = 'volume'

#: Bytes of a Writer's number.
WIDTH = 8

#: Rounds of a Writer that a test waits for, and seconds that they may take:
#: each is some flushes, and a slow disk takes seconds for one.
_ROUNDS = 3
_LONG = 300


def data(seed, size):
    """Bytes that no box can compress or find twice."""
    return random.Random(seed).randbytes(size)


class Files:
    """The file in each share.

    :param box: box.Box
    :param content: contents.Content
    """

    def __init__(self, box, content):
        self._box = box
        self._content = content

    def opened(self, share):
        """A context manager with the path of the share's root folder."""
        return self._content.opened(self._box.find_share(share).location)

    def names(self, share):
        """Sorted names in the root folder; hidden ones may be the box's."""
        with self.opened(share) as path:
            return sorted(name for name in os.listdir(path)
                          if not name.startswith('.'))

    def write(self, share, content):
        """Write the file's beginning, durably."""
        with self.opened(share) as path:
            self.write_at(os.path.join(path, NAME), 0, content)

    def read(self, share):
        """All that is in the file."""
        with self.opened(share) as path:
            with open(os.path.join(path, NAME), 'rb') as stream:
                return stream.read()

    def write_at(self, path, offset, content):
        """Write into a file, which is made when it is not there."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o660)
        try:
            with self._content.writing(path):
                write_all(descriptor, offset, content)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def numbers(self, share, offsets):
        """Numbers of a Writer, as they are in the file now."""
        content = self.read(share)
        return [int.from_bytes(content[offset:offset + WIDTH], 'big')
                for offset in offsets]

    @contextlib.contextmanager
    def writer(self, *places):
        """A Writer that is at work; places are (share, offset)."""
        with contextlib.ExitStack() as stack:
            paths = {share: os.path.join(
                stack.enter_context(self.opened(share)), NAME)
                for share, __ in places}
            made = Writer(self.write_at, [(paths[share], offset)
                                          for share, offset in places])
            made.start()
            try:
                made.advance()
                yield made
                made.advance()
            finally:
                made.stop()


class Writer(threading.Thread):
    """Writes 1 to all places, one after the other, then 2 to all, and so on.

    Each is flushed before the next is written. So at any one moment a place
    holds what the one before it does, or one less; and the last one what the
    first does, or one less.

    :param write_at: of Files
    :param places: (path, offset)
    """

    def __init__(self, write_at, places):
        super().__init__(daemon=True)
        self._write_at = write_at
        self._places = places
        self._changed = threading.Condition()
        self._number = 0
        self._error = None
        self._stopping = False

    def run(self):
        try:
            while not self._stopping:
                self._round(self._number + 1)
        except Exception as error:
            self._error = error

    def _round(self, number):
        for path, offset in self._places:
            self._write_at(path, offset, number.to_bytes(WIDTH, 'big'))
        with self._changed:
            self._number = number
            self._changed.notify_all()

    def advance(self):
        """Wait until it has come some rounds further."""
        with self._changed:
            goal = self._number + _ROUNDS
            assert self._changed.wait_for(
                lambda: self._number >= goal or self._error, _LONG), (
                    'writing to the share takes more than %d s' % _LONG)
        if self._error:
            raise self._error

    def stop(self):
        self._stopping = True
        self.join(_LONG)


def is_torn(numbers):
    """Whether a Writer's places never held these at one moment."""
    return (sorted(numbers, reverse=True) != numbers or
            numbers[0] - numbers[-1] > 1)


def write_all(descriptor, offset, content):
    view = memoryview(content)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
