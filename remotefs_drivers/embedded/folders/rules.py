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

"""What the appliance of folders may do, as one of three kinds of boxes.

Pure: a verb looks at the table, changes it, and says what is to be done to
the folders. What it raises means that nothing is done. The caller begins
with a table of its own each time.

=============  ============================================================
independent    a clone has nothing to do with its snapshot, as in btrfs
dependent      a clone hangs on its snapshot and can be promoted, as in ZFS
rigid          it hangs on it for ever; nothing is renamed or rolled back
=============  ============================================================
"""

import dataclasses
from typing import Optional
import urllib.parse

from remotefs_drivers.appliances import interface
from remotefs_drivers import errors

INDEPENDENT = 'independent'
DEPENDENT = 'dependent'
RIGID = 'rigid'
KINDS = (INDEPENDENT, DEPENDENT, RIGID)

#: What a rigid one cannot.
NOT_RIGID = ('rename_share', 'rename_snapshot', 'promote', 'roll_back')

#: Folders that are no shares, below the root.
SNAPSHOTS = '.snapshots'
NEW = '.new'


@dataclasses.dataclass
class Entry:
    """What is known of a share.

    :ivar number: of its making; that of a snapshot says which is older
    :ivar size: bytes, or None
    :ivar origin: (share, snapshot), or None
    :ivar snapshots: name -> number
    """

    number: int
    size: Optional[int] = None
    origin: Optional[tuple] = None
    snapshots: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Table:
    """All shares.

    :ivar shares: name -> Entry
    :ivar last: the highest number that anything got
    """

    shares: dict = dataclasses.field(default_factory=dict)
    last: int = 0

    def next(self):
        self.last += 1
        return self.last

    def take_stock(self, found):
        """Know of shares that somebody else made, or took away.

        :param found: names of those that there are, a set
        :returns: whether there was anything new
        """
        gone = set(self.shares) - found
        for name in gone:
            del self.shares[name]
        for entry in self.shares.values():
            if entry.origin and entry.origin[0] in gone:
                entry.origin = None
        strange = sorted(found - set(self.shares))
        self.shares.update((name, Entry(self.next())) for name in strange)
        return bool(gone or strange)

    def as_json(self):
        """Plain values, which from_json takes."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, plain):
        return cls({name: _entry(**each)
                    for name, each in plain['shares'].items()},
                   plain['last'])


@dataclasses.dataclass
class Outcome:
    """What a verb decided.

    :ivar result: what the caller gets, when it is done
    :ivar before: ('make', path) and ('copy', from, to) that prepare it and
                  that nobody sees; paths below the root
    :ivar after: ('move', from, to), ('replace', new, path, old) and
                 ('remove', path) that do it; each can be done again
    """

    result: object = None
    before: list = dataclasses.field(default_factory=list)
    after: list = dataclasses.field(default_factory=list)


def folder_of(name):
    """The folder of a share. It may have any name, which a file may not.

    :raises ValueError: for the empty one
    """
    if not name:
        raise ValueError('a share must have a name')
    folder = (name.replace('%', '%25').replace('/', '%2F')
              .replace('\0', '%00'))
    return '%2E' + folder[1:] if folder.startswith('.') else folder


def share_of(folder):
    """The share that a folder is of."""
    return urllib.parse.unquote(folder, errors='surrogateescape')


def snapshot_folder(number):
    """The folder of a snapshot, which keeps it whatever it is called."""
    return '%s/%d' % (SNAPSHOTS, number)


class Rules:
    """The verbs.

    :param kind: one of KINDS
    :param table: Table, which they change
    :param appliance: its name, for messages
    :param place: 'address:/path' of the root
    :param total: bytes that there are, or None
    """

    def __init__(self, kind, table, appliance, place, total=None):
        self._kind = kind
        self._table = table
        self._appliance = appliance
        self._place = place
        self._total = total

    # Shares

    def create_share(self, name, size):
        what = 'create share %s' % name
        self._refuse_taken(name, what)
        self._refuse_large(size, what)
        number = self._add(name, size)
        return Outcome(self._share(name), [('make', _new(number))],
                       [('move', _new(number), folder_of(name))])

    def delete_share(self, name, snapshots):
        entry = self._table.shares.get(name)
        if entry is None:
            return Outcome()
        self._refuse_used(name, snapshots, 'delete share %s' % name)
        del self._table.shares[name]
        gone = _gone(self._table.next())
        return Outcome(after=[
            ('move', folder_of(name), gone), ('remove', gone)] + _remove(
                entry.snapshots.values()))

    def half_of_delete_share(self, name, snapshots):
        """The same, cut off when its snapshots were gone."""
        entry = self._table.shares.get(name)
        if entry is None:
            return Outcome()
        self._refuse_used(name, snapshots, 'delete share %s' % name)
        numbers = list(entry.snapshots.values())
        entry.snapshots.clear()
        return Outcome(after=_remove(numbers))

    def resize_share(self, name, size):
        what = 'resize share %s to %d bytes' % (name, size)
        entry = self._entry(name, what)
        self._refuse_large(size, what)
        entry.size = max(size, entry.size or 0)
        return Outcome()

    def rename_share(self, name, new_name):
        what = 'rename share %s to %s' % (name, new_name)
        self._refuse_rigid(what)
        shares = self._table.shares
        if name not in shares and new_name in shares:
            return Outcome(self._share(new_name))
        self._entry(name, what)
        self._refuse_taken(new_name, what)
        shares[new_name] = shares.pop(name)
        self._turn(name, new_name, shares[new_name].snapshots)
        return Outcome(self._share(new_name), after=[
            ('move', folder_of(name), folder_of(new_name))])

    def find_share(self, name):
        return Outcome(self._share(name) if name in self._table.shares
                       else None)

    def list_shares(self):
        return Outcome([self._share(name)
                        for name in sorted(self._table.shares)])

    # Snapshots

    def create_snapshot(self, share, name):
        outcome = self.create_snapshots([share], name)
        outcome.result, = outcome.result
        return outcome

    def create_snapshots(self, shares, name):
        """:returns: Outcome of a list of Snapshot"""
        outcome = Outcome([])
        for share in shares:
            what = 'create snapshot %s of share %s' % (name, share)
            entry = self._entry(share, what)
            self._refuse_same_snapshot(entry, share, name, what)
            number = entry.snapshots[name] = self._table.next()
            outcome.result.append(self._snapshot(share, name))
            outcome.before.append(('copy', folder_of(share), _new(number)))
            outcome.after.append(('move', _new(number),
                                  snapshot_folder(number)))
        return outcome

    def delete_snapshot(self, share, name):
        entry = self._table.shares.get(share)
        if entry is None or name not in entry.snapshots:
            return Outcome()
        clones = self._clones(share, name)
        if clones:
            raise errors.ApplianceSnapshotInUse(
                appliance=self._appliance, share=share, snapshot=name,
                what='delete snapshot %s of share %s' % (name, share),
                reason=', '.join(clones))
        return Outcome(after=_remove([entry.snapshots.pop(name)]))

    def rename_snapshot(self, share, name, new_name):
        what = 'rename snapshot %s of share %s to %s' % (name, share,
                                                         new_name)
        self._refuse_rigid(what)
        entry = self._table.shares.get(share)
        names = entry.snapshots if entry else {}
        if name in names or new_name not in names:
            self._number(share, name, what)
            self._refuse_same_snapshot(entry, share, new_name, what)
            names[new_name] = names.pop(name)
            self._redirect({(share, name): (share, new_name)})
        return Outcome(self._snapshot(share, new_name))

    def clone_snapshot(self, share, snapshot, name, size):
        what = 'clone snapshot %s of share %s to share %s' % (snapshot,
                                                              share, name)
        self._refuse_taken(name, what)
        source = self._number(share, snapshot, what)
        self._refuse_large(size, what)
        number = self._add(name, size)
        if self._kind != INDEPENDENT:
            self._table.shares[name].origin = (share, snapshot)
        return Outcome(
            self._share(name),
            [('copy', snapshot_folder(source), _new(number))],
            [('move', _new(number), folder_of(name))])

    def promote(self, share):
        what = 'promote share %s' % share
        self._refuse_rigid(what)
        clone = self._entry(share, what)
        if clone.origin is None:
            return Outcome()
        parent_name, snapshot = clone.origin
        parent = self._table.shares[parent_name]
        moving = {name: number for name, number in parent.snapshots.items()
                  if number <= parent.snapshots[snapshot]}
        for name in moving:
            self._refuse_same_snapshot(clone, share, name, what)
        for name in moving:
            clone.snapshots[name] = parent.snapshots.pop(name)
        clone.origin, parent.origin = parent.origin, (share, snapshot)
        self._turn(parent_name, share, moving)
        return Outcome()

    def roll_back(self, share, snapshot):
        what = 'roll back share %s to snapshot %s' % (share, snapshot)
        self._refuse_rigid(what)
        number = self._number(share, snapshot, what)
        newer = [name for name, other in
                 self._table.shares[share].snapshots.items()
                 if other > number]
        if newer and self._kind == DEPENDENT:
            raise errors.ApplianceRollbackRefused(
                appliance=self._appliance, what=what, share=share,
                snapshot=snapshot, reason=', '.join(newer))
        fresh, gone = _new(self._table.next()), _gone(self._table.next())
        return Outcome(None, [('copy', snapshot_folder(number), fresh)],
                       [('replace', fresh, folder_of(share), gone),
                        ('remove', gone)])

    # What all of them need

    def _add(self, name, size):
        number = self._table.next()
        self._table.shares[name] = Entry(number, size)
        return number

    def _entry(self, name, what):
        try:
            return self._table.shares[name]
        except KeyError:
            raise errors.ApplianceShareMissing(
                appliance=self._appliance, what=what, share=name)

    def _number(self, share, snapshot, what):
        """Of a snapshot.

        :raises ApplianceSnapshotMissing:
        """
        entry = self._table.shares.get(share)
        if entry is None or snapshot not in entry.snapshots:
            raise errors.ApplianceSnapshotMissing(
                appliance=self._appliance, what=what, share=share,
                snapshot=snapshot)
        return entry.snapshots[snapshot]

    def _clones(self, share, snapshot):
        return tuple(sorted(
            name for name, entry in self._table.shares.items()
            if entry.origin == (share, snapshot)))

    def _turn(self, share, new_share, snapshots):
        """What hung on these snapshots of one share hangs on another's."""
        self._redirect({(share, name): (new_share, name)
                        for name in snapshots})

    def _redirect(self, origins):
        for entry in self._table.shares.values():
            entry.origin = origins.get(entry.origin, entry.origin)

    def _refuse_taken(self, name, what):
        if name in self._table.shares:
            raise errors.ApplianceShareExists(
                appliance=self._appliance, what=what, share=name)

    def _refuse_same_snapshot(self, entry, share, name, what):
        if name in entry.snapshots:
            raise errors.ApplianceSnapshotExists(
                appliance=self._appliance, what=what, share=share,
                snapshot=name)

    def _refuse_large(self, size, what):
        if self._total is not None and size > self._total:
            raise errors.ApplianceFull(
                appliance=self._appliance, what=what,
                reason='%d bytes are more than all of it, %d'
                       % (size, self._total))

    def _refuse_used(self, name, snapshots, what):
        mine = self._table.shares[name].snapshots
        others = [each for each in mine if each not in snapshots]
        used = [each for each in mine if self._clones(name, each)]
        if others or used:
            raise errors.ApplianceShareInUse(
                appliance=self._appliance, what=what, share=name,
                reason=', '.join(others or used))

    def _refuse_rigid(self, what):
        if self._kind == RIGID:
            raise errors.ApplianceUnsupported(appliance=self._appliance,
                                              what=what)

    # Table to values

    def _share(self, name):
        entry = self._table.shares[name]
        snapshots = sorted(entry.snapshots, key=entry.snapshots.get)
        return interface.Share(
            name, 'share-%d' % entry.number,
            '%s/%s' % (self._place, folder_of(name)), entry.size,
            entry.origin, tuple(self._snapshot(name, each)
                                for each in snapshots))

    def _snapshot(self, share, name):
        number = self._table.shares[share].snapshots[name]
        return interface.Snapshot(name, 'snapshot-%d' % number,
                                  self._clones(share, name))


def _entry(number, size, origin, snapshots):
    return Entry(number, size, origin and tuple(origin), snapshots)


def _new(number):
    """Where something is prepared."""
    return '%s/%d' % (NEW, number)


def _gone(number):
    """Where it is until it is removed."""
    return '%s/gone-%d' % (NEW, number)


def _remove(numbers):
    return [('remove', snapshot_folder(number)) for number in numbers]
