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
import errno
import os
import shutil
import stat
import time

from remotefs_drivers.embedded.gpfs import cluster as clusters
from remotefs_drivers.embedded.gpfs import printing

NAMES = ('mmchattr', 'mmclone', 'mmcrfileset', 'mmcrsnapshot', 'mmdelfileset',
         'mmdelsnapshot', 'mmgetstate', 'mmlinkfileset', 'mmlsattr',
         'mmlsconfig', 'mmlsfileset', 'mmlsfs', 'mmlspool', 'mmlssnapshot',
         'mmunlinkfileset')
#: What works while GPFS is down, and what whoever may write the file can do.
_ALWAYS = ('mmgetstate', 'mmlsconfig')
_FOR_ALL = ('mmchattr', 'mmclone', 'mmlsattr')

#: mmchattr's options, and what is remembered of each.
_ATTRIBUTES = {'-P': 'pool', '-r': 'replicas', '-m': 'replicas', '-D': 'dio',
               '--write-affinity-depth': 'write_affinity_depth',
               '--block-group-factor': 'block_group_factor',
               '--write-affinity-failure-group':
               'write_affinity_failure_group'}


class Refused(Exception):
    """:param code: exit code"""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


class CutOff(Refused):
    """It was ended in the midst of its work, on demand."""


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
        :raises Refused: when it fails
        """
        name = argv[0]
        try:
            self._check(name, host, caller)
            with self._cluster.lock:
                return getattr(self, '_' + name)(
                    _Call(argv[1:], host, caller, paths or {}, half))
        except Refused as error:
            raise type(error)('%s: %s' % (name, error), error.code)
        except OSError as error:
            raise Refused('%s: %s' % (name, error.strerror))

    @staticmethod
    def _check(name, host, caller):
        if os.geteuid() == 0 != caller[0] and name not in _FOR_ALL:
            raise Refused('You must have root authority to run this command.')
        if host.state != 'active' and name not in _ALWAYS:
            raise Refused('GPFS is %s on this node.' % host.state)

    # The cluster.

    def _mmgetstate(self, call):
        call.only('-Y')
        row = [call.host.name, 1, call.host.state, 2, 3, 3, 'quorum node',
               '(undefined)', call.host.name, call.host.name]
        is_new = self._site.level.count('.') > 1
        return printing.table(*(('mmgetstate 5', [row]) if is_new else
                                ('mmgetstate', [row[:8]])))

    def _mmlsconfig(self, call):
        wanted, = call.only('-Y', words=1)
        if wanted == 'clusterId':
            found = wanted, self._site.cluster_id
        elif wanted in self._site.level_names:
            found = 'minReleaseLevel', self._site.level
        else:
            raise Refused('Unknown attribute specified: %s' % wanted)
        return printing.table('mmlsconfig', [found])

    def _mmlsfs(self, call):
        options = call.options(('-V', '--encryption', '-Y'))
        self._device(call, 1)
        if '-V' in options:
            rows = [('filesystemVersion' + which, self._site.version)
                    for which in ('', 'Local', 'Manager', 'Original',
                                  'HighestSupported')]
        else:
            rows = [('encryption',
                     'Yes' if self._site.has_encryption else 'No')]
        return printing.table('mmlsfs', [(self._site.device, *row)
                                         for row in rows])

    def _mmlspool(self, call):
        __, wanted = self._device(call, 2)
        names = [name for name in self._cluster.pools
                 if wanted in (name, 'all')]
        if not names:
            raise Refused('Storage pool %s was not found.' % wanted)
        found = os.statvfs(self._cluster.root)
        unit = found.f_frsize / 1024
        return printing.pools(call.host.point, names,
                              int(found.f_blocks * unit),
                              int(found.f_bavail * unit))

    # Files.

    def _mmlsattr(self, call):
        options = call.options(('-L',))
        given, = call.words(1)
        path = self._path(call, given)
        snapshot = self._cluster.snapshot_of(path)
        return printing.attributes(
            given, self._cluster.file(path),
            self._cluster.fileset_of(path).name,
            snapshot[1] if snapshot else '', os.path.isdir(path),
            '-L' in options)

    def _mmchattr(self, call):
        given = call.options((), tuple(_ATTRIBUTES))
        path = self._path(call, *call.words(1))
        wanted = {_ATTRIBUTES[name]: value for name, value in given.items()}
        if not wanted:
            raise Refused('Incorrect option.')
        if wanted.get('pool', clusters.POOL) not in self._cluster.pools:
            raise Refused('Storage pool %s was not found.' % wanted['pool'])
        file = self._cluster.file(path)
        file.pool = wanted.pop('pool', file.pool)
        file.attributes.update(wanted)
        return ''

    def _mmclone(self, call):
        verb, *names = call.words(None) or ['']
        least, most, function = {
            'snap': (1, 2, self._snap), 'copy': (2, 2, self._copy),
            'redirect': (1, 1, self._redirect), 'split': (1, 1, self._split),
            'show': (1, len(names), self._show)}.get(verb, (0, 0, None))
        if function is None:
            raise Refused('Incorrect keyword: %s' % verb)
        if not least <= len(names) <= most:
            raise Refused('Incorrect number of arguments.')
        return function(call, *names)

    def _snap(self, call, source, parent=None):
        path = self._regular(call, source)
        file = self._cluster.file(path)
        if self._cluster.snapshot_of(path):
            raise _refused(errno.EROFS)
        if file.is_parent:
            raise Refused('%s is a clone parent.' % source)
        if parent is None:
            self._turn(path, file, source)
            return ''
        target = self._new(call, parent, path)
        status = os.stat(path)
        clusters.share_blocks(path, target, stat.S_IMODE(status.st_mode))
        # IBM's "File clones and disk space management" says whose it is.
        self._own(target, call.caller)
        call.cut_off()
        self._cluster.insert(path, target)
        return ''

    def _turn(self, path, file, source):
        """Make a file a clone parent itself."""
        if os.stat(path).st_nlink > 1:
            raise Refused('%s has more than one link.' % source)
        if self._cluster.is_written(path):
            raise _refused(errno.EBUSY)
        file.is_parent = True
        file.depth = file.depth or 0

    def _copy(self, call, parent, destination):
        path = self._regular(call, parent)
        if not (self._cluster.file(path).is_parent or
                self._cluster.snapshot_of(path)):
            raise Refused('%s is not a clone parent.' % parent)
        target = self._new(call, destination, path)
        if call.half:
            open(target, 'xb').close()
            call.cut_off()
        clusters.share_blocks(path, target,
                              stat.S_IMODE(os.stat(path).st_mode))
        self._own(target, call.caller)
        self._cluster.add_child(target, path)
        return ''

    def _redirect(self, call, given):
        self._cluster.move_up(self._child(call, given), above=True)
        return ''

    def _split(self, call, given):
        self._cluster.move_up(self._child(call, given), above=False)
        return ''

    def _child(self, call, given):
        path = self._regular(call, given)
        if not self._cluster.file(path).is_child:
            raise Refused('%s is not a clone.' % given)
        return path

    def _show(self, call, *given):
        return printing.clones([
            (self._cluster.file(self._regular(call, each)), each)
            for each in given])

    # Filesets.

    def _mmcrfileset(self, call):
        space = call.options((), ('--inode-space',)).get('--inode-space')
        __, name = self._device(call, 2)
        if name in self._cluster.filesets:
            raise Refused('Fileset %s already exists.' % name)
        path = os.path.join(self._cluster.unlinked, name)
        os.mkdir(path, 0o700)
        self._own(path, call.caller)
        number = 1 + max(each.id for each in self._cluster.filesets.values())
        made = clusters.Fileset(name, number, os.stat(path).st_ino,
                                space == 'new')
        self._cluster.filesets[name] = made
        return ('Fileset %s created with id %d root inode %d.\n'
                % (name, number, made.ino))

    def _mmlinkfileset(self, call):
        junction = call.options((), ('-J',)).get('-J')
        fileset = self._fileset(call)
        if junction is None:
            raise Refused('Missing argument: -J')
        if fileset.path is not None:
            raise Refused('Fileset %s is already linked.' % fileset.name)
        path = self._new(call, junction)
        os.rename(self._cluster.top(fileset), path)
        fileset.path = os.path.relpath(path, self._cluster.root)
        self._cluster.junctions[fileset.ino] = fileset.name
        return 'Fileset %s linked at %s\n' % (fileset.name, junction)

    def _mmunlinkfileset(self, call):
        call.options(('-f',))
        fileset = self._fileset(call)
        if fileset.path in (None, ''):
            raise Refused('Fileset %s is not linked.' % fileset.name)
        os.rename(self._cluster.top(fileset),
                  os.path.join(self._cluster.unlinked, fileset.name))
        del self._cluster.junctions[fileset.ino]
        fileset.path = None
        return 'Fileset %s unlinked.\n' % fileset.name

    def _mmdelfileset(self, call):
        options = call.options(('-f',))
        fileset = self._fileset(call)
        if fileset.path is not None:
            raise Refused('Fileset %s is still linked.' % fileset.name)
        if fileset.snapshots:
            raise Refused('Fileset %s has snapshots.' % fileset.name)
        top = self._cluster.top(fileset)
        if os.listdir(top) and '-f' not in options:
            raise Refused('Fileset %s is not empty.' % fileset.name)
        self._remove(top)
        del self._cluster.filesets[fileset.name]
        return 'Fileset %s deleted.\n' % fileset.name

    def _mmlsfileset(self, call):
        options = call.options(('-Y',))
        words = self._device(call, None)
        wanted = words[1:] or list(self._cluster.filesets)
        found = [self._cluster.filesets[name] for name in wanted
                 if name in self._cluster.filesets]
        if len(found) < len(wanted):
            raise Refused('Fileset %s does not exist.' % ','.join(
                set(wanted) - set(self._cluster.filesets)), 2)
        if '-Y' not in options:
            return printing.filesets(self._site.device, [
                (each.name, *self._link_of(call, each)) for each in found])
        return printing.table('mmlsfileset', [
            (self._site.device, each.name, each.id, each.ino,
             *self._link_of(call, each), 0, _now(), '-', '-', '', 'off',
             each.id, 1 if each.independent else 0) for each in found])

    @staticmethod
    def _link_of(call, fileset):
        if fileset.path is None:
            return 'Unlinked', '--'
        return 'Linked', os.path.normpath(os.path.join(call.host.point,
                                                       fileset.path))

    # Snapshots.

    def _mmcrsnapshot(self, call):
        fileset, name = self._snapshot(call)
        if not fileset.independent:
            raise Refused('Fileset %s is not independent.' % fileset.name)
        if name in fileset.snapshots:
            raise Refused('Snapshot %s already exists.' % name)
        number = 1 + len(fileset.snapshots)
        fileset.snapshots[name] = (number, 'Creating', _now())
        self._freeze(self._cluster.top(fileset), name, call)
        fileset.snapshots[name] = (number, 'Valid', _now())
        return 'Snapshot %s created with id %d.\n' % (name, number)

    def _mmdelsnapshot(self, call):
        fileset, name = self._snapshot(call)
        if name not in fileset.snapshots:
            raise Refused('Snapshot %s was not found.' % name)
        self._remove(os.path.join(self._snapshots_folder(fileset), name))
        del fileset.snapshots[name]
        return 'Snapshot %s deleted successfully.\n' % name

    def _mmlssnapshot(self, call):
        options = call.options(('-Y',), ('-j',))
        self._device(call, 1)
        found = [(fileset, name, *known)
                 for fileset in self._cluster.filesets.values()
                 if options.get('-j') in (None, fileset.name)
                 for name, known in fileset.snapshots.items()]
        if not found:
            return 'No snapshots in file system %s\n' % self._site.device
        return printing.table('mmlssnapshot', [
            (self._site.device, name, number, status, created, '', 0, 0,
             fileset.name, '')
            for fileset, name, number, status, created in found])

    def _snapshot(self, call):
        """The fileset and the name that an argument says."""
        fileset = call.options((), ('-j',)).get('-j')
        __, name = self._device(call, 2)
        if fileset not in self._cluster.filesets:
            raise Refused('Fileset %s does not exist.' % fileset)
        return self._cluster.filesets[fileset], name

    def _snapshots_folder(self, fileset):
        return os.path.join(self._cluster.top(fileset),
                            os.fsdecode(self._cluster.SNAPSHOTS))

    def _freeze(self, top, name, call):
        """Copy what is in a fileset, not in those linked below it."""
        into = os.path.join(top, os.fsdecode(self._cluster.SNAPSHOTS), name)
        os.makedirs(into)
        call.cut_off()
        for folder, folders, names in os.walk(top):
            folders[:] = [each for each in folders if not self._is_apart(
                os.path.join(folder, each), top)]
            copy = os.path.join(into, os.path.relpath(folder, top))
            os.makedirs(copy, exist_ok=True)
            for each in names:
                path = os.path.join(folder, each)
                if clusters.is_regular(path):
                    status = os.stat(path)
                    clusters.share_blocks(path, os.path.join(copy, each),
                                          stat.S_IMODE(status.st_mode))
                    self._own(os.path.join(copy, each),
                              (status.st_uid, status.st_gid))

    def _is_apart(self, path, top):
        return (os.stat(path, follow_symlinks=False).st_ino in
                self._cluster.junctions or path == os.path.join(
                    top, os.fsdecode(self._cluster.SNAPSHOTS)))

    # Helpers.

    def _device(self, call, count):
        """The words of a command line, of which the first is the device."""
        words = call.words(count)
        if not words or words[0] not in (self._site.device,
                                         '/dev/' + self._site.device):
            raise Refused('File system %s is not known to the GPFS cluster.'
                          % (words[0] if words else ''))
        return words

    def _fileset(self, call):
        __, name = self._device(call, 2)
        if name not in self._cluster.filesets:
            raise Refused('Fileset %s does not exist.' % name)
        return self._cluster.filesets[name]

    @staticmethod
    def _path(call, given):
        """Beneath, of something that is there."""
        path = call.paths.get(given)
        if path is None:
            raise Refused('%s is not in a GPFS file system.' % given)
        os.stat(path, follow_symlinks=False)
        return path

    def _regular(self, call, given):
        path = self._path(call, given)
        if not clusters.is_regular(path):
            raise Refused('%s is not a regular file.' % given)
        return path

    def _new(self, call, given, beside=None):
        """Beneath, of something that is not there.

        :param beside: path beneath of what must be in the same fileset
        """
        path = call.paths.get(given)
        if path is None:
            raise _refused(errno.EXDEV)
        if self._cluster.snapshot_of(path):
            raise _refused(errno.EROFS)
        if os.path.lexists(path):
            raise _refused(errno.EEXIST)
        if beside is not None and (self._cluster.fileset_of(path) is not
                                   self._cluster.fileset_of(beside)):
            raise _refused(errno.EXDEV)
        return path

    @staticmethod
    def _own(path, owner):
        if os.geteuid() == 0:
            os.chown(path, *owner)

    def _remove(self, path):
        self._cluster.forget_tree(path)
        shutil.rmtree(path)


class _Call:
    """A command line, taken apart."""

    def __init__(self, arguments, host, caller, paths, half):
        self.paths = paths
        self.host = host
        self.caller = caller
        self.half = half
        self._words = list(arguments)

    def options(self, flags, with_value=()):
        """Take options out: their names, and the values of those with one.
        """
        found, left = {}, []
        words = iter(self._words)
        for word in words:
            if word in with_value:
                found[word] = next(words, None)
            elif word in flags:
                found[word] = True
            elif word.startswith('-'):
                raise Refused('Incorrect option: %s' % word)
            else:
                left.append(word)
        self._words = left
        return found

    def only(self, flag, words=0):
        """The words, where there is no option but one."""
        self.options((flag,))
        return self.words(words)

    def words(self, count):
        """:param count: how many there must be, None for any number"""
        if count is not None and len(self._words) != count:
            raise Refused('Incorrect number of arguments.')
        return self._words

    def cut_off(self):
        """:raises CutOff: when that is wanted"""
        if self.half:
            raise CutOff('Killed')


def _now():
    return time.strftime('%a %b %e %H:%M:%S %Y')


def _refused(number):
    return OSError(number, os.strerror(number))
