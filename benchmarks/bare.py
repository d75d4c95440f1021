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

"""What qemu-img itself takes to make the files that we write ourselves."""

from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image


def create_qcow2(path, size):
    """A qcow2 file of a virtual size in bytes; a command.Operation."""
    return _create(path, str(size))


def create_overlay(path, backing, backing_format, size):
    """An overlay, whose backing file is not looked at."""
    return _create('-u', '-b', backing, '-F', backing_format, path, str(size))


def _create(*argv):
    return command.Operation(
        [image.PROGRAM, 'create', '-q', '-f', 'qcow2', *argv],
        timeout=image.SHORT, memory_limit=command.MEMORY_LIMIT)
