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

"""python -m benchmarks.run: measure, and print the table.

Root gets two XFS on loop devices for it, one of them without shared blocks,
or with --glusterfs a GlusterFS of three replicas on such an XFS; others name
a folder, and do without what its file system cannot show. As for
cinder-volume, OS_CINDER_DISABLE_EVENTLET_PATCHING=1 in the environment
chooses native threads instead of eventlet.

This process only looks after the one that measures: however that ends, what
it worked with is removed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile

from benchmarks import filesystem

#: Memory, where there is such a folder: the database and the lock files are
#: no part of the file system under test.
_MEMORY = '/dev/shm'


def main():
    options = _parse()
    if options.glusterfs and (options.directory or os.geteuid() != 0):
        raise SystemExit('Only root can make a GlusterFS, and it makes an '
                         'XFS for it: leave out --directory.')
    if options.directory is None and os.geteuid() != 0:
        raise SystemExit('Only root can make a file system: name a folder '
                         'with --directory.')
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with _folder(options.directory) as root, _folder(memory) as state:
        code = _run(_command(options, root, state))
    # As a shell tells of a signal.
    sys.exit(code if code >= 0 else 128 - code)


def _parse():
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.run',
        description='Measure our NfsDriver against the one in Cinder\'s '
                    'tree.')
    parser.add_argument('--operations', nargs='+', metavar='NAME',
                        help='only these; an unknown name lists them all')
    parser.add_argument('--rounds', type=int, default=7,
                        help='batches of each driver (default %(default)s)')
    parser.add_argument('--directory', metavar='DIR',
                        help='work in a folder made in DIR, not on an XFS '
                             'of its own')
    parser.add_argument('--glusterfs', action='store_true',
                        help='work on a GlusterFS, with our GlusterfsDriver '
                             'and with the in-tree NfsDriver on its mount')
    parser.add_argument('--json', metavar='FILE',
                        help='write all figures to a file')
    return parser.parse_args()


def _stop(number, frame):
    """Go the way of an exit, on which everything is taken down."""
    sys.exit(128 + number)


def _folder(parent):
    return tempfile.TemporaryDirectory(prefix='remotefs-bench-', dir=parent,
                                       ignore_cleanup_errors=True)


def _command(options, root, state):
    settings = dict(vars(options), root=root, state=state,
                    own_file_system=options.directory is None)
    command = [sys.executable, '-m', 'benchmarks.inside',
               json.dumps(settings)]
    if settings['own_file_system']:
        return filesystem.in_namespace(command)
    return command


def _run(command):
    """Run the measuring process to its end. Returns its exit code."""
    child = subprocess.Popen(command, start_new_session=True)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


if __name__ == '__main__':
    main()
