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

"""Removes what a test puts where its own folder is not, however it ends.

A rule of sudo's below /etc must not outlive the run that needs it, not even
one that is killed.
"""

import contextlib
import os
import shutil
import sys

from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts


@contextlib.contextmanager
def swept(path):
    """A file or folder, which need not be there yet, is gone afterwards.

    Or when this process is gone.
    """
    watchman = keeper.Watchman(__name__, str(path))
    try:
        yield
    finally:
        watchman.dismiss()


def main(path):
    keeper.wait()
    if os.path.isdir(path):
        # What is in there is not ours to remove.
        if not mounts.unmount_below(path):
            shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


if __name__ == '__main__':
    main(*sys.argv[1:])
