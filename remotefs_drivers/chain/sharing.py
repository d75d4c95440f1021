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

"""Plans for volumes that have a share each, on an appliance. Pure.

The appliance makes snapshots of a share, and clones of these::

    volume-1 @ snapshot-a  <-  volume-2
             @ clone-volume-3  <-  volume-3

========================  ===================================================
``volume-<id>``           the share of a volume; its one file is ``volume``
``@ snapshot-<id>``       what a snapshot holds
``@ clone-volume-<id>``   what a volume held when it was copied to another
``@ deleted-snapshot-..`` what a snapshot held that is deleted
``copy-volume-<id>``      share and snapshot, while a verb reads or reverts
========================  ===================================================

On some appliances a snapshot cannot go as long as clones of it are there. So
those that no user asks for any more **wait** for the end of their last clone:
whoever removes that tries to remove the snapshot too. It is right to try that
with any that waits, at any time. And a share cannot go before the clones of
its snapshots: one of them is promoted, that is, it takes the snapshots over.

As with chain.cloning **no step is ever repeated**, and a journal's ``undo``
can be done at any time, whatever came of the plan, even when the journal
turns up again after a power cut. A plan that makes the share of a volume has
none: Cinder's record names the share, and who deletes the volume looks for
it. What is undone after an error is more, since then it is known to be new;
and no more than was begun: Cinder may ask twice for one volume, and somebody
may have it by the second time.
"""

from remotefs_drivers.chain import ids
from remotefs_drivers.chain import plan
from remotefs_drivers.chain import share_steps

#: Of the file of a volume in its share.
FILE = 'volume'

_BETWEEN, _DELETED, _TEMPORARY = _PREFIXES = 'clone-', 'deleted-', 'copy-'


def between(name):
    """The snapshot between a volume and its copy.

    :param name: of the copy's share
    """
    return _BETWEEN + name


def deleted(snapshot):
    """What a snapshot is called that is deleted while clones hang on it."""
    return _DELETED + snapshot


def temporary(name):
    """The share, and the snapshot, that only exist while a verb runs.

    :param name: of the volume's share
    """
    return _TEMPORARY + name


def is_waiting(snapshot):
    """Whether no user asks for a snapshot of this name."""
    return snapshot.startswith(_PREFIXES)


def is_made_here(snapshot):
    """Whether a snapshot waits, and is surely none that a person has made.
    """
    return is_waiting(snapshot) and ids.is_in(snapshot)


def is_temporary(share):
    """Whether a share of this name only exists while a verb runs."""
    return share.startswith(_TEMPORARY)


def owner(share):
    """The name of the volume's share that a temporary one is for, or itself.
    """
    return share.removeprefix(_TEMPORARY)


def is_harmless(name, step):
    """Whether a step may be done at any time, whatever came of its plan.

    All are by which a plan with a journal is undone.

    :param name: of the share of the volume that it is about
    """
    if isinstance(step, share_steps.DropShare):
        return step == share_steps.DropShare(temporary(name))
    if isinstance(step, share_steps.DropCopy):
        return step.share == name
    return (isinstance(step, share_steps.PruneSnapshot) and
            is_waiting(step.snapshot))


def asked_for(share):
    """The names of the snapshots of a share that are not ours to delete.

    :param share: has ``snapshots``, each with ``name`` and ``clones``
    """
    return [each.name for each in share.snapshots
            if not is_made_here(each.name)]


def related(share):
    """The names of the shares that a share's deletion may change.

    :param share: as of asked_for, with ``origin`` as well
    """
    clones = {clone for each in share.snapshots for clone in each.clones}
    return clones | {share.origin[0]} if share.origin else clones


def create(name, size):
    """Make the share of a volume, and its file.

    :param name: of the share
    :param size: bytes, here and below
    """
    return _plan('create_volume',
                 prepare=(share_steps.MakeShare(name, size),
                          share_steps.MakeFile(name, size)),
                 undo=(share_steps.DropNewShare(name),))


def create_snapshot(name, snapshot):
    return _plan('create_snapshot',
                 prepare=(share_steps.TakeSnapshot(name, snapshot),),
                 undo=(share_steps.DropSnapshot(name, snapshot),))


def create_snapshots(some, snapshot):
    """The same of several volumes at one moment.

    :param some: the names of their shares
    """
    return _plan('create_snapshots',
                 prepare=(share_steps.TakeSnapshots(some, snapshot),),
                 undo=tuple(share_steps.DropSnapshot(name, snapshot)
                            for name in some))


def moment(some, snapshot):
    """The same, for as long as they are copied; it waits from the outset."""
    pruned = tuple(share_steps.PruneSnapshot(name, snapshot)
                   for name in some)
    return _plan('create_group_from_src',
                 prepare=(share_steps.TakeSnapshots(some, snapshot),),
                 finish=pruned, undo=pruned, journal=True)


def prune(some, snapshot):
    """Delete snapshots that nobody needs any more, of several volumes."""
    return _plan('prune',
                 prepare=tuple(share_steps.PruneSnapshot(name, snapshot)
                               for name in some))


