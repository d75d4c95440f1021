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

"""File systems in new volumes: only what is known, and is there."""

import os

import pytest

from remotefs_drivers import privileged
from remotefs_drivers.qemu import mkfs

TYPES = mkfs.types()


def test_some_are_there():
    assert 'ext4' in TYPES and 'swap' in TYPES


@pytest.mark.parametrize('fstype', TYPES)
@pytest.mark.parametrize('label, options', [(None, []),
                                            ('data', ['data'])])
def test_the_command(fstype, label, options):
    operation = mkfs.make('/x', fstype, label)
    assert operation.argv[-1] == '/x'
    assert [word for word in operation.argv if word == 'data'] == options
    assert operation.limits == {'timeout': 3600}


@pytest.mark.parametrize('fstype', TYPES)
def test_labels(fstype):
    longest = 'x' * mkfs.longest_label(fstype)
    assert mkfs.is_label(fstype, longest)
    for label in (longest + 'x', '', '-x', 'a b', 'a/b', 'a\n', '$(x)'):
        assert not mkfs.is_label(fstype, label)


def test_none_that_is_not_there(monkeypatch):
    monkeypatch.setattr(mkfs.shutil, 'which', lambda *unused, **named: None)
    assert mkfs.types() == []


@pytest.mark.parametrize('fstype', TYPES)
def test_root_may_run_it(fstype):
    assert mkfs.make('/x', fstype).argv[0] in privileged.PROGRAMS
    assert all(os.path.basename(path).startswith('mk')
               for path in mkfs.PROGRAMS)
