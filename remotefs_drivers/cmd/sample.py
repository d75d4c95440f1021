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

"""A real image, made on the spot without root and without loop devices."""

import os
import shutil
import subprocess

from remotefs_drivers.cmd import content
from remotefs_drivers.qemu import image

# Debian's ordinary users don't have the folders of these on their PATH.
_SYSTEM_FOLDERS = ('/usr/sbin', '/sbin')

# Program -> package of Debian and Ubuntu.
PROGRAMS = {'qemu-img': 'qemu-utils', 'qemu-io': 'qemu-utils',
            'qemu-storage-daemon': 'qemu-system-common',
            'mke2fs': 'e2fsprogs', 'debugfs': 'e2fsprogs'}

_FILE = 'remotefs.bin'
_FILE_SIZE = 16 << 20
_SIZE = 64 << 20

# Seconds for one of the programs.
_LIMIT = 120


def missing_programs():
    """Program -> package, of those that are not installed."""
    return {program: package for program, package in PROGRAMS.items()
            if not _find(program)}


class Sample:
    """An ext4 file system with a file of random bytes, as a qcow2 image.

    :ivar raw: path of the same as a raw file
    :ivar qcow2: path of the image
    :ivar file: path of the file that is in the file system
    """

    def __init__(self, folder):
        self._files = os.path.join(folder, 'files')
        self.file = os.path.join(self._files, _FILE)
        self.raw = os.path.join(folder, 'image.raw')
        self.qcow2 = os.path.join(folder, 'image.qcow2')

    def make(self, progress):
        os.makedirs(self._files)
        with open(self.file, 'wb') as target:
            target.write(os.urandom(_FILE_SIZE))
        with open(self.raw, 'wb') as target:
            target.truncate(_SIZE)
        _run('mke2fs', '-q', '-F', '-t', 'ext4', '-d', self._files, self.raw)
        image.export(self.raw, 'raw', self.qcow2, 'qcow2').run(
            progress=progress)

    def check_file(self, disk, folder):
        """Take the file out of the file system on ``disk``, and compare it.

        :param disk: path of a raw file
        :raises content.Differs: when it is not the same
        """
        copy = os.path.join(folder, 'copy-of-' + _FILE)
        # It ends with 0 whatever happens.
        said = _run('debugfs', '-R', 'dump /%s %s' % (_FILE, copy), disk)
        if not os.path.exists(copy):
            raise content.Differs('%s is not in the file system on %s: %s'
                                  % (_FILE, disk, said))
        content.compare(copy, content.Expected.of_file(self.file))


def write(path, file_format, source, offset, size):
    """Write into a disk, as a guest would.

    :param source: path of a file, whose bytes are written over and over
    :param offset: bytes
    :param size: bytes
    """
    _run('qemu-io', '-f', file_format, '-c',
         'write -s %s %d %d' % (source, offset, size), '-c', 'flush', path)


def _run(program, *arguments):
    done = subprocess.run([_find(program), *arguments], timeout=_LIMIT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError('%s failed with code %d: %s' % (
            program, done.returncode, done.stdout))
    return done.stdout


def _find(program):
    path = os.pathsep.join((os.environ.get('PATH', os.defpath),
                            *_SYSTEM_FOLDERS))
    return shutil.which(program, path=path)
