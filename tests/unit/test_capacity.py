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

"""How much room there is."""

import os

from oslo_utils import units
import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import capacity


class Runner:
    """Stands for command.run: notes what it was called with."""

    def __init__(self, out):
        self._out = out
        self.calls = []

    def __call__(self, argv, **limits):
        self.calls.append((argv, limits))
        if isinstance(self._out, Exception):
            raise self._out
        return self._out, ''


def test_a_child_is_asked(monkeypatch):
    run = Runner('4096 1000 250\n')
    monkeypatch.setattr(capacity.command, 'run', run)
    assert capacity.ask('/mnt/x', 7) == (4096000, 1024000)
    assert run.calls == [
        (['stat', '--file-system', '--format', '%S %b %a', '/mnt/x'],
         {'timeout': 7})]


def test_its_failure_is_handed_on(monkeypatch):
    failure = errors.CommandTimeout(program='stat', reason='no end',
                                    seconds=7, command='stat')
    monkeypatch.setattr(capacity.command, 'run', Runner(failure))
    with pytest.raises(errors.CommandTimeout):
        capacity.ask('/mnt/x', 7)


def test_a_look_is_what_the_kernel_says(tmp_path):
    status = os.statvfs(tmp_path)
    found = capacity.look(str(tmp_path))
    assert found.total == status.f_blocks * status.f_frsize
    # What an ordinary user may use; more is free for root.
    assert 0 <= found.free <= status.f_bfree * status.f_frsize


@pytest.mark.parametrize('size, gib', [
    (0, 0.0),
    (units.Gi, 1.0),
    (units.Gi * 3 // 2, 1.5),
    # The scheduler wants two digits.
    (units.Gi // 3, 0.33),
])
def test_gib(size, gib):
    assert capacity.gib(size) == gib
