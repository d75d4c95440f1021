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

"""A GPFS that is pretended, for a driver in this process.

Stands for gpfs_commands.Commands, and for as much of the module os as
store.files uses: the file system refuses to remove a clone parent that has
children, to let another file take its place, and to write to it. What is a
clone of what, and which folders are filesets, is written on the files and
folders themselves, as extended attributes: so a folder can be copied file by
file, and it is all still there. With tests of its own.

Real commands, programs over a FUSE file system, are in embedded.gpfs.
"""

import errno
import json
import os
import shutil
import stat
import uuid

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import output
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.store import files

_KEY = 'user.gpfs'
_FILESET = 'user.gpfs-fileset'
_SNAPSHOTS = '.snapshots'
#: Ending of the folder of a fileset that is not linked.
_UNLINKED = '.unlinked'
_PIECE = 1 << 20


class Gpfs:
    """One file system, with all that is below a folder.

    :ivar calls: (method, arguments) of what was asked for
    :ivar broken: method -> the exception that it raises
    :ivar broken_late: the same, when it is done already
    :ivar device: its name
    :ivar pool_names: storage pools that there are
    :ivar dependent: names of those that can have no snapshots
    :ivar attributes_of: path -> requests.Wanted, of what was changed
    """

    def __init__(self, folder, device='gpfs0'):
        self.folder = str(folder)
        self.device = device
        self.calls = []
        self.broken, self.broken_late = {}, {}
        self.pool_names = {'system', 'fast'}
        self.dependent = set()
        self.attributes_of = {}
        self.said = {'state': 'active', 'release': (5, 2, 1, 0),
                     'filesystem_release': (5, 2, 1, 0),
                     'cluster_id': '1234567890', 'has_encryption': False}

    # The commands

    def state(self):
        return self._do('state', lambda: self.said['state'])

    def cluster_id(self):
        return self._do('cluster_id', lambda: self.said['cluster_id'])

    def release(self):
        return self._do('release', lambda: self.said['release'])

    def filesystem_release(self, device):
        return self._do('filesystem_release',
                        lambda: self.said['filesystem_release'], device)

    def has_encryption(self, device):
        return self._do('has_encryption',
                        lambda: self.said['has_encryption'], device)

    def has_pool(self, device, pool):
        return self._do('has_pool', lambda: pool in self.pool_names, device,
                        pool)

    def pools(self, device):
        """Each has 100 GiB, of which 60 are free."""
        return self._do('pools', lambda: [
            output.Pool(name, name != 'logs', 100 << 30, 60 << 30)
            for name in sorted(self.pool_names)], device)

    def attributes(self, path):
        return self._do('attributes', lambda: output.Attributes(
            self._pool_of(path), self._fileset_of(path)), path)

    def change_attributes(self, path, wanted):
        def change():
            requests.change_attributes(path, vars(wanted))
            self.attributes_of[path] = wanted
        return self._do('change_attributes', change, path, wanted)

    def clone_snap(self, source, parent=None):
        return self._do('clone_snap', lambda: self._snap(source, parent),
                        source, parent)

    def clone_copy(self, parent, destination):
        return self._do('clone_copy', lambda: self._copy(parent, destination),
                        parent, destination)

    def clone_redirect(self, path):
        return self._do('clone_redirect', lambda: self._redirect(path), path)

    def clone_split(self, path):
        return self._do('clone_split', lambda: os.removexattr(path, _KEY),
                        path)

    def clone_show(self, path):
        return self._do('clone_show', lambda: self._show(path), path)

    def fileset(self, device, name):
        def find():
            top = self._top(name)
            if top is None:
                return None
            if top.endswith(_UNLINKED):
                return output.Fileset(name, 'Unlinked', None, '1')
            return output.Fileset(name, 'Linked', top, '1')
        return self._do('fileset', find, device, name)

    def create_fileset(self, device, name, inode_space_new=True):
        def create():
            os.mkdir(self._unlinked(name))
            self.be_fileset(self._unlinked(name), name)
        return self._do('create_fileset', create, device, name)

    def link_fileset(self, device, name, path):
        def link():
            self._check_free(path)
            os.rename(self._unlinked(name), path)
        return self._do('link_fileset', link, device, name, path)

    def unlink_fileset(self, device, name):
        return self._do(
            'unlink_fileset', lambda: os.rename(self._top(name),
                                                self._unlinked(name)),
            device, name)

    def delete_fileset(self, device, name):
        def delete():
            if os.path.isdir(os.path.join(self._unlinked(name), _SNAPSHOTS)):
                raise failed('Fileset %s has snapshots' % name)
            shutil.rmtree(self._unlinked(name))
        return self._do('delete_fileset', delete, device, name)

    def create_snapshot(self, device, fileset, name):
        return self._do('create_snapshot',
                        lambda: self._freeze(fileset, name), device, fileset,
                        name)

    def delete_snapshot(self, device, fileset, name):
        return self._do('delete_snapshot', lambda: self._thaw(fileset, name),
                        device, fileset, name)

    def snapshots(self, device, fileset):
        return self._do('snapshots', lambda: [
            output.Snapshot(name, 'Valid', fileset, '1')
            for name in self._snapshots(fileset)], device, fileset)

    @staticmethod
    def be_fileset(path, name):
        """Let a folder be one, and be linked where it is."""
        os.setxattr(path, _FILESET, name.encode())

    # What the file system refuses

    def install(self, patch):
        """Let the files of the library be on it.

        :param patch: sets an attribute of an object, as monkeypatch.setattr
        """
        patch(files, 'os', _Os(self, files.os))

    def check_removable(self, path):
        """:raises OSError: EROFS for a parent that has children"""
        told = _told(path)
        if told and told['is_parent'] and self._children(path, told['id']):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def check_writable(self, path):
        """:raises OSError: EROFS for a parent"""
        told = _told(path)
        if told and told['is_parent']:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    # How clones are made

    def _do(self, name, function, *arguments):
        self.calls.append((name, arguments))
        if name in self.broken:
            raise self.broken[name]
        result = function()
        if name in self.broken_late:
            raise self.broken_late[name]
        return result

    def _snap(self, source, parent):
        self._check_free(parent)
        told = _told(source)
        depth, below = (told['depth'], told['parent']) if told else (0, None)
        if parent is None:
            _tell(source, is_parent=True, depth=depth, parent=below)
            return
        ident = self._make(source, parent, depth, below, is_parent=True)
        _tell(source, is_parent=False, depth=depth + 1, parent=ident)

    def _copy(self, parent, destination):
        self._check_free(destination)
        told = _told(parent)
        if self._fileset_of(parent) != self._fileset_of(destination):
            raise failed('Invalid cross-device link')
        snapshot = os.path.dirname(parent)
        if os.path.basename(os.path.dirname(snapshot)) == _SNAPSHOTS:
            self._make(parent, destination, 1, self._inside(snapshot),
                       is_parent=False)
            return
        if not (told and told['is_parent']):
            raise failed('%s is no clone parent' % parent)
        self._make(parent, destination, told['depth'] + 1, told['id'],
                   is_parent=False)

    def _redirect(self, path):
        told = _told(path)
        parent, = [each for each in map(_told, self._all(path))
                   if each and each['id'] == told['parent']]
        _tell(path, is_parent=False, depth=told['depth'] - 1,
              parent=parent['parent'])

    def _show(self, path):
        told = _told(path)
        if told is None:
            return output.Clone()
        inode = None
        for each in self._all(path):
            other = _told(each)
            if other and other['id'] == told['parent']:
                inode = os.lstat(each).st_ino
        return output.Clone(told['is_parent'], told['depth'], inode)

    def _freeze(self, fileset, name):
        top = self._top(fileset)
        into = os.path.join(top, _SNAPSHOTS, name)
        if fileset in self.dependent:
            raise failed('Fileset %s is not independent' % fileset)
        if os.path.isdir(into):
            raise failed('Snapshot %s already exists' % name)
        found = [entry.name for entry in os.scandir(top)
                 if entry.is_file(follow_symlinks=False)]
        os.makedirs(into)
        for each in found:
            _copy_sparse(os.path.join(top, each), os.path.join(into, each))

    def _thaw(self, fileset, name):
        """Clones of what is in a snapshot lose their content with it."""
        if name not in self._snapshots(fileset):
            raise failed('Snapshot %s was not found' % name)
        top = self._top(fileset)
        into = os.path.join(top, _SNAPSHOTS, name)
        for path in self._all(os.path.join(top, '-')):
            told = _told(path)
            if told and told['parent'] == self._inside(into):
                os.truncate(path, 0)
        shutil.rmtree(into)
        # One can look for the folder as long as there are any.
        if not self._snapshots(fileset):
            os.rmdir(os.path.join(top, _SNAPSHOTS))

    def _snapshots(self, fileset):
        folder = os.path.join(self._top(fileset), _SNAPSHOTS)
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def _top(self, fileset):
        """The folder of a fileset, or None when there is no such."""
        for parent, names, __ in os.walk(self.folder):
            for name in names:
                if _fileset(os.path.join(parent, name)) == fileset:
                    return os.path.join(parent, name)
        return None

    def _unlinked(self, fileset):
        return os.path.join(self.folder, fileset + _UNLINKED)

    def _inside(self, path):
        return os.path.relpath(path, self.folder)

    def _make(self, source, target, depth, parent, is_parent):
        """As one step: the file is there with all that is told of it."""
        new = os.path.join(self.folder, '.pretended')
        _copy_sparse(source, new)
        ident = _tell(new, is_parent=is_parent, depth=depth, parent=parent)
        os.rename(new, target)
        return ident

    def _check_free(self, path):
        if path is not None and os.path.lexists(path):
            raise failed('%s: File exists' % path)

    def _pool_of(self, path):
        wanted = self.attributes_of.get(path)
        return wanted and wanted.pool or 'system'

    def _fileset_of(self, path):
        """:raises GpfsCommandFailed: when it is not there, or not in it"""
        if not (path + '/').startswith(self.folder + '/') or not (
                os.path.lexists(path) or os.path.isdir(
                    os.path.dirname(path))):
            raise failed('%s is not in a GPFS file system' % path)
        while path != self.folder:
            if _fileset(path):
                return _fileset(path)
            path = os.path.dirname(path)
        return 'root'

    def _children(self, path, ident):
        return any(told and told['parent'] == ident
                   for told in map(_told, self._all(path)))

    def _all(self, path):
        """All files in the folder of one, and in the images' beside it."""
        for folder in {os.path.dirname(path), self.folder,
                       os.path.join(self.folder, 'images')}:
            if os.path.isdir(folder):
                for entry in os.scandir(folder):
                    if entry.is_file(follow_symlinks=False):
                        yield entry.path


