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

"""The mm* programs: what they do, print, and refuse.

Messages and exit codes are our own where no document has them; a missing
fileset is 2, as public code has it.
"""

import dataclasses
import os

from remotefs_drivers.embedded.gpfs import calls
from remotefs_drivers.embedded.gpfs import file_commands
from remotefs_drivers.embedded.gpfs import fileset_commands
from remotefs_drivers.embedded.gpfs import printing

#: What works while GPFS is down, and what whoever may write the file can do.
_ALWAYS = ('mmgetstate', 'mmlsconfig')
_FOR_ALL = ('mmchattr', 'mmclone', 'mmlsattr')


@dataclasses.dataclass(frozen=True)
class Site:
    """What does not change.

    :ivar level: of the release, in the old form '1403' or the new '5.2.1.0'
    :ivar level_names: by which it can be asked for
    :ivar version: of the file system
    :ivar lingering: seconds until a removed clone is gone for its parent
    """

    device: str = 'gpfs0'
    cluster_id: str = '2924343654772276122'
    level: str = '5.2.1.0'
    level_names: tuple = ('minReleaseLevel', 'minreleaseLeveldaemon')
    version: str = '35.00 (5.2.1.0)'
    has_encryption: bool = True
    pools: tuple = ('system', 'data')
    lingering: float = 0


class Programs:
    """:param cluster: cluster.Cluster
    :param site: Site
    """

    def __init__(self, cluster, site):
        self._cluster = cluster
        self._site = site

    def run(self, argv, host, caller, paths=None, half=False):
        """:param argv: program and arguments
        :param host: with ``name``, ``state`` and ``point``, where the file
                     system is mounted
        :param caller: (uid, gid)
        :param paths: argument -> the path beneath that it says, for those
                      that are in the file system
        :param half: end in the midst of it
        :returns: what it prints
        :raises calls.Refused: when it fails
        """
        name = argv[0]
        try:
            self._check(name, host, caller)
            with self._cluster.lock:
                return _PROGRAMS[name](calls.Call(
                    self._cluster, self._site, argv[1:], host, caller,
                    paths or {}, half))
        except calls.Refused as error:
            raise type(error)('%s: %s' % (name, error), error.code)
        except OSError as error:
            raise calls.Refused('%s: %s' % (name, error.strerror))

    @staticmethod
    def _check(name, host, caller):
        if os.geteuid() == 0 != caller[0] and name not in _FOR_ALL:
            raise calls.Refused('You must have root authority to run this '
                                'command.')
        if host.state != 'active' and name not in _ALWAYS:
            raise calls.Refused('GPFS is %s on this node.' % host.state)


def _mmgetstate(call):
    call.only('-Y')
    row = [call.host.name, 1, call.host.state, 2, 3, 3, 'quorum node',
           '(undefined)', call.host.name, call.host.name]
    is_new = call.site.level.count('.') > 1
    return printing.table(*(('mmgetstate 5', [row]) if is_new else
                            ('mmgetstate', [row[:8]])))


def _mmlsconfig(call):
    wanted, = call.only('-Y', words=1)
    if wanted == 'clusterId':
        found = wanted, call.site.cluster_id
    elif wanted in call.site.level_names:
        found = 'minReleaseLevel', call.site.level
    else:
        raise calls.Refused('Unknown attribute specified: %s' % wanted)
    return printing.table('mmlsconfig', [found])


def _mmlsfs(call):
    options = call.options(('-V', '--encryption', '-Y'))
    call.device(1)
    if '-V' in options:
        rows = [('filesystemVersion' + which, call.site.version)
                for which in ('', 'Local', 'Manager', 'Original',
                              'HighestSupported')]
    else:
        rows = [('encryption',
                 'Yes' if call.site.has_encryption else 'No')]
    return printing.table('mmlsfs', [(call.site.device, *row)
                                     for row in rows])


def _mmlspool(call):
    __, wanted = call.device(2)
    names = [name for name in call.cluster.pools
             if wanted in (name, 'all')]
    if not names:
        raise calls.Refused('Storage pool %s was not found.' % wanted)
    found = os.statvfs(call.cluster.root)
    unit = found.f_frsize / 1024
    return printing.pools(call.host.point, names,
                          int(found.f_blocks * unit),
                          int(found.f_bavail * unit))


_PROGRAMS = {function.__name__.lstrip('_'): function for function in (
    _mmgetstate, _mmlsconfig, _mmlsfs, _mmlspool,
    file_commands.mmlsattr, file_commands.mmchattr, file_commands.mmclone,
    fileset_commands.mmcrfileset, fileset_commands.mmlinkfileset,
    fileset_commands.mmunlinkfileset, fileset_commands.mmdelfileset,
    fileset_commands.mmlsfileset, fileset_commands.mmcrsnapshot,
    fileset_commands.mmdelsnapshot, fileset_commands.mmlssnapshot)}
#: All that there are.
NAMES = tuple(_PROGRAMS)
