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

"""Writes cpio archives of the "newc" form, the one Linux boots from.

Only what an initramfs needs: folders, regular files and symbolic links, all
owned by root. The format is in the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst: thirteen numbers
of eight hexadecimal digits, the name, the data, and both of these padded to
four bytes.
"""

import os
import pathlib
import stat


class Writer:
    """An archive that is being written to an open binary file."""

    def __init__(self, stream):
        self._stream = stream
        self._seen = set()

    def tree(self, folder, under='', relocate=lambda name: name):
        """Add all that is below a folder.

        :param under: the name that the folder itself has in the archive
        :param relocate: gives for a name below the folder the name that it
            shall have in the archive
        """
        top = pathlib.Path(folder)
        for path in sorted(top.rglob('*')):
            name = relocate(path.relative_to(top).as_posix())
            self.path(path, f'{under}/{name}' if under else name)

    def path(self, path, name):
        """Add one file, link or folder under this name."""
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            data = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(info.st_mode):
            data = pathlib.Path(path).read_bytes()
        elif stat.S_ISDIR(info.st_mode):
            data = b''
        else:
            raise ValueError(f'{path}: no file, link or folder')
        self.entry(name, info.st_mode, data)

    def entry(self, name, mode, data=b''):
        """Add an entry, and the folders above it that are not there yet."""
        above = os.path.dirname(name)
        if above and above not in self._seen:
            self.entry(above, stat.S_IFDIR | 0o755)
        if name in self._seen and stat.S_ISDIR(mode):
            return
        self._seen.add(name)
        self._record(name, mode, data)

    def close(self):
        """Write the record that ends an archive; the file stays open."""
        self._record('TRAILER!!!', 0, b'')

    def _record(self, name, mode, data):
        text = os.fsencode(name) + b'\0'
        links = 2 if stat.S_ISDIR(mode) else 1
        numbers = (len(self._seen), mode, 0, 0, links, 0, len(data),
                   0, 0, 0, 0, len(text), 0)
        head = b'070701' + b''.join(b'%08X' % number for number in numbers)
        self._stream.write(_padded(head + text))
        self._stream.write(_padded(data))


def _padded(data):
    return data + bytes(-len(data) % 4)