class _Os:
    """The module os on it."""

    def __init__(self, gpfs, real):
        self._gpfs = gpfs
        self._real = real

    def unlink(self, path):
        self._gpfs.check_removable(path)
        self._real.unlink(path)

    def rename(self, path, new_path):
        self._gpfs.check_removable(new_path)
        self._real.rename(path, new_path)

    def open(self, path, flags, *args):
        if flags & (os.O_WRONLY | os.O_RDWR) and not flags & os.O_DIRECTORY:
            self._gpfs.check_writable(path)
        return self._real.open(path, flags, *args)

    def __getattr__(self, name):
        return getattr(self._real, name)


def failed(stderr):
    """What a command of GPFS raises that has failed."""
    return errors.GpfsCommandFailed(
        program='mm', what='do it', command='mm', exit_code=1, stderr=stderr,
        remedy='Look.')


def told_of(folder):
    """Name -> (is it a parent, its depth, the name of its parent or None).

    Of the clones in a folder and below it; the same for two that are the
    same.
    """
    told = {os.path.relpath(os.path.join(parent, name), folder):
            _told(os.path.join(parent, name))
            for parent, __, found in os.walk(folder) for name in found}
    owners = {each['id']: name for name, each in told.items() if each}
    return {name: (each['is_parent'], each['depth'],
                   owners.get(each['parent']))
            for name, each in told.items() if each}


