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

"""Cinder's own backup driver, for an emulated processor.

That would take minutes for a whole volume. All that tests write is at its
beginning.
"""

from cinder.backup.drivers import posix
from cinder import interface
from oslo_utils import units

DRIVER = f'{__name__}.ShortBackupDriver'
#: Bytes of a volume that are backed up.
_LENGTH = 16 * units.Mi


@interface.backupdriver
class ShortBackupDriver(posix.PosixBackupDriver):
    """Keeps the beginning of a volume."""

    def backup(self, backup, volume_file, backup_metadata=True):
        super().backup(backup, _Beginning(volume_file), backup_metadata)


class _Beginning:
    """Of a file, all that can be read of it."""

    def __init__(self, file):
        self._file = file

    def tell(self):
        return self._file.tell()

    def read(self, size):
        return self._file.read(min(size, _LENGTH - self.tell()))
