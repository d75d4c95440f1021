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

"""Files of QEMU's own format, made without a child.

Blocks, works on absolute paths, follows no symbolic links, and makes what it
writes durable.
"""

import errno
import os

from remotefs_drivers.qemu import blank
from remotefs_drivers.store import files


def create_overlay(path, backing, backing_format, size, mode):
    """Make a new overlay.

    :param backing: bare name of the file below, which is not looked at
    :param size: the virtual one, bytes
    :param mode: its permissions
    :raises FileExistsError: when anything has the name
    """
    content = _fresh(path, size, backing, backing_format)
    with files.created(path, mode) as descriptor:
        _write(descriptor, *content)


def lay_out(path, size):
    """Make an empty file a qcow2 one, of a virtual size in bytes."""
    content = _fresh(path, size)
    with files.opened(path, os.O_WRONLY) as descriptor:
        _write(descriptor, *content)


def _fresh(path, *what):
    try:
        return blank.fresh(*what)
    except ValueError as error:
        raise OSError(errno.EINVAL, 'as a qcow2 file, %s' % error, path)


def _write(descriptor, length, pieces):
    os.ftruncate(descriptor, length)
    for offset, data in pieces:
        files.write_all(descriptor, data, offset)
    os.fsync(descriptor)
