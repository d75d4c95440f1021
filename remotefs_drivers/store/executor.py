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

"""Does what a plan says, and finishes what a crash has left of one.

The order is: the journal, the steps that prepare, what a guest's QEMU is
asked to do, the table of snapshots, the steps that finish, the journal goes.
A crash leaves one of these states; ``recover`` looks at the journal and at
the table to tell which:

====================================  =====================================
what is found                         what is done
====================================  =====================================
no journal                            nothing: no plan was begun, or one
                                      came to its end
journal; the table is as ``before``,  the steps of ``undo``: an overlay that
the plan can be undone                nobody uses yet is removed. Of a
                                      revert: the fresh overlay, unless it
                                      took the place of the old one already;
                                      either way the volume is whole
journal; the table is as ``before``,  all of it again from the first step:
the plan cannot be undone             a merge that was cut off anywhere
                                      repeats itself. Until then the volume
                                      reads right, since what is merged
                                      stays in its place
journal; the table is as ``after``    the steps of ``finish``: files go that
                                      nobody names. No merge is repeated: a
                                      guest may have written since
journal; the table is neither         nothing, an error: somebody else has
                                      changed it
journal with a guest's part; the      the guest goes on meanwhile, or will
table is as ``before``                begin later, or never: it is looked
                                      for. Done: the table is changed, and
                                      so on. A switch that is not done: the
                                      overlay is taken away from the guest,
                                      if that is sure; else it stays, which
                                      loses nothing, since a guest without
                                      it leaves it empty. A merge that is
                                      not done: it is asked for again by who
                                      deletes that snapshot; once no guest
                                      has the volume, it is done without one
a half-written journal or table       cannot be: both are written beside and
                                      renamed; what is left of that goes
                                      when the next one is written, or with
                                      its volume
====================================  =====================================

Recovery itself can be cut off anywhere and leaves one of these states again.

Each name is on the disk before anything depends on it: when the steps begin,
so is the journal's. But where the first step makes the overlay of a snapshot,
the folder is synced once for both, by that step. When the host crashes before
that, a file system that writes names in their order (XFS,
ext4, btrfs; a server of NFS has written them already) has neither, the
journal, or both, as above. One that does not may have the overlay alone:
empty, named by nobody, under a name that no other snapshot will have; it
goes with its volume.

A plan that fails without a crash is undone where that is possible. A merge
that fails (no room, a killed program) keeps its journal: the volume reads
right, the content of the snapshot that was to be deleted is no longer to be
trusted, and the next verb that changes the chain takes the merge up again.

Where the file system makes clones (see chain.cloning), or an appliance (see
chain.sharing), there is no table, and each plan can be undone, whatever came
of it: that is what is done always, and a step is never repeated. The parents
that a plan prunes are looked for one by one, with a child process for each;
all that comes before is done by then. What an appliance was asked for that
gave no answer may be done later, even after it was undone: the journal stays,
and who comes next undoes it again.

A guest's part that fails may have been done all the same, or be done later:
Nova's answer can be lost. Only where Nova refused to begin it is the plan
undone at once; else what is found decides, as after a crash.
"""

import contextlib
import os

from oslo_log import log as logging

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import model
from remotefs_drivers.chain import share_steps
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.qemu import image
from remotefs_drivers.store import journal

LOG = logging.getLogger(__name__)


