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

"""Volumes with long chains of overlays, cast from moulds.

A chain of a hundred overlays by a hundred calls of either driver would take
longer than all that is measured. So two overlays are made by qemu-img, one
to lie on the base and one to lie on another overlay; every other one is a
copy of these, sharing their blocks where the file system can do that, with
the ids in it replaced. Both drivers read what comes of it: bare names and
backing formats in the headers, the table of snapshots, the recorded formats.
"""

import dataclasses
import json
import os
import subprocess
import uuid

from oslo_utils import units

from benchmarks import bare
from benchmarks import operation
from remotefs_drivers.qemu import header
from remotefs_drivers.qemu import image
from remotefs_drivers.store import files

#: Bytes that were written into every overlay.
_DATA = units.Mi
_MODE = 0o666
#: The ids in the moulds: of the volume, of an overlay's own snapshot below.
_VOLUME, _BELOW = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
#: Of a qcow2 file: in it are the header and the backing file's name.
_FIRST_CLUSTER = 65536
#: Seconds for one command.
_LIMIT = 60


@dataclasses.dataclass(frozen=True)
class Chained:
    """A volume with overlays, as a request finds it.

    :ivar volume: objects.Volume
    :ivar snapshot: objects.Snapshot that the call is about
    :ivar names: of the files, from the base to the active one
    """

    volume: object
    snapshot: object
    names: tuple


class Moulds:
    """What overlays are cast from.

    :param folder: an empty one, on the file system under test
    """

    def __init__(self, folder):
        name = 'volume-%s' % _VOLUME
        self._lowest = _mould(os.path.join(folder, 'lowest'), name, 'raw')
        self._other = _mould(os.path.join(folder, 'other'),
                             '%s.%s' % (name, _BELOW), 'qcow2')

    def volume(self, subject, depth, place=None, raw=None):
        """A volume with so many overlays.

        :param place: of the snapshot that the call is about, 0 for the
                      oldest; None for one that is not made yet
        :param raw: path of a file whose content the base has, or None
        :returns: Chained
        """
        volume = subject.rig.new_volume(subject.driver)
        volume.provider_location = subject.locations[0]
        volume.status = 'available'
        with volume.obj_as_admin():
            volume.admin_metadata = {'format': 'qcow2' if depth else 'raw'}
            if depth:
                volume.admin_metadata['base_format'] = 'raw'
            volume.save()
        snapshot = subject.rig.new_snapshot(volume, status='available')
        ids = [str(uuid.uuid4()) for __ in range(depth)]
        if place is not None:
            ids[place] = snapshot.id
        names = self._lay_out(subject, volume, ids, raw)
        return Chained(operation.fresh(subject, volume), snapshot, names)

    def _lay_out(self, subject, volume, ids, raw):
        base = operation.path_of(subject, volume)
        files.create(base, units.Gi, _MODE)
        if raw is not None:
            operation.copy_durably(raw, base)
        for below, each in zip([None] + ids, ids):
            self._cast(base, volume.id, below, each)
        names = [volume.name] + ['%s.%s' % (volume.name, each)
                                 for each in ids]
        if ids:
            with open(base + '.info', 'x') as stream:
                json.dump({'active': names[-1], **dict(zip(ids, names[1:]))},
                          stream, indent=1, sort_keys=True)
        return tuple(names)

    def _cast(self, base, volume_id, below, snapshot_id):
        path = '%s.%s' % (base, snapshot_id)
        _copy(self._other if below else self._lowest, path)
        with open(path, 'r+b') as stream:
            first = stream.read(_FIRST_CLUSTER)
            first = first.replace(_VOLUME.encode(), volume_id.encode())
            if below:
                first = first.replace(_BELOW.encode(), below.encode())
            stream.seek(0)
            stream.write(first)


def names_of(subject, volume):
    """The names of the files as they hang together, the base first."""
    base = operation.path_of(subject, volume)
    name = volume.name
    if os.path.exists(base + '.info'):
        with open(base + '.info') as stream:
            name = json.load(stream)['active']
    found = []
    while name is not None:
        found.insert(0, name)
        head = header.read(os.path.join(subject.folders[0], name))
        name = head.backing_file if head else None
    return tuple(found)


def remove(subject, volume):
    """Remove all files of a volume."""
    for name in os.listdir(subject.folders[0]):
        if name.startswith(volume.name):
            os.unlink(os.path.join(subject.folders[0], name))


def _mould(path, backing, backing_format):
    """An overlay with data; what it names as its backing file is nowhere."""
    bare.create_qcow2(path, units.Gi).run()
    subprocess.run(['qemu-io', '-f', 'qcow2', '-c', 'write 0 %d' % _DATA,
                    path], check=True, timeout=_LIMIT,
                   stdout=subprocess.DEVNULL)
    image.rebase(path, backing, backing_format).run()
    return path


def _copy(source, target):
    """Copy a file; the kernel shares the blocks where it can."""
    with open(source, 'rb') as origin, open(target, 'xb') as copy:
        os.fchmod(copy.fileno(), _MODE)
        left = os.fstat(origin.fileno()).st_size
        while left:
            left -= os.copy_file_range(origin.fileno(), copy.fileno(), left)
