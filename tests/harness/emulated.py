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

"""An emulated GPFS for tests: on XFS where one can be had, as root.

    with contextlib.ExitStack() as stack:
        storage = emulated.gpfs(stack, folder)
        storage.mount('a', folder / 'a')

Ordinary users get it on a folder of whatever file system there is: clones
are then copies, and all else is the same.
"""

import os

from oslo_utils import units

from remotefs_drivers.embedded.gpfs import storage
from tests.harness import small_fs

#: Of the image, which is sparse.
_SIZE = 64 * units.Gi


def gpfs(stack, folder, size=_SIZE, **site):
    """:param stack: contextlib.ExitStack that takes it down
    :param folder: of its own
    :param size: of the file system, bytes
    :param site: fields of embedded.gpfs.commands.Site
    :returns: storage.Storage, nothing mounted yet
    """
    folder, files = str(folder), None
    if os.geteuid() == 0:
        disk = stack.enter_context(small_fs.SmallFs(
            os.path.join(folder, 'disk'), size, small_fs.XFS))
        files = os.path.join(disk.path, 'gpfs')
    return stack.enter_context(storage.Storage(
        os.path.join(folder, 'gpfs'), files, **site))
