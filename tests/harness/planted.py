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


"""Appliances with a mistake each, as vendors make them.

Each is a FolderAppliance that breaks one promise of the interface.
"""

import dataclasses
import glob
import os
import shlex
import threading
import time

from remotefs_drivers.appliances.testing import files
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors

#: Seconds that one is late, where lateness is the mistake: nobody looks so
#: late, however slow the machine is.
_LATE = 600


class Adopts(folders.FolderAppliance):
    """Takes a share that is there already for the one to be made."""

    def create_share(self, name, size):
        try:
            return super().create_share(name, size)
        except errors.ApplianceShareExists:
            return self.find_share(name)


class TakesAlong(folders.FolderAppliance):
    """Deletes a share with all its snapshots, named or not."""

    def delete_share(self, name, snapshots=()):
        share = self.find_share(name)
        super().delete_share(name, [each.name for each in share.snapshots]
                             if share else snapshots)


class Empties(folders.FolderAppliance):
    """Deletes the snapshots one by one, and then finds that it may not."""

    def delete_share(self, name, snapshots=()):
        for snapshot in snapshots:
            try:
                self.delete_snapshot(name, snapshot)
            except errors.ApplianceSnapshotInUse:
                pass
        super().delete_share(name, snapshots)


class NewestFirst(folders.FolderAppliance):
    """Has snapshots the other way round."""

    def find_share(self, name):
        return _with_snapshots(super().find_share(name), reversed)


class ByName(folders.FolderAppliance):
    """Has snapshots as its own list has them."""

    def find_share(self, name):
        return _with_snapshots(
            super().find_share(name),
            lambda found: sorted(found, key=lambda each: each.name))


class SharesBlocks(folders.FolderAppliance):
    """What is written to a clone is written to its snapshot."""

    def clone_snapshot(self, share, snapshot, name, size):
        clone = super().clone_snapshot(share, snapshot, name, size)
        number, = [each.id.rpartition('-')[2] for each in
                   self.find_share(share).snapshots if each.name == snapshot]
        source = os.path.join(self.configuration.folders_root, '.snapshots',
                              number)
        target = clone.location.partition(':')[2]
        for each in os.listdir(target):
            os.unlink(os.path.join(target, each))
            os.link(os.path.join(source, each), os.path.join(target, each))
        return clone


class RollsOver(folders.FolderAppliance):
    """Rolls back by destroying what is newer: ``zfs rollback -r``."""

    def roll_back(self, share, snapshot):
        found = self.find_share(share)
        names = [each.name for each in found.snapshots] if found else []
        newer = names[names.index(snapshot) + 1:] if snapshot in names else []
        for name in newer:
            self.delete_snapshot(share, name)
        super().roll_back(share, snapshot)


class SaysDone(folders.FolderAppliance):
    """Says that a snapshot is deleted which clones keep."""

    def delete_snapshot(self, share, name):
        try:
            super().delete_snapshot(share, name)
        except errors.ApplianceSnapshotInUse:
            pass


class RenamesOnce(folders.FolderAppliance):
    """Does not know a renamed snapshot again."""

    def rename_snapshot(self, share, name, new_name):
        found = self.find_share(share)
        if found and name not in [each.name for each in found.snapshots]:
            raise errors.ApplianceSnapshotMissing(
                appliance=self.name, share=share, snapshot=name,
                what='rename snapshot %s' % name)
        return super().rename_snapshot(share, name, new_name)


class OneByOne(folders.FolderAppliance):
    """Snapshots several shares, one after the other."""

    def create_snapshots(self, shares, name):
        # Whether it may at all; gone again.
        super().create_snapshots(shares, name)
        for share in shares:
            self.delete_snapshot(share, name)
        made = []
        for share in shares:
            made.append(self.create_snapshot(share, name))
            _let_write()
        return made


class SomeOfThem(folders.FolderAppliance):
    """Leaves those that it made when one of several cannot be."""

    def create_snapshots(self, shares, name):
        try:
            return super().create_snapshots(shares, name)
        except errors.ApplianceError:
            self.create_snapshot(shares[0], name)
            raise


class Unquoted(folders.FolderAppliance):
    """Puts names into a command line as they are."""

    def find_share(self, name):
        try:
            words = shlex.split(name)
        except ValueError as error:
            raise errors.ApplianceError(
                appliance=self.name, what='find share', reason=str(error))
        return super().find_share(words[0] if words else '')


class Patterns(folders.FolderAppliance):
    """Looks for names as the shell does."""

    def find_share(self, name):
        found = glob.glob(os.path.join(self.configuration.folders_root,
                                       name.replace('/', '%2F')))
        for path in found if set(name) & set('*?[') else ():
            return super().find_share(os.path.basename(path))
        return super().find_share(name)


class OtherError(folders.FolderAppliance):
    """Says no in words of its own."""

    def create_snapshot(self, share, name):
        try:
            return super().create_snapshot(share, name)
        except errors.ApplianceShareMissing as error:
            raise errors.ApplianceError(appliance=self.name, what='snapshot',
                                        reason=str(error))


