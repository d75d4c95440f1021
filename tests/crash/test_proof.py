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

"""Code that is broken on purpose is found out by the crash suite.

Each test breaks the order of steps as somebody might, and holds that the
exploration finds what that does.
"""

import dataclasses

import pytest

from remotefs_drivers.chain import plan
from remotefs_drivers.chain import steps
from remotefs_drivers.store import executor
from tests.crash import explorer


def _unlink_before_rebase():
    """As the drivers in Cinder's tree do."""
    real = plan.delete_snapshot

    def delete_snapshot(*args, **kwargs):
        made = real(*args, **kwargs)
        if made is None:
            return None
        commit, *rebase = made.prepare
        return dataclasses.replace(
            made, prepare=(commit, *made.finish, *rebase), finish=())
    plan.delete_snapshot = delete_snapshot


def _finish_before_the_table():
    """What the table still names is removed."""
    real = executor.Executor._change_table

    def change_table(self, a_plan):
        self._do(a_plan.finish)
        real(self, a_plan)
    executor.Executor._change_table = change_table


def _merge_after_the_table():
    """A recovery that does not look how far the plan came."""
    def recover(self, text, table, forward=True):
        again = executor.journal.loads(text, self._base, self._journal)
        if not forward:
            return again
        self._do(step for step in again.prepare
                 if not isinstance(step, steps.Rebase))
        self._change_table(again)
        self._clean_up(again)
        return None
    executor.Executor.recover = recover


def _rename_nothing_durable():
    """A revert that removes the old overlay before it makes a new one."""
    def revert(chain, snapshot_id, size, temporary):
        below, active = chain.content(snapshot_id), chain.active
        return plan.Plan(
            'revert_to_snapshot', snapshot_id,
            prepare=(steps.Unlink(active.name),
                     steps.CreateOverlay(active.name, below.name,
                                         below.format, below.size)),
            before=chain.info, after=chain.info, undo=())
    plan.revert = revert


def _no_journal():
    """Nobody who comes later knows what was under way."""
    real = executor.Executor._write

    def write(self, path, text, **kwargs):
        if path != self._journal:
            real(self, path, text, **kwargs)
    executor.Executor._write = write


def _no_undo():
    """An overlay that was made for nothing stays."""
    real = plan.create_snapshot

    def create_snapshot(*args, **kwargs):
        return dataclasses.replace(real(*args, **kwargs), undo=())
    plan.create_snapshot = create_snapshot


def _table_before_the_merge():
    """The snapshot is gone from the table, and what it held as well."""
    def change_first(self, a_plan, again=False):
        self._write(self._journal, executor.journal.dumps(a_plan))
        self._change_table(a_plan)
        self._do(a_plan.prepare)
        self._clean_up(a_plan)
    executor.Executor.run = change_first


@pytest.mark.parametrize('verb, sabotage, expected', [
    ('delete a middle snapshot', _unlink_before_rebase, explorer.STUCK),
    ('delete the newest snapshot', _finish_before_the_table,
     explorer.STUCK),
    ('delete the newest snapshot', _merge_after_the_table, explorer.LOST),
    ('delete the newest snapshot', _table_before_the_merge, explorer.LOST),
    ('revert', _rename_nothing_durable, explorer.STUCK),
    ('create another snapshot', _no_journal, explorer.ORPHANED),
    ('create another snapshot', _no_undo, explorer.ORPHANED),
])
def test_it_is_found(verb, sabotage, expected, prove):
    prove('', verb, 'raw', sabotage, expected)
