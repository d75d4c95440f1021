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


"""A real ZFS pool on a file, by zfs-fuse, in a box. Root only.

    with zfs.Zfs(box, folder, size) as pool:
        box.run('zfs', 'create', pool.name + '/cinder')

zfs-fuse has one socket at a fixed path; each box has its own.
"""

import contextlib
import os
import signal
import time

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import process

# Seconds.
_LIMIT = 120
_TICK = 0.05

#: The smallest pool that ZFS makes, in bytes.
SMALLEST = 64 << 20

#: Where the daemon remembers its pools.
_KNOWN = '/var/lib/zfs/zpool.cache'

# zfs-fuse is busy for a moment after it was written to, which is as long as
# the disk takes.
_DESTROY = '''
for try in $(seq 60); do
    zfs list "$1" >/dev/null 2>&1 || exit 0
    zfs destroy -R -f "$1" && exit 0
    sleep 0.3
    zfs unmount "$1"
done
exit 1
'''

_BALLAST = '.ballast'
_BLOCK = 1 << 20


class Zfs:
    """:param box: box.Box that it is in
    :param folder: absolute path for the pool's file, made when missing
    :param size: of that, bytes
    :ivar name: of the pool
    :ivar path: where it is mounted
    """

    name = 'tank'

    def __init__(self, box, folder, size):
        self.box = box
        self.path = os.path.join(box.path, self.name)
        self._folder = str(folder)
        self._size = max(size, SMALLEST)
        self._child = None

    def __enter__(self):
        """:raises NotInstalled, CloudError: when that cannot be"""
        installed.program('zfs-fuse', 'zfs-fuse')
        os.makedirs(self._folder, exist_ok=True)
        with open(self._image, 'wb') as image:
            image.truncate(self._size)
        self.start()
        try:
            self.box.run('zpool', 'create', '-m', self.path, self.name,
                         self._image)
        except BaseException:
            self._child.kill()
            raise
        return self

    def __exit__(self, *exc_info):
        # Not in order, which takes seconds.
        self.kill()
        self.box.run('rm', '-f', _KNOWN)
        os.unlink(self._image)

    def start(self):
        """The daemon; it knows the pools that it served before."""
        self._child = process.Child(
            'zfs-fuse', self.box.inside(['zfs-fuse', '--no-daemon',
                                         '--no-kstat-mount', '-m', '16']),
            os.path.join(self._folder, 'zfs-fuse.log'))
        self._child.start()
        deadline = time.monotonic() + _LIMIT
        while not self._answers():
            self._child.check()
            if time.monotonic() > deadline:
                raise errors.Timeout('zfs-fuse did not come up in %d s.'
                                     % _LIMIT, self._child.tail())
            time.sleep(_TICK)

    def kill(self):
        """As a crash of the box would."""
        self._child.kill()
        mounts.unmount_below(self.path)

    @contextlib.contextmanager
    def stopped(self):
        """SIGSTOP; what asks it waits until after this block."""
        os.kill(self._child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._child.pid, signal.SIGCONT)

    def restart(self):
        """After that; all is mounted again."""
        self.start()
        self.box.run('zfs', 'mount', '-a')

    def fill(self):
        """Take all room, by a file in a dataset of its own."""
        self.box.run('zfs', 'create', self.name + '/' + _BALLAST)
        with open(os.path.join(self.path, _BALLAST, 'file'), 'wb',
                  buffering=0) as ballast:
            try:
                while True:
                    ballast.write(os.urandom(_BLOCK))
            except OSError:
                # There it is.
                pass

    def drain(self):
        """Give back what :meth:`fill` took."""
        self.destroy(self.name + '/' + _BALLAST)

    def destroy(self, dataset):
        """With all that is in it and hangs on it; done already is done."""
        self.box.run('sh', '-c', _DESTROY, 'sh', dataset)

    @property
    def _image(self):
        return os.path.join(self._folder, self.name + '.img')

    def _answers(self):
        try:
            self.box.run('zpool', 'list')
        except errors.CloudError:
            return False
        return True
