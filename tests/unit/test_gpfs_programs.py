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

"""How an mm* command is found and run. No child is started here."""

import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import programs
from remotefs_drivers.qemu import command


@pytest.fixture
def seen(monkeypatch):
    """What is run: (command line, limits)."""
    found = []

    def outcome(argv, **limits):
        found.append((argv, limits))
        return 3, 'out', 'err'
    monkeypatch.setattr(command, 'outcome', outcome)
    return found


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Makes a program in the folder of IBM's, or in the PATH."""
    folders = {'ibm': tmp_path / 'ibm', 'path': tmp_path / 'path'}
    monkeypatch.setattr(programs, 'FOLDER', str(folders['ibm']))
    monkeypatch.setenv('PATH', str(folders['path']))

    def make(where, mode=0o755):
        folders[where].mkdir(exist_ok=True)
        program = folders[where] / 'mmgetstate'
        program.touch()
        program.chmod(mode)
        return str(program)
    return make


def test_the_folder_of_ibm_comes_first(seen, place):
    place('path')
    expected = place('ibm')
    assert programs.run('state', [], 5) == (3, 'out', 'err', 'mmgetstate -Y')
    assert seen == [([expected, '-Y'], {'timeout': 5})]


def test_then_comes_the_path(seen, place):
    place('ibm', mode=0o644)
    expected = place('path')
    programs.run('state', [], 5)
    assert seen[0][0][0] == expected


def test_it_is_nowhere(seen, place):
    """The error of whoever starts it names the folder where it should be."""
    programs.run('state', [], 5)
    assert seen[0][0][0] == os.path.join(programs.FOLDER, 'mmgetstate')


def test_the_working_folder_is_no_place(seen, place, monkeypatch, tmp_path):
    place('path')
    monkeypatch.setenv('PATH', str(tmp_path / 'nix'))
    monkeypatch.chdir(tmp_path / 'path')
    programs.run('state', [], 5)
    assert seen[0][0][0] == os.path.join(programs.FOLDER, 'mmgetstate')


def test_nothing_is_run_for_what_is_refused(seen, place):
    with pytest.raises(errors.GpfsRequestInvalid):
        programs.run('clone_show', ['-x'], 5)
    assert seen == []
