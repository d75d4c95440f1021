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

"""Mounting by fusermount3, which ordinary users may run too."""

import os
import socket
import subprocess

from remotefs_drivers.embedded import errors

_PROGRAM = 'fusermount3'
# Seconds.
_LIMIT = 120


def mount(device, point):
    """Mount a file system that this process serves.

    :param device: what mountinfo says as its source
    :param point: mount point, a folder
    :returns: a descriptor of /dev/fuse, see kernel.Connection
    :raises NotInstalled: when FUSE is not there
    :raises CloudError: when it cannot be mounted
    """
    options = ['fsname=%s' % device, 'subtype=gpfs', 'default_permissions']
    if os.geteuid() == 0:
        options.append('allow_other')
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _run(theirs.fileno(), ','.join(options), point)
        __, descriptors, __, __ = socket.recv_fds(ours, 1, 1)
    return descriptors[0]


def _run(channel, options, point):
    try:
        done = subprocess.run(
            [_PROGRAM, '-o', options, '--', point], pass_fds=[channel],
            env={**os.environ, '_FUSE_COMMFD': str(channel)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_LIMIT, text=True)
    except FileNotFoundError:
        raise errors.NotInstalled('The program %s is missing. Install the '
                                  'package fuse3.' % _PROGRAM)
    if done.returncode:
        raise errors.CloudError('Nothing can be mounted at %s.' % point,
                                done.stdout)
