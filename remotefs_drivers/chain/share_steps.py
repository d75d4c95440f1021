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

"""What can be asked of an appliance, one thing at a time, as data. Pure.

Steps name shares and snapshots by their names (see chain.sharing). None of
them is ever repeated: what is cut off is taken back.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class MakeShare:
    """Make an empty share; there must be none of its name.

    :ivar size: of the file that it must take, bytes
    """

    share: str
    size: int


@dataclasses.dataclass(frozen=True)
class MakeFile:
    """Make the file of a volume in its new share.

    :ivar size: bytes
    """

    share: str
    size: int


@dataclasses.dataclass(frozen=True)
class TakeSnapshot:
    """Keep what a share holds; there must be no snapshot of the name."""

    share: str
    snapshot: str


@dataclasses.dataclass(frozen=True)
class TakeSnapshots:
    """Keep what several shares hold at one and the same moment.

    :ivar shares: their names
    :ivar snapshot: of which there must be none in any of them
    """

    shares: tuple
    snapshot: str

    def __post_init__(self):
        object.__setattr__(self, 'shares', tuple(self.shares))


@dataclasses.dataclass(frozen=True)
class CloneShare:
    """Make a share of a snapshot of another; there must be none of its name.

    :ivar size: as of MakeShare
    """

    share: str
    source: str
    snapshot: str
    size: int


@dataclasses.dataclass(frozen=True)
class FitFile:
    """Let the file in a share have the name and the size of a volume's.

    What a snapshot held may be older than that: where a share was managed,
    its only file has any name, and gets the mode of a volume's as well.

    :ivar size: bytes; one that is larger stays so
    :ivar old_name: what it may be called where another driver made it
    """

    share: str
    size: int
    old_name: str


@dataclasses.dataclass(frozen=True)
class TakeFile:
    """Let a file in a share of somebody else's be that of a volume.

    :ivar name: of the file
    :ivar size: what it is made, bytes, where it is smaller
    """

    share: str
    name: str
    size: int


@dataclasses.dataclass(frozen=True)
class RenameShare:
    """Give a share another name; there must be none of that."""

    share: str
    new_name: str


@dataclasses.dataclass(frozen=True)
class RenameSnapshot:
    """Give a snapshot another name; there must be none of that."""

    share: str
    snapshot: str
    new_name: str


@dataclasses.dataclass(frozen=True)
class CopyFile:
    """Let the file of a volume hold what the one in another share holds.

    A copy is made beside it, and takes its place by a rename.

    :ivar source: the other share
    :ivar size: of the volume, bytes
    :ivar old_name: as of FitFile, of both
    """

    share: str
    source: str
    size: int
    old_name: str


@dataclasses.dataclass(frozen=True)
class DropCopy:
    """Remove a copy beside the file in a share that did not take its place.

    Nothing where there is none, nor a share.
    """

    share: str


@dataclasses.dataclass(frozen=True)
class ResizeShare:
    """Let a share take a file of a size, bytes."""

    share: str
    size: int


@dataclasses.dataclass(frozen=True)
class RollBack:
    """Let a share hold what one of its snapshots holds."""

    share: str
    snapshot: str


@dataclasses.dataclass(frozen=True)
class PromoteShare:
    """Let a clone change places with the share that it was cloned from."""

    share: str


@dataclasses.dataclass(frozen=True)
class DropShare:
    """Delete a share, if it is there.

    :ivar snapshots: names of its snapshots that go with it
    """

    share: str
    snapshots: tuple = ()

    def __post_init__(self):
        # JSON knows lists only.
        object.__setattr__(self, 'snapshots', tuple(self.snapshots))


@dataclasses.dataclass(frozen=True)
class DropNewShare:
    """Delete a share again, where this plan has come to ask for it."""

    share: str


@dataclasses.dataclass(frozen=True)
class DropSnapshot:
    """Delete a snapshot, if it is there, that nothing hangs on."""

    share: str
    snapshot: str


@dataclasses.dataclass(frozen=True)
class LetSnapshotGo:
    """Delete a snapshot, or let it wait for the end of its last clone.

    :ivar waiting: its name from then on, if clones hang on it
    """

    share: str
    snapshot: str
    waiting: str


@dataclasses.dataclass(frozen=True)
class PruneSnapshot:
    """Delete a snapshot that waits, unless clones still hang on it."""

    share: str
    snapshot: str


KINDS = (MakeShare, MakeFile, TakeSnapshot, TakeSnapshots, CloneShare,
         FitFile, TakeFile, RenameShare, RenameSnapshot, CopyFile,
         DropCopy, ResizeShare, RollBack, PromoteShare, DropShare,
         DropNewShare, DropSnapshot, LetSnapshotGo, PruneSnapshot)
