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

"""Plans for volumes whose snapshots and copies are clones. Pure.

There is no table of snapshots, hence no point of no return that whoever
comes after a crash could see, and **no step is ever repeated**. What has been
cut off is taken back, and ``undo`` of each of these plans can be done at any
time, whatever came of the plan, even when its journal turns up again after a
power cut: it removes files that only exist while a verb runs, and prunes
parents that may have lost their last child (see chain.clones).

What Cinder's own records name needs no journal: a snapshot is there or it is
not, and goes when Cinder deletes it; so do a copy, and the parent in between,
whose name follows from that of the copy.
"""

from remotefs_drivers.chain import clones
from remotefs_drivers.chain import plan
from remotefs_drivers.chain import steps


def create_snapshot(name, snapshot_id, snapshot, depth=0):
    """Freeze what a volume holds.

    :param name: of the volume's file
    :param snapshot: the name of the snapshot's file
    :param depth: how many parents the volume may have then, one over the
                  other; 0 for any number
    """
    return _plan('create_snapshot', snapshot_id,
                 prepare=(steps.CloneSnap(snapshot, name),
                          *_redirects(depth, name)), undo=(), journal=False)


def delete_snapshot(snapshot_id, snapshot, waiting):
    """Let a snapshot wait for its last child, and go if it has none.

    :param snapshot: the name of its file
    :param waiting: the name that this has from then on
    """
    return _plan('delete_snapshot', snapshot_id,
                 prepare=(steps.Defer(snapshot, waiting),),
                 finish=(steps.Prune(waiting),),
                 undo=(steps.Prune(waiting),))


def revert(name, snapshot_id, snapshot, size, temporary, parent=None,
           depth=0):
    """Let a volume be what a snapshot holds, which may be any of its own.

    A copy takes the place of the volume's file by a rename, so that there is
    a whole volume at every moment.

    :param name: of the volume's file
    :param snapshot: the name of the snapshot's file
    :param size: of the volume, bytes
    :param temporary: the name of the copy until then
    :param parent: the name of the parent that the volume has before, None
                   for none
    :param depth: as in create_snapshot
    """
    pruned = _pruned(parent)
    return _plan('revert_to_snapshot', snapshot_id,
                 prepare=(steps.CloneCopy(temporary, snapshot),
                          steps.Grow(temporary, size),
                          *_redirects(depth, temporary),
                          steps.Rename(temporary, name)),
                 finish=pruned, undo=(steps.Unlink(temporary), *pruned))


def copy(name, source, size, depth=0):
    """Make a volume of what another one holds just now.

    :param name: of the new volume's file
    :param source: the name of the other's
    :param size: of the new one, bytes
    :param depth: as in create_snapshot; of both
    """
    between = clones.in_between(name)
    return _plan('copy', None,
                 prepare=(steps.CloneSnap(between, source),
                          steps.CloneCopy(name, between),
                          steps.Grow(name, size),
                          *_redirects(depth, source, name)),
                 finish=(steps.Prune(between),) if depth else (),
                 undo=(steps.Unlink(name), steps.Prune(between)),
                 journal=False)


def copy_parent(name, source, size, depth=0):
    """Make a volume of what a parent holds, of a snapshot say.

    :param source: the name of the parent
    :param depth: as in create_snapshot
    """
    return _plan('copy', None,
                 prepare=(steps.CloneCopy(name, source),
                          steps.Grow(name, size),
                          *_redirects(depth, name)),
                 undo=(steps.Unlink(name),), journal=False)


def delete(name, temporary, *parents):
    """Remove a volume, and whichever parents lose their last child.

    :param temporary: names of files that only exist while a verb runs
    :param parents: names of those that may, None for none
    """
    pruned = _pruned(*parents)
    return _plan('delete_volume', None, prepare=(),
                 finish=(*map(steps.Unlink, (*temporary, name)), *pruned),
                 undo=pruned, journal=bool(pruned))


def _plan(verb, snapshot_id, **fields):
    return plan.Plan(verb, snapshot_id, before=None, after=None, **fields)


def _redirects(depth, *names):
    return tuple(steps.CloneRedirect(name, depth) for name in names
                 if depth)


def _pruned(*parents):
    return tuple(steps.Prune(name) for name in parents
                 if name is not None and clones.is_waiting(name))
