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

"""Mounting GlusterFS.

Four things are not as with NFS. The daemon that serves a mount lives in a
session of its own, and finishes a mount whose command was killed. Once all
bricks were gone the mount is dead, and stays so when they are back: it must
be made anew. The root of a new volume belongs to root. And names, sizes and
small files are remembered for a second, by the kernel and by the client,
whatever other hosts do meanwhile: a table of snapshots that is one second old
would lose a snapshot.
"""

import errno
import os
import re

from os_brick.remotefs import remotefs as remotefs_brick
from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import processes
from remotefs_drivers.share import mounter

LOG = logging.getLogger(__name__)

#: [fd00::1]:/volume; mount.glusterfs wants the address without brackets.
_BRACKETED = re.compile(r'^\[([^\]]+)\](:.*)$')
#: Nothing is remembered: names and sizes by the kernel, data by its page
#: cache, names by the client. (mount.glusterfs takes one xlator-option only.
#: quick-read, which keeps small files, is harmless then: a table that was
#: replaced is a new file.)
_FRESH = ('attribute-timeout=0,entry-timeout=0,negative-timeout=0,'
          'direct-io-mode=enable,'
          'xlator-option=*-md-cache.pass-through=true')
#: The program that serves a mount, with the mount point as last argument.
_DAEMON = 'glusterfs'
#: What a child that may write says of a full share, in the C locale.
_NO_ROOM = ('No space left on device', 'Disk quota exceeded')


def name_of(share):
    """A share as mount.glusterfs calls it."""
    return _BRACKETED.sub(r'\1\2', share.location)


class Mounter(mounter.BrickMounter):
    """Mounts by os-brick's client, and proves that we can write there.

    :param base: folder of the mount points
    :param timeout: seconds for one attempt
    :param attempts: how often to try, at least once
    """

    def __init__(self, base, timeout, attempts):
        super().__init__(remotefs_brick.RemoteFsClient, 'glusterfs', base,
                         _FRESH, timeout, attempts)

    def prove(self, path):
        """:raises MountDead: when the mount is dead"""
        try:
            os.stat(path)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            raise errors.MountDead(share=path, reason=str(error))

    def renew(self, share, limit=None):
        """Make a new mount in place of a dead one.

        Whoever has files open there has lost them already.

        :raises MountFailed: when that cannot be done
        """
        self._detach(share)
        self._end_daemons(share)
        self.mount(share, limit)

    def _name(self, share):
        return name_of(share)

    def _mount(self, share, limit):
        failure = super()._mount(share, limit)
        try:
            self._open(self.path(share), limit or self._timeout)
        except (errors.CommandFailed, errors.CommandTimeout) as error:
            raise self._failed(share, error)
        # A client that is told of no such volume shows a mount for a moment.
        # What was written then went into the folder beneath.
        if not self.is_there(share):
            raise self._failed(share, failure)
        return failure

    def _open(self, path, timeout):
        """Let our group write there, where we cannot.

        :raises CommandFailed, CommandTimeout: when that does not help
        """
        try:
            _write(path, timeout)
            return
        except errors.CommandFailed as error:
            LOG.info('%s is given to the group of this service: %s', path,
                     error)
        mounter.run_as_root(['chgrp', str(os.getegid()), path], timeout)
        mounter.run_as_root(['chmod', 'g+rwx', path], timeout)
        _write(path, timeout)

    def _undo_late(self, share):
        self._end_daemons(share)
        super()._undo_late(share)

    def _end_daemons(self, share):
        """Those that serve no mount, or would make one at any time."""
        end = processes.end if os.geteuid() == 0 else privileged.end
        for pid in end(_DAEMON, self.path(share)):
            LOG.warning('Share %s: process %d, which was still mounting it '
                        'or did not answer, was ended', share.location, pid)


def _write(path, timeout):
    """Make a file, and remove it. A full share is one that can be written.

    By a child, since this may hang.

    :raises CommandFailed, CommandTimeout: when it cannot be done
    """
    try:
        out, __ = command.run(['mktemp', '--tmpdir=%s' % path,
                               '.remotefs-proof-XXXXXXXX'], timeout=timeout)
    except errors.CommandFailed as error:
        if not any(reason in str(error) for reason in _NO_ROOM):
            raise
        return
    command.run(['rm', '-f', '--', out.strip()], timeout=timeout)
