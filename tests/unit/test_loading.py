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

"""The appliance that the operator named is found by its entry point."""

import types

import pytest
from stevedore import exception as stevedore_exception

from remotefs_drivers.appliances import loading
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors


class Configuration(types.SimpleNamespace):
    """As much of Cinder's as is looked at."""

    folders_kind = 'dependent'
    folders_address = '127.0.0.1'
    folders_total = folders_faults = None
    folders_durable = False
    folders_timeout = 60

    def append_config_values(self, options):
        self.options = options


def test_by_its_name(tmp_path):
    configuration = Configuration(folders_root=str(tmp_path))
    made = loading.load('folders', configuration)
    assert made.name == 'FolderAppliance'
    assert configuration.options == folders.FolderAppliance.get_options()
    assert made.configuration is configuration


def test_who_works_on_files_is_called_off_the_loop(tmp_path, monkeypatch):
    """What it says is handed on; one that waits in sockets is called."""
    called = []
    monkeypatch.setattr(loading.offload, 'off_loop', lambda function: (
        lambda *args: called.append(function.__name__) or function(*args)))
    made = loading.load('folders', Configuration(folders_root=str(tmp_path)))
    assert made.create_share('a', 1).name == 'a'
    assert called == ['create_share']
    assert made.remote is False
    monkeypatch.setattr(folders.FolderAppliance, 'remote', True)
    assert isinstance(
        loading.load('folders', Configuration(folders_root=str(tmp_path))),
        folders.FolderAppliance)


def test_one_that_is_not_there():
    with pytest.raises(errors.ShareConfigInvalid) as info:
        loading.load('none', Configuration())
    text = str(info.value)
    assert 'appliance_type' in text and '"none"' in text
    # And which there are.
    assert 'folders' in text


def test_one_that_cannot_be_imported(monkeypatch, caplog):
    """Its package is there, but not what that needs."""
    def load(*args, on_load_failure_callback, **kwargs):
        error = ImportError('no module paramiko')
        on_load_failure_callback(None, 'zfs = x:Y', error)
        raise stevedore_exception.NoMatches('no driver found')

    monkeypatch.setattr(loading.driver, 'DriverManager', load)
    with pytest.raises(errors.ShareConfigInvalid, match='cannot be used'):
        loading.load('zfs', Configuration())
    assert 'zfs = x:Y cannot be imported: no module paramiko' in caplog.text


def test_what_it_says_of_its_options_is_its_own(tmp_path):
    """Not one of the errors of finding it."""
    with pytest.raises(errors.ShareConfigInvalid, match='folders_root'):
        loading.load('folders', Configuration(folders_root='relative'))
