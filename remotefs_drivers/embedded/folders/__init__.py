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

"""A simple appliance: shares are folders below one root.

For tests, the demonstration and the reference server of the HTTP API;
production never uses it, though the stock road leads to it: ``appliance_type
= folders`` with folders_root and the options beside it. No root is needed,
and no server: whoever wants to mount a share binds its folder.

    appliance   FolderAppliance: the interface, one transaction for each call
    rules       what it may do, as one of three kinds of boxes (pure)
    tree        what lies below the root: lock, journal, copies
    faults      what goes wrong on demand, told from any process
"""

from remotefs_drivers.embedded.folders import appliance
from remotefs_drivers.embedded.folders import faults

FolderAppliance = appliance.FolderAppliance
Fault = faults.Fault
at = appliance.at
