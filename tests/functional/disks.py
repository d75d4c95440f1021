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
"""Files of volumes on a folder, as a driver makes them, for the hypervisor.
"""

import os
import subprocess

from remotefs_drivers.embedded.hypervisor import journal
from remotefs_drivers.qemu import header

MIB = 1 << 20
SIZE = 32 * MIB


class Share:
    """:param folder: the share, made when missing
    :param scratch: a folder for copies, made when missing
    """

    def __init__(self, folder, scratch):
        self.folder = str(folder)
        self._scratch = str(scratch)
        for each in (self.folder, self._scratch):
            os.makedirs(each, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def create(self, name, file_format, size=SIZE):
        """:returns: path of an empty volume"""
        image('create', '-f', file_format, self.path(name), str(size))
        return self.path(name)

    def overlay(self, name, base, base_format):
        """:returns: path of an overlay with a relative backing name"""
        path = self.path(name)
        image('create', '-f', 'qcow2', '-F', base_format, '-b', base, path)
        return path

    def content(self, path, file_format):
        """What shows through a file that nobody has open.

        :returns: journal.RawFile
        """
        copy = os.path.join(self._scratch, os.path.basename(path) + '.raw')
        image('convert', '-f', file_format, '-O', 'raw', path, copy)
        return journal.RawFile(copy)

    def backing(self, name):
        """The backing name in the header of a file, and its format."""
        found = header.read(self.path(name))
        return found.backing_file, found.backing_format

    def delete(self, name):
        os.unlink(self.path(name))


def image(*arguments):
    """:returns: what qemu-img says"""
    return subprocess.run(['qemu-img', *arguments], check=True,
                          capture_output=True, text=True).stdout


def is_locked(path, file_format):
    """Whether QEMU would refuse to write to it."""
    done = subprocess.run(
        ['qemu-io', '-f', file_format, '-c', 'flush', path],
        capture_output=True, text=True)
    assert done.returncode == 0 or 'lock' in done.stderr, done.stderr
    return done.returncode != 0
