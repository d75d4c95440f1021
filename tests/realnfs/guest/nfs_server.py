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

"""The NFS server of the machine: the kernel's, for v3 and v4.2.

To be used by root in the machine. It is started once, by guest/serve.py;
tests change what it exports, stop it and start it again.
"""

import contextlib
import pathlib
import shutil
import subprocess

from tests.realnfs.guest import layout

_THREADS = 8
_LIMIT = 300
_MAKE = {'xfs': ('mkfs.xfs', '-q', '-f', '-m', 'reflink=1'),
         'btrfs': ('mkfs.btrfs', '-q', '-f')}
_NFSD = pathlib.Path('/proc/fs/nfsd')
_STATE = pathlib.Path('/var/lib/nfs')

# Seconds until locks and leases of clients before a restart are given up:
# the kernel's 50 and 90 would make each restart a long wait.
_LOCK_SECONDS = 3
_LEASE_SECONDS = 10


class NfsServer:
    """What is exported, and whether it is served."""

    def __init__(self):
        self._exports = {}

    def set_up(self):
        """Make the file systems and start to serve them all."""
        run('modprobe', 'lockd', f'nlm_timeout={_LOCK_SECONDS}',
            f'nlm_grace_period={_LOCK_SECONDS}')
        run('modprobe', '-a', 'nfsd', 'nfs', 'nfsv3', 'nfsv4', 'xfs',
            'btrfs')
        _make_file_systems()
        _make_state()
        run('mount', '-t', 'nfsd', 'nfsd', str(_NFSD))
        run('rpcbind', '-w')
        run('rpc.statd', '--no-notify')
        self.reset()
        run('rpc.mountd')

    def reset(self):
        """Export every share as the layout says, and serve."""
        self._exports = {share: _options(share) for share in layout.SHARES}
        self._write()
        self.start()
        self.connect()

    def start(self):
        """Serve with all threads; a server that runs goes on."""
        if self.is_running():
            return
        for name, seconds in (('nfsv4gracetime', _LEASE_SECONDS),
                              ('nfsv4leasetime', _LEASE_SECONDS)):
            (_NFSD / name).write_text(f'{seconds}\n')
        run('rpc.nfsd', str(_THREADS))
        # Nobody has locks from before to reclaim.
        (_NFSD / 'v4_end_grace').write_text('Y\n')

    def stop(self):
        """Serve no more: clients that ask wait, as for a server that died."""
        run('rpc.nfsd', '0')

    def is_running(self):
        return int((_NFSD / 'threads').read_text()) > 0

    @contextlib.contextmanager
    def stopped(self):
        """No server for a while; started again at the end at the latest."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def connect(self):
        """Let the far address be reached."""
        if not _has_far_address():
            run('busybox', 'ip', 'address', 'add', layout.FAR_ADDRESS + '/32',
                'dev', 'lo')

    @contextlib.contextmanager
    def unplugged(self):
        """Only the near address for a while: packets to the other are lost."""
        run('busybox', 'ip', 'address', 'del', layout.FAR_ADDRESS + '/32',
            'dev', 'lo')
        try:
            yield
        finally:
            self.connect()

    def unexport(self, share):
        """Refuse this share to clients from now on."""
        self._exports.pop(share)
        self._write()

    def export(self, share, access='rw'):
        """Offer this share.

        :param access: 'rw' or 'ro'
        """
        self._exports[share] = _options(share, access)
        self._write()

    def traffic(self):
        """Bytes that clients have (read, written) since the start.

        What the server copies or clones by itself is not in it.
        """
        lines = pathlib.Path('/proc/net/rpc/nfsd').read_text().splitlines()
        found, = [line.split() for line in lines if line.startswith('io ')]
        return int(found[1]), int(found[2])

    def _write(self):
        lines = [f'/{share.name} *({options})\n'
                 for share, options in self._exports.items()]
        pathlib.Path('/etc/exports').write_text(''.join(lines))
        run('exportfs', '-ra')
        # Answers that the kernel has from before.
        run('exportfs', '-f')


def run(*command):
    """Run a command of the machine's.

    :raises RuntimeError: with its words when it fails
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=_LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}: {done.stdout.strip()}')
    return done.stdout


def _has_far_address():
    return f' {layout.FAR_ADDRESS}/' in run('busybox', 'ip', 'address',
                                            'show', 'dev', 'lo')


def _options(share, access='rw'):
    squash = 'root_squash' if share.squash else 'no_root_squash'
    number = layout.SHARES.index(share) + 1
    return ','.join(filter(None, (
        access, squash, 'insecure', 'no_subtree_check', f'fsid={number}',
        share.export_options)))


def _make_file_systems():
    """A file system for each share, in a folder that can be exported.

    The machine's root is an overlay, which has no file handles; NFS v4
    needs them for every folder on the way to a share.
    """
    exports = pathlib.Path(layout.EXPORTS)
    exports.mkdir()
    run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=755', 'exports',
        str(exports))
    pathlib.Path('/etc/nfs.conf').write_text(
        f'[exports]\nrootdir={exports}\n')
    for share in layout.SHARES:
        pathlib.Path(share.path).mkdir()
        if share.disk:
            run(*_MAKE[share.file_system], share.disk)
            run('mount', share.disk, share.path)
        else:
            run('mount', '-t', 'tmpfs', '-o', f'size={share.mib}m',
                share.name, share.path)
        shutil.chown(share.path, share.owner, share.owner)
        # Where clients see it: an appliance has one path for both.
        same = pathlib.Path(f'/{share.name}')
        same.mkdir()
        run('mount', '--bind', share.path, str(same))


def _make_state():
    """What the server's programs keep, empty, whatever the host has."""
    shutil.rmtree(_STATE, ignore_errors=True)
    for name in ('sm', 'sm.bak', 'v4recovery'):
        (_STATE / name).mkdir(parents=True)
        shutil.chown(_STATE / name, 'statd')
    shutil.chown(_STATE, 'statd')
    for name in ('etab', 'rmtab'):
        (_STATE / name).touch()
    for name in ('/run/rpcbind', '/run/sendsigs.omit.d'):
        pathlib.Path(name).mkdir(exist_ok=True)