class Executor:
    """Works on the files of one volume.

    :param hands: has ``call(what, function, path, *args)``, which calls a
                  function of store.files by its name;
                  ``call_all(what, [(function, args), ...])``, which makes
                  several, one after the other; ``run(operation)``, which
                  runs a qemu.command.Operation; ``ask(step, sight)``, which
                  has a guest do its part (see nova); ``clones``, which has
                  the file system make clones (see clones.Clones); ``box``,
                  whose ``do(step)`` has an appliance do a step of
                  chain.share_steps; ``mode``, the permissions of new files;
                  and ``has_guest``, whether a guest may have the volume
    :param folder: of the share
    :param base: the name of the volume's base
    """

    def __init__(self, hands, folder, base):
        self._hands = hands
        self._folder = folder
        self._table = self._path(names.snapshot_table(base))
        self._journal = self._path(names.journal(base))
        self._new_text = self._path(names.temporary(base, names.NEW_TEXT))
        self._base = base
        self._row = None

    def run(self, plan, again=False):
        """Do all that a plan says.

        When it fails, nothing of it is left, or its journal.

        :param again: it was begun before, so that a guest's part may be
                      done even if it is refused now
        """
        with self.prepared(plan):
            pass
        if plan.guest is not None:
            self._have_done(plan, again)

    @contextlib.contextmanager
    def prepared(self, plan):
        """As ``run``, but for a guest's part, with what the caller does.

        That comes after the steps that prepare, and before those that
        finish.
        """
        if plan.journal:
            self._write(self._journal, journal.dumps(plan),
                        sync=not self._begins_with_sync(plan))
        try:
            self._do(plan.prepare)
            yield
            if plan.guest is None:
                self._conclude(plan)
        except errors.VolumeFileExists:
            # What has the name of our overlay is not ours to remove.
            self._remove(self._journal)
            raise
        except errors.ApplianceUnavailable:
            self._undo_after_error(plan, may_come=True)
            raise
        except BaseException:
            self._undo_after_error(plan)
            raise

    def _begins_with_sync(self, plan):
        """Whether the first step makes a file that no other plan makes."""
        return (plan.prepare and
                isinstance(plan.prepare[0], steps.CreateOverlay) and
                model.is_layer(self._base, plan.prepare[0].name))

    def recover(self, text, table, forward=True):
        """Finish, or take back, what a crash has left.

        :param text: of the journal
        :param table: the text of the table, or None
        :param forward: also take up a merge that was cut off
        :returns: the plan that still waits, or None
        :raises JournalInvalid, JournalStale: when it cannot be known
        """
        plan = journal.loads(text, self._base, self._journal)
        found = self._info(table)
        LOG.warning('%s: "%s" was cut off%s', self._journal, plan.verb,
                    '' if not plan.changes_table else
                    ' after its table was changed' if found == plan.after
                    else ' before its table was changed')
        if plan.changes_table and found == plan.after:
            self._call('sync', 'sync_folder', self._folder)
            self._clean_up(plan)
        elif found != plan.before:
            raise errors.JournalStale(path=self._journal, verb=plan.verb,
                                      table=self._table)
        elif plan.guest is not None:
            return None if self._settle(plan) else plan
        elif plan.undo is not None:
            self._undo(plan)
        elif forward:
            self._do(plan.prepare)
            self._conclude(plan)
        else:
            return plan
        return None

    # What a guest does

    def _have_done(self, plan, again):
        """Have a guest do its part, and all that comes after it.

        :raises: what Nova said, when it is not done; nothing is left then,
                 or what ``recover`` knows
        """
        try:
            self._hands.ask(plan.guest, _Sight(self, plan.guest))
        except errors.NovaRefused:
            if not again:
                self._undo_after_error(plan)
            raise
        except errors.ServiceStopping:
            # It goes on without us.
            raise
        except Exception as error:
            done = self._settle_after_error(plan)
            if not done or isinstance(error, errors.SnapshotUnwanted):
                raise
            LOG.warning('%s: "%s" was done by the guest, whatever Nova says: '
                        '%s', self._journal, plan.verb, error)
        else:
            self._conclude(plan)

    def _settle_after_error(self, plan):
        """Go on from what came of a guest's part; returns if it is done."""
        try:
            done = self._is_done(plan.guest)
            self._settle(plan)
            return done
        except Exception as error:
            LOG.error('%s: what became of "%s" cannot be seen, which is '
                      'tried again later: %s', self._journal, plan.verb,
                      error)
            return False

    def _settle(self, plan):
        """Go on from what came of a guest's part; False when it must wait."""
        if not self._is_done(plan.guest):
            if isinstance(plan.guest, steps.GuestMerge):
                return False
            if self._take_back(plan.guest):
                self._undo(plan)
                return True
            LOG.warning('%s: whether the guest came to use %s cannot be '
                        'told: it stays', self._journal, plan.guest.name)
        self._conclude(plan)
        return True

    def _is_done(self, step):
        """Whether it is seen that a guest has done its part."""
        if isinstance(step, steps.GuestSwitch):
            return self._hands.call('look', 'is_switched',
                                    self._path(step.name),
                                    self._path(step.below))
        return step.backing == self._hands.call('look', 'backing_of',
                                                self._path(step.name))

    def _is_in_use(self, step):
        """Whether it is seen that a guest has a file that it is about."""
        return self._is_open(step.name) or (
            isinstance(step, steps.GuestSwitch) and self._is_open(step.below))

    def _is_open(self, name):
        return self._hands.call('look', 'is_open', self._path(name))

    def _take_back(self, step):
        """Take an overlay from a guest, when it surely does without."""
        below = self._path(step.below) if self._hands.has_guest else None
        return self._hands.call('look', 'withdraw', self._path(step.name),
                                below)

    def _info(self, table):
        if table is None:
            return None
        return chain_info.loads(table, self._base, self._table)

    def _conclude(self, plan):
        """All that comes once everything is prepared."""
        with self._together():
            self._change_table(plan)
            self._clean_up(plan)

    def _change_table(self, plan):
        """The point of no return."""
        if not plan.changes_table:
            return
        if plan.after is None:
            self._remove(self._table)
            self._call('sync', 'sync_folder', self._folder)
        else:
            self._write(self._table, chain_info.dumps(plan.after))

    def _clean_up(self, plan):
        with self._together():
            self._do(plan.finish)
            if plan.journal:
                self._remove(self._journal)

    def _undo_after_error(self, plan, may_come=False):
        """Undo; what goes wrong then must not hide the error.

        :param may_come: what was asked for may be done yet: the journal
                         stays, by which it is undone once more
        """
        if plan.undo is None and plan.guest is None:
            return
        try:
            # The change of the table may have failed after it was made.
            if not plan.changes_table or self._info(self._hands.call(
                    'stat', 'table', self._folder,
                    self._base)) == plan.before:
                self._undo(plan, may_come)
        except Exception as error:
            LOG.error('%s: "%s" failed and could not be undone%s: %s',
                      self._journal, plan.verb,
                      ', which is tried again later' if plan.journal else '',
                      error)

    def _undo(self, plan, may_come=False):
        with self._together():
            self._do(plan.undo or ())
            if plan.journal and not may_come:
                self._remove(self._new_text)
                self._remove(self._journal)

    def _do(self, some):
        for step in some:
            self._STEPS[type(step)](self, step)

    def _create_overlay(self, step):
        self._call('create', 'create_overlay', self._path(step.name),
                   step.backing, step.backing_format, step.size,
                   self._hands.mode)

    def _commit(self, step):
        self._hands.run(image.commit(self._path(step.name)))

    def _rebase(self, step):
        self._hands.run(image.rebase(self._path(step.name), step.backing,
                                     step.backing_format))

    def _rename(self, step):
        self._call('rename', 'replace', self._path(step.name),
                   self._path(step.new_name))

    def _unlink(self, step):
        self._remove(self._path(step.name))

    def _grow(self, step):
        self._call('extend', 'grow', self._path(step.name), step.size)

    def _clone_snap(self, step):
        self._hands.clones.snap(self._path(step.source),
                                self._path(step.name))

    def _clone_copy(self, step):
        self._hands.clones.copy(self._path(step.source),
                                self._path(step.name))

    def _clone_redirect(self, step):
        self._hands.clones.redirect(self._path(step.name), step.depth)

    def _defer(self, step):
        self._call('rename', 'defer', self._path(step.name),
                   self._path(step.new_name))

    def _have_box_do(self, step):
        self._hand_over()
        self._hands.box.do(step)

    def _prune(self, step):
        # It is looked at what is there, once all before it is done.
        self._hand_over()
        self._hands.clones.prune(self._path(step.name))

    _STEPS = {steps.CreateOverlay: _create_overlay,
              steps.Commit: _commit,
              steps.Rebase: _rebase,
              steps.Rename: _rename,
              steps.Unlink: _unlink,
              steps.Grow: _grow,
              steps.CloneSnap: _clone_snap,
              steps.CloneCopy: _clone_copy,
              steps.CloneRedirect: _clone_redirect,
              steps.Defer: _defer,
              steps.Prune: _prune,
              **dict.fromkeys(share_steps.KINDS, _have_box_do)}

    def _write(self, path, text, sync=True):
        self._call('write', 'write_atomic', path, text, self._hands.mode,
                   self._new_text, sync)

    def _remove(self, path):
        self._call('delete', 'remove', path)

    def _call(self, what, function, *args):
        if self._row is None:
            self._hands.call(what, function, *args)
        else:
            self._row.append((what, function, args))

    @contextlib.contextmanager
    def _together(self):
        """The calls of this block, no children, are handed over at its end.

        Each is made when the one before it is done, as otherwise.
        """
        if self._row is not None:
            yield
            return
        self._row = []
        try:
            yield
            self._hand_over()
        finally:
            self._row = None

    def _hand_over(self):
        """Make the calls that wait in this block."""
        row = self._row
        if row:
            self._row = []
            self._hands.call_all(row[0][0], [each[1:] for each in row])

    def _path(self, name):
        return os.path.join(self._folder, name)


class _Sight:
    """What can be seen of a guest's part in the files, at any time."""

    def __init__(self, executor, step):
        self._executor = executor
        self._step = step

    def done(self):
        """Whether it is done."""
        return self._executor._is_done(self._step)

    def in_use(self):
        """Whether a guest has the files open, where that can be seen."""
        return self._executor._is_in_use(self._step)
