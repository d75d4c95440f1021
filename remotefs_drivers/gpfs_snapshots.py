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

"""Snapshots of a whole fileset, all its files as they are at one moment.

They are there while a group snapshot is made, by whose id each is called, and
never longer: clones of files in one cannot be read any more when it goes (see
IBM's "Creating file clones" and mmdelsnapshot), so nobody keeps any.
"""

import contextlib
import os

from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import uuidutils

LOG = logging.getLogger(__name__)

#: Where GPFS shows those of a fileset, below the folder it is linked at.
_FOLDER = '.snapshots'


class Snapshots:
    """Those of one fileset.

    :param commands: gpfs_commands.Commands
    :param device: of the file system
    :param fileset: its name
    """

    def __init__(self, commands, device, fileset):
        self._commands = commands
        self._device = device
        self._fileset = fileset

    @contextlib.contextmanager
    def taken(self, name):
        """There is one in this block.

        :raises CommandFailed, CommandTimeout: when it cannot be made, of a
            fileset that is not independent say, or not removed
        """
        try:
            self._commands.create_snapshot(self._device, self._fileset, name)
            yield
            self._delete(name)
        except BaseException:
            with excutils.save_and_reraise_exception():
                self._remove_after_error(name)

    def _remove_after_error(self, name):
        """It may have been made, whatever GPFS said of it."""
        try:
            self.remove(name)
        except Exception as error:
            LOG.error('Snapshot %s of fileset %s may be left behind, delete '
                      'the group snapshot: %s', name, self._fileset, error)

    def remove(self, name):
        """Remove one, if it is there."""
        if name in self._names():
            self._delete(name)

    def remove_all(self):
        """Remove all that are ours, and leave what an operator has made."""
        for name in filter(uuidutils.is_uuid_like, self._names()):
            self._delete(name)

    def _names(self):
        """None for a fileset that is gone; it takes its snapshots along."""
        if self._commands.fileset(self._device, self._fileset) is None:
            return []
        return [each.name for each in self._commands.snapshots(
            self._device, self._fileset)]

    def _delete(self, name):
        self._commands.delete_snapshot(self._device, self._fileset, name)


def path(file_path, name):
    """Where a file of a fileset is in a snapshot of that.

    :param file_path: of one right in the folder that the fileset is linked at
    :param name: of the snapshot
    """
    folder, base = os.path.split(file_path)
    return os.path.join(folder, _FOLDER, name, base)
