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

"""A line with its time for each step, alive while the step is long."""

import contextlib
import threading
import time

_WIDTH = 60

# Seconds between two signs of life: rewritten on a terminal, else a line.
_ON_TERMINAL = 0.5
_IN_A_FILE = 10


class Reporter:
    """Writes to a text stream."""

    def __init__(self, stream):
        self._stream = stream
        self._terminal = stream.isatty()

    def say(self, text=''):
        self._stream.write(text + '\n')
        self._stream.flush()

    @contextlib.contextmanager
    def step(self, title):
        """Time what happens in the block.

        :returns: Progress; its ``note`` is printed behind the time
        """
        progress = Progress()
        start = time.monotonic()
        done = threading.Event()
        pulse = threading.Thread(target=self._pulse, daemon=True,
                                 args=(title, progress, start, done))
        pulse.start()
        try:
            yield progress
        except BaseException:
            self._finish(done, pulse)
            self._line(title, start, 'FAILED')
            raise
        self._finish(done, pulse)
        self._line(title, start, progress.note)

    def _pulse(self, title, progress, start, done):
        pause = _ON_TERMINAL if self._terminal else _IN_A_FILE
        while not done.wait(pause):
            self._write(title, start, progress.text)
            self._stream.write('\r' if self._terminal else '\n')
            self._stream.flush()

    def _finish(self, done, pulse):
        done.set()
        pulse.join()

    def _line(self, title, start, note):
        self._write(title, start, note)
        self._stream.write('\n')
        self._stream.flush()

    def _write(self, title, start, note):
        line = '%-*s %6.1f s  %s' % (_WIDTH, title,
                                     time.monotonic() - start, note)
        if self._terminal:
            line = '\r\x1b[K' + line
        self._stream.write(line.rstrip())


class Progress:
    """What a step knows of how far it is."""

    def __init__(self):
        self.note = ''
        self._percent = None

    @property
    def text(self):
        return '...' if self._percent is None else '%3d %%' % self._percent

    def __call__(self, percent):
        """:param percent: 0 to 100"""
        self._percent = percent
