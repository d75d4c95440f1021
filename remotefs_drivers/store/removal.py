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

"""Removing all that a volume has on a share."""

import os

from remotefs_drivers.chain import model
from remotefs_drivers import names
from remotefs_drivers.store import files
from remotefs_drivers.store import survey


def remove_volume(folder, base):
    """Remove the files of a volume.

    Its table of snapshots goes last: whoever comes after a crash in the
    middle then still knows that there may be overlays, and looks for them.

    :param base: the name of the volume's base
    :returns: whether the base or an overlay was there
    """
    files.refresh(folder)
    table, journal = names.snapshot_table(base), names.journal(base)
    last = [name for name in (journal, table)
            if os.path.lexists(os.path.join(folder, name))]
    if last:
        others = [name for name in survey.names_of(folder, base)
                  if name not in last]
    else:
        others = names.all_temporary(base)
    removed = [name for name in (*others, base, *last)
               if files.remove(os.path.join(folder, name))]
    return any(model.is_layer(base, name) for name in removed)
