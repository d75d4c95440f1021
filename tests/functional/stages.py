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

"""Backends for one driver at a time, on a rig: see tests.rig."""

import contextlib
import itertools
import os
from unittest import mock

from oslo_privsep import priv_context

POSIX = 'remotefs_drivers.posix.PosixDriver'
NFS = 'remotefs_drivers.nfs.NfsDriver'
QCOW2 = {'posix_qcow2_volumes': True, 'posix_attach_type': 'nfs'}

_numbers = itertools.count()


@contextlib.contextmanager
def no_daemons():
    """Drivers of this process do what root's daemons would, themselves.

    See embedded.rights, of which this is a part for the time of a test.
    """
    nobody_else = property(lambda context: False,
                           lambda context, value: None)
    with mock.patch.object(priv_context.PrivContext, 'client_mode',
                           nobody_else, create=True):
        yield


def section():
    """A name for a backend that no other test has."""
    return 'stage%d' % next(_numbers)


def posix(rig, *folders, **options):
    """A PosixDriver on these folders, which are made when missing."""
    for folder in folders:
        os.makedirs(str(folder), exist_ok=True)
    return rig.driver(POSIX, section(),
                      posix_directories=[str(folder) for folder in folders],
                      **options)


def nfs(rig, folder, shares, **options):
    """A NfsDriver on these shares, lines of a shares file."""
    config = os.path.join(str(folder), 'shares')
    with open(config, 'w') as stream:
        stream.write('\n'.join(shares) + '\n')
    values = dict({'nfs_shares_config': config, 'nfs_mount_attempts': 1,
                   'nfs_mount_point_base': os.path.join(str(folder), 'mnt')},
                  **options)
    return rig.driver(NFS, section(), **values)


def left(folder):
    """The names in a share or in a brick, without what is not ours."""
    return {name for name in os.listdir(str(folder))
            if name not in ('.cinderSecureEnvIndicator', 'lost+found',
                            '.remotefs-posix-directory', '.ballast')
            and not name.startswith('.glusterfs')}
