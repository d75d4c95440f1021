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

"""The file systems that the machine's NFS server exports to the machine."""

import typing

from tests.realnfs import link

#: Where the server has them. It shows this folder as its root, so /one of
#: the server is /exports/one of the machine, which has it at /one as well.
EXPORTS = '/exports'

#: Another address of the server's, which can be taken away.
FAR_ADDRESS = '10.77.0.1'


class Share(typing.NamedTuple):
    """A file system of its own, exported by the same name.

    :ivar mib: its size
    :ivar disk: which one it is made on, or None: in memory
    :ivar squash: whether the server takes the client's root for nobody
    :ivar owner: who its root folder belongs to
    :ivar address: of the server, for the client
    :ivar mount_options: for this share alone, or nothing
    :ivar file_system: of its disk
    :ivar export_options: besides the usual ones
    """
    name: str
    mib: int
    disk: typing.Optional[str]
    squash: bool = False
    owner: str = 'root'
    address: str = '127.0.0.1'
    mount_options: str = ''
    file_system: str = 'xfs'
    export_options: str = ''

    @property
    def location(self):
        """What the client knows it by."""
        return f'{self.address}:/{self.name}'

    @property
    def line(self):
        """What stands in a shares file."""
        if self.mount_options:
            return f'{self.location} -o {self.mount_options}'
        return self.location

    @property
    def path(self):
        """Where the server has it."""
        return f'{EXPORTS}/{self.name}'


ONE = Share('one', 8192, '/dev/vda')
TWO = Share('two', 4096, '/dev/vdb')
SMALL = Share('small', 48, None)
MINE = Share('mine', 2048, '/dev/vdc', owner=link.USER)
SQUASHED = Share('squashed', 2048, '/dev/vdd', squash=True, owner=link.USER)
#: What an appliance has: its shares are folders or subvolumes in it.
BOX = Share('box', 8192, '/dev/vde', file_system='btrfs',
            export_options='crossmnt')
SHARES = (ONE, TWO, SMALL, MINE, SQUASHED, BOX)


def disks():
    """Sizes in MiB of the machine's disks, by serial number."""
    return {share.name: share.mib for share in SHARES if share.disk}
