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

"""What goes wrong with an appliance of folders, on demand.

The faults to come are in a file, so that a test can set them for a service
in another process. ``next`` takes one away, under a lock.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import signal
from typing import Optional

from remotefs_drivers import errors
from remotefs_drivers import offload

#: It says no, by the name of an error, and did nothing.
REFUSE = 'refuse'
#: It never heard of it.
LOSE_REQUEST = 'lose request'
#: It did it, and nobody is told.
LOSE_ANSWER = 'lose answer'
#: It waits until the fault is cleared, then does it.
HANG = 'hang'
#: It stops half way, as by a loss of power, and goes on at the next call.
HALF = 'half'
#: The same with the whole process, which is killed half way ...
DIE = 'die'
#: ... or when all is done, and nobody is told.
DIE_AFTER = 'die after'
KINDS = (REFUSE, LOSE_REQUEST, LOSE_ANSWER, HANG, HALF, DIE, DIE_AFTER)

#: Seconds between two looks whether a fault is still there.
_POLL = 0.01


@dataclasses.dataclass(frozen=True)
class Fault:
    """:ivar method: of the appliance, by name
    :ivar kind: one of KINDS
    :ivar error: of REFUSE: the name of a class in errors
    :ivar containing: only when this is part of one of its names
    :ivar skip: how many calls go well before
    :ivar times: how often; a HANG stays until it is cleared
    :ivar seconds: that a HANG lasts at most; then the request is lost
    """

    method: str
    kind: str
    error: Optional[str] = None
    containing: str = ''
    skip: int = 0
    times: int = 1
    seconds: float = 60

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError('%s is no kind of fault' % self.kind)
        if (self.kind == REFUSE) != bool(self.error):
            raise ValueError('an error goes with "%s" only' % REFUSE)
        if self.error:
            getattr(errors, self.error)

    def fits(self, method, names):
        return self.method == method and any(
            self.containing in name for name in names or ('',))


class Faults:
    """Those to come, and the calls that were made.

    :param path: of the file; it need not be there
    """

    def __init__(self, path):
        self._path = path

    def add(self, *args, **kwargs):
        """Another one; arguments of Fault."""
        fault = Fault(*args, **kwargs)
        with self._open(os.O_RDWR | os.O_CREAT) as coming:
            coming.append(dataclasses.asdict(fault))

    def clear(self):
        """Nothing goes wrong any more, and what hangs goes on."""
        with self._open(os.O_RDWR | os.O_CREAT) as coming:
            coming.clear()

    def next(self, method, names=()):
        """What goes wrong with this call: a Fault, or None."""
        with self._open(os.O_RDWR) as coming:
            for place, plain in enumerate(coming):
                fault = Fault(**plain)
                if fault.fits(method, names):
                    return _take(coming, place, fault)
        return None

    def wait(self, fault):
        """While it hangs.

        :returns: whether it goes on, rather than that its time is over
        """
        time = offload.original('time')
        deadline = time.monotonic() + fault.seconds
        while time.monotonic() < deadline:
            with self._open(os.O_RDWR) as coming:
                if dataclasses.asdict(fault) not in coming:
                    return True
            time.sleep(_POLL)
        return False

    def watch(self):
        """Write down all calls from now on."""
        open(self._calls, 'w').close()

    def calls(self):
        """Names of the methods that were called since watch()."""
        with open(self._calls) as stream:
            return stream.read().split()

    def note(self, method):
        """A method was called."""
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self._calls, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, b'%s\n' % method.encode())
            finally:
                os.close(descriptor)

    @property
    def _calls(self):
        return self._path + '.calls'

    @contextlib.contextmanager
    def _open(self, flags):
        """A list of all, as plain values, which is written back."""
        try:
            descriptor = os.open(self._path, flags | os.O_CLOEXEC, 0o660)
        except FileNotFoundError:
            yield []
            return
        with open(descriptor, 'r+') as stream:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            text = stream.read()
            coming = json.loads(text) if text else []
            yield coming
            if json.dumps(coming) != text:
                stream.seek(0)
                stream.truncate()
                stream.write(json.dumps(coming))


def kill():
    """End this process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


def _take(coming, place, fault):
    """One turn of a fault is over.

    :returns: the fault, or None when it is not its turn yet
    """
    if fault.skip:
        coming[place]['skip'] -= 1
        return None
    if fault.kind != HANG:
        coming[place]['times'] -= 1
        if not coming[place]['times']:
            del coming[place]
    return fault
