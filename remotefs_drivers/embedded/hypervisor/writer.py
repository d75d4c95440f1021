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

"""A guest that writes all the time.

    with writer.Writer(guest.connect(patience=10)) as busy:
        with busy.paused() as number:
            ... take a snapshot: it must hold the state after this write ...
        low = busy.finished
        ... take another one, while it writes ...
        high = busy.started
    busy.journal.check_between(content, low, high)
"""

import contextlib
import random
import threading

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import journal

# Writes are small: QEMU's clusters, of 128 sectors, are written in part.
_LARGEST = 16

# Bytes of a place that is written to.
_PLACE = 96 << 10

# After so many writes, about, comes a flush.
_FLUSH_EVERY = 20

# Seconds.
_LIMIT = 300


class Writer:
    """A thread that writes to a disk, from its start to :meth:`stop`.

    It writes to a few small places only, so that it does not fill the layers
    of a large disk: the first and the last bytes, and some in between.

    :param disk: nbd.Client, which it closes in the end
    :param seed: for the places and sizes, and to be told from other disks'
    :param places: how many there are
    :param pace: seconds between two writes
    :param initial: see journal.Journal
    :ivar journal: journal.Journal
    :ivar finished: the number of the last write that was answered
    :ivar flushed: of the last one before a flush that was answered
    """

    def __init__(self, disk, seed=0, places=24, pace=0.004, initial=None):
        self.journal = journal.Journal(seed, initial)
        self.finished = 0
        self.flushed = 0
        self._disk = disk
        self._random = random.Random(seed)
        self._pace = pace
        self._size = disk.size
        self._places = [0, self._last_place()] + [
            self._random.randrange(disk.size) for _ in range(places - 2)]
        self._free = threading.Lock()
        self._stopped = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True,
                                        name='writer')

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        if exc_info[0]:
            # That one tells more than what it did to the disk.
            with contextlib.suppress(Exception):
                self.stop()
        else:
            self.stop()

    @property
    def started(self):
        """The number of the newest write, which may be under way."""
        return len(self.journal)

    def start(self):
        self._thread.start()

    def stop(self):
        """Flush and end.

        :returns: the number of the last write
        :raises Exception: what went wrong, if anything did
        """
        self._stopped.set()
        self._thread.join(_LIMIT)
        if self._thread.is_alive():
            raise errors.Timeout('The writer still waits for its disk.')
        self._disk.close()
        self._complain()
        return self.finished

    @contextlib.contextmanager
    def paused(self):
        """Nothing is written while the block runs, and all is flushed.

        :returns: the number of the last write
        :raises Exception: what went wrong up to now
        """
        with self._free:
            self._complain()
            self._flush()
            yield self.finished

    def wait(self, count):
        """Until it has made so many writes more.

        :raises Exception: what went wrong
        """
        until = self.finished + count
        while self.finished < until and self._thread.is_alive():
            self._thread.join(self._pace or 0.001)
        self._complain()

    def _complain(self):
        if self._error:
            raise self._error

    def _run(self):
        try:
            while not self._stopped.wait(self._pace):
                with self._free:
                    self._write()
            with self._free:
                self._flush()
        except Exception as exc:
            self._error = exc

    def _write(self):
        if self._disk.size != self._size:
            # It was extended: the new end is the place to look at.
            self._size = self._disk.size
            self._places[1] = self._last_place()
        sector, count = self._choose()
        self._disk.write(sector * journal.SECTOR,
                         self.journal.next(sector, count))
        self.finished = len(self.journal)
        if self._random.randrange(_FLUSH_EVERY) == 0:
            self._flush()

    def _choose(self):
        """:returns: first sector and number of sectors"""
        at = (self._random.choice(self._places)
              + self._random.randrange(_PLACE))
        count = self._random.randint(1, _LARGEST)
        last = self._size // journal.SECTOR - count
        return min(at // journal.SECTOR, last), count

    def _last_place(self):
        return max(0, self._size - _PLACE)

    def _flush(self):
        number = self.finished
        self._disk.flush()
        self.flushed = number
