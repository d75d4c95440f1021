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

"""The files of a volume as they hang together.

``volume-<id>`` is the base, raw or qcow2. Each snapshot adds an overlay, a
qcow2 file that names the layer below it (its backing file) and holds what
was written since. The uppermost layer is active: the one that hosts attach::

    volume-1 (base) <- volume-1.aaaa <- volume-1.bbbb (active)

What snapshot ``bbbb`` holds is in the layer below the file of that name. As
snapshots come and go with a guest running, the lowest layer may come to be
an overlay itself, and the base is gone.

A file's format is never looked for in the file: a tenant writes what it
likes into a raw one. An overlay is qcow2, because we made it. What is below
one is what its header says, because a host wrote that. The rest is on
record in Cinder's database.
"""

import dataclasses
from typing import Mapping
from typing import Optional

from remotefs_drivers import errors

#: Suffixes of a volume's files that are no layers.
_NO_LAYERS = frozenset(['info', 'intent'])


def overlay(base, snapshot_id):
    """The name of the file that a snapshot adds, as all drivers have it."""
    return '%s.%s' % (base, snapshot_id)


def is_layer(base, name):
    """Whether this is a name that a layer of the volume may have."""
    if name == base:
        return True
    prefix, dot, suffix = name.partition(base + '.')
    return (not prefix and bool(dot) and bool(suffix) and
            suffix not in _NO_LAYERS and
            suffix.isascii() and suffix.isprintable() and
            '/' not in suffix and '.' not in suffix)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What Cinder's database knows of a volume's formats; None: nothing.

    :ivar base: of the base, where it was written down as such
    :ivar active: of the file that hosts attach; of the base as well, when
                  the volume has no snapshots
    :ivar legacy: what the operator says of volumes without a record
    """

    base: Optional[str] = None
    active: Optional[str] = None
    legacy: Optional[str] = None

    def of_lowest(self, base, name, said, has_overlay):
        """The format of the lowest layer.

        :param base: the name of the volume's base
        :param name: of this layer
        :param said: what the header of the overlay above says, or None
        :param has_overlay: whether there is an overlay above
        :returns: None when nobody says it
        """
        if name != base:
            return 'qcow2'
        if has_overlay:
            return said or self.base or self.legacy
        return self.base or self.active or self.legacy


@dataclasses.dataclass(frozen=True)
class Info:
    """What ``volume-<id>.info`` says.

    :ivar active: name of the active file
    :ivar snapshots: snapshot id -> name of the file that it added
    """

    active: str
    snapshots: Mapping[str, str]

    def without(self, snapshot_id, active=None):
        left = {each: name for each, name in self.snapshots.items()
                if each != snapshot_id}
        return Info(active or self.active, left)

    def with_(self, snapshot_id, name, active=None):
        return Info(active or self.active,
                    dict(self.snapshots, **{snapshot_id: name}))


@dataclasses.dataclass(frozen=True)
class Layer:
    """One file.

    :ivar size: its virtual size, bytes
    :ivar backing: the backing file as its header names it, or None
    :ivar backing_format: as its header has it, or None
    """

    name: str
    format: str
    size: int
    backing: Optional[str] = None
    backing_format: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Chain:
    """The layers of a volume, from the lowest to the active one.

    :ivar volume: id of the volume, for messages
    :ivar base: the name of the volume's base, there or not
    :ivar info: Info, or None when there is no such file
    """

    volume: str
    base: str
    layers: tuple
    info: Optional[Info] = None

    @property
    def active(self):
        return self.layers[-1]

    @property
    def lowest(self):
        return self.layers[0]

    @property
    def snapshots(self):
        """Snapshot id -> name of the file that it added."""
        return {} if self.info is None else self.info.snapshots

    def has(self, name):
        return any(layer.name == name for layer in self.layers)

    def below(self, name):
        """The layer that this one names as its backing file, or None."""
        index = self._index(name)
        return self.layers[index - 1] if index else None

    def above(self, name):
        """The layer that names this one, or None."""
        index = self._index(name) + 1
        return self.layers[index] if index < len(self.layers) else None

    def content(self, snapshot_id):
        """The layer that holds what a snapshot holds.

        :raises SnapshotUnknown: when the volume has no such snapshot
        """
        name = self.snapshots.get(snapshot_id)
        layer = None
        if name is not None and self.has(name):
            layer = self.below(name)
        if layer is None:
            raise errors.SnapshotUnknown(snapshot=snapshot_id,
                                         volume=self.volume)
        return layer

    def up_to(self, layer):
        """The chain as if this layer were the active one."""
        index = self._index(layer.name) + 1
        return dataclasses.replace(self, layers=self.layers[:index])

    def _index(self, name):
        return [layer.name for layer in self.layers].index(name)
