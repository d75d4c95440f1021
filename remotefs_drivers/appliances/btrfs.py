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


"""btrfs over SSH: a Linux NFS server with a btrfs file system.

A share is a subvolume in the folder ``appliance_root``, its snapshots are
read-only subvolumes beside them. Clones depend on nothing. A share has a size
where the administrator has switched quotas on; without, it may take all
room that there is.
"""

import os

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import scripted
from remotefs_drivers import errors

#: Folders of our own in the root.
_OURS = ('.snapshots', '.work')

# Bytes, of one name.
_LONGEST = 255


class BtrfsAppliance(scripted.ScriptedAppliance):
    """See interface.Appliance for its methods."""

    script = 'btrfs.sh'
    vendor_name = 'btrfs'
    # An extent counts, up to 128 MiB of it, as long as one block of it is
    # used: twice the size where blocks are written anew here and there.
    times = 3

    def __init__(self, configuration):
        super().__init__(configuration)
        root = self._settings.root
        if os.path.normpath(root) != root or not root.startswith('/'):
            raise errors.ShareConfigInvalid(
                option='appliance_root',
                reason='"%s" is no absolute path, as /srv/cinder' % root)

    def _can_be(self, name):
        return (name not in ('', '.', '..', *_OURS) and
                not set(name) & set('/\n\0') and
                len(name.encode('utf-8', 'surrogateescape')) <= _LONGEST)

    def _share(self, question, name, text):
        shares, snapshots = _parsed(text)
        if [each for each, __ in shares] != [name]:
            raise self._failure(question, 'it told of %s instead' % [
                each for each, __ in shares])
        return self._made(*shares[0], tuple(
            interface.Snapshot(each, self._snapshot_id(name, each))
            for each in snapshots))

    def _shares(self, text):
        shares, __ = _parsed(text)
        return [self._made(name, limit) for name, limit in shares]

    def _made(self, name, limit, snapshots=None):
        return interface.Share(
            name, self._id(name), self._location(self._id(name)),
            self._size(int(limit)) if limit.isdigit() else None,
            snapshots=snapshots)

    def _id(self, share):
        return os.path.join(self._settings.root, share)

    def _snapshot_id(self, share, name):
        return os.path.join(self._settings.root, '.snapshots', share, name)


def _parsed(text):
    """(name, limit) of shares, and names of snapshots, the oldest first."""
    shares, snapshots = [], {}
    for line in filter(None, text.split('\n')):
        kind, number, name = line.split('\t', 2)
        if kind == 'share':
            shares.append((name, number))
        else:
            snapshots[int(number)] = name
    return shares, [snapshots[number] for number in sorted(snapshots)]
