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

"""One child process: run it, watch it, stop it.

The child gets a process group of its own, and whatever ends it before its
time (a limit, a request, an error in the parent) kills the whole group:
``mount`` and ``qemu-img`` have children too. It is not started by this
process, which may be large and held up by a dead share: see ``children``.

Works alike under eventlet, under native threads and inside a privsep daemon.
"""

import os
import re
import selectors
import signal
import time

from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers.qemu import children

LOG = logging.getLogger(__name__)

#: Address space for qemu-img, bytes. Under 1 GiB, as Cinder has it, "commit"
#: aborts at random; a hostile image makes an unlimited one eat all memory.
MEMORY_LIMIT = 4 << 30
#: How much of a child's output is kept, bytes; what is more is read and
#: thrown away, so that a noisy child neither stops nor fills the memory.
OUTPUT_LIMIT = 1 << 20

_TICK = 0.5
#: Seconds between two attempts to hand over a request.
_PAUSE = 0.01
#: Seconds for a child that was killed to end.
_LAST = 1
_NAMES = {each.value: each.name for each in signal.Signals}
_PROGRESS = re.compile(rb'\((\d+\.\d+)/100%\)')


def run(argv, timeout=None, stall_timeout=None, memory_limit=None,
        progress=None, aborted=None, ok=(0,)):
    """Run a program to its end.

    :param argv: the program and its arguments, strings
    :param timeout: seconds until it is killed; None for no limit
    :param stall_timeout: seconds without any output until it is killed, for
                          long work that reports its progress
    :param memory_limit: of its address space, bytes
    :param progress: called with a float, 0.0 to 100.0, as qemu-img -p
                     reports it
    :param aborted: called twice a second; when it returns True the child is
                    killed
    :param ok: exit codes that count as success
    :returns: (stdout, stderr), text
    :raises CommandFailed: for any other exit code, or when it cannot start
    :raises CommandTimeout: when a limit was reached
    :raises CommandAborted: when ``aborted`` said so
    """
    code, out, err = outcome(argv, timeout, stall_timeout, memory_limit,
                             progress, aborted)
    if code not in ok:
        raise _failed(argv, code, err)
    return out, err


def outcome(argv, timeout=None, stall_timeout=None, memory_limit=None,
            progress=None, aborted=None):
    """The same for who judges the exit code.

    :returns: (exit code, stdout, stderr); the code of a child that a signal
              has ended is the negative number of that
    """
    watch = _Watch(argv, timeout, stall_timeout, aborted)
    try:
        try:
            return _run(argv, memory_limit, watch, progress)
        except children.NotBegun as accident:
            LOG.info('Starting %s again: %s', argv[0], accident)
            return _run(argv, memory_limit, watch, progress)
    except children.Refused as error:
        raise _failed(argv, 'none', 'cannot start: %s' % error)
    except children.Lost as error:
        raise _failed(argv, 'none', 'its end is not known, and it was '
                      'killed: %s' % error)


def get_ready():
    """Be able to start children, whatever happens to a share from now on.

    :raises CommandFailed: when that cannot be
    """
    try:
        children.get_ready()
    except children.Refused as error:
        raise _failed([children.PROGRAM], 'none', str(error))


class Operation:
    """A program with its arguments and limits, not yet started."""

    def __init__(self, argv, **limits):
        self.argv = argv
        self.limits = limits

    def run(self, runner=run, **watching):
        """Run it by ``run`` above, or by something with its signature.

        :param watching: progress and aborted, where the runner takes them
        """
        return runner(self.argv, **self.limits, **watching)

    def __repr__(self):
        return '<Operation %s>' % _quoted(self.argv)


class _Watch:
    """When a child has to be stopped, and why."""

    def __init__(self, argv, timeout, stall_timeout, aborted):
        self._argv = argv
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._aborted = aborted
        self._started = self._heard = time.monotonic()

    def heard(self):
        self._heard = time.monotonic()

    def check(self):
        now = time.monotonic()
        self._check_limit(now - self._started, self._timeout, 'no end')
        self._check_limit(now - self._heard, self._stall_timeout,
                          'no progress')
        if self._aborted is not None and self._aborted():
            raise errors.CommandAborted(command=_quoted(self._argv),
                                        program=self._argv[0])

    def tick(self):
        """Seconds until the next look, so that a short limit is kept."""
        if self._timeout is None:
            return _TICK
        left = self._started + self._timeout - time.monotonic()
        return min(_TICK, max(left, 0.001))

    def pause(self):
        """Wait a little."""
        self.check()
        time.sleep(_PAUSE)

    def _check_limit(self, passed, limit, reason):
        if limit is not None and passed >= limit:
            raise errors.CommandTimeout(
                program=self._argv[0], reason=reason, seconds=limit,
                command=_quoted(self._argv))


def _run(argv, memory_limit, watch, progress):
    """:returns: (exit code, stdout, stderr)"""
    # A message that is parsed or shown to an operator is in English.
    child = children.start(argv, dict(os.environ, LC_ALL='C'), memory_limit,
                           watch.pause)
    try:
        out, err = _read(child, watch, progress)
    except children.Refused:
        # There is nothing to be killed.
        raise
    except BaseException:
        _kill(child)
        raise
    finally:
        child.close()
    return child.returncode, out, err


def _read(child, watch, progress):
    """Collect both outputs, until they are closed and the child has ended.

    :raises Refused, Lost: as Child.end
    """
    kept = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for descriptor in (*kept, child.bell):
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            events = selector.select(watch.tick())
            if events:
                watch.heard()
            elif child.returncode is not None:
                # A daemon that it left behind keeps our pipe open.
                break
            for key, __ in events:
                if key.fd == child.bell:
                    child.end()
                    selector.unregister(key.fd)
                elif not _drain(key.fd, kept[key.fd], progress):
                    selector.unregister(key.fd)
            watch.check()
    return tuple(bytes(data).decode('utf-8', 'replace')
                 for data in kept.values())


def _drain(descriptor, data, progress):
    """Read what is there. Returns False at the end of the stream."""
    try:
        chunk = os.read(descriptor, 65536)
    except BlockingIOError:
        return True
    data += chunk[:max(OUTPUT_LIMIT - len(data), 0)]
    if progress is not None:
        for percent in _PROGRESS.findall(chunk):
            progress(float(percent))
    return bool(chunk)


def _kill(child):
    """Kill the group of a child that has not ended.

    One that has ended is left alone: a daemon that it started (the client of
    a FUSE mount) is meant to stay. A process that hangs in the kernel on a
    dead server dies when the kernel lets it: waiting for that is bounded.
    """
    if child.returncode is not None:
        return
    child.kill()
    with selectors.DefaultSelector() as selector:
        selector.register(child.bell, selectors.EVENT_READ)
        # Without a process id it was not begun, and is not going to be.
        if selector.select(_LAST):
            child.kill_left()
        elif child.pid is not None:
            LOG.error('Process %s hangs in the kernel and cannot be killed '
                      'now', child.pid)


def _failed(argv, code, stderr):
    if code != 'none' and code < 0:
        code = 'of signal %s' % _NAMES.get(-code, -code)
    return errors.CommandFailed(program=argv[0], exit_code=code,
                                stderr=stderr.strip() or 'no message',
                                command=_quoted(argv))


def _quoted(argv):
    return ' '.join(argv)
