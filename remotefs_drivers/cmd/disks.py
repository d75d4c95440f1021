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

"""The volumes of a walkthrough, and their content as it must be.

What must be in a volume is kept in our own memory; what is in it is read from
the share's file by its recorded format.
"""

import os

from oslo_utils import units

from remotefs_drivers.cmd import content
from remotefs_drivers.embedded import attachment
from remotefs_drivers.qemu import image


class Disks:
    """:param cloud: cloud.Cloud
    :param folder: path of a folder for files of ours
    """

    def __init__(self, cloud, folder):
        self.cloud = cloud
        self.folder = folder
        self._volumes = []

    def new(self, size, **fields):
        """A new volume of so many GiB. Returns its id."""
        volume = self.cloud.cinder.volumes.create(size, name='demo',
                                                  **fields).id
        self._volumes.append(volume)
        self.cloud.wait_volume(volume)
        return volume

    def compare(self, volume, expected, progress):
        """Read a volume to its end.

        :param expected: has ``found_in`` as content.Expected has it
        :raises content.Differs: when it does not hold what it must
        """
        with attachment.Attachment(self.cloud, volume,
                                   mode='ro') as attached:
            self.compare_file(attached.path, attached.format, expected,
                              progress)

    def compare_file(self, path, file_format, expected, progress):
        """The same for a file."""
        with Plain(path, file_format, self.folder) as disk:
            compared = content.compare(disk, expected.found_in(disk),
                                       progress)
        progress.note = same(file_format, compared)

    def delete(self, *volumes):
        """Delete these volumes and their snapshots."""
        for volume in volumes:
            self.cloud.cinder.volumes.delete(volume, cascade=True)
        for volume in volumes:
            self.cloud.wait_gone(volume)
            self._volumes.remove(volume)

    def delete_all(self):
        """Delete all that were made here. Returns how many it were."""
        volumes = list(self._volumes)
        self.delete(*volumes)
        return len(volumes)


class Plain:
    """The content of a file as a raw file: itself, or a copy for a while."""

    def __init__(self, path, file_format, folder):
        self._path = path
        self._format = file_format
        self._copy = os.path.join(folder, 'plain.raw')

    def __enter__(self):
        if self._format == 'raw':
            return self._path
        image.export(self._path, self._format, self._copy, 'raw').run()
        return self._copy

    def __exit__(self, *exc_info):
        if self._format != 'raw':
            os.unlink(self._copy)


def same(what, compared):
    """The note of a comparison.

    :param compared: bytes
    """
    return '%s, %d MiB are the same' % (what, compared // units.Mi)
