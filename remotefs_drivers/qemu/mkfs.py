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

"""mkfs, for volumes that come with a file system in them.

The type and the label may be a tenant's: both are held against what is known
here before they come near a command line.
"""

import os
import re
import shutil
from typing import NamedTuple

from remotefs_drivers.qemu import command

#: Where they are, which need not be in the service's PATH.
_FOLDERS = ('/usr/sbin', '/sbin', '/usr/local/sbin')
#: Seconds for one. They write little, but that to all places of a volume.
_LIMIT = 3600
_LABEL = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]*')


class _Kind(NamedTuple):
    """:ivar label: the option for it
    :ivar longest: label, characters
    :ivar keeping: options by which it gives back no room of a file
    """

    argv: tuple
    label: str
    longest: int
    keeping: tuple = ()


#: Else holes are punched, all over the file.
_KEEPING = ('-E', 'nodiscard')
_KINDS = {
    'ext2': _Kind(('mkfs.ext2', '-F', '-q'), '-L', 16, _KEEPING),
    'ext3': _Kind(('mkfs.ext3', '-F', '-q'), '-L', 16, _KEEPING),
    'ext4': _Kind(('mkfs.ext4', '-F', '-q'), '-L', 16, _KEEPING),
    'xfs': _Kind(('mkfs.xfs', '-q'), '-L', 12),
    'btrfs': _Kind(('mkfs.btrfs', '-q'), '-L', 255),
    'msdos': _Kind(('mkfs.msdos',), '-n', 11),
    'vfat': _Kind(('mkfs.vfat',), '-n', 11),
    'ntfs': _Kind(('mkfs.ntfs', '-F', '-Q', '-q'), '-L', 32),
    'swap': _Kind(('mkswap',), '-L', 15),
}
#: What root may be asked to run.
PROGRAMS = frozenset(
    path for kind in _KINDS.values() for path in
    (kind.argv[0], *(os.path.join(folder, kind.argv[0])
                     for folder in _FOLDERS)))


def types():
    """Those that this host has a program for; a sorted list."""
    return sorted(name for name, kind in _KINDS.items()
                  if _find(kind.argv[0]))


def is_label(fstype, label):
    """Whether a label can be had of a type, one of ``types``."""
    return (len(label) <= _KINDS[fstype].longest and
            _LABEL.fullmatch(label) is not None)


def longest_label(fstype):
    """In characters."""
    return _KINDS[fstype].longest


def make(path, fstype, label=None, thick=False):
    """Make a file system in a file.

    :param fstype: one of ``types``
    :param label: None for none; see is_label
    :param thick: the room of the file is reserved, and stays so
    :returns: command.Operation
    """
    program, *options = _KINDS[fstype].argv
    if thick:
        options += _KINDS[fstype].keeping
    if label is not None:
        options += [_KINDS[fstype].label, label]
    return command.Operation([_find(program), *options, path],
                             timeout=_LIMIT)


def _find(program):
    if shutil.which(program):
        return program
    return shutil.which(program, path=os.pathsep.join(_FOLDERS))
