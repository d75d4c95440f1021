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


"""ZFS over SSH: OpenZFS on Linux or FreeBSD, illumos, zfs-fuse.

A share is a file system directly below ``appliance_root``. Its size is its
refquota, so that snapshots take nothing of it. A clone hangs on its snapshot
until it is promoted, as ZFS has it.

Hosts mount what the administrator exports: ``sharenfs``, set once for the
root, is inherited by every share. appliance_export_options is for where that
does not work (zfs-fuse).
"""

import re

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import scripted
from remotefs_drivers import errors

_NAME = re.compile(r'[A-Za-z0-9_.: -]+\Z')
_ROOT = re.compile(r'[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)*\Z')


class ZfsAppliance(scripted.ScriptedAppliance):
    """See interface.Appliance for its methods."""

    script = 'zfs.sh'
    vendor_name = 'ZFS'

    def __init__(self, configuration):
        super().__init__(configuration)
        if not _ROOT.match(self._settings.root):
            raise errors.ShareConfigInvalid(
                option='appliance_root',
                reason='"%s" is no dataset, as tank/cinder'
                       % self._settings.root)

    # Shares

    def create_share(self, name, size):
        question = self._about('create share %s' % name, share=name)
        self._check_names(question, name)
        text = self._ask(question, 'create', name, scripted.limit_for(size),
                         self._settings.owner, self._clients(name))
        return self._share(question, name, text)

    def delete_share(self, name, snapshots=()):
        if not _NAME.match(name):
            return
        snapshots = [each for each in snapshots if _NAME.match(each)]
        self._ask(self._about('delete share %s' % name, share=name),
                  'delete', name, *snapshots)

    def resize_share(self, name, size):
        question = self._about('resize share %s' % name, share=name)
        self._check_share(question, name)
        self._ask(question, 'resize', name, scripted.limit_for(size))

    def rename_share(self, name, new_name):
        question = self._about('rename share %s to %s' % (name, new_name),
                               share=name, new=new_name)
        self._check_names(question, new_name)
        self._check_share(question, name)
        text = self._ask(question, 'rename', name, new_name,
                         self._clients(new_name))
        return self._share(question, new_name, text)

    def find_share(self, name):
        if not _NAME.match(name):
            return None
        question = self._about('find share %s' % name, share=name)
        text = self._ask(question, 'find', name)
        return self._share(question, name, text) if text else None

    def list_shares(self):
        text = self._ask(self._about('list its shares'), 'list')
        found = _properties(text)
        return [self._made(name, of) for name, of
                in ((self._relative(dataset), of)
                    for dataset, of in found.items())
                if _NAME.match(name) and _is_mountable(of)]

    # Snapshots

    def create_snapshot(self, share, name):
        made, = self._snapshot([share], name, 'snapshot share %s' % share)
        return made

    def create_snapshots(self, shares, name):
        return self._snapshot(shares, name,
                              'snapshot several shares at one moment')

    def delete_snapshot(self, share, name):
        if _NAME.match(share) and _NAME.match(name):
            self._ask(self._about(
                'delete snapshot %s of share %s' % (name, share),
                share=share, snapshot=name), 'delete_snapshot', share, name)

    def rename_snapshot(self, share, name, new_name):
        question = self._about('rename snapshot %s of share %s to %s'
                               % (name, share, new_name),
                               share=share, snapshot=name, new=new_name)
        self._check_names(question, new_name)
        self._check_snapshot(question, share, name)
        self._ask(question, 'rename_snapshot', share, name, new_name)
        return interface.Snapshot(new_name, self._id(share, new_name))

    def clone_snapshot(self, share, snapshot, name, size):
        question = self._about('clone snapshot %s of share %s to %s'
                               % (snapshot, share, name),
                               share=share, snapshot=snapshot, new=name)
        self._check_names(question, name)
        self._check_snapshot(question, share, snapshot)
        text = self._ask(question, 'clone', share, snapshot, name,
                         scripted.limit_for(size), self._settings.owner,
                         self._clients(name))
        return self._share(question, name, text)

    def promote(self, share):
        question = self._about('promote share %s' % share, share=share)
        self._check_share(question, share)
        self._ask(question, 'promote', share)

    def roll_back(self, share, snapshot):
        question = self._about(
            'roll back share %s to snapshot %s' % (share, snapshot),
            share=share, snapshot=snapshot)
        self._check_snapshot(question, share, snapshot)
        self._ask(question, 'roll_back', share, snapshot)

    # Room

    def capacity(self):
        text = self._ask(self._about('tell its capacity'), 'capacity')
        used, free = map(int, text.split())
        return interface.Capacity(used + free, free)

    # What the program says

    def _snapshot(self, shares, name, what):
        question = self._about(what, share=', '.join(shares), snapshot=name)
        self._check_names(question, name)
        for share in shares:
            self._check_share(self._about(what, share=share), share)
        self._ask(question, 'snapshot', name, *shares)
        return [interface.Snapshot(name, self._id(share, name))
                for share in shares]

    def _share(self, question, name, text):
        """A Share with its snapshots, of what ``describe`` says."""
        found = _properties(text)
        of = found.get(self._id(name))
        if of is None or not _is_mountable(of):
            raise self._failure(question, '%s is no file system with a '
                                'mount point' % self._id(name))
        start = self._id(name) + '@'
        snapshots = sorted(
            (each for each in found.items() if each[0].startswith(start)),
            key=lambda each: int(each[1]['createtxg']))
        hanging = _hanging(found)
        return self._made(name, of, tuple(
            interface.Snapshot(
                dataset[len(start):], dataset,
                tuple(map(self._relative, hanging.get(dataset, ()))))
            for dataset, __ in snapshots))

    def _made(self, name, of, snapshots=None):
        limit = int(of['refquota'])
        origin = None
        if of['origin'] not in ('-', ''):
            dataset, __, snapshot = of['origin'].partition('@')
            origin = self._relative(dataset), snapshot
        return interface.Share(
            name, self._id(name), self._location(of['mountpoint']),
            scripted.size_within(limit) if limit else None, origin,
            snapshots)

    def _id(self, share, snapshot=None):
        dataset = '%s/%s' % (self._settings.root, share)
        return dataset if snapshot is None else '%s@%s' % (dataset, snapshot)

    def _relative(self, dataset):
        """The name of a share; of what lies elsewhere, all of its name."""
        start = self._settings.root + '/'
        return dataset[len(start):] if dataset.startswith(start) else dataset

    # Names that no dataset has

    def _check_names(self, question, *names):
        for name in names:
            if not _NAME.match(name):
                raise self._failure(question, 'ZFS takes no name %r; it may '
                                    'hold letters, digits and _.: -' % name)

    def _check_share(self, question, name):
        if not _NAME.match(name):
            raise errors.ApplianceShareMissing(
                appliance=self.name, what=question.what, share=name)

    def _check_snapshot(self, question, share, name):
        if not (_NAME.match(share) and _NAME.match(name)):
            raise errors.ApplianceSnapshotMissing(
                appliance=self.name, what=question.what, share=share,
                snapshot=name)


def _properties(text):
    """dataset -> property -> value, of lines of name, property, value."""
    found = {}
    for line in filter(None, text.split('\n')):
        dataset, name, value = line.split('\t', 2)
        found.setdefault(dataset, {})[name] = value
    return found


def _is_mountable(of):
    return (of.get('type') == 'filesystem' and
            of['mountpoint'].startswith('/'))


def _hanging(found):
    """snapshot -> datasets that are its clones.

    By property where there is one, by the origins of others where not.
    """
    hanging = {}
    for dataset, of in found.items():
        for clone in filter(None, of.get('clones', '-').split(',')):
            if clone != '-':
                hanging.setdefault(dataset, []).append(clone)
        if 'type' not in of and of.get('origin', '-') != '-':
            hanging.setdefault(of['origin'], []).append(dataset)
    return hanging
