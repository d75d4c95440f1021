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

"""What lies below the root of an appliance of folders.

::

    <share>/            a share, by rules.folder_of of its name
    .snapshots/<n>/     a snapshot
    .new/               what is prepared, and what is about to be removed
    .table              rules.Table as JSON, and .journal: the table as it
                        will be, and what is to be done to the folders
    .answers/           what was done for a key, and answered
    .lock               held by whoever uses any of it

A change is prepared in .new, and then done: from the moment the journal is
there, the change has happened. Whoever takes the lock next carries out what
is left of it, and empties .new, so that a kill leaves all of it or nothing.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat

from remotefs_drivers.embedded.folders import rules
from remotefs_drivers import offload
from remotefs_drivers.store import files

_TABLE = '.table'
_JOURNAL = '.journal'
_LOCK = '.lock'
_ANSWERS = '.answers'
#: Of the folders of shares: the group works with them too, as Nova may.
_MODE = 0o770
_FILE_MODE = 0o660
#: Seconds between two looks at a lock that somebody else has.
_POLL = 0.002
_PIECE = 1 << 20
#: Of st_blocks, bytes.
_BLOCK = 512


class Busy(Exception):
    """The lock could not be had in time."""


class Tree:
    """:param root: absolute path, made when it is not there
    :param durable: what is done survives a crash of the machine; else one
                    of the process only, which is a lot faster
    """

    def __init__(self, root, durable=False):
        self._root = root
        self._durable = durable

    @contextlib.contextmanager
    def locked(self, limit):
        """Nobody else, in this process or in another, is in here meanwhile.

        :param limit: seconds to wait for that
        :raises Busy:
        """
        for folder in rules.SNAPSHOTS, rules.NEW, _ANSWERS:
            os.makedirs(self._path(folder), exist_ok=True)
        descriptor = os.open(self._path(_LOCK),
                             os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            _lock(descriptor, limit)
            self._recover()
            yield
        finally:
            os.close(descriptor)

    def load(self):
        """The table of what is there; a folder that somebody made too."""
        plain = self._read(_TABLE)
        table = rules.Table.from_json(plain) if plain else rules.Table()
        if table.take_stock(self._found()):
            self.commit(table, rules.Outcome())
        return table

    def _found(self):
        """Names of the shares that there are folders of."""
        folders = (entry.name for entry in os.scandir(self._root)
                   if entry.is_dir(follow_symlinks=False) and
                   not entry.name.startswith('.'))
        return {rules.share_of(folder) for folder in folders
                if rules.folder_of(rules.share_of(folder)) == folder}

    def answer(self, key):
        """What commit kept for a key, or None."""
        return self._read(_answer(key))

    def forget_answers(self, seconds):
        """Those that were kept so long ago, and are asked for no more."""
        time = offload.original('time')
        for entry in os.scandir(self._path(_ANSWERS)):
            if entry.stat().st_mtime < time.time() - seconds:
                files.remove(entry.path)

    def commit(self, table, outcome, cut=lambda: None, answer=None):
        """Do what was decided, so that it survives a crash.

        :param cut: called when it will be done in any case; what it raises
                    leaves the doing to the next one who takes the lock
        :param answer: (key, plain values) to be kept with it, or None
        :raises OSError: nothing was done
        """
        for action, *paths in outcome.before:
            _PREPARE[action](*map(self._path, paths))
        if self._durable:
            # What was copied is there before its name is.
            os.sync()
        plan = {'table': table.as_json(), 'after': outcome.after,
                'answer': answer}
        self._write(_JOURNAL, plan)
        cut()
        self._finish(plan)

    def used(self):
        """Bytes that the shares and their snapshots take."""
        return sum(_blocks(os.path.join(folder, name)) * _BLOCK
                   for folder, __, names in os.walk(self._root)
                   for name in names)

    def free_and_total(self):
        """Of the file system, bytes."""
        found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize, (found.f_blocks *
                                                 found.f_frsize)

    def _recover(self):
        plan = self._read(_JOURNAL)
        if plan:
            self._finish(plan)
        for name in os.listdir(self._path(rules.NEW)):
            _remove(self._path(rules.NEW, name))

    def _finish(self, plan):
        for action, *paths in plan['after']:
            _DO[action](*map(self._path, paths))
        if self._durable:
            os.sync()
        if plan['answer']:
            key, answer = plan['answer']
            self._write(_answer(key), answer)
        self._write(_TABLE, plan['table'])
        files.remove(self._path(_JOURNAL))

    def _read(self, name):
        try:
            with open(self._path(name)) as stream:
                return json.load(stream)
        except FileNotFoundError:
            return None

    def _write(self, name, plain):
        path, text = self._path(name), json.dumps(plain)
        if self._durable:
            return files.write_atomic(path, text, _FILE_MODE,
                                      temporary=path + '.tmp')
        with open(path + '.tmp', 'w') as stream:
            stream.write(text)
        os.rename(stream.name, path)

    def _path(self, *parts):
        return os.path.join(self._root, *parts)


def _answer(key):
    """The file of an answer. A key may be any text."""
    return '%s/%s' % (_ANSWERS, hashlib.sha256(
        key.encode('utf-8', 'surrogateescape')).hexdigest())


def _lock(descriptor, limit):
    # The lock of the kernel, which other threads of ours respect as well:
    # each has a descriptor of its own.
    time = offload.original('time')
    deadline = time.monotonic() + limit
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Busy()
            time.sleep(_POLL)


def _make(path):
    os.mkdir(path)
    os.chmod(path, _MODE)


def _copy_folder(source, target):
    """With all that is in it, by shared blocks where that can be."""
    os.mkdir(target)
    _give_as(target, source)
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
        elif entry.is_dir():
            _copy_folder(entry.path, path)
        else:
            _copy_file(entry.path, path)


def _copy_file(source, target):
    open(target, 'x').close()
    _give_as(target, source)
    if not files.clone(source, target):
        _copy_data(source, target)


def _give_as(path, example):
    status = os.stat(example)
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def _copy_data(source, target):
    """Without its holes."""
    with files.opened(source, os.O_RDONLY) as origin:
        with files.opened(target, os.O_WRONLY) as copy:
            size = os.fstat(origin).st_size
            os.ftruncate(copy, size)
            for begin, end in _data(origin, size):
                _copy_range(origin, copy, begin, end)


def _data(descriptor, size):
    """(begin, end) of all that is no hole."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
        yield begin, end


def _copy_range(origin, copy, begin, end):
    while begin < end:
        piece = os.pread(origin, min(_PIECE, end - begin), begin)
        if not piece:
            # Somebody made it shorter meanwhile.
            return
        files.write_all(copy, piece, begin)
        begin += len(piece)


def _blocks(path):
    """0 for one that has gone meanwhile: shares are in use."""
    try:
        return os.lstat(path).st_blocks
    except FileNotFoundError:
        return 0


def _move(path, new_path):
    """Done already when the first one is gone."""
    if os.path.lexists(path):
        os.rename(path, new_path)


def _replace(new, path, old):
    """Put a folder in the place of another one, which is kept aside."""
    if os.path.lexists(new):
        _move(path, old)
        os.rename(new, path)


def _remove(path):
    shutil.rmtree(path, ignore_errors=True)


_PREPARE = {'make': _make, 'copy': _copy_folder}
_DO = {'move': _move, 'replace': _replace, 'remove': _remove}
