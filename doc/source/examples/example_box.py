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


"""Stands for the box in the example of a vendor's appliance: a folder.

::

    <root>/<share>/content/            what hosts mount
    <root>/<share>/snapshots/000001.x  a copy, the oldest first

All that belongs to a share is in one folder, so that a single rename makes
it, takes it away, or gives it another name. What a crash leaves of something
unfinished begins with a dot. A real box makes snapshots in no time and of one
moment; this one copies, and waits for writers only where they lock a file.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
import urllib.parse

#: Seconds that a call waits for another one to finish.
_PATIENCE = 60


class Busy(Exception):
    """Others use it for too long."""


class Box:
    """:param root: path of the folder"""

    def __init__(self, root):
        self._root = root

    def is_there(self):
        return os.access(self._root or '', os.W_OK)

    @contextlib.contextmanager
    def alone(self):
        """One at a time in here, of all threads and processes.

        :raises Busy: after a while
        """
        with open(os.path.join(self._root, '.lock'), 'w') as stream:
            give_up = time.monotonic() + _PATIENCE
            while not _locked(stream):
                if time.monotonic() > give_up:
                    raise Busy()
                time.sleep(0.005)
            yield

    def room(self):
        """(total, free), in bytes."""
        found = os.statvfs(self._root)
        return (found.f_blocks * found.f_frsize,
                found.f_bavail * found.f_frsize)

    # Shares

    def shares(self):
        """Names of all."""
        return [urllib.parse.unquote(folder)
                for folder in os.listdir(self._root) if folder[0] != '.']

    def has(self, share):
        return bool(share) and os.path.isdir(self._folder(share))

    def content(self, share):
        """The path that hosts mount."""
        return os.path.join(self._folder(share), 'content')

    def number(self, share, snapshot=None):
        """What the box itself calls it."""
        return str(os.stat(self._snapshots(share)[snapshot] if snapshot
                           else self._folder(share)).st_ino)

    def make(self, share, source=None):
        """:param source: (share, snapshot) to begin with, or None"""
        with self._unfinished() as folder:
            made = os.path.join(folder, 'share')
            os.makedirs(os.path.join(made, 'snapshots'))
            if source:
                _copy(self._snapshots(source[0])[source[1]],
                      os.path.join(made, 'content'))
            else:
                os.mkdir(os.path.join(made, 'content'))
            _move(made, self._folder(share))

    def rename(self, share, new_name):
        _move(self._folder(share), self._folder(new_name))

    def remove(self, share):
        with self._unfinished() as trash:
            _move(self._folder(share), os.path.join(trash, 'gone'))

    # Snapshots

    def snapshots(self, share):
        """Names, the oldest first; none where there is no share."""
        return list(self._snapshots(share))

    def snapshot(self, shares, name):
        """Take one of each, at one moment."""
        with contextlib.ExitStack() as stack, self._unfinished() as folder:
            for share in shares:
                stack.enter_context(_quiet(self.content(share)))
            for number, share in enumerate(shares):
                _copy(self.content(share), os.path.join(folder, str(number)))
            for number, share in enumerate(shares):
                _move(os.path.join(folder, str(number)),
                      self._snapshot_folder(share, self._next(share), name))

    def rename_snapshot(self, share, name, new_name):
        old = self._snapshots(share)[name]
        number = os.path.basename(old).partition('.')[0]
        _move(old, self._snapshot_folder(share, number, new_name))

    def remove_snapshot(self, share, name):
        with self._unfinished() as trash:
            _move(self._snapshots(share)[name], os.path.join(trash, 'gone'))

    def roll_back(self, share, name):
        with self._unfinished() as folder:
            new = os.path.join(folder, 'new')
            _copy(self._snapshots(share)[name], new)
            os.rename(self.content(share), os.path.join(folder, 'old'))
            _move(new, self.content(share))

    # Folders

    def _folder(self, share):
        return os.path.join(self._root, _quoted(share))

    def _snapshots(self, share):
        """Name -> folder."""
        if not self.has(share):
            return {}
        folder = os.path.join(self._folder(share), 'snapshots')
        return {urllib.parse.unquote(each.partition('.')[2]):
                os.path.join(folder, each)
                for each in sorted(os.listdir(folder))}

    def _snapshot_folder(self, share, number, name):
        return os.path.join(self._folder(share), 'snapshots',
                            '%s.%s' % (number, _quoted(name)))

    def _next(self, share):
        """The number of the next snapshot."""
        newest = list(self._snapshots(share).values())[-1:]
        numbers = [os.path.basename(each).partition('.')[0]
                   for each in newest]
        return '%06d' % (int(numbers[0]) + 1 if numbers else 1)

    @contextlib.contextmanager
    def _unfinished(self):
        folder = tempfile.mkdtemp(prefix='.', dir=self._root)
        os.chmod(folder, 0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _quoted(name):
    """A name that is no path, nor hidden, whatever it has in it."""
    return urllib.parse.quote(name, safe='').replace('.', '%2E')


def _locked(stream):
    """Whether the file could be locked."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _quiet(folder):
    """Nobody writes to the files there, if they lock them for that."""
    with contextlib.ExitStack() as stack:
        for name in os.listdir(folder):
            stream = stack.enter_context(
                open(os.path.join(folder, name), 'rb'))
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _copy(source, target):
    """Copy a folder, durably."""
    shutil.copytree(source, target, symlinks=True)
    for folder, __, names in os.walk(target):
        for name in names + ['.']:
            made = os.path.join(folder, name)
            _give(made, os.stat(os.path.join(
                source, os.path.relpath(made, target))))
            _sync(made)


def _give(path, status):
    """To the same user and group as another, with its mode."""
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def _move(old, new):
    """Rename a folder, durably."""
    _sync(old)
    os.rename(old, new)
    for each in old, new:
        _sync(os.path.dirname(each))


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
