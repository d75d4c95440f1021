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

"""What a cluster knows, and what it therefore refuses.

The rules, by IBM's documentation:

* A clone parent is never written or truncated (EROFS). It cannot be removed,
  nor another file be put in its place, while it has children (EROFS); it can
  once the last one is gone, whoever removed that and however. It can be
  renamed, and its mode changed.
* Each child counts as one more link of its parent (IBM's "Listing file
  clones" shows it).
* A child is gone with its last name, or ``lingering`` seconds later: GPFS
  removes what is big in the background. (Whoever has it open still reads
  it.)
* The depth of a clone is written down when it is made. It does not change
  when an ancestor goes.
* Nothing is linked, renamed or cloned from one fileset to another (EXDEV).
* A fileset is a folder where it is linked; that one is not removed or
  renamed by rmdir or mv (EPERM).
* A snapshot of a fileset is of one moment: nothing is written meanwhile. It
  is below .snapshots in it and cannot be written. A clone of a file in it
  cannot be read (EIO) once the snapshot is deleted.

A file is known by its inode and generation. Everything is under one lock.
"""

import collections
import contextlib
import errno
import os
import threading

from remotefs_drivers.embedded.gpfs import beneath
from remotefs_drivers.embedded.gpfs import locking

#: As the real one's default.
POOL = 'system'


class File:
    """What is known of one file beyond what is beneath it.

    :ivar is_parent: None for a file that is no clone
    :ivar parent: inode number of its clone parent, or None
    :ivar children: inode numbers, or File of one that is being removed
    :ivar snapshot: (fileset, name) that its parent is in, or None
    """

    def __init__(self, generation):
        self.generation = generation
        self.is_parent = None
        self.depth = None
        self.parent = None
        self.snapshot = None
        self.children = set()
        self.pool = POOL
        self.attributes = {}

    @property
    def is_child(self):
        return self.parent is not None or self.snapshot is not None


class Fileset:
    """:ivar path: where it is linked, in the file system; None when not
    :ivar ino: of its root
    """

    def __init__(self, name, number, ino, independent):
        self.name = name
        self.id = number
        self.ino = ino
        self.independent = independent
        self.path = None
        self.snapshots = {}


