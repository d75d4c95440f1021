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

"""The verbs, for all drivers: they decide, and take the locks.

==================  =========================================================
``volumes``         RemoteFSDriver: volumes, with whatever layers they have
``managing``        on top of it: files become volumes, and volumes files
``reference``       what an operator calls such a file
``manageable``      the lists of them
``owners``          whose volume is what has a name
``snapshots``       the snapshot classes on top of it, in three forms of
                    locking
``clones``          the same where the file system makes snapshots and copies
``sharing``         the same where each volume is a share of an appliance
``share_groups``    on top of it: snapshots of one moment
``share_managing``  on top of that: shares become volumes, and volumes shares
``groups``          what verbs of groups have in common
``clustered``       what the drivers say of clusters
==================  =========================================================
"""

from remotefs_drivers.remotefs import snapshots
from remotefs_drivers.remotefs import volumes

RemoteFSDriver = volumes.RemoteFSDriver
RemoteFSSnapDriverBase = snapshots.RemoteFSSnapDriverBase
RemoteFSSnapDriver = snapshots.RemoteFSSnapDriver
RemoteFSSnapDriverDistributed = snapshots.RemoteFSSnapDriverDistributed
