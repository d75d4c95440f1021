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

"""A real file system of a given size, on a loop device. Root only.

    with small_fs.SmallFs(folder, 64 * units.Mi) as small:
        small.fill(leave=units.Mi)

It comes down at the end of the block, or with the process, see keeper; its
loop device goes with it.
"""

import contextlib
import os
import subprocess

from oslo_utils import units

from remotefs_drivers.embedded import keeper

EXT4 = 'ext4'
XFS = 'xfs'
BTRFS = 'btrfs'

# The smallest ones that their mkfs makes, in bytes.
SMALLEST = {EXT4: 4 * units.Mi, XFS: 300 * units.Mi, BTRFS: 128 * units.Mi}

# Without blocks that only root may use: statfs tells the truth to all.
_MAKE = {EXT4: ['mkfs.ext4', '-q', '-F', '-m', '0'],
         XFS: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
         BTRFS: ['mkfs.btrfs', '-q', '-f', '--mixed']}

# Seconds for one command. Each waits for the disk, which may be busy.
_LIMIT = 300

# Less than that is not worth a try, in bytes.
_BLOCK = 4096

_BALLAST = '.ballast'


class Failed(Exception):
    """A command did not work; with what it said."""


class SmallFs:
    """A file system in a file.

    :param folder: absolute path, made when missing; the file and the mount
        point are below it
    :param size: bytes
    :param fstype: EXT4, XFS (with reflink) or BTRFS
    :param owner: id of the user to whom its root folder belongs
    :ivar path: the mount point
    """

    def __init__(self, folder, size, fstype=EXT4, owner=0):
        if size < SMALLEST[fstype]:
            raise ValueError('%s needs %d bytes at least, not %d'
                             % (fstype, SMALLEST[fstype], size))
        self.folder = str(folder)
        self.path = os.path.join(self.folder, 'mnt')
        self._image = os.path.join(self.folder, 'image')
        self._size = size
        self._fstype = fstype
        self._owner = owner
        self._stack = None

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        with open(self._image, 'wb') as image:
            image.truncate(self._size)
        _run(*_MAKE[self._fstype], self._image)
        with contextlib.ExitStack() as stack:
            stack.enter_context(keeper.Keeper(self.path))
            self.mount()
            os.chown(self.path, self._owner, -1)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()
        os.unlink(self._image)

    def mount(self, read_only=False):
        """After :meth:`unmount`: mount it again."""
        # The kernel frees the loop device together with the mount.
        _run('mount', '-t', self._fstype, '-o',
             'loop,%s' % ('ro' if read_only else 'rw'), self._image,
             self.path)

    def unmount(self):
        """An empty mount point stays.

        :raises Failed: while somebody uses it
        """
        _run('umount', self.path)

    def remount(self, read_only):
        """Switch between read-only and writable."""
        _run('mount', '-o', 'remount,%s' % ('ro' if read_only else 'rw'),
             self.path)

    @property
    def free(self):
        """Bytes that a user may still write."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, leave=0):
        """Take up all room but about ``leave`` bytes, by one more file."""
        descriptor = os.open(os.path.join(self.path, _BALLAST),
                             os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            _grow(descriptor, self.free - leave)
        finally:
            os.close(descriptor)

    def drain(self):
        """Give back what :meth:`fill` took."""
        os.unlink(os.path.join(self.path, _BALLAST))


def _grow(descriptor, room):
    """Reserve so many bytes, as far as there are as many."""
    start = os.fstat(descriptor).st_size
    step = room
    while step >= _BLOCK and room >= _BLOCK:
        try:
            os.posix_fallocate(descriptor, start, min(step, room))
        except OSError:
            # The file system needs some for itself.
            step //= 2
        else:
            start, room = start + step, room - step
    os.fsync(descriptor)


def _run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=_LIMIT, text=True)
    if done.returncode:
        raise Failed('%s: %s' % (' '.join(command), done.stdout.strip()))
