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

"""qemu-img, one function for each of its commands that we use.

A function returns the operation, not yet started; who runs it decides as
which user, and watches it. All formats are named: qemu-img never looks into
a file to find out what it is, because what it finds there may have been
written by a tenant.
"""

from remotefs_drivers import errors
from remotefs_drivers.qemu import command

PROGRAM = 'qemu-img'

FORMATS = ('raw', 'qcow2')

#: Seconds for commands that write headers only.
SHORT = 120
#: Seconds without any progress after which a copy is given up. qemu-img
#: reports every tenth of a percent, of which a big volume on a slow share
#: has its share of minutes.
STALL = 1800


def create_thick(path, size):
    """A qcow2 file with a virtual size in bytes, and room for all of it.

    The file is there already, empty and with its mode: it was made
    exclusively, which qemu-img cannot do. One without room needs no child,
    see blank.
    """
    return _operation([PROGRAM, 'create', '-q', '-f', 'qcow2',
                       '-o', 'preallocation=falloc', path, str(size)])


def commit(path):
    """Write what an overlay holds into its backing file.

    Which is made larger where it is smaller. The overlay stays as it is, so
    that it can be done again.
    """
    return _operation([PROGRAM, 'commit', '-p', '-d', '-f', 'qcow2', path],
                      stall_timeout=STALL)


def rebase(path, backing, backing_format):
    """Let an overlay name another backing file; no data is looked at."""
    _check(backing_format)
    return _operation([PROGRAM, 'rebase', '-q', '-u', '-f', 'qcow2',
                       '-b', backing, '-F', backing_format, path],
                      timeout=SHORT)


def convert(source, source_format, target, target_format):
    """Copy an image into a target that is there and all zeroes.

    The target keeps its inode, its mode and its size, which may be larger
    than the source's. Sparse stays sparse.

    :param source_format: as qemu-img calls it; beyond FORMATS those that
                          an image from Glance may have
    """
    _check(target_format)
    return _operation(
        [PROGRAM, 'convert', '-p', '-n', '--target-is-zero',
         '-t', 'writeback', '-f', source_format, '-O', target_format,
         source, target], stall_timeout=STALL)


def overwrite(source, source_format, target, target_format):
    """Copy an image over another one of the same size, zeroes too."""
    _check(source_format)
    _check(target_format)
    return _operation(
        [PROGRAM, 'convert', '-p', '-n', '-t', 'writeback',
         '-f', source_format, '-O', target_format, source, target],
        stall_timeout=STALL)


def export(source, source_format, target, target_format, compress=False):
    """Copy an image into a new file of any format that qemu-img writes."""
    _check(source_format)
    argv = [PROGRAM, 'convert', '-p', '-f', source_format,
            '-O', target_format]
    if compress:
        argv.append('-c')
    return _operation(argv + [source, target], stall_timeout=STALL)


def resize(path, file_format, size):
    """Set the virtual size, in bytes, to a larger one."""
    _check(file_format)
    return _operation([PROGRAM, 'resize', '-q', '-f', file_format, path,
                       str(size)], timeout=SHORT)


def info(path, file_format):
    """What qemu-img says of an image, as JSON text.

    For images from outside, after the format inspector let them pass.
    """
    return _operation([PROGRAM, 'info', '-f', file_format, '--output',
                       'json', path], timeout=SHORT)


def info_of_chain(path, file_format):
    """The same of an image and all that it is based on.

    It fails while another program writes to one of them.
    """
    return _operation([PROGRAM, 'info', '--backing-chain', '-f', file_format,
                       '--output', 'json', path], timeout=SHORT)


def _operation(argv, **limits):
    return command.Operation(argv, memory_limit=command.MEMORY_LIMIT,
                             **limits)


def _check(file_format):
    if file_format not in FORMATS:
        raise errors.CommandFailed(
            program=PROGRAM, exit_code='none', command='none',
            stderr='"%s" is not one of the formats of a volume: %s'
                   % (file_format, ', '.join(FORMATS)))