def delete_snapshot(name, snapshot):
    """Let a snapshot wait for its last clone, and go if it has none."""
    return _plan('delete_snapshot',
                 prepare=(share_steps.LetSnapshotGo(name, snapshot,
                                                    deleted(snapshot)),))


def copy(name, source, size, old_name):
    """Make a volume of what another one holds just now.

    :param source: the name of the other's share
    :param old_name: of the other's file, see share_steps.FitFile
    """
    snapshot = between(name)
    return _plan('copy',
                 prepare=(share_steps.TakeSnapshot(source, snapshot),
                          share_steps.CloneShare(name, source, snapshot,
                                                 size),
                          share_steps.FitFile(name, size, old_name)),
                 # Where clones do not depend on it.
                 finish=(share_steps.PruneSnapshot(source, snapshot),),
                 undo=(share_steps.DropNewShare(name),
                       share_steps.PruneSnapshot(source, snapshot)))


def copy_snapshot(name, source, snapshot, size, old_name):
    """Make a volume of what a snapshot of another one holds."""
    return _plan('copy',
                 prepare=(share_steps.CloneShare(name, source, snapshot,
                                                 size),
                          share_steps.FitFile(name, size, old_name)),
                 undo=(share_steps.DropNewShare(name),))


def extend(name, size, old_size, old_name):
    return _plan('extend_volume',
                 prepare=(share_steps.ResizeShare(name, size),
                          share_steps.FitFile(name, size, old_name)),
                 undo=(share_steps.ResizeShare(name, old_size),))


def roll_back(name, snapshot, size, old_name):
    return _plan('revert_to_snapshot',
                 prepare=(share_steps.RollBack(name, snapshot),
                          share_steps.FitFile(name, size, old_name)))


def revert_by_copy(name, snapshot, size, old_name):
    """Let a volume be what a snapshot holds, where the box has no way.

    The share must take the file and the copy at once. Where this is cut off
    it may go on to: to lower its limit is not right at any time.
    """
    source = temporary(name)
    gone = (share_steps.DropShare(source),)
    return _plan('revert_to_snapshot',
                 prepare=(share_steps.CloneShare(source, name, snapshot,
                                                 size),
                          share_steps.ResizeShare(name, 2 * size),
                          share_steps.CopyFile(name, source, size,
                                               old_name)),
                 finish=(*gone, share_steps.ResizeShare(name, size)),
                 undo=(share_steps.DropCopy(name), *gone), journal=True)


def take(share, file, name, size):
    """Let a share that is there be a volume's.

    :param share: its name until then
    :param file: the name of the file in it
    :param name: of the volume's share
    """
    return _plan('manage_existing',
                 prepare=(share_steps.ResizeShare(share, size),
                          share_steps.TakeFile(share, file, size),
                          share_steps.RenameShare(share, name)))


def take_snapshot(name, snapshot, new_name):
    """Let a snapshot that is there be one of Cinder's."""
    return _plan('manage_existing_snapshot',
                 prepare=(share_steps.RenameSnapshot(name, snapshot,
                                                     new_name),))


def lend(name, size):
    """Make a share, for a while, of what a volume holds just now."""
    lent = temporary(name)
    pruned = share_steps.PruneSnapshot(name, lent)
    gone = (share_steps.DropShare(lent), pruned)
    return _plan('read',
                 # An appliance may have called it in use the last time,
                 # although its clone had gone.
                 prepare=(pruned,
                          share_steps.TakeSnapshot(name, lent),
                          share_steps.CloneShare(lent, name, lent, size)),
                 finish=gone, undo=gone, journal=True)


def delete(share):
    """Remove a volume, and whichever snapshots lose their last clone.

    Of what hangs on it only its own temporary share goes along, and no other
    one whose name may begin like that.

    :param share: as of related; none of its snapshots is asked for
    """
    own = temporary(share.name)
    dropped = (share_steps.DropShare(own),) if any(
        own in each.clones for each in share.snapshots) else ()
    left, heir, moved = _inherited(share.snapshots, own)
    promoted = (share_steps.PromoteShare(heir),) if heir else ()
    pruned = tuple(share_steps.PruneSnapshot(heir, name) for name in moved)
    if share.origin and not heir and is_made_here(share.origin[1]):
        pruned += (share_steps.PruneSnapshot(*share.origin),)
    return _plan('delete_volume', prepare=(),
                 finish=(*dropped, *promoted,
                         share_steps.DropShare(share.name, left), *pruned),
                 undo=pruned, journal=bool(pruned))


def _inherited(snapshots, temporary_one):
    """(names that are left, who takes the others over, names of these).

    The newest one with a clone decides: with it go all that are older.

    :param temporary_one: name of a clone that does not count
    """
    names = tuple(each.name for each in snapshots)
    for number in reversed(range(len(snapshots))):
        for clone in snapshots[number].clones:
            if clone != temporary_one:
                return names[number + 1:], clone, names[:number + 1]
    return names, None, ()


def _plan(verb, journal=False, **fields):
    return plan.Plan(verb, None, before=None, after=None, journal=journal,
                     **fields)
