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

"""The filter line lets exactly our own privsep daemon through."""

import pathlib
from unittest import mock

from oslo_config import cfg
from oslo_privsep import priv_context
from oslo_rootwrap import wrapper
import pytest

from remotefs_drivers import privileged

FILTERS = pathlib.Path(__file__).parents[2] / 'etc' / 'rootwrap.d'
ROOTWRAP = ['sudo', 'cinder-rootwrap', '/etc/cinder/rootwrap.conf']


@pytest.fixture
def helper_dir(tmp_path):
    """A folder for programs, in which there is a privsep-helper."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    program = folder / 'privsep-helper'
    program.touch()
    program.chmod(0o755)
    return str(folder)


def _helper_command(config_file, socket):
    """What oslo.privsep starts, without sudo, rootwrap and its file."""
    with (mock.patch.object(priv_context, '_HELPER_COMMAND_PREFIX', ROOTWRAP),
          mock.patch.object(cfg.CONF, 'config_file', [config_file],
                            create=True),
          mock.patch.object(cfg.CONF, 'config_dir', None, create=True)):
        command = privileged.default.helper_command(socket)
    assert command[:len(ROOTWRAP)] == ROOTWRAP
    return command[len(ROOTWRAP):]


def _run_as(command, helper_dir):
    # oslo.rootwrap adds a line of its own, which lets any privsep-helper
    # through and would answer for ours.
    ours = [found for found in wrapper.load_filters([str(FILTERS)])
            if found.name == 'privsep-rootwrap-remotefs']
    return wrapper.match_filter(ours, command, exec_dirs=[helper_dir]).run_as


def test_the_daemon_of_our_context_runs_as_root(helper_dir):
    command = _helper_command('/etc/cinder/cinder.conf',
                              '/tmp/tmpx1/privsep.sock')
    assert _run_as(command, helper_dir) == 'root'


@pytest.mark.parametrize('config_file, socket', [
    # A file that the service's user can write says what the daemon does.
    ('/home/cinder/cinder.conf', '/tmp/tmpx1/privsep.sock'),
    ('/etc/../home/cinder/cinder.conf', '/tmp/tmpx1/privsep.sock'),
    ('/etc/cinder/cinder.conf', '/var/tmp/privsep.sock'),
])
def test_other_files_are_refused(config_file, socket, helper_dir):
    command = _helper_command(config_file, socket)
    with pytest.raises(wrapper.NoFilterMatched):
        _run_as(command, helper_dir)


def test_other_contexts_are_refused(helper_dir):
    command = _helper_command('/etc/cinder/cinder.conf',
                              '/tmp/tmpx1/privsep.sock')
    command[command.index(privileged.default.pypath)] = 'os.system'
    with pytest.raises(wrapper.NoFilterMatched):
        _run_as(command, helper_dir)


def test_nothing_but_the_helper_is_run(helper_dir):
    with pytest.raises(wrapper.NoFilterMatched):
        _run_as(['sh', '-c', 'id'], helper_dir)
