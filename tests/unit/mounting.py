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

"""A system on which nothing is mounted, whatever commands say."""

import os

from remotefs_drivers import errors
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.share import mountinfo


class System:
    """Runs no command, but knows what it would have changed.

    :ivar run: the commands, each with 'root' or 'user' before it
    :ivar mounts: path -> what is mounted there
    :ivar broken: what ends badly -> the error, as 'mount' or 'mkdir'
    :ivar left: of these commands the first so many succeed
    :ivar renamed: share -> the name that NFS 3 still knows it by
    """

    def __init__(self):
        self.run = []
        self.limits = []
        self.mounts = {}
        self.broken = {}
        self.failures = None
        self.works_anyway = False
        self.renamed = {}

    def install(self, monkeypatch):
        """In place of the real one, for an ordinary user."""
        monkeypatch.setattr(mountinfo, 'find', self.find)
        monkeypatch.setattr(command, 'run', self.as_user)
        monkeypatch.setattr(privileged, 'run', self.as_root)
        monkeypatch.setattr(os, 'geteuid', lambda: 1000)

    def find(self, path):
        source = self.mounts.get(path)
        return source and mountinfo.Mount(source, 'nfs4', False)

    def as_root(self, argv, timeout):
        return self._run('root', argv, timeout)

    def as_user(self, argv, timeout):
        return self._run('user', argv, timeout)

    def _run(self, who, argv, timeout):
        program = argv[0]
        self.run.append([who] + argv)
        self.limits.append(timeout)
        error = self.broken.get(program)
        if error and self.failures != 0:
            if self.failures is not None:
                self.failures -= 1
            if self.works_anyway:
                self._change(argv)
            raise error
        self._change(argv)
        return '', ''

    def _change(self, argv):
        if argv[0] == 'mkdir':
            os.makedirs(argv[-1], exist_ok=True)
        elif argv[0] == 'mount':
            share = argv[-2]
            if 'nosharecache' not in ','.join(argv).split(','):
                share = self.renamed.get(share, share)
            self.mounts[argv[-1]] = share
        elif argv[0] == 'umount':
            self.mounts.pop(argv[-1], None)

    def programs(self):
        return [argv[1] for argv in self.run]


def failed(words='mount.nfs: Connection refused'):
    return errors.CommandFailed(program='mount', exit_code=32, stderr=words,
                                command='mount ...')


def hung():
    return errors.CommandTimeout(program='mount', reason='no end', seconds=7,
                                 command='mount ...')
