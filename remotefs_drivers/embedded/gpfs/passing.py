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

"""A folder as a file system: each request is passed on to what is beneath.

What GPFS would refuse is refused: ``cluster`` says so. Inode numbers, sizes,
holes and errors are those beneath. Nothing is remembered by the kernel, so
that each mount sees at once what happens in another one.
"""

from remotefs_drivers.embedded.gpfs import attribute_requests
from remotefs_drivers.embedded.gpfs import data_requests
from remotefs_drivers.embedded.gpfs import handles
from remotefs_drivers.embedded.gpfs import kernel
from remotefs_drivers.embedded.gpfs import lock_requests
from remotefs_drivers.embedded.gpfs import name_requests
from remotefs_drivers.embedded.gpfs import nodes


class Files:
    """What the requests of one mount do.

    :param cluster: cluster.Cluster, with ``root``, the folder beneath
    :ivar requests: name, see kernel.OPCODES, -> function
    """

    def __init__(self, cluster):
        self._nodes = nodes.Nodes(cluster)
        self._handles = handles.Handles(cluster)
        self._locks = lock_requests.Requests(cluster.locks, self._handles)
        self.requests = _requests(
            name_requests.Requests(cluster, self._nodes),
            attribute_requests.Requests(cluster, self._nodes, self._handles),
            data_requests.Requests(cluster, self._nodes, self._handles),
            self._locks)
        # The mount goes, and serving it ends.
        self.requests['destroy'] = lambda request: b''

    def answer_by(self, answer):
        """How a request is answered that had to wait.

        :param answer: kernel.Connection.answer
        """
        self._locks.answer = answer

    def close(self):
        """Give all of it back: the mount is gone."""
        self._handles.close()
        self._nodes.close()


def _requests(*parts):
    return {name: getattr(part, name) for part in parts
            for name in kernel.OPCODES.values() if hasattr(part, name)}
