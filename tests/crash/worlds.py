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

"""A share and a database as a crash leaves them: kept, restored, compared.

A world is a folder with ``share``, ``cinder.sqlite`` and the saga, and with
``mounts`` where shares come and go. Two worlds are the same when every file
below these has the same name, size, mode and bytes, and the database says the
same about formats and places. What is random in a name does not count.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3

from tests.harness import pretended_gpfs

SHARE = 'share'
MOUNTS = 'mounts'
_DATABASE = 'cinder.sqlite'
_CHUNK = 1 << 20
#: Bytes of what is compared at a time.
BLOCK = 4096
_RANDOM = re.compile(
    r'\.[a-z0-9_]{8}\.tmp$|\.[0-9a-f-]{36}(?=\.(snap|ts)$)')
_RECORDS = (
    'SELECT id, deleted, size, provider_location IS NULL FROM volumes '
    'ORDER BY id',
    'SELECT volume_id, key, value FROM volume_admin_metadata '
    'WHERE NOT deleted ORDER BY volume_id, key',
    'SELECT id, deleted FROM snapshots ORDER BY id',
)


def copy(source, target, moved=None):
    """Make a folder the same as another one; holes stay holes.

    :param moved: function of the location of a volume: what it is there
    """
    os.makedirs(os.path.join(target, SHARE), exist_ok=True)
    for folder in target, *_trees(target):
        _empty(folder)
    for name in _files(source):
        _copy_file(os.path.join(source, name), os.path.join(target, name))
    for tree in _trees(source):
        _copy_tree(tree, os.path.join(target, os.path.basename(tree)))
    if moved is not None:
        _move_volumes(target, moved)


def digest(folder):
    """A text that is the same for two worlds that are the same."""
    share = os.path.join(folder, SHARE)
    total = hashlib.sha256()
    clones = pretended_gpfs.told_of(share)
    for path, name in _below(folder):
        status = os.lstat(path)
        size = status.st_size if os.path.isfile(path) else 0
        total.update(('%s %d %o %s\n' % (
            _plain(name), size, status.st_mode, _plain_clone(
                clones.get(name.partition('/')[2])))).encode())
        for offset, block in blocks(path) if size else ():
            total.update(b'%d ' % offset)
            total.update(block)
    with sqlite3.connect(os.path.join(folder, _DATABASE)) as database:
        for query in _RECORDS:
            total.update(repr(database.execute(query).fetchall()).encode())
    # What was written to the volume decides what it must hold.
    total.update(_told(folder))
    return total.hexdigest()[:16]


def names(folder):
    """Names of the files on the share, those in folders of it too."""
    share = os.path.join(folder, SHARE)
    return sorted(os.path.relpath(os.path.join(above, name), share)
                  for above, __, files in os.walk(share) for name in files)


def _files(folder):
    return (name for name in os.listdir(folder)
            if os.path.isfile(os.path.join(folder, name)) and
            name != 'expected.raw')


def _trees(folder):
    return [path for path in (os.path.join(folder, SHARE),
                              os.path.join(folder, MOUNTS))
            if os.path.exists(path)]


def _below(folder):
    """(path, name) of what is in the trees of a world, in order."""
    found = [os.path.join(above, name) for tree in _trees(folder)
             for above, folders, files in os.walk(tree)
             for name in folders + files]
    pairs = [(path, os.path.relpath(path, folder)) for path in found]
    return sorted(pairs, key=lambda pair: _plain(pair[1]))


def _empty(folder):
    """Of a tree all goes, of another folder its files."""
    is_tree = os.path.basename(folder) in (SHARE, MOUNTS)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if is_tree:
                shutil.rmtree(entry.path)
        elif is_tree or not entry.is_symlink():
            os.unlink(entry.path)


def _copy_tree(source, target):
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        path = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), path)
        elif entry.is_dir():
            _copy_tree(entry.path, path)
            shutil.copymode(entry.path, path)
            _copy_attributes(entry.path, path)
        else:
            _copy_file(entry.path, path)


def _move_volumes(folder, moved):
    """The volumes of a copied database are on the copied share."""
    with sqlite3.connect(os.path.join(folder, _DATABASE)) as database:
        database.execute('PRAGMA synchronous = OFF')
        for number, location in database.execute(
                'SELECT rowid, provider_location FROM volumes '
                'WHERE provider_location IS NOT NULL').fetchall():
            database.execute('UPDATE volumes SET provider_location = ? '
                             'WHERE rowid = ?', (moved(location), number))


def _told(folder):
    path = os.path.join(folder, 'saga.json')
    with open(path) as stream:
        told = json.dumps(json.load(stream), sort_keys=True)
    scribbled = os.path.exists(os.path.join(folder, 'scribbled'))
    return ('%s %s' % (told, scribbled)).encode()


def _plain(name):
    return _RANDOM.sub('.tmp', name)


def _plain_clone(told):
    """What is told of a clone, the name of its parent among it."""
    return told and [_plain(each) if isinstance(each, str) else each
                     for each in told]


def _copy_file(source, target):
    with open(source, 'rb') as origin, open(target, 'wb') as made:
        os.fchmod(made.fileno(), os.fstat(origin.fileno()).st_mode)
        _copy_attributes(origin.fileno(), made.fileno())
        size = os.fstat(origin.fileno()).st_size
        made.truncate(size)
        for start, end in _data(origin.fileno(), size):
            # Not by copy_file_range, which does not cross file systems.
            while start < end:
                start += os.pwrite(made.fileno(), os.pread(
                    origin.fileno(), min(_CHUNK, end - start), start), start)


def _copy_attributes(source, target):
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))


def _data(descriptor, size):
    """(start, end) of each part of a file that is no hole."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def blocks(path):
    """(offset, bytes) of each block that is not all zeroes."""
    with open(path, 'rb', buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        for start, end in _data(stream.fileno(), size):
            for offset in range(start, end, BLOCK):
                block = os.pread(stream.fileno(), min(BLOCK, end - offset),
                                 offset)
                if block.strip(b'\0'):
                    yield offset, block
