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

"""Volumes as other drivers have left them, made by the real tools.

``Old`` does by hand what the GlusterFS driver of Cinder's Icehouse and
Newton, and the NFS driver of today, do to the files of a volume, in the
same order and with the same commands; ``LAYOUTS`` are histories of such
volumes. Nothing of it is on record in Cinder's database, but the volume,
its share and its snapshots.

``Taken`` is a story that goes on with such a volume.
"""

import json
import os
import struct
import subprocess

from tests.functional import content
from tests.functional import story

KIB = content.KIB
_BACKING_FORMAT = 0xE2792ACA


class Old:
    """A volume of 1 GiB, laid out in the folder of a share.

    :param location: of the share, as in the volume's provider_location
    :param share: the folder
    :param base_format: of the base
    :param compat: version of the qcow2 files: '0.10' is what qemu-img of
                   those days made
    """

    def __init__(self, rig, driver, location, share, base_format,
                 compat='0.10'):
        self.rig = rig
        self.volume = rig.new_volume(driver, provider_location=location,
                                     status='available')
        self.share = str(share)
        self.base_format = base_format
        self.compat = compat
        self.name = self.volume.name
        #: From the lowest layer to the active one.
        self.layers = [self.name]
        self.table = {}
        self.snapshots = []
        self.state = {}
        self.held = {}
        self.strays = set()
        self._count = 0
        self._create()

    def path(self, name):
        return os.path.join(self.share, name)

    def format(self, name):
        return self.base_format if name == self.name else 'qcow2'

    @property
    def active(self):
        return self.layers[-1]

    def write(self):
        """As a guest does, see story.Story.write."""
        self._count += 1
        pattern = 0x40 + self._count
        places = (0, 0x400 + self._count)
        content.write_all(self.path(self.active), self.format(self.active),
                          [(pattern, place * KIB, KIB) for place in places])
        self.state.update(dict.fromkeys(places, pattern))

    def take(self, count):
        self.write()
        for __ in range(count):
            self.snap()
            self.write()

    def snap(self, snapshot_id=None):
        """Made by all of them: create with the full path, then rebase.

        :param snapshot_id: of one that is not in the database
        """
        if snapshot_id is None:
            snapshot = self.rig.new_snapshot(self.volume, status='available')
            self.snapshots.append(snapshot)
            snapshot_id = snapshot.id
        name = '%s.%s' % (self.name, snapshot_id)
        self._overlay(name, self.active)
        self.layers.append(name)
        self.held[snapshot_id] = dict(self.state)
        self.table[snapshot_id] = name
        self._save()

    def merge_from_above(self, snapshot):
        """How Icehouse deletes one that is not the newest.

        It merges the wrong file: the next snapshot holds from then on what
        the deleted one held.
        """
        name = self.table.pop(snapshot.id)
        __, higher, *others = self.layers[self.layers.index(name):]
        higher_id = self._id(higher)
        _run('qemu-img', 'commit', '-q', '-f', 'qcow2', self.path(higher))
        if others:
            _rebase(self.path(others[0]), name, 'qcow2')
        self._remove(higher)
        self.held[higher_id] = self.held.pop(snapshot.id)
        self.table[higher_id] = name
        self._forget(snapshot)

    def merge_down(self, snapshot):
        """How all deleted the newest one, and how those of today do."""
        name = self.table.pop(snapshot.id)
        assert name == self.active
        _run('qemu-img', 'commit', '-q', '-f', 'qcow2', self.path(name))
        self._remove(name)
        del self.held[snapshot.id]
        self._forget(snapshot)

    def pull(self, snapshot):
        """How the newest one is deleted on an instance, since ever.

        Nova pulls what is below into the active file, which stays; of the
        files the one below goes, of the records that of the snapshot.
        """
        assert self.table.pop(snapshot.id) == self.active
        *others, below, __ = self.layers
        argv = ['-b', '']
        if others:
            argv = ['-b', others[-1], '-F', self.format(others[-1])]
        if below in self.table.values():
            self.table[self._id(below)] = self.active
        _run('qemu-img', 'rebase', '-q', '-f', 'qcow2', *argv,
             self.path(self.active))
        self._remove(below)
        del self.held[snapshot.id]
        self._forget(snapshot)

    def name_no_formats(self):
        """As overlays were of which nobody had written down the format."""
        for name in self.layers[1:]:
            strip_backing_format(self.path(name))

    def name_paths(self, folder):
        """As Nova left them when it merged on a stopped instance."""
        for below, name in zip(self.layers, self.layers[1:]):
            _rebase(self.path(name), os.path.join(folder, below),
                    self.format(below))

    def stray(self):
        """An overlay of a snapshot that was cut off before its record."""
        snapshot = self.rig.new_snapshot(self.volume, status='error')
        name = '%s.%s' % (self.name, snapshot.id)
        # Cut off between the two commands.
        self._overlay(name, self.active, cut=True)
        strip_backing_format(self.path(name))
        self.strays.add(name)

    def record_without_file(self):
        """The table was written, and the overlay never made."""
        snapshot = self.rig.new_snapshot(self.volume, status='error')
        name = '%s.%s' % (self.name, snapshot.id)
        self.table[snapshot.id] = name
        self._save()
        return snapshot

    def _create(self):
        path = self.path(self.name)
        if self.base_format == 'raw':
            _run('truncate', '-s', '1G', path)
        else:
            _run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o',
                 'preallocation=metadata,compat=%s' % self.compat, path,
                 '1G')
        os.chmod(path, 0o666)

    def _overlay(self, name, below, cut=False):
        path = self.path(name)
        _run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o',
             'backing_file=%s,backing_fmt=%s,compat=%s'
             % (self.path(below), self.format(below), self.compat), path)
        if not cut:
            _rebase(path, below, self.format(below))
        os.chmod(path, 0o666)

    def _remove(self, name):
        os.unlink(self.path(name))
        self.layers.remove(name)

    def _id(self, name):
        return {each: key for key, each in self.table.items()}[name]

    def _forget(self, snapshot):
        self.snapshots = [each for each in self.snapshots
                          if each.id != snapshot.id]
        snapshot.destroy()
        self._save()

    def _save(self):
        path = self.path(self.name + '.info')
        with open(path, 'w') as stream:
            json.dump(dict(self.table, active=self.active), stream, indent=1,
                      sort_keys=True)
        os.chmod(path, 0o666)


