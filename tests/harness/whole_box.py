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

"""Whether an appliance of folders has what it tells of, and nothing else."""

import os

from remotefs_drivers.embedded.folders import rules


def assert_whole(box, root):
    """:param box: folders.FolderAppliance
    :param root: its folder
    """
    shares = box.list_shares()
    numbers = {snapshot.id.rpartition('-')[2] for share in shares
               for snapshot in share.snapshots}
    assert set(os.listdir(os.path.join(root, rules.SNAPSHOTS))) == numbers
    assert os.listdir(os.path.join(root, rules.NEW)) == []
    assert not os.path.exists(os.path.join(root, '.journal'))
    assert {name for name in os.listdir(root)
            if not name.startswith('.')} == {share.name for share in shares}
    # Each was made with a size: none is what a cut left.
    assert None not in {share.size for share in shares}
