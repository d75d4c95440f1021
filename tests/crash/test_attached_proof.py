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

"""Code that is broken on purpose is found out by ``test_attached``."""

import pytest

from remotefs_drivers.chain import steps
from remotefs_drivers.store import direct
from remotefs_drivers.store import executor
from remotefs_drivers.store import files
from tests.crash import explorer
from tests.crash import online_explorer


def _finish_before_the_guest():
    """What is to be merged is removed before anybody does that."""
    real = executor.Executor._have_done

    def have_done(self, plan, again):
        self._do(plan.finish)
        real(self, plan, again)
    executor.Executor._have_done = have_done


def _table_before_the_guest():
    """The point of no return, before it is known what came of it."""
    real = executor.Executor._have_done

    def have_done(self, plan, again):
        self._change_table(plan)
        real(self, plan, again)
    executor.Executor._have_done = have_done


def _undo_without_a_look():
    """An overlay is removed although the guest may have come to use it."""
    real = executor.Executor._is_done

    def is_done(self, step):
        return isinstance(step, steps.GuestMerge) and real(self, step)

    def withdraw(path, below=None):
        files.remove(path)
        return True
    executor.Executor._is_done = is_done
    direct.withdraw = withdraw


@pytest.mark.parametrize('verb, sabotage, expected', [
    ('delete the newest snapshot', _finish_before_the_guest,
     explorer.LOST),
    ('delete the oldest snapshot', _table_before_the_guest, explorer.LOST),
    ('create the first snapshot', _undo_without_a_look, explorer.LOST),
])
def test_it_is_found(verb, sabotage, expected, benches, capsys):
    report = online_explorer.explore(benches, verb, 'layered',
                                     online_explorer.SOME, sabotage)
    with capsys.disabled():
        print('\n%s, %s: %s' % (verb, sabotage.__name__.strip('_'),
                                report.line()))
    assert report.cuts, report.text()
    assert expected in report.kinds(), report.text()