class Taken(story.Story):
    """Goes on with an Old volume.

    :ivar unknown: ids in the table of which the database does not know
    :ivar strays: names of overlays that no table and no overlay names
    """

    def __init__(self, old, rig, driver, folder):
        super().__init__(rig, driver, folder, volume=old.volume)
        self.snapshots = list(old.snapshots)
        self.state = dict(old.state)
        self.held = {key: dict(state) for key, state in old.held.items()}
        self.strays = old.strays
        self.unknown = set(old.table) - {each.id for each in old.snapshots}
        self._share = old.share
        self._base_format = old.base_format

    @property
    def share(self):
        return self._share

    def check_layers(self):
        table = self.table()
        name = self.reload().name
        if table:
            assert set(table) - {'active'} == self.unknown | {
                each.id for each in self.snapshots}
        expected = {'%s.info' % name} if table else set()
        expected |= self.strays | set(self.chain())
        assert expected == {each for each in os.listdir(self.share)
                            if name in each}

    def chain(self):
        """Names, from the active one down; asserts that all is named.

        Every overlay names what is below by a bare name, and its format.
        """
        base = self.volume.name
        name = self.table().get('active', base)
        found = []
        while name:
            path = os.path.join(self.share, name)
            assert name not in found
            found.append(name)
            file_format = 'qcow2' if name != base else self._base_format
            about = info(path, file_format)
            name = about.get('backing-filename')
            if file_format == 'qcow2':
                content.check_qcow2(path)
            if name:
                assert '/' not in name
                assert about['backing-filename-format'] == (
                    'qcow2' if name != base else self._base_format)
        return found


