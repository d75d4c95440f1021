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

"""A disk that a running guest has open, with QEMU's image locks.

    with guest.Guest(folder, path, 'qcow2') as running:
        with running.connect() as disk:
            disk.write(0, b'...')
        running.snapshot(path + '.s1')
"""

import contextlib
import itertools
import os
import threading

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import daemon
from remotefs_drivers.embedded.hypervisor import jobs
from remotefs_drivers.embedded.hypervisor import layers
from remotefs_drivers.embedded.hypervisor import nbd
from remotefs_drivers.embedded import waiting

# Seconds for QEMU to let go of its clients.
_EXPORT_LIMIT = 300


class Guest:
    """QEMU, and the disk that it shows.

    Changes of the chain are made one after the other, from any thread. The
    files and their formats are remembered when it stops.

    :param folder: absolute path of a folder, made when missing, for its log
        and its socket; not on a share
    :param path: of the active file, absolute
    :param format: of the active file, 'raw' or 'qcow2'
    :param read_only: attached so
    :param name: for messages and file names, unique in the folder
    :ivar path: of the file that is active now, or was at the end
    :ivar format: of that file
    """

    def __init__(self, folder, path, format, read_only=False, name='guest'):
        self.path = path
        self.format = format
        self._read_only = read_only
        self._daemon = daemon.Daemon(str(folder), name)
        self._graph = None
        self._busy = threading.RLock()
        self._numbers = itertools.count()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        if exc_info[0]:
            self.kill()
        else:
            self.stop()

    @property
    def alive(self):
        """Whether QEMU runs."""
        return self._daemon.alive

    @property
    def pid(self):
        return self._daemon.pid

    @property
    def log(self):
        """Path of QEMU's log."""
        return os.path.join(self._daemon.folder, self._daemon.name + '.log')

    def start(self):
        """Open the files, by what the headers say.

        :raises GuestFailed: and nothing runs
        """
        with self._busy:
            if self.alive:
                raise errors.GuestFailed('%s runs already.'
                                         % self._daemon.name)
            self._daemon.start()
            try:
                self._graph = layers.Graph(self._daemon.execute,
                                           self._read_only)
                self._graph.open(self.path, self.format)
                self._export()
            except BaseException:
                self._daemon.kill()
                raise

    def stop(self):
        """As a machine that is switched off: what was written is flushed.

        A job that is under way ends, and the call that waits for it fails.

        :raises GuestFailed: when QEMU had crashed
        """
        self._daemon.stop()

    def kill(self):
        """SIGKILL, as if QEMU had crashed."""
        self._daemon.kill()

    def reopen(self, path=None, format=None):
        """Stop when it runs, then start with this file, or the same one."""
        self.stop()
        self.path = path or self.path
        self.format = format or self.format
        self.start()

    def connect(self, patience=0):
        """The disk as the guest has it.

        :param patience: see nbd.Client
        :returns: nbd.Client
        """
        return nbd.Client(self._daemon.socket, patience)

    @contextlib.contextmanager
    def url(self):
        """The disk as programs of QEMU's can open it, in this block."""
        with nbd.short(self._daemon.socket) as address:
            yield 'nbd+unix:///%s?socket=%s' % (nbd.EXPORT, address)

    def chain(self):
        """Paths from the active file down, as QEMU has them open."""
        return [layer.path for layer in self._graph.chain()]

    def snapshot(self, path):
        """Go on in another file; what there was stays as it is.

        :param path: an empty qcow2 overlay that is there already
        """
        with self._busy:
            node = self._graph.add(layers.Layer(path, 'qcow2'), None)
            self._daemon.execute('transaction', actions=[{
                'type': 'blockdev-snapshot',
                'data': {'node': self._graph.active, 'overlay': node}}])
            self._graph.active = node
            self._settle()

    def commit(self, top, base, backing_name=None, speed=0, watch=None):
        """Merge downwards: all from top to above base goes into base.

        :param top: file name of a layer, the active one included
        :param base: file name of a layer below it
        :param backing_name: for the header of the layer above top; the file
            name of base unless given
        :param speed: bytes per second, 0 for all that the machine has
        :param watch: see jobs.run
        """
        with self._busy:
            upper, lower = self._graph.find(top), self._graph.find(base)
            named = {}
            if upper.node != self._graph.active:
                named['backing_file'] = (backing_name
                                         or os.path.basename(lower.path))
            # The disk, since it has to be a node that nothing is above.
            self._job('block-commit', speed, watch, device=layers.DISK,
                      top_node=upper.node, base_node=lower.node, **named)
            if not named:
                self._graph.active = lower.node
            self._settle()

    def stream(self, base, backing_name=None, speed=0, watch=None):
        """Merge upwards: all from above base to the active one goes into it.

        :param base: file name of a layer that stays below; None for none
        :param backing_name: for the active file's header; the file name of
            base unless given
        """
        with self._busy:
            named = {}
            if base:
                lower = self._graph.find(base)
                named = {'base_node': lower.node,
                         'backing_file': backing_name
                         or os.path.basename(lower.path)}
            self._job('block-stream', speed, watch,
                      device=self._graph.active, **named)
            self._settle()

    def resize(self, size):
        """Grow the disk; clients are cut off and have to connect again.

        :param size: bytes
        """
        with self._busy:
            self._withdraw()
            try:
                self._daemon.execute('block_resize', size=size,
                                     node_name=layers.DISK)
            finally:
                self._export()

    def _job(self, command, speed, watch, **arguments):
        jobs.run(self._daemon.execute, command,
                 'job%d' % next(self._numbers), watch=watch, speed=speed,
                 **arguments)

    def _settle(self):
        """Close what is not used any more, and remember what is."""
        self._graph.close_others()
        active = self._graph.chain()[0]
        self.path, self.format = active.path, active.format

    def _export(self):
        self._daemon.execute('block-export-add', type='nbd', id=nbd.EXPORT,
                             name=nbd.EXPORT, node_name=layers.DISK,
                             writable=not self._read_only)

    def _withdraw(self):
        """An export keeps the size that the disk had at first."""
        self._daemon.execute('block-export-del', id=nbd.EXPORT, mode='hard')
        waiting.until(
            lambda: not self._daemon.execute('query-block-exports'),
            _EXPORT_LIMIT, 'the disk to be taken away')


@contextlib.contextmanager
def running(*arguments, **options):
    """A Guest while the block runs; it may have been stopped in it."""
    one = Guest(*arguments, **options)
    one.start()
    try:
        yield one
    finally:
        if one.alive:
            one.stop()
