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

"""Hosts of an emulated GPFS, and what its tests ask of them."""

import contextlib
import errno
import os
import subprocess
import time

import pytest

from remotefs_drivers.gpfs_commands import commands

#: Seconds that something which hangs is given.
SHORT = 0.5
#: Seconds for what must come to an end: far more than it takes anywhere.
LONG = 300
#: Seconds for something that hangs, once it is known to be under way. One
#: after the other, where that is only seen when it was given up.
ATTEMPTS = (SHORT, 10, 60)
GROUP = 'consisgroup-3f0c4ad8-5b1e-4f10-93f9-a31c7d1f4b6a'


class Hosts:
    """Two hosts of one cluster, for tests of the emulated GPFS.

    :ivar a: pathlib.Path of the mount of one, and b of the other
    :ivar commands: of host a
    """

    def __init__(self, gpfs, folder, monkeypatch):
        self.gpfs = gpfs
        self.a, self.b = folder / 'a', folder / 'b'
        monkeypatch.setenv('PATH', gpfs.path('a'))
        self.commands = commands.Commands(timeout=LONG)

    def run(self, *argv, host='a', **options):
        return subprocess.run(
            [os.path.join(self.gpfs.programs(host), argv[0]),
             *map(str, argv[1:])], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=LONG, **options)

    def file(self, name='volume', data=b'old'):
        path = self.a / name
        path.write_bytes(data)
        return path

    def snap(self, name='volume', parent='volume.snap'):
        self.commands.clone_snap(str(self.a / name), str(self.a / parent))
        return self.a / parent

    def copy(self, parent='volume.snap', name='clone'):
        self.commands.clone_copy(str(self.a / parent), str(self.a / name))
        return self.a / name

    def show(self, name):
        """Who is a parent, how deep, and the name of its own parent."""
        clone = self.commands.clone_show(str(self.a / name))
        parents = [path.name for path in self.a.iterdir()
                   if path.stat().st_ino == clone.parent_inode]
        return clone.is_parent, clone.depth, (parents or [None])[0]

    def group(self, name=GROUP):
        self.commands.create_fileset('gpfs0', name)
        path = self.a / name
        self.commands.link_fileset('gpfs0', name, str(path))
        return path


@contextlib.contextmanager
def refused(number):
    """What a system call is refused with."""
    with pytest.raises(OSError) as info:
        yield
    assert errno.errorcode[info.value.errno] == errno.errorcode[number]


def wait(is_so):
    """:raises AssertionError: when it is not so in the end"""
    deadline = time.monotonic() + LONG
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
