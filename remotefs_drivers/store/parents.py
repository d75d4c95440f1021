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

"""Clone parents in a folder: who they are, and whether they are needed.

A file system that makes clones refuses to remove a parent that has children
(see chain.clones), so nothing here can take away what anybody needs. Blocks,
works on absolute paths and follows no symbolic links.
"""

import errno
import os

from remotefs_drivers.chain import clones
from remotefs_drivers.store import files

#: Answers of GPFS to who removes a parent that has children.
_NEEDED = (errno.EROFS, errno.EPERM)


def parent_named(folder, inode):
    """The name of the parent with a number of an inode, or None.

    None as well for a file that does not wait for its last child: it is a
    snapshot, an image, or what else somebody asks for.
    """
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if entry.inode() == inode]
    # Not all file systems say the number together with the name.
    for name in found or waiting(folder):
        if _inode(os.path.join(folder, name)) == inode:
            return name if clones.is_waiting(name) else None
    return None


def waiting(folder):
    """The names of all parents that wait for their last child; a list."""
    return [name for name in os.listdir(folder) if clones.is_waiting(name)]


def discard(path):
    """Remove a parent, if nobody needs it.

    :returns: 'removed', 'missing', or 'needed' by its children
    """
    try:
        removed = files.remove(path)
    except OSError as error:
        if error.errno in _NEEDED:
            return 'needed'
        raise
    return 'removed' if removed else 'missing'


def discard_all(folder):
    """Remove all parents that wait and have no child any more.

    GPFS counts each child as a link of its parent (see "Listing file clones"
    in IBM's manual), so those that are needed are not even tried. Nobody is
    asked whether the others are parents at all: so only what has the id of a
    volume or a snapshot in its name is taken for one.

    :returns: the names of those that went
    """
    gone = []
    while True:
        # One that goes may have been the last child of another.
        now = [name for name in filter(clones.is_made_here, waiting(folder))
               if _is_single(os.path.join(folder, name)) and
               discard(os.path.join(folder, name)) == 'removed']
        if not now:
            return gone
        gone += now


def defer(path, new_path):
    """Rename a parent to one that waits; nothing if that is done already."""
    if not os.path.lexists(path) and os.path.lexists(new_path):
        return
    files.rename_new(path, new_path, link=False)


def expect_none(path):
    """:raises FileExistsError: when there is anything of that name"""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def exists(path):
    """Whether there is a regular file of that name.

    :raises OSError: for anything else, as files.size_of
    """
    try:
        files.size_of(path)
    except FileNotFoundError:
        return False
    return True


def is_own(path):
    """Whether a file belongs to the user of this process."""
    return os.lstat(path).st_uid == os.geteuid()


def _is_single(path):
    try:
        return os.lstat(path).st_nlink == 1
    except FileNotFoundError:
        return False


def _inode(path):
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None
