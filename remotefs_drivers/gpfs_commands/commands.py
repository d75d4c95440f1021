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

"""The commands of GPFS, as methods.

Errors say what could not be done, the command, what it printed and what the
operator can do. Nothing is tried again here, and nothing is remembered.
"""

import dataclasses

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import output
from remotefs_drivers.gpfs_commands import programs
from remotefs_drivers.gpfs_commands import requests

#: The first releases with file clones, and with files encrypted at rest.
CLONES = (3, 4, 0, 0)
ENCRYPTION = (4, 1, 0, 4)

#: Seconds: for what only looks or changes metadata, and for what may copy
#: all data of a file or remove a whole fileset.
TIMEOUT = 120
LONG_TIMEOUT = 6 * 3600

#: How many characters of what cannot be read are shown.
_SHOWN = 500
#: The exit code of mmlsfileset for a fileset that is not there.
_NO_FILESET = 2

_STATE = ('See "mmgetstate" and the log /var/adm/ras/mmfs.log.latest on this '
          'host.')
_FILE = ('See whether the path is in a mounted GPFS file system '
         '(mmlsattr -L), and GPFS active (mmgetstate).')
_CLONE = ('See "mmclone show" for the files; both must be in one fileset, '
          'and a file that becomes a parent must not have hard links or be '
          'open for writing.')
_FILESET = 'See "mmlsfileset" and "mmlssnapshot" for the file system.'


