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

"""What the mm* programs print. Pure.

-Y output is percent-encoded as the real one's: all but letters, digits and
what is seen unencoded in samples.
"""

from urllib import parse

#: What samples of real output have as it is, beyond letters and digits.
_PLAIN = ' ()._'

_TABLES = {
    'mmgetstate': 'nodeName nodeNumber state quorum nodesUp totalNodes '
                  'remarks cnfsState',
    'mmgetstate 5': 'nodeName nodeNumber state quorum nodesUp totalNodes '
                    'remarks cnfsState daemonShortName daemonNodeName',
    'mmlsconfig': 'configParameter value nodeList',
    'mmlsfs': 'deviceName fieldName data remarks',
    'mmlsfileset': 'filesystemName filesetName id rootInode status path '
                   'parentId created inodes dataInKB comment filesetMode '
                   'inodeSpace isInodeSpaceOwner maxInodes allocInodes',
    'mmlssnapshot': 'filesystemName directory snapID status created quotas '
                    'data metadata fileset snapType'}

_CLONES = ('Parent  Depth   Parent inode   File name\n'
           '------  -----  --------------  ---------\n')
_CLONE = '%6s  %5s  %14s  %s\n'

_ATTRIBUTES = """\
file name:            %(name)s
metadata replication: %(replicas)s max 3
data replication:     %(replicas)s max 3
immutable:            no
appendOnly:           no
flags:                %(flags)s
storage pool name:    %(pool)s
fileset name:         %(fileset)s
snapshot name:        %(snapshot)s
Windows attributes:   %(kind)s
"""

_REPLICATION = """\
  replication factors
metadata(max) data(max) file    [flags]
------------- --------- ---------------
      %(replicas)s (  3)   %(replicas)s (  3) %(name)s
"""

_POOL = '%-16s %5d %7s %4s %4s %16d %16d (%3d%%)\n'


def table(kind, rows):
    """-Y output.

    :param kind: of _TABLES; its first word is the program
    :param rows: sequences, as long as the columns
    """
    columns = _TABLES[kind].split()
    program = kind.split()[0]
    lines = ['%s::HEADER:version:reserved:reserved:%s:'
             % (program, ':'.join(columns))]
    for row in rows:
        values = [encoded(value) for value in row]
        values += [''] * (len(columns) - len(values))
        lines.append('%s::0:1:::%s:' % (program, ':'.join(values)))
    return '\n'.join(lines) + '\n'


def encoded(value):
    return ''.join(each if each in _PLAIN else _percent(each)
                   for each in str(value))


def _percent(character):
    quoted = parse.quote(character, safe='')
    # It leaves these as they are, the real one does not.
    return '%%%02X' % ord(character) if quoted in '-~' else quoted


def clones(rows):
    """Of ``mmclone show``.

    :param rows: (cluster.File, the name as it was given) of each
    """
    return _CLONES + ''.join(_CLONE % (
        {True: 'yes', False: 'no', None: ''}[file.is_parent],
        _or_blank(file.depth), _or_blank(file.parent), name)
        for file, name in rows)


def _or_blank(number):
    return '' if number is None else number


def attributes(name, file, fileset, snapshot, is_folder, with_all):
    """Of ``mmlsattr``, with -L or without."""
    flags = ' '.join(sorted('%s=%s' % each for each in file.attributes.items()
                            if each[0] != 'replicas'))
    return (_ATTRIBUTES if with_all else _REPLICATION) % {
        'name': name, 'pool': file.pool, 'fileset': fileset,
        'snapshot': snapshot, 'flags': flags,
        'replicas': file.attributes.get('replicas', '1'),
        'kind': 'DIRECTORY' if is_folder else 'ARCHIVE'}


def pools(point, names, total, free):
    """Of ``mmlspool``.

    :param total: of the file system, KiB
    """
    return ("Storage pools in file system at '%s':\n"
            'Name                Id BlkSize Data Meta Total Data in (KB)   '
            'Free Data in (KB)\n' % point) + ''.join(
        _POOL % (name, number, '256 KB', 'yes', 'no' if number else 'yes',
                 total, free, 100 * free // max(total, 1))
        for number, name in enumerate(names))


def filesets(device, rows):
    """Of ``mmlsfileset`` without -Y."""
    return ("Filesets in file system '%s':\n"
            'Name                     Status    Path\n' % device) + ''.join(
        '%-24s %-9s %s\n' % row for row in rows)
