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

_NAME = re.compile(r'(?!\.{1,2}\Z)[A-Za-z0-9_.: -]+\Z')
# Characters of the whole of it.
_LONGEST = 255
_ROOT = re.compile(r'[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)*\Z')


class ZfsAppliance(scripted.ScriptedAppliance):
    """See interface.Appliance for its methods."""

    script = 'zfs.sh'
    vendor_name = 'ZFS'
    # Records smaller than 128 KiB on raidz, and "copies", take more than
    # they hold.
    times = 2

    def __init__(self, configuration):
        super().__init__(configuration)
        if not _ROOT.match(self._settings.root):
            raise errors.ShareConfigInvalid(
                option='appliance_root',
                reason='"%s" is no dataset, as tank/cinder'
                       % self._settings.root)
        # Unknown before check().
        self._takes_several = True

    def check(self):
        self._takes_several = self._check().strip() == 'several'

    def offers(self, method):
        """zfs-fuse makes one snapshot at a time."""
        return super().offers(method) and (
            method != 'create_snapshots' or self._takes_several)

    def create_snapshots(self, shares, name):
        question = self._about('snapshot several shares at one moment',
                               share=', '.join(shares), snapshot=name)
        for share in shares:
            self._check_share(question, share)
        self._check_new(question, name)
        self._ask(question, 'snapshot', name, *shares)
        return [interface.Snapshot(name, self._snapshot_id(share, name))
                for share in shares]

    def _renamed(self, question, share, name, text):
        return next(each for each in self._share(question, share,
                                                 text).snapshots
                    if each.name == name)

    def _can_be(self, name):
        return bool(_NAME.match(name)) and len(self._id(name)) <= _LONGEST

    def _share(self, question, name, text):
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

    def _shares(self, text):
        datasets = ((self._relative(dataset), of)
                    for dataset, of in _properties(text).items())
        return [self._made(name, of) for name, of in datasets
                if self._can_be(name) and _is_mountable(of)]

    def _made(self, name, of, snapshots=None):
        limit = int(of['refquota'])
        origin = None
        if of['origin'] not in ('-', ''):
            dataset, __, snapshot = of['origin'].partition('@')
            origin = self._relative(dataset), snapshot
        return interface.Share(
            name, self._id(name), self._location(of['mountpoint']),
            self._size(limit) if limit else None, origin,
            snapshots)

    def _id(self, share):
        return '%s/%s' % (self._settings.root, share)

    def _snapshot_id(self, share, name):
        return '%s@%s' % (self._id(share), name)

    def _relative(self, dataset):
        """The name of a share; of what lies elsewhere, all of its name."""
        start = self._settings.root + '/'
        return dataset[len(start):] if dataset.startswith(start) else dataset


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