class TooEarly(folders.FolderAppliance):
    """Answers while it still works on it."""

    def resize_share(self, name, size):
        if self.find_share(name) is None:
            super().resize_share(name, size)
        late = threading.Timer(_LATE, super().resize_share, (name, size))
        late.daemon = True
        late.start()


class Remembers(folders.FolderAppliance):
    """Knows what it found until it changes something itself."""

    def __init__(self, configuration):
        super().__init__(configuration)
        self._found = {}

    def find_share(self, name):
        if name not in self._found:
            self._found[name] = super().find_share(name)
        return self._found[name]

    def _call(self, method, *args):
        if method not in ('find_share', 'list_shares'):
            self._found.clear()
        return super()._call(method, *args)


class Forgets(folders.FolderAppliance):
    """Has sizes in its memory only, which is a file here."""

    def resize_share(self, name, size):
        super().resize_share(name, 0)
        with open(self._memory(name), 'w') as stream:
            stream.write(str(max(size, super().find_share(name).size)))

    def find_share(self, name):
        found = super().find_share(name)
        try:
            with open(self._memory(name)) as stream:
                return dataclasses.replace(found, size=int(stream.read()))
        except (OSError, ValueError):
            return found

    def _memory(self, name):
        folder = self.configuration.folders_root + '-memory'
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name.replace('/', ''))


class Leaks(folders.FolderAppliance):
    """Makes the share of a clone, and then finds no snapshot."""

    def clone_snapshot(self, share, snapshot, name, size):
        try:
            return super().clone_snapshot(share, snapshot, name, size)
        except errors.ApplianceSnapshotMissing:
            self.create_share(name, size)
            raise


class Hangs(folders.FolderAppliance):
    """Has no time limit."""

    def capacity(self):
        time.sleep(3600)


class Denies(folders.FolderAppliance):
    """Does not say that clones hang on their snapshots."""

    def find_share(self, name):
        found = super().find_share(name)
        return found and dataclasses.replace(found, origin=None)


class Half(folders.FolderAppliance):
    """Lists no clones."""

    def list_shares(self):
        return [share for share in super().list_shares()
                if share.origin is None]


class Trims(folders.FolderAppliance):
    """Copies files as far as there is something in them."""

    def clone_snapshot(self, share, snapshot, name, size):
        clone = super().clone_snapshot(share, snapshot, name, size)
        for path in _files(clone):
            with open(path, 'rb') as stream:
                length = len(stream.read().rstrip(b'\0'))
            os.truncate(path, length)
        return clone


class Umask(folders.FolderAppliance):
    """Copies files as one's own: ``cp -r``."""

    def clone_snapshot(self, share, snapshot, name, size):
        clone = super().clone_snapshot(share, snapshot, name, size)
        for path in _files(clone):
            os.chmod(path, 0o640)
        return clone


class OneFile(folders.FolderAppliance):
    """Knows what the driver calls its file, and copies no other."""

    def clone_snapshot(self, share, snapshot, name, size):
        clone = super().clone_snapshot(share, snapshot, name, size)
        for path in _files(clone):
            if os.path.basename(path) != 'volume':
                os.unlink(path)
        return clone


class RollsUpon(folders.FolderAppliance):
    """Rolls back by copying over what is there."""

    def roll_back(self, share, snapshot):
        found = self.find_share(share)
        there = _files(found) if found else []
        super().roll_back(share, snapshot)
        for path in there:
            with open(path, 'a'):
                pass


class OnePage(folders.FolderAppliance):
    """Takes the first page of a list for all of it."""

    def list_shares(self):
        return super().list_shares()[:20]


class OnePageOfSnapshots(folders.FolderAppliance):
    def find_share(self, name):
        return _with_snapshots(super().find_share(name),
                               lambda found: found[:20])


class StaysOpen(folders.FolderAppliance):
    """Closes a connection unless something is refused."""

    kept = []

    def create_snapshot(self, share, name):
        try:
            return super().create_snapshot(share, name)
        except errors.ApplianceShareMissing:
            self.kept.append(open(os.devnull))
            raise


class Folds(folders.FolderAppliance):
    """Finds names in capitals and small letters alike, as Windows does."""

    def find_share(self, name):
        for share in super().list_shares():
            if share.name.lower() == name.lower():
                return super().find_share(share.name)
        return super().find_share(name)


class NotReady(folders.FolderAppliance):
    """Its settings are not right."""

    def check(self):
        raise errors.ApplianceNotReady(
            appliance=self.name, reason='it has no tea', remedy='Brew some.')


class Bare(folders.FolderAppliance):
    """Returns a share's name where a Share is wanted."""

    def create_share(self, name, size):
        return super().create_share(name, size).name


def _let_write():
    """Whoever writes to the shares gets some rounds further."""
    for thread in threading.enumerate():
        if isinstance(thread, files.Writer):
            thread.advance()


def _files(share):
    folder = share.location.partition(':')[2]
    return [os.path.join(folder, name) for name in os.listdir(folder)]


def _with_snapshots(share, order):
    return share and dataclasses.replace(
        share, snapshots=tuple(order(share.snapshots)))
