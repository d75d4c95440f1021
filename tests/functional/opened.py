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

"""Whether anybody opens a file, as the kernel says it: inotify(7)."""

import contextlib
import ctypes
import os

_IN_OPEN = 0x20
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def watched(path):
    """Gives a function that tells whether the file was opened since."""
    descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0 or _libc.inotify_add_watch(
            descriptor, os.fsencode(str(path)), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), 'inotify')
    try:
        yield lambda: _is_told(descriptor)
    finally:
        os.close(descriptor)


def _is_told(descriptor):
    try:
        return bool(os.read(descriptor, 4096))
    except BlockingIOError:
        return False
