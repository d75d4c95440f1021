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

The order is: the journal, the steps that prepare, the table of snapshots,
the steps that finish, the journal goes. A crash leaves one of these states;
``recover`` looks at the journal and at the table to tell which:

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
a half-written journal or table       cannot be: both are written beside and
                                      renamed; what is left of that goes
                                      when the next one is written, or with
                                      its volume
====================================  =====================================

Recovery itself can be cut off anywhere and leaves one of these states again.

A plan that fails without a crash is undone where that is possible. A merge
that fails (no room, a killed program) keeps its journal: the volume reads
right, the content of the snapshot that was to be deleted is no longer to be
trusted, and the next verb that changes the chain takes the merge up again.
"""

import os

from oslo_log import log as logging

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers import names
from remotefs_drivers.qemu import image
from remotefs_drivers.store import journal

LOG = logging.getLogger(__name__)


class Executor:
    """Works on the files of one volume.

    :param hands: has ``call(what, function, path, *args)``, which calls a
                  function of store.files by its name; ``run(operation)``,
                  which runs a qemu.command.Operation; and ``mode``, the
                  permissions of new files
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

    def run(self, plan):
        """Do all that a plan says.

        When it fails, nothing of it is left, or its journal.
        """
        self._write(self._journal, journal.dumps(plan))
        try:
            self._do(plan.prepare)
            self._change_table(plan)
        except errors.VolumeFileExists:
            # What has the name of our overlay is not ours to remove.
            self._remove(self._journal)
            raise
        except BaseException:
            self._undo_after_error(plan)
            raise
        self._clean_up(plan)

    def recover(self, text, table, forward=True):
        """Finish, or take back, what a crash has left.

        :param text: of the journal
        :param table: the text of the table, or None
        :param forward: also take up a merge that was cut off
        :returns: whether anything was left to be done
        :raises JournalInvalid, JournalStale: when it cannot be known
        """
        plan = journal.loads(text, self._base, self._journal)
        found = self._info(table)
        LOG.warning('%s: "%s" was cut off %s its table was changed',
                    self._journal, plan.verb,
                    'after' if found == plan.after else 'before')
        if plan.changes_table and found == plan.after:
            self._hands.call('sync', 'sync_folder', self._folder)
            self._clean_up(plan)
        elif found != plan.before:
            raise errors.JournalStale(path=self._journal, verb=plan.verb,
                                      table=self._table)
        elif plan.undo is not None:
            self._undo(plan)
        elif forward:
            self._do(plan.prepare)
            self._change_table(plan)
            self._clean_up(plan)
        else:
            return False
        return True

    def _info(self, table):
        if table is None:
            return None
        return chain_info.loads(table, self._base, self._table)

    def _change_table(self, plan):
        """The point of no return."""
        if not plan.changes_table:
            return
        if plan.after is None:
            self._remove(self._table)
            self._hands.call('sync', 'sync_folder', self._folder)
        else:
            self._write(self._table, chain_info.dumps(plan.after))

    def _clean_up(self, plan):
        self._do(plan.finish)
        self._remove(self._journal)

    def _undo_after_error(self, plan):
        """Undo; what goes wrong then must not hide the error."""
        if plan.undo is None:
            return
        try:
            # The change of the table may have failed after it was made.
            found = self._info(self._hands.call('stat', 'table',
                                                self._folder, self._base))
            if not plan.changes_table or found == plan.before:
                self._undo(plan)
        except Exception as error:
            LOG.error('%s: "%s" failed and could not be undone, which is '
                      'tried again later: %s', self._journal, plan.verb,
                      error)

    def _undo(self, plan):
        self._do(plan.undo)
        self._remove(self._new_text)
        self._remove(self._journal)

    def _do(self, some):
        for step in some:
            self._STEPS[type(step)](self, step)

    def _create_overlay(self, step):
        path = self._path(step.name)
        self._hands.call('create', 'create', path, 0, self._hands.mode)
        self._hands.run(image.create_overlay(path, step.backing,
                                             step.backing_format, step.size))

    def _commit(self, step):
        self._hands.run(image.commit(self._path(step.name)))

    def _rebase(self, step):
        self._hands.run(image.rebase(self._path(step.name), step.backing,
                                     step.backing_format))

    def _rename(self, step):
        self._hands.call('rename', 'replace', self._path(step.name),
                         self._path(step.new_name))

    def _unlink(self, step):
        self._remove(self._path(step.name))

    _STEPS = {steps.CreateOverlay: _create_overlay,
              steps.Commit: _commit,
              steps.Rebase: _rebase,
              steps.Rename: _rename,
              steps.Unlink: _unlink}

    def _write(self, path, text):
        self._hands.call('write', 'write_atomic', path, text,
                         self._hands.mode, self._new_text)

    def _remove(self, path):
        self._hands.call('delete', 'remove', path)

    def _path(self, name):
        return os.path.join(self._folder, name)
