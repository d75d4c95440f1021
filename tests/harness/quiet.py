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


"""What is in the shares of an appliance that is folders, for its suite."""

import contextlib
import fcntl
import os

from remotefs_drivers.appliances.testing import contents

# Of the process that the suite runs in. Nothing of all this need survive a
# loss of power, and syncing would be most of the time that it takes.
os.fsync = os.fdatasync = lambda descriptor: None


class Folders(contents.Local):
    """Of embedded.folders: its own lock keeps writers out of a snapshot.

    It copies file by file, and can stop nobody who writes meanwhile.
    """

    @contextlib.contextmanager
    def writing(self, path):
        with open(_lock_of(os.path.dirname(path)), 'r+') as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _lock_of(folder):
    """It is in the root of all shares."""
    path = os.path.join(folder, '.lock')
    return path if os.path.exists(path) else _lock_of(os.path.dirname(folder))
