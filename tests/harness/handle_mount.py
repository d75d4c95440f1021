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

"""A mount whose server knows files by handles, as one of NFS does.

What was removed on the server is gone for whoever has it open here, or has
this mounted: they are told so (ESTALE), by the kernel, as every program is.
What has its name by then is another file, and is found when it is looked up.
mergerfs, which the other mounts are, goes by paths, and never says that.

The protocol is spoken by remotefs_drivers.embedded.gpfs, of which nothing
else is used: no file here is a clone, or in a fileset.
"""

import errno
import os
import subprocess
import tempfile
import threading

from remotefs_drivers.embedded.gpfs import cluster
from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import mounting
from remotefs_drivers.embedded.gpfs import passing

# Seconds until a mount that was taken down is served no more.
_LIMIT = 120
#: What is answered whatever became of the file: giving back.
_LAST = {'forget', 'batch_forget', 'release', 'releasedir', 'flush',
         'destroy'}


class Mount:
    """A mounted export: one thread of this process; as mountd.Mount.

    :param share: as it was given to mount(8)
    :param replacing: names of requests, a list: whoever makes one of these
                      for a file has it replaced by another one right before
    """

    def __init__(self, share, export, target, replacing):
        self.share = share
        self._replacing = replacing
        self._files = _Files(export.path)
        try:
            self._connection = kernel.Connection(
                mounting.mount(share, target),
                {name: self._by_handle(name, function)
                 for name, function in self._files.requests.items()})
        except BaseException:
            self._files.close()
            raise
        self._files.answer_by(self._connection.answer)
        self._thread = threading.Thread(target=self._connection.serve,
                                        daemon=True)
        self._thread.start()

    def wait(self):
        """:returns: '': it is mounted"""
        return ''

    def send(self, number):
        """It has no process of its own to be stopped or killed."""

    def end(self):
        """After the unmount."""
        self._connection.stop()
        self._thread.join(_LIMIT)
        self._connection.close()
        self._files.close()

    def _by_handle(self, name, function):
        def answer(request):
            if name not in _LAST:
                node = self._files.node(request.nodeid)
                if name in self._replacing and not os.path.isdir(node.path):
                    self._replacing.remove(name)
                    _replace(node)
                if os.fstat(node.descriptor).st_nlink == 0:
                    raise OSError(errno.ESTALE, name)
            return function(request)
        return answer


class _Files(passing.Files):
    """A folder, as it is."""

    def __init__(self, path):
        self._folder = tempfile.TemporaryDirectory()
        beneath = cluster.Cluster(self._folder.name)
        beneath.root = path
        super().__init__(beneath)

    def node(self, nodeid):
        """nodes.Node that the kernel means."""
        return self._nodes[nodeid]

    def close(self):
        super().close()
        self._folder.cleanup()


def _replace(node):
    """Put a copy of a file in its place, as who restores it from a backup.
    """
    path = os.readlink('/proc/self/fd/%d' % node.descriptor)
    copy = path + '.restored'
    subprocess.run(['cp', '-p', '--sparse=always', path, copy], check=True)
    os.rename(copy, path)
