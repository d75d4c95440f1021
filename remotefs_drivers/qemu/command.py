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
``mount`` and ``qemu-img`` have children too. It is started without
``preexec_fn``, so that Python can use vfork: 0.6 ms instead of 6 ms, and 27
ms in a service grown to 500 MB. The memory limit is put on the running
child by prlimit(2) for the same reason.

Only the standard library, so that it works alike under eventlet (which
patches it), under native threads and inside a privsep daemon.
"""

import contextlib
import os
import re
import resource
import selectors
import signal
import subprocess
import time

from oslo_log import log as logging

from remotefs_drivers import errors

LOG = logging.getLogger(__name__)

#: Address space for qemu-img, bytes. Under 1 GiB, as Cinder has it, "commit"
#: aborts at random; a hostile image makes an unlimited one eat all memory.
MEMORY_LIMIT = 4 << 30
#: How much of a child's output is kept, bytes; what is more is read and
#: thrown away, so that a noisy child neither stops nor fills the memory.
OUTPUT_LIMIT = 1 << 20

_TICK = 0.5
#: Seconds between two looks at a child, where the kernel does not tell.
_LOOK = 0.005
_NAMES = {each.value: each.name for each in signal.Signals}
_PROGRESS = re.compile(rb'\((\d+\.\d+)/100%\)')


def run(argv, timeout=None, stall_timeout=None, memory_limit=None,
        progress=None, aborted=None, cwd=None, ok=(0,)):
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
    :param cwd: folder to run in
    :param ok: exit codes that count as success
    :returns: (stdout, stderr), text
    :raises CommandFailed: for any other exit code, or when it cannot start
    :raises CommandTimeout: when a limit was reached
    :raises CommandAborted: when ``aborted`` said so
    """
    child = _start(argv, cwd, memory_limit)
    watch = _Watch(argv, timeout, stall_timeout, aborted)
    try:
        out, err = _read(child, watch, progress)
        _wait(child, watch)
    finally:
        _clean_up(child)
    if child.returncode not in ok:
        raise _failed(argv, child.returncode, err)
    return out, err


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

    def _check_limit(self, passed, limit, reason):
        if limit is not None and passed >= limit:
            raise errors.CommandTimeout(
                program=self._argv[0], reason=reason, seconds=limit,
                command=_quoted(self._argv))


def _start(argv, cwd, memory_limit):
    # A message that is parsed or shown to an operator is in English.
    environment = dict(os.environ, LC_ALL='C')
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=cwd, env=environment,
            start_new_session=True)
    except OSError as error:
        raise errors.CommandFailed(program=argv[0], exit_code='none',
                                   stderr='cannot start: %s' % error,
                                   command=_quoted(argv))
    if memory_limit is not None:
        _limit_memory(child.pid, memory_limit)
    return child


def _limit_memory(pid, limit):
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    except (ProcessLookupError, PermissionError) as error:
        # Gone already, or a set-user-id program, which guards itself.
        LOG.debug('No memory limit for process %s: %s', pid, error)


def _read(child, watch, progress):
    """Collect both outputs until the child has closed them."""
    kept = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            events = selector.select(watch.tick())
            if events:
                watch.heard()
            elif child.poll() is not None:
                # A daemon that it left behind keeps our pipe open.
                break
            for key, __ in events:
                if not _drain(key.fileobj, kept[key.fileobj], progress):
                    selector.unregister(key.fileobj)
            watch.check()
    return tuple(bytes(data).decode('utf-8', 'replace')
                 for data in kept.values())


def _drain(stream, data, progress):
    """Read what is there. Returns False at the end of the stream."""
    try:
        chunk = os.read(stream.fileno(), 65536)
    except BlockingIOError:
        return True
    data += chunk[:max(OUTPUT_LIMIT - len(data), 0)]
    if progress is not None:
        for percent in _PROGRESS.findall(chunk):
            progress(float(percent))
    return bool(chunk)


def _wait(child, watch):
    """Wait for a child that has closed its outputs, or soon is gone."""
    if child.poll() is not None:
        return
    with _ending(child) as ending:
        while child.poll() is None:
            watch.check()
            ending(watch.tick())


@contextlib.contextmanager
def _ending(child):
    """A function that waits so many seconds, or until a child has ended.

    The kernel tells it (Linux 5.3 and later). Popen.wait with a time limit
    looks now and then: 1 ms, and under eventlet 10 ms, for each child.
    """
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        yield lambda seconds: time.sleep(min(seconds, _LOOK))
        return
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            yield selector.select
    finally:
        os.close(descriptor)


def _clean_up(child):
    """Close the pipes, and kill the group of a child that has not ended.

    A child that was waited for is left alone: its process id may already be
    somebody else's, and a daemon that it started (the client of a FUSE
    mount) is meant to stay. A process that hangs in the kernel on a dead
    server dies when the kernel lets it: waiting for that is bounded, Popen
    reaps it later.
    """
    for stream in (child.stdout, child.stderr):
        stream.close()
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGKILL)
    try:
        child.wait(1)
    except subprocess.TimeoutExpired:
        LOG.error('Process %s hangs in the kernel and cannot be killed now',
                  child.pid)


def _failed(argv, code, stderr):
    if code < 0:
        code = 'of signal %s' % _NAMES.get(-code, -code)
    return errors.CommandFailed(program=argv[0], exit_code=code,
                                stderr=stderr.strip() or 'no message',
                                command=_quoted(argv))


def _quoted(argv):
    return ' '.join(argv)
