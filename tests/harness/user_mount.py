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

"""Remote mounts for NfsDriver on a host whose kernel has no NFS client.

    with user_mount.UserMount(folder) as mounter:
        mounter.export('127.0.0.1:/a', path)
        environment['PATH'] = mounter.path()

The driver and os-brick are the real ones: they run ``mount -t nfs``, and
find our program in front of the real one. What they then see in mountinfo is
a mount of ``127.0.0.1:/a``. Root may mount for others (FUSE's allow_other),
an ordinary user needs access to /dev/fuse. Real NFS is in tests/realnfs.

An export can misbehave: refuse to be mounted, hang, be read-only; a mounted
one can fall silent (``freeze``). A full one is an export of a full folder,
see small_fs.
"""

import os
import shutil
import signal
import sys
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import keeper
from tests.harness import mount_program
from tests.harness import mountd

# Seconds for an answer to a request that does not mount. It may have to wait
# for one that does.
_LIMIT = 300

_TICK = 0.02

_SCRIPT = """\
#!/bin/sh
exec '%(python)s' -I -S '%(program)s' '%(folder)s' %(kind)s %(real)s "$@"
"""


class UserMount:
    """Mounts of folders on this host, as if they were remote ones.

    :param folder: absolute path, made when missing; for programs and logs
    :param owner: id of the user who may mount, when it is not this one
    :ivar programs: the folder to be put in front of PATH
    """

    def __init__(self, folder, owner=None):
        self.folder = str(folder)
        self.programs = os.path.join(self.folder, 'bin')
        self._owner = os.geteuid() if owner is None else owner
        self._host = None

    def __enter__(self):
        """:raises NotInstalled: when this host can't do it"""
        _check_host()
        os.makedirs(self.programs, exist_ok=True)
        for kind in ('mount', 'umount'):
            self._install(kind)
        with open(os.path.join(self.folder, 'mountd.log'), 'ab') as log:
            self._host = keeper.Watchman(
                'tests.harness.mountd', self.folder, str(self._owner),
                stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self._host.dismiss()
            raise
        return self

    def __exit__(self, *exc_info):
        """Takes all mounts down."""
        self._host.dismiss()
        _remove(os.path.join(self.folder, 'socket'))

    def path(self, path=None):
        """The value of PATH (or ``path``) with our programs in front."""
        return os.pathsep.join([self.programs,
                                path or os.environ.get('PATH', os.defpath)])

    def export(self, share, path, read_only=False):
        """Let a folder be mounted as ``share`` ('host:/export').

        :param read_only: whatever the mount options say
        :raises ValueError: for a name or a path that can't be handed on
        """
        # What mergerfs divides options and branches by.
        if set(',\\') & set(share) or set(':*,') & set(str(path)):
            raise ValueError('%s on %s: these characters are not for us'
                             % (path, share))
        self._ask('export', share=share, path=str(path),
                  read_only=read_only)

    def export_below(self, address, folder, by_handles=False):
        """Let each folder below one be mounted as '<address>:<its path>'.

        Also those that are made later.

        :param by_handles: what is removed there is stale here, as in NFS
        """
        self._ask('export_below', address=address, folder=str(folder),
                  by_handles=by_handles)

    def replace_at(self, request):
        """Let another file take a file's place, where mounts are by handles.

        :param request: the one that comes too late, by its name in
                        remotefs_drivers.embedded.gpfs.kernel.OPCODES; once
        """
        self._ask('replace_at', request=request)

    def replacing(self):
        """Requests of replace_at that nobody has made yet."""
        return self._ask('replacing')

    def serve(self, share):
        """Mounting works from now on; mounts that hang come to an end."""
        self._behave(share, mountd.SERVE)

    def hang(self, share):
        """Mounting does not return from now on."""
        self._behave(share, mountd.HANG)

    def fail(self, share, text='mount system call failed: Input/output '
                               'error'):
        """Mounting ends at once with an error from now on."""
        self._behave(share, mountd.FAIL, text)

    def freeze(self, share):
        """The server falls silent: each access to a mount of it hangs."""
        self._ask('signal', share=share, number=int(signal.SIGSTOP))

    def thaw(self, share):
        """The server answers again."""
        self._ask('signal', share=share, number=int(signal.SIGCONT))

    def calls(self):
        """Calls so far: (mount or umount, share, mount point, options)."""
        return [tuple(call) for call in self._ask('calls')]

    def mounted(self):
        """Mount point -> share."""
        return self._ask('mounted')

    def _behave(self, share, behaviour, text=''):
        self._ask('behave', share=share, behaviour=behaviour, text=text)

    def _ask(self, name, **arguments):
        return mount_program.ask(self.folder, {'do': name, **arguments},
                                 _LIMIT)

    def _install(self, kind):
        path = os.path.join(self.programs, kind)
        with open(path, 'w') as script:
            script.write(_SCRIPT % {
                'python': sys.executable, 'program': mount_program.__file__,
                'folder': self.folder, 'kind': kind,
                'real': shutil.which(kind) or '/bin/' + kind})
            os.fchmod(script.fileno(), 0o755)

    def _wait(self):
        deadline = time.monotonic() + _LIMIT
        while not self._answers():
            if not self._host.alive or time.monotonic() > deadline:
                raise errors.NotReady('mountd did not start, see %s'
                                      % self.folder)
            time.sleep(_TICK)

    def _answers(self):
        try:
            return self.calls() == []
        except OSError:
            return False


def _check_host():
    if not shutil.which('mergerfs'):
        raise errors.NotInstalled('The program mergerfs is missing. Install '
                                  'the package mergerfs.')
    if not os.access('/dev/fuse', os.R_OK | os.W_OK):
        raise errors.NotInstalled('/dev/fuse is not there, or not for this '
                                  'user (uid %d).' % os.geteuid())


def _remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
