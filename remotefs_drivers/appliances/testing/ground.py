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


"""What a test makes on an appliance, and that it goes away again."""

import uuid

from remotefs_drivers import errors


class Ground:
    """Makes shares and snapshots, and takes them away in the end.

    :param box: box.Box
    :param size: bytes of a share, where the test does not care
    :param register: a list that gets all names
    """

    def __init__(self, box, size, register):
        self.box = box
        self.size = size
        self._names = []
        self._register = register

    def name(self, name=None):
        """A name for a share that the test may make; a new one."""
        name = name or 'volume-%s' % uuid.uuid4()
        self._names.append(name)
        self._register.append(name)
        return name

    def share(self, name=None):
        """Make a share. Returns its name."""
        name = name or self.name()
        self.box.create_share(name, self.size)
        return name

    def snapshot(self, share, name=None):
        """Make a snapshot. Returns its name."""
        name = name or snapshot_name()
        self.box.create_snapshot(share, name)
        return name

    def snapshots(self, share, *names):
        """Make several, one after the other."""
        for name in names:
            self.box.create_snapshot(share, name)

    def clone(self, share, snapshot):
        """Make a share from a snapshot. Returns its name."""
        name = self.name()
        self.box.clone_snapshot(share, snapshot, name, self.size)
        return name

    def family(self):
        """A share with a snapshot and a clone of it: their three names."""
        share = self.share()
        snapshot = self.snapshot(share)
        return share, snapshot, self.clone(share, snapshot)

    def names_of(self, share):
        """The names of a share's snapshots, as find_share has them."""
        return [each.name for each in self.box.find_share(share).snapshots]

    def clear(self):
        """Delete all that was made, clones before what they hang on.

        :raises AssertionError: when something stays
        """
        names = self._names[::-1]
        while names:
            left = [name for name in names if not self._is_gone(name)]
            assert len(left) < len(names), (
                'what the test made cannot be deleted: %s' % ', '.join(left))
            names = left

    def _is_gone(self, name):
        """Whether the share is gone, or can be made to."""
        share = self.box.find_share(name)
        try:
            if share is not None:
                self.box.delete_share(name, tuple(
                    each.name for each in share.snapshots or ()))
        except errors.ApplianceShareInUse:
            return False
        return True


def snapshot_name():
    """As the driver makes them."""
    return 'snapshot-%s' % uuid.uuid4()
