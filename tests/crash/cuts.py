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

"""Killing a driver at every place where it can be cut.

A verb is a row of steps: each call that touches a share, each child process,
each record in the database. ``Cut(n, when)`` lets the process die by SIGKILL
before, in the middle of or after step number n. The verb runs in a process
of its own, forked from here; so does what comes after.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import traceback

from sqlalchemy import orm

from remotefs_drivers import formats
from remotefs_drivers import nfs
from remotefs_drivers import posix
from remotefs_drivers.share import shares

#: What a process would load first of all is loaded here, once for all.
PRELOADED = (nfs, posix)
orm.configure_mappers()

#: Exit code of a forked process whose function raised.
_RAISED = 70


class Cut:
    """Where a process dies. Step numbers begin with 0."""

    def __init__(self, step, when):
        self.step = step
        self.when = when
        self._count = -1

    def install(self, driver):
        """Put the knife to this driver, in this process."""
        shares.Shares.call = self._watched(shares.Shares.call)
        formats._save = self._watched(formats._save)
        driver._means = dataclasses.replace(
            driver._means, run=self._watched_run(driver._means.run))

    def __repr__(self):
        return '%s step %d' % (self.when, self.step)

    def _watched(self, function):
        def call(*args, **kwargs):
            self._count += 1
            self._die('before')
            try:
                return function(*args, **kwargs)
            finally:
                # A step within this one may have counted on.
                self._die('after')
        return call

    def _watched_run(self, run):
        def call(argv, **kwargs):
            self._count += 1
            self._die('before')
            if self._count == self.step and self.when == 'within':
                subprocess.Popen(argv, stdout=subprocess.DEVNULL)
                _kill_myself()
            result = run(argv, **kwargs)
            self._die('after')
            return result
        return call

    def _die(self, when):
        if self._count == self.step and self.when == when:
            _kill_myself()


def run(function, *args):
    """Run a function in a forked process.

    :returns: True when it ended well, False when it was killed by SIGKILL
    :raises AssertionError: when it raised; its traceback is on stderr
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = _RAISED
        try:
            function(*args)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    __, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return False
    assert os.WEXITSTATUS(status) == 0, 'the forked process raised, see above'
    return True


def every(limit=60):
    """All cuts, in the order of the steps; the caller stops."""
    for step in range(limit):
        for when in ('before', 'within', 'after'):
            yield Cut(step, when)


def _kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)
