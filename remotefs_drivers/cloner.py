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

"""Has the file system make clones, and removes parents that nobody needs.

Its programs run as root, so that what they make is root's; it is given to
who works on the files. What clones and their parents are is in chain.clones.
"""

import os

from remotefs_drivers import errors
from remotefs_drivers import privileged

#: Of a parent nobody may write to it, as the driver in Cinder's tree has it.
_READ_ONLY = 0o640
#: Seconds for what the disk has not got yet of a whole volume.
_FLUSH_LIMIT = 3600


class Cloner:
    """Works on the files of one share.

    :param commands: gpfs_commands.Commands
    :param call: as the method of hands.Hands
    :param mode: permissions of volume files
    """

    def __init__(self, commands, call, mode):
        self._commands = commands
        self._call = call
        self._mode = mode

    def snap(self, source, parent):
        """Freeze what a file holds as a new parent; 1 child.

        :raises VolumeFileExists: when there is anything of that name
        :raises CommandFailed, CommandTimeout: when it cannot be done
        """
        self._call('look', 'expect_none', parent)
        self._commands.clone_snap(source, parent)
        self._adopt(parent, self._mode & _READ_ONLY)

    def copy(self, parent, path):
        """Make a new file that is a child of a parent; 1 child process.

        :raises: as snap
        """
        self._call('look', 'expect_none', path)
        self._commands.clone_copy(parent, path)
        self._adopt(path, self._mode)

    def split(self, path):
        """Let a file be nobody's child: the data are copied; 1 child.

        They are on the disk then.
        """
        self._commands.clone_split(path)
        self._call('flush', 'flush', path, limit=_FLUSH_LIMIT)

    def seal(self, path):
        """Let a file be a parent itself; 1 child process.

        :raises CommandFailed: also when somebody has it open for writing
        """
        self._commands.clone_snap(path)
        self._adopt(path, self._mode & _READ_ONLY)

    def redirect(self, path, depth):
        """Let a file do without its immediate parent, if it has too many.

        :param depth: how many it may have
        """
        found = self._commands.clone_show(path).depth
        if found is not None and found > depth:
            self._commands.clone_redirect(path)

    def is_parent(self, path):
        """Whether a file is a clone parent; 1 child process."""
        return self._commands.clone_show(path).is_parent

    def parent(self, path):
        """The path of a file's parent, if that waits for its last child.

        1 child process. A parent is always in the folder of its children.

        :returns: None for one that somebody asks for, or no parent at all
        """
        inode = self._commands.clone_show(path).parent_inode
        if inode is None:
            return None
        folder = os.path.dirname(path)
        name = self._call('look', 'parent_named', folder, inode)
        return None if name is None else os.path.join(folder, name)

    def prune(self, path):
        """As steps.Prune; a child process for each that goes, and one more.

        GPFS may remove children in the background, and refuse for a while
        to remove the parent of the last one. So those that were refused
        before are tried again.
        """
        if self._call('look', 'exists', path):
            self._prune(path)
        self._call('delete', 'discard_all', os.path.dirname(path))

    def _prune(self, path):
        # What a parent is based on is known only as long as that is there.
        while path is not None:
            try:
                below = self.parent(path)
            except errors.CommandFailed:
                if self._call('look', 'exists', path):
                    raise
                # Another volume's was its last child, and whoever removed
                # that goes on from here.
                return
            if self._call('delete', 'discard', path) == 'needed':
                return
            path = below

    def _adopt(self, path, mode):
        if not self._call('look', 'is_own', path):
            privileged.give(path, os.geteuid(), os.getegid())
        self._call('chmod', 'set_mode', path, mode)
