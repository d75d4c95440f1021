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

"""All work on the files of a share, done by the service itself.

``privileged`` has the same names, which do the same as root.
"""

from remotefs_drivers.store import copying
from remotefs_drivers.store import files
from remotefs_drivers.store import guests
from remotefs_drivers.store import layers
from remotefs_drivers.store import outside
from remotefs_drivers.store import parents
from remotefs_drivers.store import removal
from remotefs_drivers.store import survey

create = files.create
create_overlay = layers.create_overlay
lay_out = layers.lay_out
size_of = files.size_of
blank = files.blank
grow = files.grow
shrink_back = files.shrink_back
clone = files.clone
copy_some = copying.copy_some
flush = files.flush
remove = files.remove
replace = files.replace
rename_new = files.rename_new
is_same = files.is_same
set_mode = files.set_mode
give = files.give
open_folder = files.open_folder
sync_folder = files.sync_folder
write_atomic = files.write_atomic
look = survey.look
table = survey.table
journal = survey.journal
is_open = guests.is_open
is_switched = guests.is_switched
backing_of = guests.backing_of
withdraw = guests.withdraw
parent_named = parents.parent_named
discard = parents.discard
discard_all = parents.discard_all
defer = parents.defer
expect_none = parents.expect_none
exists = parents.exists
is_own = parents.is_own
names_on = outside.names_on
judge = outside.judge
remove_volume = removal.remove_volume
