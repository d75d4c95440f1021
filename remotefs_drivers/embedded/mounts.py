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

"""What is mounted below a folder, and getting it off there.

Only the standard library: the watchmen of this room use it too.
"""

import hashlib
import os
import re
import subprocess
import time

MOUNTINFO = '/proc/self/mountinfo'

# Seconds for one umount; a dead server may hang it. Then it is detached,
# which no server hangs.
_LIMIT = 5
_DETACH_LIMIT = 120

# Seconds for one mount.
_MOUNT_LIMIT = 120

_TICK = 0.01

_ESCAPE = re.compile(r'\\([0-7]{3})')


def below(folder):
    """Mount points in a folder, or the folder itself; the newest first."""
    folder = os.path.realpath(folder)
    prefix = folder.rstrip('/') + '/'
    return [point for point in reversed(points())
            if point == folder or point.startswith(prefix)]


def points():
    """All mount points, in the order in which they were mounted."""
    # Names may be no UTF-8.
    with open(MOUNTINFO, errors='surrogateescape') as table:
        return [_unescaped(line.split(' ')[4]) for line in table]


def point_of(base, share):
    """Where os-brick mounts a share.

    :param base: folder of the mount points
    """
    return os.path.join(base, hashlib.md5(
        share.encode(), usedforsecurity=False).hexdigest())


def mount(kind, source, point, options='rw'):
    """Mount something at a path, which is made.

    :param kind: 'glusterfs', as mount has it
    """
    os.makedirs(point, exist_ok=True)
    subprocess.run(['mount', '-t', kind, '-o', options, source, point],
                   check=True, timeout=_MOUNT_LIMIT,
                   stdin=subprocess.DEVNULL)


def unmount_below(folder):
    """Take all of it down; what is busy or dead goes with its last user.

    :returns: mount points that withstood
    """
    for point in below(folder):
        unmount(point)
    return below(folder)


def unmount(point):
    """:returns: whether it worked"""
    first, *others = _commands(point)
    return _ran(first, _LIMIT) or any(_ran(command, _DETACH_LIMIT)
                                      for command in others)


def wait_for(point, alive, limit):
    """Wait until something is mounted at a path.

    :param alive: function; False when there is nothing to wait for
    :param limit: seconds
    :returns: whether it came
    """
    deadline = time.monotonic() + limit
    while point not in points():
        if not alive() or time.monotonic() > deadline:
            return point in points()
        time.sleep(_TICK)
    return True


def _commands(point):
    if os.geteuid() == 0:
        return (['umount', point], ['umount', '-l', point])
    return (['fusermount3', '-u', point], ['fusermount3', '-u', '-z', point],
            ['fusermount', '-u', '-z', point])


def _ran(command, limit):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL,
                              timeout=limit).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _unescaped(text):
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)
