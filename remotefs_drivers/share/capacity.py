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

"""How much room a share has, and whether it answers at all.

Asked by a child process, which can be killed when the server is dead; the
service itself would hang with it. One child for each share, all at once.
"""

import collections
import os

from oslo_utils import units

from remotefs_drivers.qemu import command

#: All in bytes; free is what the service's user may use.
Capacity = collections.namedtuple('Capacity', 'total free')


def ask(path, timeout):
    """The capacity of the file system at a path, by a child process.

    :raises CommandTimeout, CommandFailed: when it gives no answer
    """
    out, __ = command.run(['stat', '--file-system', '--format', '%S %b %a',
                           path], timeout=timeout)
    block, total, free = (int(field) for field in out.split())
    return Capacity(total * block, free * block)


def look(path):
    """The same, in this process: for a share that is known to answer."""
    status = os.statvfs(path)
    return Capacity(status.f_blocks * status.f_frsize,
                    status.f_bavail * status.f_frsize)


def gib(size):
    """Bytes as GiB, as the scheduler wants it."""
    return round(size / units.Gi, 2)
