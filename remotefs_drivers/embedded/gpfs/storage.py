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

"""A file system of an emulated GPFS, for the time of a block.

    with storage.Storage(folder) as gpfs:
        gpfs.mount('a', point)
        environment['PATH'] = gpfs.path('a')

What a host mounts is a folder on this machine, of any file system; one that
can share blocks (XFS, btrfs) makes clones as cheap as the real ones are. Each
host has programs of its own, and sees at once what others do. Ordinary users
may use it too, for themselves; a mount of root's is there for all.
"""

import dataclasses
import json
import os
import sys
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.gpfs import commands
from remotefs_drivers.embedded.gpfs import faults
from remotefs_drivers.embedded.gpfs import program
from remotefs_drivers.embedded import keeper

# Seconds for the server to start.
_LIMIT = 300
_TICK = 0.005

_SCRIPT = """\
#!/bin/sh
exec '%(python)s' -I -S '%(program)s' '%(folder)s' '%(host)s' %(name)s "$@"
"""


class Storage:
    """:param folder: absolute path, for programs and the log
    :param files: absolute path of the folder with the files; below
                  ``folder`` by default
    :param site: fields of commands.Site
    :ivar site: commands.Site
    """

    def __init__(self, folder, files=None, **site):
        self.folder = os.path.realpath(folder)
        self.site = commands.Site(**site)
        self._files = str(files or os.path.join(self.folder, 'files'))
        self._server = None

    def __enter__(self):
        """:raises NotInstalled, NotReady: when this host can't do it"""
        if not os.access('/dev/fuse', os.R_OK | os.W_OK):
            raise errors.NotInstalled('/dev/fuse is not there, or not for '
                                      'this user (uid %d).' % os.geteuid())
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, 'server.log'), 'ab') as log:
            self._server = keeper.Watchman(
                'remotefs_drivers.embedded.gpfs.server', self.folder,
                self._files, json.dumps(dataclasses.asdict(self.site)),
                stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self._server.dismiss()
            raise
        return self

    def __exit__(self, *exc_info):
        """Takes all mounts down."""
        self._server.dismiss()
        os.unlink(os.path.join(self.folder, 'socket'))

    @property
    def pid(self):
        """Of the process that serves the mounts."""
        return self._server.pid

    @property
    def root(self):
        """The folder that is mounted, beneath: for a look past it."""
        return os.path.join(self._files, 'root')

    def mount(self, host, point):
        """:param host: name of one that is there, or of a new one
        :param point: absolute path of a folder, made when missing
        """
        self._install(host)
        self._ask('mount', host=host, point=str(point))

    def unmount(self, host):
        self._ask('unmount', host=host)

    def programs(self, host):
        """The folder with a host's programs."""
        return os.path.join(self.folder, 'bin-' + host)

    def path(self, host, path=None):
        """The value of PATH (or ``path``) with a host's programs in front.
        """
        return os.pathsep.join([self.programs(host),
                                path or os.environ.get('PATH', os.defpath)])

    def set_state(self, host, state):
        """:param state: of GPFS there: 'active', 'down', 'arbitrating' ...

        Where it is down, a mount that is still there is stale (ESTALE).
        """
        self._ask('state', host=host, state=state)

    def silence(self, host):
        """Its mount does not answer any more: what touches it hangs.

        Its programs do. To stop all of it, stop the process: see pid.
        """
        self._ask('silence', host=host, is_silent=True)

    def wake(self, host):
        """Its mount answers again."""
        self._ask('silence', host=host, is_silent=False)

    def fault(self, program='', **fields):
        """Let a program go wrong the next time, or some times.

        :param program: its name, or '' for any
        :param fields: of faults.Fault
        """
        # Here too, so that a wrong one is the caller's error.
        faults.Faults().add(faults.Fault(program=program, **fields))
        self._ask('fault', program=program, **fields)

    def release(self):
        """Nothing goes wrong any more, and programs that hang end."""
        self._ask('release')

    def calls(self):
        """Programs that were run since the last time this was asked.

        :returns: a list of [host, program, argument, ...]
        """
        return self._ask('calls')

    def _ask(self, name, **arguments):
        code, out, err = program.ask(self.folder, [
            name.encode(), json.dumps(arguments).encode()])
        if code:
            raise errors.CloudError(err.decode('utf-8', 'replace'))
        return json.loads(out)

    def _install(self, host):
        folder = self.programs(host)
        os.makedirs(folder, exist_ok=True)
        for name in commands.NAMES:
            path = os.path.join(folder, name)
            with open(path, 'w') as script:
                script.write(_SCRIPT % {
                    'python': sys.executable, 'program': program.__file__,
                    'folder': self.folder, 'host': host, 'name': name})
                os.fchmod(script.fileno(), 0o755)

    def _wait(self):
        deadline = time.monotonic() + _LIMIT
        while not self._answers():
            if not self._server.alive or time.monotonic() > deadline:
                raise errors.NotReady('The emulated GPFS did not start, see '
                                      '%s/server.log' % self.folder)
            time.sleep(_TICK)

    def _answers(self):
        try:
            return self._ask('alive')
        except OSError:
            return False
