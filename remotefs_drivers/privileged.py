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

"""What needs root, in an oslo.privsep context of our own.

Three things do: mounting; the files of a share that belongs to root, as
drivers in Cinder's tree leave them with nas_secure_file_operations = false;
and the commands of GPFS.
The first call starts a daemon through Cinder's root helper (0.5 s, once; a
call then costs 0.1 ms), which the line in
``etc/rootwrap.d/remotefs.filters`` allows.
"""

import functools

from oslo_privsep import capabilities
from oslo_privsep import daemon
from oslo_privsep import priv_context

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import programs
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import mkfs
from remotefs_drivers.qemu import processes
from remotefs_drivers.store import copying
from remotefs_drivers.store import files
from remotefs_drivers.store import guests
from remotefs_drivers.store import layers
from remotefs_drivers.store import outside
from remotefs_drivers.store import parents
from remotefs_drivers.store import removal
from remotefs_drivers.store import survey

default = priv_context.PrivContext(
    __name__,
    cfg_section='remotefs_privileged',
    pypath=__name__ + '.default',
    capabilities=[capabilities.CAP_CHOWN,
                  capabilities.CAP_DAC_OVERRIDE,
                  capabilities.CAP_DAC_READ_SEARCH,
                  capabilities.CAP_FOWNER,
                  capabilities.CAP_SYS_ADMIN],
)

#: The programs that the daemon runs for us, and no others.
PROGRAMS = frozenset(['chgrp', 'chmod', 'dd', 'fallocate', 'mount', 'stat',
                      'umount', image.PROGRAM]) | mkfs.PROGRAMS
#: Those that it ends, and no others.
_ENDED = frozenset(['glusterfs'])


def _entrypoint(function):
    entrypoint = default.entrypoint(function)

    @functools.wraps(function)
    def call(*args, **kwargs):
        _start(function.__name__)
        return entrypoint(*args, **kwargs)

    # The daemon runs nothing without the mark of its context.
    vars(call).update(vars(entrypoint))
    # The channel to the daemon is green under eventlet: see offload.
    call.remote = True
    return call


def _start(what):
    """Start the daemon, unless it runs or we are in it.

    :raises PrivilegeMissing: when it cannot be. An OSError would be taken
                              for one that the function itself raises.
    """
    if not default.client_mode or default.channel is not None:
        return
    try:
        default.start()
    except (daemon.FailedToDropPrivileges, OSError) as error:
        raise errors.PrivilegeMissing(what='"%s"' % what, reason=str(error))
    get_ready()


@_entrypoint
def get_ready():
    """As command.get_ready, before the daemon touches a share."""
    command.get_ready()


@_entrypoint
def create(path, size, mode):
    """As files.create."""
    files.create(path, size, mode)


@_entrypoint
def create_overlay(path, backing, backing_format, size, mode):
    """As layers.create_overlay."""
    layers.create_overlay(path, backing, backing_format, size, mode)


@_entrypoint
def lay_out(path, size):
    """As layers.lay_out."""
    layers.lay_out(path, size)


@_entrypoint
def size_of(path):
    """As files.size_of."""
    return files.size_of(path)


@_entrypoint
def grow(path, size):
    """As files.grow."""
    return files.grow(path, size)


@_entrypoint
def shrink_back(path, size):
    """As files.shrink_back."""
    files.shrink_back(path, size)


@_entrypoint
def clone(source, target):
    """As files.clone."""
    return files.clone(source, target)


@_entrypoint
def copy_some(source, target, start, most):
    """As copying.copy_some."""
    return copying.copy_some(source, target, start, most)


@_entrypoint
def flush(path):
    """As files.flush."""
    files.flush(path)


@_entrypoint
def blank(path, size):
    """As files.blank."""
    files.blank(path, size)


@_entrypoint
def remove(path):
    """As files.remove."""
    return files.remove(path)


@_entrypoint
def replace(path, new_path):
    """As files.replace."""
    files.replace(path, new_path)


@_entrypoint
def rename_new(path, new_path, link=True):
    """As files.rename_new."""
    files.rename_new(path, new_path, link)


@_entrypoint
def is_same(path, other):
    """As files.is_same."""
    return files.is_same(path, other)


@_entrypoint
def set_mode(path, mode):
    """As files.set_mode."""
    files.set_mode(path, mode)


@_entrypoint
def give(path, uid, gid):
    """As files.give."""
    files.give(path, uid, gid)


@_entrypoint
def open_folder(path, uid, gid, mode):
    """As files.open_folder."""
    files.open_folder(path, uid, gid, mode)


@_entrypoint
def sync_folder(path):
    """As files.sync_folder."""
    files.sync_folder(path)


@_entrypoint
def write_atomic(path, text, mode, temporary=None, sync=True):
    """As files.write_atomic."""
    files.write_atomic(path, text, mode, temporary, sync)


@_entrypoint
def look(folder, base, recorded):
    """As survey.look."""
    return survey.look(folder, base, recorded)


@_entrypoint
def table(folder, base):
    """As survey.table."""
    return survey.table(folder, base)


@_entrypoint
def journal(folder, base):
    """As survey.journal."""
    return survey.journal(folder, base)


@_entrypoint
def is_open(path):
    """As guests.is_open."""
    return guests.is_open(path)


@_entrypoint
def is_switched(path, below):
    """As guests.is_switched."""
    return guests.is_switched(path, below)


@_entrypoint
def backing_of(path):
    """As guests.backing_of."""
    return guests.backing_of(path)


@_entrypoint
def withdraw(path, below=None):
    """As guests.withdraw."""
    return guests.withdraw(path, below)


@_entrypoint
def parent_named(folder, inode):
    """As parents.parent_named."""
    return parents.parent_named(folder, inode)


@_entrypoint
def discard(path):
    """As parents.discard."""
    return parents.discard(path)


@_entrypoint
def discard_all(folder):
    """As parents.discard_all."""
    return parents.discard_all(folder)


@_entrypoint
def defer(path, new_path):
    """As parents.defer."""
    parents.defer(path, new_path)


@_entrypoint
def expect_none(path):
    """As parents.expect_none."""
    parents.expect_none(path)


@_entrypoint
def exists(path):
    """As parents.exists."""
    return parents.exists(path)


@_entrypoint
def is_own(path):
    """As parents.is_own."""
    return parents.is_own(path)


@_entrypoint
def names_on(folder):
    """As outside.names_on."""
    return outside.names_on(folder)


@_entrypoint
def judge(folder, wanted, said, legacy, own):
    """As outside.judge."""
    return outside.judge(folder, wanted, said, legacy, own)


@_entrypoint
def remove_volume(folder, base):
    """As removal.remove_volume."""
    return removal.remove_volume(folder, base)


@_entrypoint
def end(program, last):
    """As processes.end, of the daemons that serve a mount."""
    if program not in _ENDED:
        raise ValueError('%s is not ended by root' % program)
    return processes.end(program, last)


@_entrypoint
def run(argv, timeout=None, stall_timeout=None, memory_limit=None, ok=(0,)):
    """As command.run, without what cannot be handed to another process."""
    if argv[0] not in PROGRAMS:
        raise ValueError('%s is not run as root' % argv[0])
    return command.run(argv, timeout=timeout, stall_timeout=stall_timeout,
                       memory_limit=memory_limit, ok=tuple(ok))


@_entrypoint
def run_gpfs(request, arguments, timeout):
    """As programs.run, which knows what root does of the mm* commands."""
    return programs.run(request, arguments, timeout)
