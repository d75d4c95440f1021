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

"""Plans: what each verb does to the files of a volume, as data.

A plan is written to the share before its first step (see store.journal), so
that whoever comes after a crash knows what was under way. Its heart is the
table of snapshots: **changing that is the point of no return.**

* ``prepare``: before it. The volume can be read all the time, and nothing
  is lost if these steps are cut off anywhere.
* ``guest``: what the QEMU of a guest does who has the volume, between
  ``prepare`` and the table.
* ``before`` and ``after``: the table. Where they differ, the one that is
  found on the share tells how far a plan came.
* ``finish``: after it. Files go that nobody names any more.
* ``undo``: takes back what ``prepare`` made. None: it cannot be taken back,
  and a plan that was cut off is begun again from its first step.

What is merged is always a layer that everybody reads through the one above
or below it as well; so the order is: merge, let the child name its new
backing file, change the table, and only then remove. QEMU keeps to the same
order.
"""

import dataclasses
from typing import Optional

from remotefs_drivers.chain import model
from remotefs_drivers.chain import steps
from remotefs_drivers import errors


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done.

    :ivar verb: such as 'delete_snapshot', for people
    :ivar snapshot: the id of the snapshot that it is about, or None
    :ivar before: model.Info that it begins with, None for no table
    :ivar after: model.Info that it ends with, None for no table
    :ivar guest: one of steps.OF_GUESTS, or None
    :ivar journal: whether it is written down before its first step
    """

    verb: str
    snapshot: Optional[str]
    prepare: tuple
    before: Optional[model.Info]
    after: Optional[model.Info]
    finish: tuple = ()
    undo: Optional[tuple] = None
    guest: Optional[object] = None
    journal: bool = True

    @property
    def changes_table(self):
        return self.before != self.after


def create_snapshot(chain, snapshot_id, size, has_guest=False):
    """Add an overlay, which becomes the active file.

    :param size: of the volume, bytes
    :param has_guest: a guest has the volume
    :raises SnapshotExists: when the volume has this snapshot already
    """
    if snapshot_id in chain.snapshots:
        raise errors.SnapshotExists(snapshot=snapshot_id,
                                    volume=chain.volume)
    name = model.overlay(chain.base, snapshot_id)
    active = chain.active
    info = chain.info or model.Info(active.name, {})
    return Plan(
        'create_snapshot', snapshot_id,
        prepare=(steps.CreateOverlay(name, active.name, active.format,
                                     max(size, active.size)),),
        before=chain.info,
        after=info.with_(snapshot_id, name, active=name),
        undo=(steps.Unlink(name),),
        guest=steps.GuestSwitch(name, active.name) if has_guest else None)


def delete_snapshot(chain, snapshot_id, has_guest=False):
    """Merge the file of a snapshot into the one below it.

    The snapshot's content goes; what was written after it is the content of
    the next snapshot, or of the volume.

    :param has_guest: a guest has the volume, whose QEMU has to merge
    :returns: None when the volume has no such snapshot
    """
    if snapshot_id not in chain.snapshots:
        return None
    name = chain.snapshots[snapshot_id]
    if not chain.has(name) or chain.below(name) is None:
        # Its file is gone, or nothing is below it any more: the table is
        # all that knows it.
        return _forget(chain, snapshot_id, name)
    if has_guest:
        return _delete_under_guest(chain, snapshot_id, name)
    below, above = chain.below(name), chain.above(name)
    prepare = (steps.Commit(name),)
    if above is not None:
        prepare += (steps.Rebase(above.name, below.name, below.format),)
    return Plan(
        'delete_snapshot', snapshot_id, prepare=prepare, before=chain.info,
        after=_shortened(chain, chain.info.without(
            snapshot_id, active=None if above else below.name)),
        finish=(steps.Unlink(name),))


def _delete_under_guest(chain, snapshot_id, name):
    """As Nova has it: the guest's file stays the one that it is.

    So where the newest snapshot goes, what is below the active file is
    pulled up into it, and it takes the place of the file below: for the
    snapshot that had added that as well.
    """
    below, above = chain.below(name), chain.above(name)
    after = chain.info.without(snapshot_id)
    if above is not None:
        guest = steps.GuestMerge(above.name, below.name, name)
        gone = name
    else:
        lower = chain.below(below.name)
        guest = steps.GuestMerge(name, lower and lower.name, None)
        gone = below.name
        after = model.Info(after.active, {
            each: name if file == gone else file
            for each, file in after.snapshots.items()})
    return Plan('delete_snapshot', snapshot_id, prepare=(), guest=guest,
                before=chain.info, after=after,
                finish=(steps.Unlink(gone),))


def _forget(chain, snapshot_id, name):
    finish = () if chain.has(name) else (steps.Unlink(name),)
    return Plan('delete_snapshot', snapshot_id, prepare=(),
                before=chain.info, undo=(),
                after=_shortened(chain, chain.info.without(snapshot_id)),
                finish=finish)


def revert(chain, snapshot_id, size, temporary):
    """Let the volume be what its newest snapshot holds.

    A fresh overlay takes the place of the active one by a rename, so that
    there is a whole volume at every moment.

    :param size: of the volume, bytes
    :param temporary: a name for the overlay until then
    :raises SnapshotUnknown: when the volume has no such snapshot
    :raises SnapshotNotNewest: when others were made after it, which would
                               be lost
    """
    below = chain.content(snapshot_id)
    active = chain.active
    if chain.snapshots[snapshot_id] != active.name:
        raise errors.SnapshotNotNewest(snapshot=snapshot_id,
                                       volume=chain.volume)
    return Plan(
        'revert_to_snapshot', snapshot_id,
        prepare=(steps.CreateOverlay(temporary, below.name, below.format,
                                     max(size, below.size)),
                 steps.Rename(temporary, active.name)),
        before=chain.info, after=chain.info,
        undo=(steps.Unlink(temporary),))


def rename_snapshot(chain, snapshot_id, new_id):
    """Let a snapshot have another id.

    :raises SnapshotUnknown: when the volume has no such snapshot
    """
    chain.content(snapshot_id)
    name = chain.snapshots[snapshot_id]
    return Plan('manage_snapshot', new_id, prepare=(), before=chain.info,
                after=chain.info.without(snapshot_id).with_(new_id, name),
                undo=())


def mend(chain):
    """Let every overlay name its backing file as it should be.

    By a bare name: old releases of Nova wrote paths of their own host. With
    its format: where none is named, programs would look for it in the file,
    where a tenant may have written another one.

    :returns: None when there is nothing to mend
    """
    prepare = tuple(
        steps.Rebase(layer.name, below.name, below.format)
        for below, layer in zip(chain.layers, chain.layers[1:])
        if (layer.backing, layer.backing_format) != (below.name,
                                                     below.format))
    if not prepare:
        return None
    return Plan('mend', None, prepare=prepare, before=chain.info,
                after=chain.info, undo=())


def check_mended(chain):
    """Raise when programs might read something else through a chain.

    :raises ChainNotMended: when there is anything to mend
    """
    mending = mend(chain)
    if mending is not None:
        raise errors.ChainNotMended(volume=chain.volume,
                                    name=mending.prepare[0].name)


def outcome(chain, a_plan):
    """The chain as a plan leaves it, when all of it was done."""
    layers = {layer.name: layer for layer in chain.layers}
    guest = () if a_plan.guest is None else (a_plan.guest,)
    for step in (*a_plan.prepare, *guest, *a_plan.finish):
        _OUTCOMES[type(step)](layers, step)
    return dataclasses.replace(chain, layers=tuple(layers.values()),
                               info=a_plan.after)


def _created(layers, step):
    layers[step.name] = model.Layer(step.name, 'qcow2', step.size,
                                    step.backing, step.backing_format)


def _committed(layers, step):
    """Into a layer that is made larger where it is smaller."""
    merged = layers[step.name]
    below = layers[merged.backing]
    layers[below.name] = dataclasses.replace(
        below, size=max(below.size, merged.size))


def _rebased(layers, step):
    layers[step.name] = dataclasses.replace(
        layers[step.name], backing=step.backing,
        backing_format=step.backing_format)


def _renamed(layers, step):
    layers[step.new_name] = dataclasses.replace(layers.pop(step.name),
                                                name=step.new_name)


def _unlinked(layers, step):
    layers.pop(step.name, None)


def _switched(layers, step):
    """Nothing: it is the chain that Cinder would have made alone."""


def _merged(layers, step):
    if step.source is not None:
        _committed(layers, steps.Commit(step.source))
    backing = layers.get(step.backing)
    layers[step.name] = dataclasses.replace(
        layers[step.name], backing=step.backing,
        backing_format=backing and backing.format)


_OUTCOMES = {steps.CreateOverlay: _created, steps.Commit: _committed,
             steps.Rebase: _rebased, steps.Rename: _renamed,
             steps.Unlink: _unlinked, steps.GuestSwitch: _switched,
             steps.GuestMerge: _merged}


def _shortened(chain, info):
    """The table, or None where it says nothing that is not plain."""
    if info.active == chain.base and not info.snapshots:
        return None
    return info
