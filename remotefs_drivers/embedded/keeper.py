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

"""Takes down what is mounted below a folder, in any case.

    with keeper.Keeper(folder):
        ... mount something below the folder ...

A process of its own does it, at the end of the block or when the process
that opened the block is gone, however that ended: it reads from a pipe of
which only that process has the other end.
"""

import os
import signal
import subprocess
import sys
import time

from remotefs_drivers.embedded import mounts

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Seconds; what it waits for has limits of its own.
_LIMIT = 300
_TICK = 0.05


class Withstood(Exception):
    """Something is still mounted."""


class Keeper:
    """:param folder: absolute path"""

    def __init__(self, folder):
        self.folder = str(folder)
        self._watchman = None

    def __enter__(self):
        self._watchman = Watchman(__name__, self.folder)
        return self

    def __exit__(self, *exc_info):
        """:raises Withstood: when something stays mounted"""
        self._watchman.dismiss()
        left = mounts.below(self.folder)
        if left:
            raise Withstood('still mounted: %s' % ', '.join(left))


class Watchman:
    """A process that cleans up when its pipe ends.

    :param module: to run with ``python -m``; it calls :func:`wait`, or reads
        its standard input, and cleans up at the end of that
    :param arguments: of the module
    :param options: of subprocess.Popen
    """

    def __init__(self, module, *arguments, **options):
        path = os.pathsep.join(filter(None, [REPOSITORY,
                                             os.environ.get('PYTHONPATH')]))
        self._popen = subprocess.Popen(
            [sys.executable, '-m', module, *arguments],
            stdin=subprocess.PIPE, cwd='/', start_new_session=True,
            env={**os.environ, 'PYTHONPATH': path}, **options)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def alive(self):
        return self._popen.poll() is None

    def dismiss(self):
        """Have it clean up, and wait until that is done.

        :raises Withstood: when it fails, or takes too long
        """
        self._popen.stdin.close()
        try:
            code = self._popen.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise Withstood('process %d did not come to an end' % self.pid)
        if code:
            raise Withstood('%s ended with code %d'
                            % (' '.join(self._popen.args), code))


def wait():
    """In the watchman: until the other process is gone or has enough."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Who kills a whole session does not mean us: we come after it.
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass


def end_all(pids, limit):
    """In the watchman: kill processes, and those that they begin meanwhile.

    :param pids: function: the ids of those that there are
    :param limit: seconds
    :returns: the ids of those that are still there
    """
    deadline = time.monotonic() + limit
    left = pids()
    while left and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(_TICK)
        left = pids()
    return left


def main(folder):
    wait()
    mounts.unmount_below(folder)


if __name__ == '__main__':
    main(*sys.argv[1:])
