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

"""What can be done to the files of a volume, one thing at a time, as data.

Steps name files by bare names, in the folder of the volume. They can be
written down as JSON and read again.

Each of the first kind can be done twice: cut off in the middle and done
again from its start, it comes out the same. That holds for Commit as long
as nobody has written to the file below in between, for which the order of a
plan cares.

Others are what the QEMU of a guest does who has the volume. It is asked
for that, and may do it long after whoever asked is gone: they are looked
for, and never repeated blindly.

And there are those of a file system that makes clones by itself, which
``clones`` is about. None of them is ever repeated: what is cut off is taken
back, by Unlink and Prune. What appliances do is in ``share_steps``.
"""

import dataclasses
from typing import Optional

from remotefs_drivers.chain import clones
from remotefs_drivers.chain import share_steps


@dataclasses.dataclass(frozen=True)
class CreateOverlay:
    """Make an empty overlay; there must be nothing of its name.

    :ivar size: its virtual size, bytes
    """

    name: str
    backing: str
    backing_format: str
    size: int


@dataclasses.dataclass(frozen=True)
class Commit:
    """Write what an overlay holds into its backing file."""

    name: str


@dataclasses.dataclass(frozen=True)
class Rebase:
    """Let an overlay name another backing file. No data is looked at."""

    name: str
    backing: str
    backing_format: str


@dataclasses.dataclass(frozen=True)
class Rename:
    """Give a file another name, in place of the file that has it."""

    name: str
    new_name: str


@dataclasses.dataclass(frozen=True)
class Unlink:
    """Remove a file, if it is there."""

    name: str


@dataclasses.dataclass(frozen=True)
class GuestSwitch:
    """Let the guest write into an overlay from now on.

    :ivar below: the file that it has until then, and reads afterwards
    """

    name: str
    below: str


@dataclasses.dataclass(frozen=True)
class GuestMerge:
    """Let the guest's QEMU take the file below an overlay out of the chain.

    The overlay's header is what it changes last.

    :ivar name: of the overlay
    :ivar backing: the file that it names as its backing file afterwards,
                   None for none
    :ivar source: the file that goes, if it is merged into ``backing``. None:
                  what is between is pulled up into the overlay itself.
    """

    name: str
    backing: Optional[str]
    source: Optional[str]


@dataclasses.dataclass(frozen=True)
class CloneSnap:
    """Freeze what a file holds as a clone parent, of which it is a child.

    :ivar name: of the parent, of which there must be nothing
    :ivar source: the file, of this volume or of another one
    """

    name: str
    source: str


@dataclasses.dataclass(frozen=True)
class CloneCopy:
    """Make a file that is a child of a clone parent.

    :ivar name: of the child, of which there must be nothing
    :ivar source: the parent
    """

    name: str
    source: str


@dataclasses.dataclass(frozen=True)
class CloneRedirect:
    """Let a file do without its immediate parent.

    :ivar name: of a volume's file, of this volume or of another one
    :ivar depth: how many parents it may have, one over the other; it is left
                 alone where it has no more
    """

    name: str
    depth: int


@dataclasses.dataclass(frozen=True)
class Grow:
    """Make a raw file larger, where it is smaller.

    :ivar size: bytes
    """

    name: str
    size: int


@dataclasses.dataclass(frozen=True)
class Defer:
    """Give a clone parent the name of one that goes with its last child.

    Done already, nothing is done.

    :ivar name: of the parent until then
    :ivar new_name: that name
    """

    name: str
    new_name: str


@dataclasses.dataclass(frozen=True)
class Prune:
    """Remove a clone parent that has no child, and those below it likewise.

    One that has is left alone. Where there is none of the name, this was cut
    off, and nobody knows what was below: all that wait for that are tried.
    """

    name: str


_KINDS = {kind.__name__: kind
          for kind in (CreateOverlay, Commit, Rebase, Rename, Unlink,
                       GuestSwitch, GuestMerge, CloneSnap, CloneCopy,
                       CloneRedirect, Grow, Defer, Prune,
                       *share_steps.KINDS)}
#: Those that a guest's QEMU does.
OF_GUESTS = (GuestSwitch, GuestMerge)
#: Of the fields that are no names of files.
_TYPES = {'size': int, 'depth': int, 'backing_format': str}
#: Of names of which there are several.
_LISTS = {'snapshots': list, 'shares': list}
#: Of those that are, the ones that may be another volume's.
_OF_OTHERS = frozenset([(CloneSnap, 'name'), (CloneSnap, 'source'),
                        (CloneCopy, 'source'), (CloneRedirect, 'name'),
                        (Defer, 'name')])
#: And the ones of clone parents that wait for the end of their last child.
_WAITING = frozenset([(Defer, 'new_name'), (Prune, 'name')])


def as_data(step):
    """A step as JSON has it: a list of its kind and its fields."""
    return [type(step).__name__, dataclasses.asdict(step)]


def of_data(data, is_name):
    """The step that this is.

    :param is_name: tells whether the volume may have a file of this name
    :raises ValueError: when it is none
    """
    try:
        kind, fields = data
        step = _KINDS[kind](**fields)
    except (KeyError, TypeError, ValueError):
        raise ValueError('%r is not a step' % (data,))
    for name, value in fields.items():
        if value is None and isinstance(step, GuestMerge):
            continue
        expected = _TYPES.get(name) or _LISTS.get(name, str)
        if type(value) is not expected:
            raise ValueError('%s of %r is not of the right type'
                             % (name, data))
        for each in _names_in(name, value):
            _check_name(type(step), name, each, is_name)
    return step


def _names_in(field, value):
    """The names that the value of a field is, none where it is no name."""
    if field in _LISTS:
        return value
    return () if field in _TYPES else (value,)


def _check_name(kind, field, value, is_name):
    if (kind, field) in _WAITING:
        if not clones.is_waiting(value):
            raise ValueError('"%s" is not the name of a clone parent that '
                             'waits for its last child' % value)
    elif (kind, field) in _OF_OTHERS or kind in share_steps.KINDS:
        if not isinstance(value, str) or not (
                clones.is_bare(value) or is_name(value)):
            raise ValueError('"%s" is not a bare name' % (value,))
    elif not is_name(value):
        raise ValueError('"%s" is not the name of a file of this volume'
                         % value)