# Histories

def _icehouse(old):
    """Snapshots deleted out of order, which mixes up files and ids."""
    old.take(5)
    old.merge_from_above(old.snapshots[0])
    old.merge_from_above(old.snapshots[2])


def _without_formats(old):
    old.take(3)
    old.name_no_formats()


def _paths_of_a_host(old):
    old.take(3)
    old.name_paths('/var/lib/nova/mnt/0123456789abcdef0123456789abcdef')


def _paths_without_formats(old):
    _paths_of_a_host(old)
    old.name_no_formats()


def _newest_deleted_online(old):
    """The id of its parent points to the active file."""
    old.take(4)
    old.pull(old.snapshots[-1])


def _base_gone(old):
    """The lowest layer is an overlay: the only one was deleted online."""
    old.take(1)
    old.pull(old.snapshots[0])
    old.take(3)


def _base_gone_alone(old):
    old.take(1)
    old.pull(old.snapshots[0])


def _only_active(old):
    """The table stays when the last one was deleted."""
    old.take(1)
    old.merge_down(old.snapshots[0])


def _leftovers(old):
    """A record without a file, and a file without a record."""
    old.take(3)
    old.record_without_file()
    old.stray()


def _clone_cut_off(old):
    """A clone was made by way of a snapshot that is in no database."""
    old.take(2)
    old.snap('tmp-snap-%s' % old.volume.id)
    old.take(1)


def _no_snapshots(old):
    old.write()


#: Name -> history.
LAYOUTS = {
    'deleted out of order': _icehouse,
    'without formats': _without_formats,
    'paths of a host': _paths_of_a_host,
    'paths without formats': _paths_without_formats,
    'newest deleted online': _newest_deleted_online,
    'base gone': _base_gone,
    'base gone, alone': _base_gone_alone,
    'only active': _only_active,
    'leftovers': _leftovers,
    'clone cut off': _clone_cut_off,
    'no snapshots': _no_snapshots,
}
#: Those whose overlays, or nothing at all, say the format of the base.
SAID = ('deleted out of order', 'paths of a host', 'newest deleted online',
        'base gone', 'base gone, alone', 'leftovers', 'clone cut off')


# Tools

def info(path, file_format):
    """What qemu-img says of one file, without the files below."""
    out = subprocess.check_output(['qemu-img', 'info', '-f', file_format,
                                   '--output', 'json', path])
    return json.loads(out)


def strip_backing_format(path):
    """Take the format of the backing file out of a qcow2 header.

    Today's qemu-img does not make a file without. The header extensions
    follow the header, each a type, a length, and data padded to 8 bytes.
    """
    with open(path, 'r+b') as stream:
        header = stream.read(104)
        version, = struct.unpack_from('>I', header, 4)
        start = 72 if version < 3 else struct.unpack_from('>I', header,
                                                          100)[0]
        end, = struct.unpack_from('>Q', header, 8)
        stream.seek(start)
        area = stream.read(end - start)
        kept, place = b'', 0
        while True:
            kind, length = struct.unpack_from('>II', area, place)
            if kind == 0:
                break
            following = place + 8 + (length + 7) // 8 * 8
            if kind != _BACKING_FORMAT:
                kept += area[place:following]
            place = following
        stream.seek(start)
        stream.write(kept.ljust(len(area), b'\0'))
    assert 'backing-filename-format' not in info(path, 'qcow2')


def _rebase(path, backing, backing_format):
    _run('qemu-img', 'rebase', '-q', '-u', '-f', 'qcow2', '-b', backing,
         '-F', backing_format, path)


def _run(*argv):
    subprocess.run(argv, check=True, timeout=600)
