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

"""Reads what the mm* commands print. Pure.

With -Y a line is a list of fields, each ended by a colon. The third one of a
header is the word HEADER, and it names the columns of the rows below it; one
command may print several kinds of rows, told apart by the second field. In a
field, what could be taken for something else is percent-encoded
("%2Fgpfs0", "10%3A41"). ``mmlsattr -L`` and ``mmclone show`` have no -Y.
"""

import dataclasses
import re
from typing import Optional
from typing import Tuple
from urllib import parse

#: Releases of the numbers that file systems and, up to 4.1, clusters have
#: as their level: 14.03 is 1403. The highest that is not above counts.
_LEVELS = (
    (1000, (3, 2, 1, 5)), (1103, (3, 3, 0, 0)), (1200, (3, 4, 0, 0)),
    (1300, (3, 5, 0, 0)), (1323, (3, 5, 0, 7)), (1403, (4, 1, 0, 0)),
    (1404, (4, 1, 0, 4)), (1420, (4, 1, 1, 0)), (1501, (4, 2, 0, 0)),
    (1600, (4, 2, 2, 0)), (1700, (4, 2, 3, 0)), (1800, (5, 0, 0, 0)))

_LEVEL = re.compile(r'([0-9]{1,2})\.([0-9]{2})')
_RELEASE = re.compile(r'[0-9]+(\.[0-9]+){2,3}')
#: Name, id, block size ("256 KB"), whether data and metadata are in it, room
#: for data in KiB, free of that.
_POOL = re.compile(r'^(\S+)[ \t]+\d+[ \t]+\d+ ?[A-Z]?B?[ \t]+(yes|no)[ \t]+'
                   r'(?:yes|no)[ \t]+(\d+)[ \t]+(\d+)', re.MULTILINE)
_KIB = 1024
_CLONE = re.compile(r'\s*(?:(yes|no)(?:\s+([0-9]+))?(?:\s+([0-9]+))?)?\s*')


