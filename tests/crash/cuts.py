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

``Points`` cuts finer: before each call to the system that changes a file,
before each child, in the middle of each, and in the end. What is between two
of these changes nothing on the disk, so that "after" one is "before" the
next.
"""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
import traceback

from cinder import exception
from sqlalchemy import orm

from remotefs_drivers import appliance
from remotefs_drivers import formats
from remotefs_drivers import nfs
from remotefs_drivers import posix
from remotefs_drivers.share import shares
from remotefs_drivers.store import copying
from remotefs_drivers.store import files
from remotefs_drivers.store import layers
from tests.crash import box_cuts

#: What a process would load first of all is loaded here, once for all.
PRELOADED = (appliance, nfs, posix)
orm.configure_mappers()

#: Functions of the module os that change what lies on a share.
_CHANGING = ('copy_file_range', 'fchmod', 'fsync', 'ftruncate', 'pwrite',
             'rename', 'unlink')
#: The same, of gpfs_commands.Commands.
_CHANGING_COMMANDS = ('change_attributes', 'clone_copy', 'clone_redirect',
                      'clone_snap', 'clone_split', 'create_fileset',
                      'create_snapshot', 'delete_fileset', 'delete_snapshot',
                      'link_fileset', 'unlink_fileset')
#: What share.shares.Shares.call is told of those that change nothing.
_LOOKING = ('stat', 'check', 'statfs', 'sync')
#: Bytes a second for a merge that is to be killed in the middle: the first
#: cluster is written at once, the next one 0.1 s later.
_SLOW = 640 << 10

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
                # It has what tells run() that all has ended.
                subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                                 close_fds=False)
                _kill_myself()
            result = run(argv, **kwargs)
            self._die('after')
            return result
        return call

    def _die(self, when):
        if self._count == self.step and self.when == when:
            _kill_myself()


class Points:
    """All places where a driver can be cut, and the one where it is.

    :param number: of the place where the process dies, or None
    :param fine: within the calls to the share as well, system call by
                 system call
    :param die: what else ends then, just before
    :ivar seen: what there is to be cut, a word for each place
    :ivar struck: whether it was something else than a kill, so that the
                  service goes on (see box_cuts)
    """

    def __init__(self, number=None, fine=True, die=lambda: None):
        self.number = number
        self.seen = []
        self.struck = False
        self._fine = fine
        self._along = die
        self._rests = False
        self._late = []

    def install(self, driver):
        """Put the knife to this driver, in this process."""
        if hasattr(driver, '_appliance'):
            driver._appliance = box_cuts.Box(self, driver._appliance)
            mounter = driver._shares._mounter
            for name in 'mount', 'unmount':
                setattr(mounter, name,
                        self._before(name, getattr(mounter, name)))
        formats._save = self._before('record', formats._save)
        driver._means = dataclasses.replace(
            driver._means, run=self._around(driver._means.run))
        if driver._means.clones is not None:
            driver._commands = _Commands(self, driver._commands)
            driver._means = dataclasses.replace(
                driver._means, clones=driver._commands)
        if self._fine:
            # What refuses to do it on a pretended file system still does.
            files.os = _Os(self, files.os)
            copying.os = layers.os = _Os(self, os)
            files._rename_no_replace = self._before(
                'rename', files._rename_no_replace)
        else:
            shares.Shares.call = self._before_call(shares.Shares.call)

    def reach(self, word):
        """Die here, if this is the place."""
        if self.is_at(word):
            self._die()

    def strike(self, word, late=None):
        """Whether this is the place where the service gets no answer.

        :param late: function, what is done in the end all the same
        """
        if not self.is_at(word):
            return False
        self.struck = True
        if late is not None:
            self._late.append(late)
        return True

    @contextlib.contextmanager
    def resting(self):
        """What is done meanwhile is not ours to cut."""
        self._rests = True
        try:
            yield
        finally:
            self._rests = False

    @contextlib.contextmanager
    def expected(self):
        """That a service fails which got no answer is as it should be."""
        try:
            yield
        except exception.CinderException:
            if not self.struck:
                raise

    def end(self):
        """After the act: what comes late, and the last place."""
        with self.resting():
            for late in self._late:
                late()
        self.reach('end')

    def is_at(self, word):
        if self._rests:
            return False
        self.seen.append(word)
        return self._is_here()

    def _is_here(self):
        return len(self.seen) - 1 == self.number

    def _before(self, word, function):
        def call(*args, **kwargs):
            self.reach(word)
            return function(*args, **kwargs)
        return call

    def _before_call(self, function):
        def call(the_shares, share, what, *args, **kwargs):
            if what not in _LOOKING:
                self.reach(what)
            return function(the_shares, share, what, *args, **kwargs)
        return call

    def _around(self, run):
        def call(argv, **kwargs):
            self.reach('before qemu-img %s' % argv[1])
            self.seen.append('within qemu-img %s' % argv[1])
            if self._is_here():
                kill_in_the_middle(argv)
                self._die()
            return run(argv, **kwargs)
        return call

    def _die(self):
        self._along()
        _kill_myself()


class _Os:
    """The module os, with a place to be cut before each change."""

    def __init__(self, points, real):
        for name in _CHANGING:
            setattr(self, name, points._before(name, getattr(real, name)))
        self._points = points
        self._real = real

    def open(self, path, flags, *args):
        if flags & os.O_CREAT:
            self._points.reach('create')
        return self._real.open(path, flags, *args)

    def __getattr__(self, name):
        return getattr(self._real, name)


class _Commands:
    """The commands of GPFS, with a place to be cut before each change."""

    def __init__(self, points, real):
        for name in _CHANGING_COMMANDS:
            setattr(self, name, points._before(name, getattr(real, name)))
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)


def slow(argv, rate=_SLOW):
    """The command, a merge so slow that its middle can be hit.

    :param rate: bytes a second
    """
    if argv[1] != 'commit':
        return argv
    return argv[:-1] + ['-r', str(rate), argv[-1]]


def kill_in_the_middle(argv):
    """Start a program, and kill it as soon as it has written anything.

    :param argv: its last path is that of a file on the share
    """
    child = begin(slow(argv))
    child.kill()
    child.wait()


def begin(argv):
    """Start a program, and wait until it has written anything, or ended.

    :param argv: its last path is that of a file on the share
    :returns: subprocess.Popen
    """
    folder = os.path.dirname([each for each in argv if '/' in each][-1])
    before = _look(folder)
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    while child.poll() is None and _look(folder) == before:
        time.sleep(0.0005)
    return child


def _look(folder):
    found = [os.stat(each.path) for each in os.scandir(folder)]
    return sorted((one.st_ino, one.st_size, one.st_blocks, one.st_mtime_ns)
                  for one in found)


def run(function, *args):
    """Run a function in a forked process.

    What it leaves behind, begun by a Cut, has ended as well then: whoever
    comes next would else be there before it.

    :returns: True when it ended well, False when it was killed by SIGKILL
    :raises AssertionError: when it raised; its traceback is on stderr
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ending, held = os.pipe()
    os.set_inheritable(held, True)
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
    os.close(held)
    __, status = os.waitpid(pid, 0)
    with open(ending, 'rb') as stream:
        stream.read()
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