class Commands:
    """:param run: programs.run, or privileged.run_gpfs, which is the same as
                root
    :param timeout: seconds for a command that only looks, or changes
                    metadata
    :param long_timeout: for one that may move data
    """

    def __init__(self, run=programs.run, timeout=TIMEOUT,
                 long_timeout=LONG_TIMEOUT):
        self._run = run
        self._timeout = timeout
        self._long_timeout = long_timeout

    def state(self):
        """Of GPFS on this host: 'active', 'down', 'arbitrating', ..."""
        return self._read('ask for the state of this node', _STATE,
                          lambda text: output.column(text, 'state')[0],
                          'state')

    def cluster_id(self):
        what = 'ask for the id of the cluster'
        return self._read(what, _STATE, lambda text: _there(
            output.parameter(text, 'clusterId')), 'configured', 'clusterId')

    def release(self):
        """The release that all nodes of the cluster have at least.

        :returns: four numbers: (5, 2, 1, 0); see output.release
        """
        what = 'ask for the release of the cluster'
        try:
            return self._release(what, 'minreleaseLeveldaemon')
        except (errors.GpfsCommandFailed, errors.GpfsOutputInvalid):
            # Newer ones know it by its other name only.
            return self._release(what, 'minReleaseLevel')

    def filesystem_release(self, device):
        """The release whose format a file system has, as release()."""
        return self._read(
            'ask for the version of file system %s' % device, _STATE,
            lambda text: output.release(
                output.field(text, 'filesystemVersion')), 'version', device)

    def has_encryption(self, device):
        """Whether files can be encrypted at rest; asked from ENCRYPTION on.
        """
        return self._read(
            'ask whether file system %s has encryption' % device, _STATE,
            lambda text: output.field(text, 'encryption') == 'Yes',
            'encryption', device)

    def has_pool(self, device, pool):
        """:raises: as all others, when no pool at all can be asked for"""
        what = 'ask for storage pool %s of file system %s' % (pool, device)
        done = self._outcome(what, 'pool', device, pool)
        if done.code:
            # That may have had another reason.
            self._done('ask for the storage pools of file system %s'
                       % device, _STATE, 'pools', device)
        return not done.code

    def pools(self, device):
        """:returns: a list of output.Pool"""
        return self._read('ask for the storage pools of file system %s'
                          % device, _STATE, output.pools, 'pools', device)

    def attributes(self, path):
        """Of a file or a folder.

        :returns: output.Attributes
        :raises GpfsCommandFailed: when it is not there, or not in GPFS
        """
        return self._read('ask for the attributes of %s' % path, _FILE,
                          output.attributes, 'attributes', path)

    def change_attributes(self, path, wanted):
        """Where the pool changes, the data move, which may take long.

        :param wanted: requests.Wanted
        :raises GpfsRequestInvalid: for values that are not to be had
        """
        self._done('change the attributes of %s' % path, _FILE,
                   'change_attributes', path, dataclasses.asdict(wanted),
                   timeout=self._long_timeout)

    def clone_snap(self, source, parent=None):
        """Let a file become the copy of a new file that holds its data.

        :param parent: path of the new file, which can only be read; None for
                       the source to be that one itself
        """
        self._done('make a clone parent of %s' % source, _CLONE,
                   'clone_snap', source, parent)

    def clone_copy(self, parent, destination):
        """A new file, a writable copy of a clone parent."""
        self._done('clone %s to %s' % (parent, destination), _CLONE,
                   'clone_copy', parent, destination)

    def clone_redirect(self, path):
        """Let it be a copy of its grandparent, no more of its parent."""
        self._done('redirect clone %s' % path, _CLONE, 'clone_redirect',
                   path, timeout=self._long_timeout)

    def clone_split(self, path):
        """Let it be a copy of none."""
        self._done('split clone %s' % path, _CLONE, 'clone_split', path,
                   timeout=self._long_timeout)

    def clone_show(self, path):
        """:returns: output.Clone"""
        return self._read('ask what clone %s is' % path, _FILE,
                          lambda text: output.clone(text, path),
                          'clone_show', path)

    def fileset(self, device, name):
        """:returns: output.Fileset, or None when there is no such"""
        what = 'ask for fileset %s of file system %s' % (name, device)
        done = self._outcome(what, 'fileset', device, name)
        if done.code == _NO_FILESET:
            return None
        return self._parsed(what, self._checked(what, _STATE, done),
                            lambda text: output.fileset(text, name))

    def create_fileset(self, device, name, inode_space_new=True):
        """:param inode_space_new: for one that can have snapshots"""
        self._done('create fileset %s' % name, _FILESET, 'create_fileset',
                   device, name, inode_space_new)

    def link_fileset(self, device, name, path):
        """:param path: that is not there"""
        self._done('link fileset %s at %s' % (name, path), _FILESET,
                   'link_fileset', device, name, path)

    def unlink_fileset(self, device, name):
        """Whoever has files open there loses them."""
        self._done('unlink fileset %s' % name, _FILESET, 'unlink_fileset',
                   device, name)

    def delete_fileset(self, device, name):
        """An unlinked one, with all that is in it."""
        self._done('delete fileset %s' % name, _FILESET, 'delete_fileset',
                   device, name, timeout=self._long_timeout)

    def create_snapshot(self, device, fileset, name):
        """Of an independent fileset, all its files at one moment.

        They are below .snapshots/<name> in it, and can only be read.
        """
        self._done('create snapshot %s of fileset %s' % (name, fileset),
                   _FILESET, 'create_snapshot', device, fileset, name)

    def delete_snapshot(self, device, fileset, name):
        self._done('delete snapshot %s of fileset %s' % (name, fileset),
                   _FILESET, 'delete_snapshot', device, fileset, name,
                   timeout=self._long_timeout)

    def snapshots(self, device, fileset):
        """:returns: a list of output.Snapshot"""
        return self._read('list the snapshots of fileset %s' % fileset,
                          _FILESET,
                          lambda text: output.snapshots(text, fileset),
                          'snapshots', device, fileset)

    def _release(self, what, parameter):
        return self._read(what, _STATE, lambda text: output.release(_there(
            output.parameter(text, 'minreleaseLeveldaemon',
                             'minReleaseLevel'))), 'configured', parameter)

    def _read(self, what, remedy, parse, request, *arguments):
        done = self._done(what, remedy, request, *arguments)
        return self._parsed(what, done, parse)

    def _done(self, what, remedy, request, *arguments, timeout=None):
        return self._checked(what, remedy, self._outcome(
            what, request, *arguments, timeout=timeout))

    def _outcome(self, what, request, *arguments, timeout=None):
        # Before somebody else is asked to do it as root.
        requests.argv(request, arguments)
        try:
            return _Done(*self._run(request, list(arguments),
                                    timeout or self._timeout))
        except errors.CommandTimeout as error:
            raise errors.GpfsCommandTimeout(what=what, reason=_text(error))
        except errors.CommandFailed as error:
            raise errors.GpfsCommandMissing(what=what, reason=_text(error),
                                            folder=programs.FOLDER)

    @staticmethod
    def _checked(what, remedy, done):
        if done.code:
            raise errors.GpfsCommandFailed(
                what=what, command=done.command, exit_code=done.code,
                stderr=_said(done), remedy=remedy)
        return done

    @staticmethod
    def _parsed(what, done, parse):
        try:
            return parse(done.out)
        except output.Unreadable as error:
            raise errors.GpfsOutputInvalid(
                what=what, command=done.command, reason=str(error),
                output=done.out.strip()[:_SHOWN] or 'nothing')


@dataclasses.dataclass(frozen=True)
class _Done:
    code: int
    out: str
    err: str
    command: str


def _said(done):
    # mmlsattr and others complain on stdout as well.
    text = (done.err.strip() or done.out.strip() or 'no message')[:_SHOWN]
    return ' '.join(text.split()).rstrip('.')


def _text(error):
    return str(error).rstrip('.')


def _there(value):
    if value is None:
        raise output.Unreadable('there is no such parameter')
    return value
