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

"""What runs as root: the same functions, and a short list of programs."""

import errno
import inspect

from cinder import exception
from oslo_privsep import daemon
import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import programs
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import processes
from remotefs_drivers.store import direct

NAMES = sorted(name for name, found in vars(privileged).items()
               if privileged.default.is_entrypoint(found))
ON_FILES = [name for name in NAMES
            if name not in ('run', 'run_gpfs', 'end', 'get_ready')]


@pytest.fixture
def in_daemon():
    """As in the daemon: a call is a call."""
    privileged.default.set_client_mode(False)
    yield
    privileged.default.set_client_mode(True)


def test_there_are_functions():
    assert {'create', 'remove', 'grow', 'run'} <= set(NAMES)


@pytest.mark.parametrize('name', ON_FILES)
def test_a_function_is_the_one_of_the_store(name, in_daemon, monkeypatch):
    real = getattr(direct, name)
    arguments = tuple('x' for _ in inspect.signature(real).parameters)
    monkeypatch.setattr(inspect.getmodule(real), real.__name__,
                        lambda *given: (name, given))
    assert getattr(privileged, name)(*arguments) in ((name, arguments), None)
    with pytest.raises(TypeError):
        getattr(privileged, name)(*arguments, 'one too many')


def test_all_that_the_service_does_root_can_do():
    """The driver takes the one module or the other."""
    done = {name for name, found in vars(direct).items()
            if inspect.isfunction(found)}
    assert done == set(ON_FILES)


@pytest.mark.parametrize('name', ON_FILES)
def test_the_signatures_agree(name):
    def parameters(module):
        return [(each.name, each.default, each.kind) for each in
                inspect.signature(getattr(module, name)).parameters.values()]
    assert parameters(privileged) == parameters(direct)


@pytest.mark.parametrize('name', NAMES)
def test_the_event_loop_is_not_left_for_a_call(name):
    """See offload: the channel to the daemon is green already."""
    assert getattr(privileged, name).remote


@pytest.mark.parametrize('name', NAMES)
def test_the_daemon_finds_it_by_its_name(name):
    """What the client sends is the module and the name of the function."""
    assert getattr(privileged, name).__name__ == name


@pytest.mark.parametrize('program', sorted(privileged.PROGRAMS))
def test_a_program_is_run(program, in_daemon, monkeypatch):
    calls = []
    monkeypatch.setattr(command, 'run',
                        lambda argv, **limits: calls.append((argv, limits)))
    privileged.run([program, 'x'], timeout=3, ok=[0, 1])
    assert calls == [([program, 'x'], {
        'timeout': 3, 'stall_timeout': None, 'memory_limit': None,
        'ok': (0, 1)})]


@pytest.mark.parametrize('argv', [
    ['sh', '-c', 'qemu-img'],
    ['rm', '-rf', '/'],
    # A path is none of the programs.
    ['/tmp/qemu-img', 'info'],
    ['./mount'],
    [''],
])
def test_no_other_program_is_run(argv, in_daemon, monkeypatch):
    monkeypatch.setattr(command, 'run', pytest.fail)
    with pytest.raises(ValueError):
        privileged.run(argv)


def test_a_command_of_gpfs(in_daemon, monkeypatch):
    monkeypatch.setattr(programs, 'run', lambda *given: given)
    assert privileged.run_gpfs('clone_show', ['/a'], 3) == (
        'clone_show', ['/a'], 3)


@pytest.mark.parametrize('request_, arguments', [
    ('mmshutdown', []),
    ('clone_show', ['/a\n/b']),
    ('clone_show', ['-x']),
    ('change_attributes', ['/a', {'pool': '-I defer'}]),
])
def test_nothing_else_of_gpfs(request_, arguments, in_daemon, monkeypatch):
    """Root builds the command line, and judges what comes into it."""
    monkeypatch.setattr(command, 'outcome', pytest.fail)
    with pytest.raises(errors.GpfsRequestInvalid):
        privileged.run_gpfs(request_, arguments, 3)


def test_which_daemons_are_ended(in_daemon, monkeypatch):
    ended = []
    monkeypatch.setattr(processes, 'end', lambda *given: ended.append(given))
    privileged.end('glusterfs', '/mnt/a')
    assert ended == [('glusterfs', '/mnt/a')]
    for program in 'glusterfsd', 'sh', '/tmp/glusterfs':
        with pytest.raises(ValueError):
            privileged.end(program, '/mnt/a')
    assert len(ended) == 1


@pytest.mark.parametrize('failure', [
    # No filter line, or no root by the root helper.
    daemon.FailedToDropPrivileges('privsep helper command exited 96'),
    # No root helper at all.
    FileNotFoundError(errno.ENOENT, 'No such file', 'sudo'),
    PermissionError(errno.EACCES, 'Permission denied', 'sudo'),
])
def test_a_daemon_that_does_not_start(failure, monkeypatch):
    """Not an OSError: that would be taken for one of the volume's file."""
    def start():
        raise failure
    monkeypatch.setattr(privileged.default, 'start', start)
    with pytest.raises(errors.PrivilegeMissing) as info:
        privileged.create('/mnt/x/volume-1', 0, 0o660)
    assert str(failure) in str(info.value)
    assert 'remotefs.filters' in str(info.value)


def test_a_new_daemon_can_start_children_at_once(monkeypatch):
    """Before it touches a share, which may be dead later on."""
    calls = []

    class Channel:
        running = True

        def remote_call(self, name, args, kwargs, timeout):
            calls.append(name.rpartition('.')[2])

    monkeypatch.setattr(privileged.default, 'channel', None)
    monkeypatch.setattr(privileged.default, 'start', lambda: setattr(
        privileged.default, 'channel', Channel()))
    for __ in range(2):
        privileged.size_of('/x')
    assert calls == ['get_ready', 'size_of', 'size_of']


def test_a_daemon_that_runs_is_not_started_again(monkeypatch):
    class Channel:
        running = True

        def remote_call(self, name, args, kwargs, timeout):
            return name, args
    monkeypatch.setattr(privileged.default, 'channel', Channel())
    monkeypatch.setattr(privileged.default, 'start', pytest.fail)
    assert privileged.size_of('/x') == ('remotefs_drivers.privileged.size_of',
                                        ('/x',))


@pytest.mark.parametrize('error', [
    errors.CommandFailed(program='dd', exit_code=1, stderr='No space left',
                         command='dd if=/dev/zero'),
    errors.CommandTimeout(program='dd', reason='no end', seconds=3,
                          command='dd if=/dev/zero'),
    FileExistsError(errno.EEXIST, 'it exists', '/x'),
    OSError(errno.ELOOP, 'it is a symbolic link', '/x'),
    errors.GpfsRequestInvalid(what='path', value='x', expected='a path'),
    errors.InfoInvalid(path='/x', reason='it is no JSON object'),
    errors.LayerInvalid(path='/x', reason='it is a symbolic link'),
])
def test_an_error_comes_back_as_it_was(error):
    """The daemon sends the class and ``args``; the client raises that."""
    received = type(error)(*error.args)
    assert type(received) is type(error)
    assert getattr(received, 'errno', None) == getattr(error, 'errno', None)
    if isinstance(error, exception.CinderException):
        assert str(received) == str(error)
