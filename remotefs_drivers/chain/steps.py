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

The others are what the QEMU of a guest does who has the volume. It is asked
for that, and may do it long after whoever asked is gone: they are looked
for, and never repeated blindly.
"""

import dataclasses
from typing import Optional


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


_KINDS = {kind.__name__: kind
          for kind in (CreateOverlay, Commit, Rebase, Rename, Unlink,
                       GuestSwitch, GuestMerge)}
#: Those that a guest's QEMU does.
OF_GUESTS = (GuestSwitch, GuestMerge)
#: Of the fields that are no names of files.
_TYPES = {'size': int, 'backing_format': str}


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
        expected = _TYPES.get(name, str)
        if type(value) is not expected:
            raise ValueError('%s of %r is not of the right type'
                             % (name, data))
        if name not in _TYPES and not is_name(value):
            raise ValueError('"%s" is not the name of a file of this volume'
                             % value)
    return step
