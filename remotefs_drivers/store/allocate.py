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

"""Reserving the whole size of a raw file.

By fallocate(1) where the file system can do it; elsewhere (NFS before 4.2,
for example) by writing zeroes. Both are child processes: either may take
minutes, and the service goes on and can stop them.
"""

from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers.qemu import command

#: What fallocate(1) says on a file system without that call.
_UNSUPPORTED = 'Operation not supported'


def reserve(path, offset, length, run):
    """Reserve a range of bytes of a file; what it reads is zeroes.

    :param run: command.run, or something with its signature
    :raises CommandFailed: when there is no room, among others
    """
    fallocate = command.Operation(
        ['fallocate', '--offset', str(offset), '--length', str(length),
         path])
    try:
        fallocate.run(run)
    except errors.CommandFailed as error:
        if _UNSUPPORTED not in str(error):
            raise
        _write_zeroes(path, offset, length, run)


def _write_zeroes(path, offset, length, run):
    command.Operation(
        ['dd', 'if=/dev/zero', 'of=%s' % path, 'bs=1M',
         'oflag=seek_bytes,nofollow', 'iflag=count_bytes',
         'seek=%d' % offset, 'count=%d' % length,
         'conv=notrunc,nocreat,fsync'],
        memory_limit=units.Gi).run(run)
