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

"""A merge that takes its time, for what happens in the middle of it."""

import shutil

from tests.functional import content
from tests.functional import test_layers as layers

#: A merge, or something else, in small bites, as long as the file is there.
_PROGRAM = '''#!/bin/sh
if [ "$1" = %(command)s ] && [ -e %(flag)s ]; then
    shift
    exec %(program)s %(command)s -r 16M "$@"
fi
exec %(program)s "$@"
'''
#: What is merged: a pattern, and MiB; more than half a minute of it.
PATTERN = 0x55
FIRST, LENGTH = 300, 600


def install(folder, command='commit'):
    """A qemu-img that merges slowly, for services that find it in PATH.

    :param folder: pathlib.Path, for a folder with the program and for a
                   file; without that it is as quick as any
    :param command: of qemu-img, what takes its time
    :returns: (the folder of the program, the file)
    """
    flag = folder / 'slow'
    flag.touch()
    programs = folder / 'programs'
    programs.mkdir()
    program = programs / 'qemu-img'
    program.write_text(_PROGRAM % {'program': shutil.which('qemu-img'),
                                   'command': command, 'flag': flag})
    program.chmod(0o755)
    return programs, flag


def begin(user, backend):
    """A volume whose second snapshot of three is being merged.

    :returns: test_layers.Disk, and its snapshots
    """
    disk = layers.Disk(user, backend)
    first, second = disk.snap(1), disk.snap(2)
    content.write(user.active(disk.volume), 'qcow2', PATTERN,
                  FIRST * content.MIB, LENGTH * content.MIB)
    last = disk.snap(3)
    disk.write(4)
    snapshots = user.cloud.cinder.volume_snapshots
    snapshots.delete(second.id)
    # Once the first percents are there, it is under way.
    user.until(lambda: _progress(snapshots.get(second.id)) >= 10, 'progress')
    return disk, (first, second, last)


def _progress(snapshot):
    text = getattr(snapshot, 'os-extended-snapshot-attributes:progress')
    return int(text.rstrip('%'))
