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

"""What the kernel says of mounts, without asking any server.

Reads /proc/self/mountinfo, see proc(5): field 5 is the mount point, then
optional fields up to a dash, the file system type, the source, its options.
Blanks, tabs, line feeds and backslashes are octal escapes.

It is asked before every call to a share, and to write that file costs the
kernel more than many of these calls. So the text is kept, and read again
after a mount, an unmount or a remount: the kernel tells of these by poll()
on an open descriptor of the file.
"""

import collections
import functools
import os
import re

from remotefs_drivers import offload

PATH = '/proc/self/mountinfo'

#: A mount: its source, type and whether it is read-only.
Mount = collections.namedtuple('Mount', 'source fstype read_only')

_ESCAPE = re.compile(rb'\\([0-7]{3})')


def find(mount_point):
    """The topmost mount on a mount point, or None.

    That a file system became read-only by itself, after an error, is no
    change of the mounts, and may not be seen.

    :param mount_point: an absolute path, taken literally
    """
    return _watch.lookup()(mount_point)


def holding(path):
    """The mount that a path is in.

    :param path: an absolute path, taken literally: no symbolic links
    :returns: (mount point, Mount), or None where nothing at all is mounted
    """
    lookup = _watch.lookup()
    point = path
    while True:
        found = lookup(point)
        if found is not None:
            return point, found
        above = point.rpartition('/')[0] or '/'
        if above == point:
            return None
        point = above


def below(folder):
    """What is mounted below a folder: a dict, mount point -> Mount.

    :param folder: an absolute path, taken literally
    """
    with open(PATH, 'rb') as table:
        return below_in(table.read(), folder)


def below_in(table, folder):
    """The same in the text of a mountinfo file, bytes."""
    beginning = _escaped(folder) + b'/'
    points = [line.split(b' ')[4] for line in table.splitlines()]
    return {_unescaped(point): find_in(table, _unescaped(point))
            for point in points if point.startswith(beginning)}


def find_in(table, mount_point):
    """The same in the text of a mountinfo file, bytes."""
    name = _escaped(mount_point)
    wanted = b' %s ' % name
    end = len(table)
    while True:
        # From the end, where what was mounted last is; on hosts with
        # hundreds of mounts: so no line is looked at that has not the name
        # in it.
        place = table.rfind(wanted, 0, end)
        if place < 0:
            return None
        end = table.rfind(b'\n', 0, place) + 1
        mount = _parse(table[end:].split(b'\n', 1)[0], name)
        if mount is not None:
            return mount


class Watch:
    """The mounts of this process as they are now.

    Threads share the descriptor, and the kernel tells of a change only once
    through it. So who is told reads the new table before the lock is free,
    and nobody gets the old one from then on. The lock is no green one, since
    nothing here waits or gives way to another green thread.
    """

    def __init__(self):
        self._lock = offload.original('threading').Lock()
        self._stream = None
        self._changes = None
        self._lookup = None

    def lookup(self):
        """A function like ``find`` for the mounts there are now.

        :raises OSError: when the kernel does not let us read them
        """
        with self._lock:
            if self._stream is None:
                self._open()
            # Whatever happens from here on, an old table is not kept.
            lookup, self._lookup = self._lookup, None
            # Again after reading: a change meanwhile may hide a line.
            while self._changes.poll(0) or lookup is None:
                lookup = self._read()
            self._lookup = lookup
            return lookup

    def close(self):
        if self._stream is not None:
            self._stream.close()

    def _open(self):
        select = offload.original('select')
        stream = open(PATH, 'rb', buffering=0)
        self._changes = select.poll()
        self._changes.register(stream, select.POLLPRI)
        self._stream = stream

    def _read(self):
        self._stream.seek(0)
        return functools.lru_cache(maxsize=None)(
            functools.partial(find_in, self._stream.readall()))


_watch = Watch()


def _start_again():
    """A child has a watch of its own: it would share the parent's news."""
    global _watch
    _watch.close()
    _watch = Watch()


os.register_at_fork(after_in_child=_start_again)


def _parse(line, wanted):
    fields = line.split(b' ')
    if fields[4] != wanted:
        return None
    dash = fields.index(b'-', 6)
    options = fields[5].split(b',') + fields[dash + 3].split(b',')
    return Mount(source=_unescaped(fields[dash + 2]),
                 fstype=_unescaped(fields[dash + 1]),
                 read_only=b'ro' in options)


def _escaped(text):
    data = text.encode('utf-8', 'surrogateescape').replace(b'\\', b'\\134')
    for plain in (b' ', b'\t', b'\n'):
        data = data.replace(plain, b'\\%03o' % ord(plain))
    return data


def _unescaped(data):
    plain = _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), data)
    return plain.decode('utf-8', 'surrogateescape')
