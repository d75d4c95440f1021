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
"""Files that a QEMU has open, as far as its image locks tell.

See qemu.image_locks; the real QEMU is in tests/functional.
"""

import contextlib
import fcntl
import os
import struct

#: Bytes of what a QEMU does to a file: read, write; of what it forbids.
READS, WRITES, NO_WRITERS = 100, 101, 201


@contextlib.contextmanager
def held(path, *places):
    """A file with a lock on each of some bytes."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        for place in places:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(
                'hhqqi4x', fcntl.F_RDLCK, os.SEEK_SET, place, 1, 0))
        yield
    finally:
        os.close(descriptor)


def written(path):
    """A file that a guest writes to."""
    return held(path, READS, WRITES, NO_WRITERS)


def backing(path):
    """A file that a guest has as the backing file of another one."""
    return held(path, READS, NO_WRITERS)