class Cluster:
    """One file system.

    :param folder: absolute path, with ``root`` (what is mounted) below it,
                   and ``filesets`` (those that are not linked)
    :param lingering: seconds until a removed child is no more one
    :ivar junctions: inode number of a fileset's root -> its name
    """

    ROOT = 'root'
    SNAPSHOTS = b'.snapshots'

    def __init__(self, folder, pools=(POOL,), lingering=0):
        self.folder = str(folder)
        self.root = os.path.join(self.folder, 'root')
        self.unlinked = os.path.join(self.folder, 'filesets')
        for path in self.root, self.unlinked:
            os.makedirs(path, 0o755, exist_ok=True)
        self.pools = list(pools)
        self._lingering = lingering
        self.lock = threading.RLock()
        self.locks = locking.Locks()
        self.filesets = {self.ROOT: Fileset(
            self.ROOT, 0, os.stat(self.root).st_ino, True)}
        self.filesets[self.ROOT].path = ''
        self.junctions = {}
        self._files = {}
        self._writers = collections.Counter()

    # What a mount asks.

    def opened(self, ino, writes):
        with self.lock:
            self._writers[ino] += writes

    def closed(self, ino, writes):
        with self.lock:
            self._writers[ino] -= writes

    def links(self, status):
        """How many links a file has.

        :param status: os.stat_result of what is beneath
        """
        known = self._files.get(status.st_ino)
        return status.st_nlink + (len(known.children) if known else 0)

    def check_written(self, ino, descriptor):
        """Before a file is opened for writing, or truncated."""
        known = self._files.get(ino)
        if known and known.is_parent:
            raise _refused(errno.EROFS)

    def check_read(self, ino):
        known = self._files.get(ino)
        if known and known.snapshot and not self._has(known.snapshot):
            raise _refused(errno.EIO)

    def check_folder(self, name, folder):
        """Before it is removed or renamed.

        :param folder: descriptor of the one that it is in
        """
        status = beneath.status(name, folder)
        if status is not None and status.st_ino in self.junctions:
            raise _refused(errno.EPERM)

    @contextlib.contextmanager
    def removing(self, name, folder, by=None):
        """A file loses a name in this block, if it has it.

        :param by: (name, folder) of what gets it
        """
        with self.lock:
            status = beneath.status(name, folder)
            if status is None or (
                    by and beneath.same(status, beneath.status(*by))):
                yield
                return
            if status.st_ino in self.junctions:
                raise _refused(errno.EPERM)
            known = self._files.get(status.st_ino)
            if known and known.children:
                raise _refused(errno.EROFS)
            yield
            if status.st_nlink == 1:
                self._gone(status.st_ino)

    # What programs ask.

    def file(self, path):
        """What is known of a file; a File of its own for who knows none.

        :param path: beneath, of something that is there
        """
        ino, generation = beneath.identity(path)
        with self.lock:
            known = self._files.get(ino)
            if known is None or known.generation != generation:
                # It went behind our back, and another one has its number.
                if known is not None:
                    self._gone(ino)
                known = self._files[ino] = File(generation)
            return known

    def fileset_of(self, path):
        """Of a path beneath, which may not be there yet."""
        while path != self.root:
            status = beneath.status(path)
            if status is not None and status.st_ino in self.junctions:
                return self.filesets[self.junctions[status.st_ino]]
            path = os.path.dirname(path)
        return self.filesets[self.ROOT]

    def snapshot_of(self, path):
        """(fileset, name) of the snapshot that a path is in, or None."""
        fileset = self.fileset_of(path)
        inside = os.path.relpath(path, self.top(fileset)).split('/')
        if inside[0] == os.fsdecode(self.SNAPSHOTS) and len(inside) > 1:
            return fileset.name, inside[1]
        return None

    def top(self, fileset):
        """The root of a fileset, beneath."""
        if fileset.path is None:
            return os.path.join(self.unlinked, fileset.name)
        return os.path.normpath(os.path.join(self.root, fileset.path))

    def is_written(self, path):
        """Whether somebody has it open for that."""
        return self._writers[os.stat(path).st_ino] > 0

    def add_child(self, path, parent_path):
        """:param parent_path: of a clone parent, or of a file in a snapshot
        """
        child, parent = self.file(path), self.file(parent_path)
        child.is_parent = False
        child.snapshot = self.snapshot_of(parent_path)
        child.depth = (parent.depth or 0) + 1
        child.pool = parent.pool
        if child.snapshot is None:
            child.parent = os.stat(parent_path).st_ino
            parent.children.add(os.stat(path).st_ino)

    def move_up(self, path, above):
        """Let a clone be its grandparent's child, or nobody's.

        :param above: False for nobody's
        """
        ino, child = os.stat(path).st_ino, self.file(path)
        parent = self._files.get(child.parent)
        if parent is not None:
            parent.children.discard(ino)
        child.snapshot = None
        child.parent = parent.parent if above and parent else None
        if child.parent is None:
            child.depth = 0 if child.is_parent else None
            child.is_parent = child.is_parent or None
        else:
            child.depth -= 1
            self._files[child.parent].children.add(ino)

    def insert(self, path, parent_path):
        """Let a new file be the parent of another one, in its place."""
        child, parent = self.file(path), self.file(parent_path)
        ino, new = os.stat(path).st_ino, os.stat(parent_path).st_ino
        above = self._files.get(child.parent)
        parent.is_parent = True
        parent.depth = child.depth or 0
        parent.parent, parent.snapshot = child.parent, child.snapshot
        parent.pool = child.pool
        parent.children.add(ino)
        if above is not None:
            above.children.discard(ino)
            above.children.add(new)
        child.is_parent, child.snapshot = False, None
        child.parent, child.depth = new, parent.depth + 1

    def forget_tree(self, path):
        """Everything below it goes."""
        for folder, __, names in os.walk(path):
            for name in names:
                status = beneath.status(os.path.join(folder, name))
                if status is not None:
                    self._gone(status.st_ino)

    def _gone(self, ino):
        known = self._files.pop(ino, None)
        parent = known and self._files.get(known.parent)
        if not parent:
            return
        if self._lingering:
            # Its number may be another file's by then.
            parent.children.add(known)
            threading.Timer(self._lingering, parent.children.discard,
                            [known]).start()
        parent.children.discard(ino)

    def _has(self, snapshot):
        fileset, name = snapshot
        return (fileset in self.filesets and
                name in self.filesets[fileset].snapshots)


def _refused(number):
    return OSError(number, os.strerror(number))
