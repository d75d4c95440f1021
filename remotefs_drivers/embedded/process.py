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

"""One child process: its own group, a log file, and an end in any case."""

import os
import signal
import subprocess
import sys
import time

from remotefs_drivers.embedded import digest
from remotefs_drivers.embedded import errors

_LIFELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         'lifeline.py')

_TAIL = 40
_POLL = 0.02


def search_path(path, is_searchable=lambda folder: os.access(folder,
                                                             os.X_OK)):
    """PATH without the folders that this user may not look into.

    With one of them (root's own, after su or runuser) a program that is not
    installed is "permission denied" instead of "not found", which os-brick
    does not expect of the programs that it can do without.
    """
    return os.pathsep.join(folder for folder in path.split(os.pathsep)
                           if folder and is_searchable(folder))


class Child:
    """A command that runs until it is told to stop.

    :param name: for messages
    :param command: list of strings
    :param log: path of the file that its output is appended to
    :param environment: variables to set besides our own; None removes one
    :param sockets: sockets that it inherits
    :param orphan: outlives this process; otherwise the kernel kills it as
        soon as the *thread* that called start() ends
    """

    def __init__(self, name, command, log, environment=None, sockets=(),
                 orphan=False):
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = environment or {}
        self._sockets = sockets
        self._orphan = orphan
        self._popen = None
        self._terminated = False
        self._log_start = 0

    @property
    def pid(self):
        return self._popen.pid if self._popen else None

    @property
    def alive(self):
        return self._popen is not None and not self._ended()

    def start(self):
        with open(self.log, 'ab') as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(
                self._wrapped(),
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env=self._variables(),
                pass_fds=[sock.fileno() for sock in self._sockets],
                start_new_session=True, cwd='/')

    def stop(self, limit):
        """SIGTERM, and SIGKILL to the group after ``limit`` seconds.

        :returns: the exit code, negative for a signal; None if it was
            never started
        """
        self.terminate()
        deadline = time.monotonic() + limit
        while self.alive and time.monotonic() < deadline:
            time.sleep(_POLL)
        return self.kill()

    def terminate(self):
        """SIGTERM, without waiting, and once: a second one means hurry."""
        if self.alive and not self._terminated:
            self._terminated = True
            os.kill(self.pid, signal.SIGTERM)

    def kill(self, alone=False):
        """SIGKILL, as a crash of it would be.

        :param alone: leave the children that it started to themselves
        :returns: the exit code
        """
        if self._popen is None:
            return None
        if self._popen.returncode is None:
            # Not waited for yet, so the id is still ours.
            (os.kill if alone else os.killpg)(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def tail(self, lines=_TAIL):
        """The last lines of weight that it wrote since its start."""
        try:
            with open(self.log, 'rb') as log:
                log.seek(self._log_start)
                text = log.read().decode('utf-8', 'replace')
        except OSError as exc:
            return str(exc)
        return digest.digest(text, lines)

    def check(self):
        """:raises NotReady: when it has ended."""
        if not self.alive:
            raise errors.NotReady('%s ended with code %s. Its log is %s:'
                                  % (self.name, self.kill(), self.log),
                                  self.tail())

    def _ended(self):
        """Without reaping it, which would give its id away.

        The group is killed by the leader's id after the leader has ended.
        """
        if self._popen.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG
                         | os.WNOWAIT) is not None

    def _wrapped(self):
        if self._orphan:
            return self._command
        return [sys.executable, '-I', '-S', _LIFELINE,
                str(os.getpid())] + self._command

    def _variables(self):
        merged = {**os.environ, **self._environment}
        merged['PATH'] = search_path(merged.get('PATH', os.defpath))
        return {name: value for name, value in merged.items()
                if value is not None}