def _told(path):
    """What is written on a file, or None."""
    text = _attribute(path, _KEY)
    return text and json.loads(text)


def _fileset(path):
    """The name of the fileset that is linked at a folder, or None."""
    text = _attribute(path, _FILESET)
    return text and text.decode()


def _attribute(path, key):
    try:
        return os.getxattr(path, key, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOENT):
            return None
        raise


def _tell(path, **what):
    """Write it on a file; returns its id, which it keeps for ever."""
    before = _told(path)
    ident = before['id'] if before else str(uuid.uuid4())
    os.setxattr(path, _KEY, json.dumps(dict(what, id=ident)).encode())
    return ident


def _copy_sparse(source, target):
    with open(source, 'rb', buffering=0) as origin:
        size = os.fstat(origin.fileno()).st_size
        with open(target, 'wb', buffering=0) as made:
            os.fchmod(made.fileno(), stat.S_IMODE(
                os.fstat(origin.fileno()).st_mode))
            made.truncate(size)
            end = 0
            while end < size:
                try:
                    start = os.lseek(origin.fileno(), end, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(origin.fileno(), start, os.SEEK_HOLE)
                while start < end:
                    start += os.pwrite(made.fileno(), os.pread(
                        origin.fileno(), min(_PIECE, end - start), start),
                        start)
