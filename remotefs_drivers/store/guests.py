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
"""What guests have open, and what they have done to it.

Looks at image locks and headers, never at data: what a guest has written
may still be in its QEMU. Blocks, works on absolute paths and follows no
symbolic links.
"""

import os

from remotefs_drivers.qemu import header
from remotefs_drivers.qemu import image_locks
from remotefs_drivers.store import files
from remotefs_drivers.store import survey

_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def is_open(path):
    """Whether a guest has a file open, as far as the file system tells.

    :returns: False when there is no such file
    """
    return _is_locked(path, image_locks.is_open)


def is_written(path):
    """Whether a guest may write to a file; as is_open."""
    return _is_locked(path, image_locks.is_written)


def is_switched(path, below):
    """Whether a guest is seen to write to an overlay, and not below it.

    A QEMU that is about to switch has the overlay open already.
    """
    return is_open(path) and not is_written(below)


def _is_locked(path, how):
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return False
    try:
        return how(descriptor)
    finally:
        os.close(descriptor)


def backing_of(path):
    """The bare name of the backing file that an overlay names, or None.

    :raises LayerInvalid: when it is no qcow2 file
    """
    files.refresh(os.path.dirname(path))
    name = survey.header_of(path).backing_file
    return None if name is None else os.path.basename(name)


def withdraw(path, below=None):
    """Remove an overlay that no guest has come to use, and never will.

    A request may still be on its way to the guest's QEMU. So the file is
    kept from it, made useless for whoever has opened it already and waits
    for its lock, and only then removed.

    :param below: path of the file that a guest has open if it does not have
                  the overlay, which proves that this can be seen; None when
                  no guest has the volume
    :returns: False, and nothing was done, when it is in use or may be
    """
    files.refresh(os.path.dirname(path))
    try:
        descriptor = os.open(path, os.O_RDWR | _FLAGS)
    except FileNotFoundError:
        return True
    try:
        if not image_locks.exclude(descriptor):
            return False
        try:
            if not header.is_untouched(descriptor):
                return False
        except ValueError:
            return False
        if below is not None and not is_open(below):
            return False
        os.ftruncate(descriptor, 0)
        files.remove(path)
        files.sync_folder(os.path.dirname(path))
    finally:
        os.close(descriptor)
    return True
