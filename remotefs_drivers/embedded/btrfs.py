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


"""A real btrfs on a loop device, in a box. Root only.

    with btrfs.Btrfs(box, folder, size) as disk:
        box.run('btrfs', 'subvolume', 'create', disk.path + '/share')
"""

import os
import shutil

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import waiting

#: The smallest one that is of use, in bytes.
SMALLEST = 128 << 20

# Seconds.
_LIMIT = 120

_BALLAST = '.ballast'
_BLOCK = 1 << 20

# A subvolume cannot be removed before those in it.
_REMOVE = '''
[ -e "$1" ] || exit 0
find "$1" -depth -type d -inum 256 -exec btrfs subvolume delete {} + || exit 1
rm -rf "$1"
'''


class Btrfs:
    """:param box: box.Box that it is in
    :param folder: absolute path for its file, made when missing
    :param size: of that, bytes
    :param quotas: whether they are on
    :ivar path: where it is mounted
    """

    def __init__(self, box, folder, size, quotas=False):
        self.box = box
        self.path = os.path.join(box.path, 'btrfs')
        self._image = os.path.join(folder, 'btrfs.img')
        self._size = max(size, SMALLEST)
        self._quotas = quotas

    def __enter__(self):
        """:raises NotInstalled, CloudError: when that cannot be"""
        installed.program('mkfs.btrfs', 'btrfs-progs')
        os.makedirs(os.path.dirname(self._image), exist_ok=True)
        os.makedirs(self.path, exist_ok=True)
        with open(self._image, 'wb') as image:
            image.truncate(self._size)
        self.box.run('mkfs.btrfs', '-q', '-f', '--mixed', self._image)
        self.mount()
        if self._quotas:
            self.box.run('btrfs', 'quota', 'enable', self.path)
        return self

    def __exit__(self, *exc_info):
        self.unmount()
        os.unlink(self._image)

    def mount(self):
        self.box.run('mount', '-o', 'loop', self._image, self.path)

    def unmount(self):
        """Once what was begun on it is over: a session may have been cut off.

        :raises Timeout: with what umount says
        """
        said = []

        def look():
            try:
                self.box.run('umount', self.path)
            except errors.CloudError as error:
                said[:] = [str(error)]
                return False
            return True
        waiting.until(look, _LIMIT, '%s to be unmounted' % self.path,
                      explain=lambda: said[0])

    def crash(self):
        """It is mounted again as it is on disk now, without a last sync."""
        copy = self._image + '.crashed'
        with open(self._image, 'rb') as disk, open(copy, 'wb') as kept:
            shutil.copyfileobj(disk, kept)
        self.unmount()
        os.rename(copy, self._image)
        self.mount()

    def fill(self):
        """Take all room, by one file."""
        with open(self._ballast, 'wb', buffering=0) as ballast:
            try:
                while True:
                    ballast.write(os.urandom(_BLOCK))
                    os.fsync(ballast.fileno())
            except OSError:
                # There it is.
                pass

    def drain(self):
        """Give back what :meth:`fill` took."""
        os.unlink(self._ballast)
        self.box.run('btrfs', 'filesystem', 'sync', self.path)

    def remove(self, path):
        """A folder, with all subvolumes in it; done already is done."""
        self.box.run('sh', '-c', _REMOVE, 'sh', path)

    @property
    def _ballast(self):
        return os.path.join(self.path, _BALLAST)