class Unreadable(ValueError):
    """It is not what the command prints."""


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What GPFS says of a file.

    :ivar storage_pool: its name
    :ivar fileset: the name of the one it is in, 'root' where it is in none
    :ivar snapshot: of which it is a part, or None
    :ivar immutable: whether it is set so
    :ivar data_replicas: as many copies there are of its data
    """

    storage_pool: str
    fileset: str
    snapshot: Optional[str] = None
    immutable: bool = False
    data_replicas: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Clone:
    """What a file is among clones; all None when it is none.

    :ivar is_parent: True of one that others are copies of, which cannot be
                     written
    :ivar depth: number of its ancestors, as it was when it was made: it is
                 not changed when one of them goes
    :ivar parent_inode: inode number of its parent, or None
    """

    is_parent: Optional[bool] = None
    depth: Optional[int] = None
    parent_inode: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Fileset:
    """:ivar path: where it is linked, or None"""

    name: str
    status: str
    path: Optional[str]
    id: str

    @property
    def linked(self):
        return self.status == 'Linked'


@dataclasses.dataclass(frozen=True)
class Pool:
    """A storage pool.

    :ivar has_data: whether data of files can be in it
    :ivar total: room for them, bytes; 0 where there is none
    :ivar free: of that, bytes
    """

    name: str
    has_data: bool
    total: int
    free: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """:ivar status: 'Valid' when it can be read"""

    name: str
    status: str
    fileset: str
    id: str


def rows(text):
    """The rows of -Y output: each a dict of column name -> value, decoded.

    Columns that are called "reserved" are left out, lines of another kind
    (warnings) passed over.

    :raises Unreadable: when there is no header
    """
    headers = {}
    found = []
    for line in text.splitlines():
        fields = line.rstrip().split(':')
        kind = tuple(fields[:2])
        if fields[2:3] == ['HEADER']:
            headers[kind] = fields
        elif kind in headers:
            found.append({
                name: parse.unquote(value) for name, value
                in zip(headers[kind][3:], fields[3:])
                if name and name != 'reserved'})
    if not headers:
        raise Unreadable('there is no line with the names of the columns')
    return found


def column(text, name):
    """The values of one column.

    :raises Unreadable: when there is no such column, or no row
    """
    try:
        values = [row[name] for row in rows(text)]
    except KeyError:
        raise Unreadable('there is no column "%s"' % name)
    if not values:
        raise Unreadable('there is no row')
    return values


def parameter(text, *names):
    """The value of the first of these in mmlsconfig's output, or None.

    Capitals do not count: minreleaseLeveldaemon is asked for and
    minReleaseLevel is answered.
    """
    found = {row.get('configParameter', '').lower(): row.get('value')
             for row in rows(text)}
    return next((found[name.lower()] for name in names
                 if found.get(name.lower())), None)


def field(text, name):
    """The data of a field in mmlsfs's output.

    :raises Unreadable: when it is not there
    """
    for row in rows(text):
        if row.get('fieldName') == name and row.get('data'):
            return row['data']
    raise Unreadable('there is no field "%s"' % name)


def release(text) -> Tuple[int, ...]:
    """A release, as four numbers that can be compared.

    Of '5.2.1.0', of '1403' or '14.03' (a level, see _LEVELS), or of both,
    '14.03 (4.1.0.0)'.

    :raises Unreadable: for anything else
    """
    words = [word.strip('()') for word in text.split()]
    for word in words:
        if _RELEASE.fullmatch(word):
            return tuple([int(part) for part in word.split('.')] + [0])[:4]
    for word in words:
        level = _LEVEL.fullmatch(word)
        digits = ''.join(level.groups()) if level else word
        if re.fullmatch('[0-9]{3,4}', digits):
            return _of_level(int(digits))
    raise Unreadable('"%s" is no release' % text)


def _of_level(number):
    known = [release for level, release in _LEVELS if level <= number]
    if not known:
        raise Unreadable('level %d is older than all that is known' % number)
    return known[-1]


def pools(text):
    """Of ``mmlspool``: a line for each, below one that names the columns.

    :raises Unreadable: when there is no such line
    """
    found = [Pool(name, data == 'yes', int(total) * _KIB, int(free) * _KIB)
             for name, data, total, free in _POOL.findall(text)]
    if not found:
        raise Unreadable('there is no storage pool in it')
    return found


def attributes(text):
    """Of ``mmlsattr -L``: a line for each, its name, a colon, its value.

    :raises Unreadable: when the pool or the fileset is not there
    """
    said = {}
    for line in text.splitlines():
        name, __, value = line.partition(':')
        # The first of each: what a file is called comes first of all, and
        # what follows is no longer its name.
        said.setdefault(name.strip(), value.strip())
    missing = [name for name in ('storage pool name', 'fileset name')
               if not said.get(name)]
    if missing:
        raise Unreadable('it has no "%s"' % missing[0])
    replicas = said.get('data replication', '').split()
    return Attributes(
        storage_pool=said['storage pool name'],
        fileset=said['fileset name'],
        snapshot=said.get('snapshot name') or None,
        immutable=said.get('immutable') == 'yes',
        data_replicas=(int(replicas[0]) if replicas[:1] and
                       replicas[0].isdigit() else None))


def clone(text, path):
    """Of ``mmclone show`` for one file.

    Its last line has three columns, each of them may be blank, and the name
    of the file as it was given: the name is what is known, and may begin
    with a number.

    :raises Unreadable: when there is no such line
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for name in (path, path.rpartition('/')[2]):
        for line in reversed(lines):
            if not line.endswith(name):
                continue
            match = _CLONE.fullmatch(line[:-len(name)])
            if match:
                return _clone(*match.groups())
    raise Unreadable('it says nothing of %s' % path)


def _clone(is_parent, depth, inode):
    if is_parent is None:
        return Clone()
    return Clone(is_parent=is_parent == 'yes',
                 depth=None if depth is None else int(depth),
                 parent_inode=None if inode is None else int(inode))


def fileset(text, name):
    """Of ``mmlsfileset -Y``: the one of that name, or None.

    :raises Unreadable: when it is no such output
    """
    for row in rows(text):
        if row.get('filesetName') == name:
            status = row.get('status', '')
            path = row.get('path')
            return Fileset(name=name, status=status,
                           path=path if path not in ('--', '', None) else
                           None, id=row.get('id', ''))
    return None


def snapshots(text, fileset_name):
    """Of ``mmlssnapshot -Y``: those of a fileset.

    :raises Unreadable: when it is no such output
    """
    if text.lstrip().startswith('No snapshots'):
        return []
    return [Snapshot(name=row.get('directory', ''),
                     status=row.get('status', ''),
                     fileset=row.get('fileset', ''),
                     id=row.get('snapID', ''))
            for row in rows(text) if row.get('fileset') == fileset_name]
