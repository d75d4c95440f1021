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

"""Blocking calls with a time limit, off the event loop.

``cinder-volume`` runs on eventlet or on native threads. In both, a call into
a file system whose server is dead can hang for ever and cannot be taken
back; what can be done is to let a native thread of our own make it, and wait
for that. Under eventlet the standard library's threads are green ones, and
the caller is one: it waits in the event loop for a file that the native
thread writes to. (Cinder's ``tpool_wrap`` takes twice as long, has no time
limit, and 20 threads for the whole service, which dead shares would use up.)

Threads are started at the first call, never at construction: Cinder forks
after it has built the driver. They are daemons, so that one that hangs does
not keep the service from stopping.
"""

import collections
import importlib
import os
import threading

from cinder import utils


class Hung(Exception):
    """The call did not return in time; it may still do so later."""


def off_loop(function):
    """The function, moved off the event loop if there is one.

    For calls that end by themselves. A function with a true attribute
    ``remote`` talks to another process in a way that the event loop already
    looks after, and is left alone.
    """
    if getattr(function, 'remote', False):
        return function
    try:
        return utils.tpool_wrap(function)
    except AttributeError:
        return _tpool_wrap(function)


def original(name):
    """A module of the standard library as it is without eventlet.

    For what takes no time and needs no event loop: eventlet takes
    ``select.poll`` away, and its locks know one native thread only.
    """
    if not _is_green():
        return importlib.import_module(name)
    from eventlet import patcher
    return patcher.original(name)


def _is_green():
    """Whether threads are eventlet's."""
    try:
        from eventlet import patcher
    except ImportError:
        return False
    return patcher.is_monkey_patched('thread')


def _tpool_wrap(function):
    """What Cinder 27 and 28 have no name for yet."""
    if not _is_green():
        return function
    from eventlet import tpool
    return tpool.Proxy(function)


class Workers:
    """A few threads that make calls for others.

    They are native ones. Under eventlet the caller waits for them in the
    event loop, and calls that are ``remote`` have green ones of their own.

    :param limit: how many calls may be under way. One more waits for a
                  place, and its waiting counts.
    """

    def __init__(self, limit):
        latch = _LoopLatch if _is_green() else _Latch
        self._native = _Team(limit, original('threading'), latch)
        self._remote = (_Team(limit, threading, _Latch) if _is_green()
                        else self._native)

    def call(self, timeout, function, *args):
        """Make the call, and wait for it for so many seconds.

        :raises Hung: when the time is over
        """
        is_remote = getattr(function, 'remote', False)
        team = self._remote if is_remote else self._native
        return team.call(timeout, function, *args)

    def close(self):
        """End the threads, each when its call returns. No call may follow.
        """
        self._native.close()
        self._remote.close()


class Row:
    """A function that makes several calls, one after the other.

    So they are handed to a thread once. Who gave the row up must stop it:
    the call that hangs may return at any time, and those after it would
    change a share behind the back of its volume's lock.

    :param calls: (function, its arguments) of each; the first argument is
                  the path that it is about
    :param between: called before each but the first; what it raises ends
                    the row
    """

    def __init__(self, calls, between):
        self._calls = calls
        self._between = between
        self._stopped = False

    def __call__(self):
        """Make them.

        :raises: what the first one that fails does, an OSError with the
                 path; those after it are not made
        """
        for number, (function, arguments) in enumerate(self._calls):
            if self._stopped:
                return
            try:
                if number:
                    self._between()
                function(*arguments)
            except OSError as error:
                if error.filename is None:
                    error.filename = arguments[0]
                raise

    def stop(self):
        """Make no more of them than the one under way."""
        self._stopped = True


class _Team:
    """Threads of one kind.

    :param threads: the module threading that they are of
    :param latch: the class of what a caller waits at
    """

    def __init__(self, limit, threads, latch):
        self._limit = limit
        self._threads = threads
        self._latch = latch
        self._lock = threads.Lock()
        self._started = 0
        self._closed = False
        self._idle = []
        self._waiting = collections.deque()

    def close(self):
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for letter_box in idle:
            letter_box.put(None)

    def call(self, timeout, function, *args):
        job = _Job(self._latch(self._threads), function, args)
        self._submit(job)
        return job.result(timeout)

    def _submit(self, job):
        with self._lock:
            if self._idle:
                # The one that worked last: its memory is still in a cache.
                self._idle.pop().put(job)
            elif self._started < self._limit:
                self._threads.Thread(target=self._work, args=(job,),
                                     daemon=True).start()
                self._started += 1
            else:
                self._waiting.append(job)

    def _work(self, job):
        letter_box = _LetterBox(self._threads)
        while job is not None:
            job.run()
            # Nothing of it is kept while there is nothing to do.
            job = None
            with self._lock:
                if self._waiting:
                    job = self._waiting.popleft()
                elif self._closed:
                    return
                else:
                    self._idle.append(letter_box)
            if job is None:
                job = letter_box.take()


class _Latch:
    """Closed at first. A lock does that, at half of the cost of an Event."""

    def __init__(self, threads):
        self._lock = threads.Lock()
        self._lock.acquire()

    def open(self):
        self._lock.release()

    def pass_through(self, timeout=-1):
        """Wait until it is open, and close it.

        :param timeout: seconds, -1 for no limit
        :returns: False when the time is over
        """
        return self._lock.acquire(timeout=timeout)


class _LoopLatch:
    """The same between a native thread, which opens it, and a green one.

    For one use. The file is closed with the last one of them who has it: a
    call that was given up opens its latch later.
    """

    def __init__(self, threads):
        self._file = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self):
        os.close(self._file)

    def open(self):
        os.eventfd_write(self._file, 1)

    def pass_through(self, timeout):
        from eventlet import hubs
        try:
            hubs.trampoline(self._file, read=True, timeout=timeout,
                            timeout_exc=Hung)
        except Hung:
            return False
        return True


class _LetterBox:
    """Where one thread gets its next job, when there is one."""

    def __init__(self, threads):
        self._latch = _Latch(threads)
        self._job = None

    def put(self, job):
        self._job = job
        self._latch.open()

    def take(self):
        self._latch.pass_through()
        job, self._job = self._job, None
        return job


class _Job:
    def __init__(self, done, function, args):
        self._done = done
        self._function = function
        self._args = args
        self._given_up = False
        self._result = None
        self._error = None

    def run(self):
        try:
            # Nobody waits any more for a call that never began: making it
            # now would change a share behind the back of its volume's lock.
            if not self._given_up:
                self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._done.open()

    def result(self, timeout):
        if not self._done.pass_through(timeout):
            self._given_up = True
            raise Hung()
        if self._error is not None:
            raise self._error
        return self._result


def gather(function, items):
    """Call the function for all items at once.

    :returns: a list of results in the order of the items; an exception that
              a call raised stands in its place
    """
    items = list(items)
    results = [None] * len(items)

    def call(index):
        try:
            results[index] = function(items[index])
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=call, args=(index,), daemon=True)
               for index in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
