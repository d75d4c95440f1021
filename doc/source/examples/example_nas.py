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


"""An appliance, as a vendor writes it. Its box is a folder of this host."""

import functools

from oslo_config import cfg

from remotefs_drivers.appliances import interface
from remotefs_drivers import errors

import example_box


def _asks_the_box(method):
    """One call at a time; and one that waits for ever is an answer lost."""
    @functools.wraps(method)
    def asked(self, *args):
        try:
            with self._box.alone():
                return method(self, *args)
        except example_box.Busy:
            raise errors.ApplianceUnavailable(
                appliance=self.name, what=method.__name__,
                reason='others use it for too long')
    return asked


class ExampleNas(interface.Appliance):
    """Snapshots are copies, and clones are copies of those."""

    vendor_name = 'Example'

    def __init__(self, configuration):
        super().__init__(configuration)
        self._box = example_box.Box(configuration.example_root)
        self._address = configuration.example_address

    @staticmethod
    def get_options():
        return [
            cfg.StrOpt('example_root',
                       help='Folder that the shares are in. This host '
                            'exports it, and all below it, by NFS.'),
            cfg.StrOpt('example_address', default='127.0.0.1',
                       help='Address that hosts mount them from.'),
        ]

    def check(self):
        if not self._box.is_there():
            raise errors.ApplianceNotReady(
                appliance=self.name,
                reason='its folder is not there, or cannot be written to',
                remedy='Make it, and name it in example_root.')

    # Shares

    @_asks_the_box
    def create_share(self, name, size):
        self._refuse_share(name, 'create share %s' % name)
        self._box.make(name)
        return self._share(name)

    @_asks_the_box
    def delete_share(self, name, snapshots=()):
        others = set(self._box.snapshots(name)) - set(snapshots)
        if others:
            raise errors.ApplianceShareInUse(
                appliance=self.name, what='delete share %s' % name,
                share=name, reason=', '.join(sorted(others)))
        if self._box.has(name):
            self._box.remove(name)

    @_asks_the_box
    def resize_share(self, name, size):
        # A folder holds as much as its file system does.
        self._need_share(name, 'resize share %s' % name)

    @_asks_the_box
    def rename_share(self, name, new_name):
        what = 'rename share %s to %s' % (name, new_name)
        if self._box.has(name):
            self._refuse_share(new_name, what)
            self._box.rename(name, new_name)
        elif not self._box.has(new_name):
            self._need_share(name, what)
        return self._share(new_name)

    @_asks_the_box
    def find_share(self, name):
        return self._share(name) if self._box.has(name) else None

    @_asks_the_box
    def list_shares(self):
        return [self._share(name) for name in self._box.shares()]

    # Snapshots

    def create_snapshot(self, share, name):
        return self.create_snapshots([share], name)[0]

    @_asks_the_box
    def create_snapshots(self, shares, name):
        what = 'create snapshot %s of %s' % (name, ', '.join(shares))
        for share in shares:
            self._need_share(share, what)
            self._refuse_snapshot(share, name, what)
        self._box.snapshot(shares, name)
        return [self._snapshot(share, name) for share in shares]

    @_asks_the_box
    def delete_snapshot(self, share, name):
        if name in self._box.snapshots(share):
            self._box.remove_snapshot(share, name)

    @_asks_the_box
    def rename_snapshot(self, share, name, new_name):
        what = 'rename snapshot %s of share %s' % (name, share)
        there = self._box.snapshots(share)
        if name in there:
            self._refuse_snapshot(share, new_name, what)
            self._box.rename_snapshot(share, name, new_name)
        elif new_name not in there:
            self._need_snapshot(share, name, what)
        return self._snapshot(share, new_name)

    @_asks_the_box
    def clone_snapshot(self, share, snapshot, name, size):
        what = 'clone snapshot %s of share %s' % (snapshot, share)
        self._need_snapshot(share, snapshot, what)
        self._refuse_share(name, what)
        self._box.make(name, (share, snapshot))
        return self._share(name)

    @_asks_the_box
    def roll_back(self, share, snapshot):
        self._need_snapshot(share, snapshot, 'roll back share %s' % share)
        self._box.roll_back(share, snapshot)

    @_asks_the_box
    def capacity(self):
        return interface.Capacity(*self._box.room())

    # Values

    def _share(self, name):
        # It is a clone of nothing: what was copied depends on nothing.
        return interface.Share(
            name=name, id=self._box.number(name),
            location='%s:%s' % (self._address, self._box.content(name)),
            snapshots=tuple(self._snapshot(name, each)
                            for each in self._box.snapshots(name)))

    def _snapshot(self, share, name):
        return interface.Snapshot(name, self._box.number(share, name))

    # Refusals

    def _need_share(self, name, what):
        if not self._box.has(name):
            raise errors.ApplianceShareMissing(appliance=self.name, what=what,
                                               share=name)

    def _refuse_share(self, name, what):
        if self._box.has(name):
            raise errors.ApplianceShareExists(appliance=self.name, what=what,
                                              share=name)

    def _need_snapshot(self, share, name, what):
        if name not in self._box.snapshots(share):
            raise errors.ApplianceSnapshotMissing(
                appliance=self.name, what=what, share=share, snapshot=name)

    def _refuse_snapshot(self, share, name, what):
        if name in self._box.snapshots(share):
            raise errors.ApplianceSnapshotExists(
                appliance=self.name, what=what, share=share, snapshot=name)
