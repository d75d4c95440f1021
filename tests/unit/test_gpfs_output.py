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

"""Reading what the mm* commands print. Samples are of real systems."""

import string

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.embedded.gpfs import printing
from remotefs_drivers.gpfs_commands import output

STATE = (
    'mmgetstate::HEADER:version:reserved:reserved:nodeName:nodeNumber:state:'
    'quorum:nodesUp:totalNodes:remarks:cnfsState:\n'
    'mmgetstate::0:1:::devstack:3:active:2:3:3:quorum node:(undefined):\n')
#: Of Storage Scale 5.2, with columns that are not in the older one.
STATE_5 = (
    'mmgetstate::HEADER:version:reserved:reserved:nodeName:nodeNumber:state:'
    'quorum:nodesUp:totalNodes:remarks:cnfsState:daemonShortName:'
    'daemonNodeName:\n'
    'mmgetstate::0:1:::ec01:1:down:3:4:4:quorum node:(undefined):ec01:ec01:\n'
)
CONFIG = (
    'mmlsconfig::HEADER:version:reserved:reserved:configParameter:value:'
    'nodeList:\n'
    'mmlsconfig::0:1:::clusterName:oglab.cn::\n'
    'mmlsconfig::0:1:::clusterId:2924343654772276122::\n'
    'mmlsconfig::0:1:::minReleaseLevel:5.2.1.0::\n')
VERSION = (
    'mmlsfs::HEADER:version:reserved:reserved:deviceName:fieldName:data:'
    'remarks:\n'
    'mmlsfs::0:1:::gpfs:filesystemVersion:14.03 (4.1.0.0):\n'
    'mmlsfs::0:1:::gpfs:filesystemVersionLocal:14.10 (4.1.0.4):\n')
ENCRYPTION = (
    'mmlsfs::HEADER:version:reserved:reserved:deviceName:fieldName:data:'
    'remarks:\nmmlsfs::0:1:::gpfs:encryption:%s:\n')
FILESETS = (
    'mmlsfileset::HEADER:version:reserved:reserved:filesystemName:'
    'filesetName:id:rootInode:status:path:parentId:created:inodes:dataInKB:'
    'comment:filesetMode:\n'
    'mmlsfileset::0:1:::project:root:0:3:Linked:%2Ffs%2Fproject:--:'
    'Thu Jul 12 18%3A48%3A14 2018:-:-:root fileset:off:\n'
    'mmlsfileset::0:1:::project:ibtest:1:524291:Linked:'
    '%2Ffs%2Fproject%2Fibtest:0:Mon Jul 16 16%3A37%3A33 2018:-:-::off:\n'
    'mmlsfileset::0:1:::project:old:2:524292:Unlinked:%2D%2D:--:'
    'Mon Jul 16 16%3A37%3A33 2018:-:-::off:\n')
SNAPSHOTS = (
    'mmlssnapshot::HEADER:version:reserved:reserved:filesystemName:directory:'
    'snapID:status:created:quotas:data:metadata:fileset:snapType:\n'
    'mmlssnapshot::0:1:::ess:20210120:27107:Valid:Wed Jan 20 00%3A30%3A02 '
    '2021::823587352320:529437984:::\n'
    'mmlssnapshot::0:1:::ess:20201115_PAS1736:16337:Valid:Sun Nov 15 '
    '02%3A47%3A48 2020::0:205184:PAS1736::\n')
ATTRIBUTES = (
    'file name:            /gpfs0/cinder\n'
    'metadata replication: 1 max 2\n'
    'data replication:     2 max 2\n'
    'immutable:            no\n'
    'appendOnly:           no\n'
    'flags:                \n'
    'storage pool name:    system\n'
    'fileset name:         %s\n'
    'snapshot name:        %s\n'
    'Windows attributes:   DIRECTORY\n')
CLONES = (
    'Parent  Depth   Parent inode   File name\n'
    '------  -----  --------------  ---------\n'
    '   yes      0                  base.img\n'
    '    no      1          148488  test01.img\n')
NO_CLONE = (
    'Parent  Depth   Parent inode   File name\n'
    '------  -----  --------------  ---------\n'
    '                               %s\n')

#: What no command prints: nothing, a warning alone, something else.
NONSENSE = ['', '\n', 'mmgetstate: GPFS is not ready.\n', 'a:b:c:d\n',
            'mmgetstate::0:1:::devstack:3:active:2:3:3::\n']


@pytest.mark.parametrize('text, state', [(STATE, 'active'),
                                         (STATE_5, 'down')])
def test_state(text, state):
    assert output.column(text, 'state') == [state]


def test_rows_are_decoded():
    rows = output.rows(FILESETS)
    assert [row['path'] for row in rows] == ['/fs/project',
                                             '/fs/project/ibtest', '--']
    assert rows[1]['created'] == 'Mon Jul 16 16:37:33 2018'


def test_lines_of_another_kind_are_passed_over():
    warning = 'mmgetstate: 6027-1639 Command failed on one node.\n'
    assert output.column(warning + STATE + warning, 'state') == ['active']


def test_sections_have_columns_of_their_own():
    text = ('mmlscluster:summary:HEADER:version:reserved:reserved:name:id:\n'
            'mmlscluster:node:HEADER:version:reserved:reserved:number:name:\n'
            'mmlscluster:summary:0:1:::c1:123:\n'
            'mmlscluster:node:0:1:::4:host:\n')
    assert [row['name'] for row in output.rows(text)] == ['c1', 'host']


def test_a_row_may_be_shorter_than_the_header():
    """As mmlsfs prints it: no colon for an empty last field."""
    assert output.rows(VERSION)[0] == {
        'version': '1', 'deviceName': 'gpfs',
        'fieldName': 'filesystemVersion', 'data': '14.03 (4.1.0.0)',
        'remarks': ''}


@pytest.mark.parametrize('text', NONSENSE)
def test_nonsense_is_no_table(text):
    with pytest.raises(output.Unreadable):
        output.rows(text)


def test_a_column_that_is_not_there():
    with pytest.raises(output.Unreadable, match='"nix"'):
        output.column(STATE, 'nix')
    with pytest.raises(output.Unreadable, match='no row'):
        output.column(STATE.splitlines()[0], 'state')


@pytest.mark.parametrize('names, value', [
    (['clusterId'], '2924343654772276122'),
    # It answers with another spelling than it is asked by.
    (['minreleaseLeveldaemon', 'minreleaselevel'], '5.2.1.0'),
    (['nix'], None),
])
def test_parameter(names, value):
    assert output.parameter(CONFIG, *names) == value


def test_field():
    assert output.field(VERSION, 'filesystemVersion') == '14.03 (4.1.0.0)'
    assert output.field(ENCRYPTION % 'Yes', 'encryption') == 'Yes'
    with pytest.raises(output.Unreadable, match='"encryption"'):
        output.field(VERSION, 'encryption')


@pytest.mark.parametrize('text, release', [
    ('5.2.1.0', (5, 2, 1, 0)),
    ('4.1.0.4', (4, 1, 0, 4)),
    ('5.1.9', (5, 1, 9, 0)),
    # A level, as releases up to 4.1 have it.
    ('1403', (4, 1, 0, 0)),
    ('1404', (4, 1, 0, 4)),
    ('1200', (3, 4, 0, 0)),
    ('1199', (3, 3, 0, 0)),
    # One between two that are known is the lower of them.
    ('1402', (3, 5, 0, 7)),
    # Of a file system: a level, and what it is called.
    ('14.03 (4.1.0.0)', (4, 1, 0, 0)),
    ('13.23 (3.5.0.7)', (3, 5, 0, 7)),
    ('35.00 (5.2.1.0)', (5, 2, 1, 0)),
    # Newer than all that is known by its level alone.
    ('99.00', (5, 0, 0, 0)),
    ('14.04', (4, 1, 0, 4)),
])
def test_release(text, release):
    assert output.release(text) == release


@pytest.mark.parametrize('text', ['', 'LATEST', '5', '5.2', '900', '14.3',
                                  '-1403', '1403x', '99999'])
def test_no_release(text):
    with pytest.raises(output.Unreadable):
        output.release(text)


@pytest.mark.parametrize('fileset', [
    'root',
    # The in-tree driver's expression stops at a dash.
    'consisgroup-3f0c4ad8-5b1e-4f10-93f9-a31c7d1f4b6a',
    'a.b_c'])
def test_attributes(fileset):
    assert output.attributes(ATTRIBUTES % (fileset, '')) == output.Attributes(
        storage_pool='system', fileset=fileset, snapshot=None,
        immutable=False, data_replicas=2)


def test_attributes_in_a_snapshot():
    assert output.attributes(ATTRIBUTES % ('root', 's1')).snapshot == 's1'


def test_attributes_of_what_is_called_like_one():
    """The path comes first, and is no attribute."""
    text = (ATTRIBUTES % ('root', '')).replace(
        '/gpfs0/cinder', '/gpfs0/fileset name: evil')
    assert output.attributes(text).fileset == 'root'


@pytest.mark.parametrize('line', ['storage pool name', 'fileset name'])
def test_attributes_with_one_missing(line):
    text = ''.join(each for each in (ATTRIBUTES % ('root', '')).splitlines(
        keepends=True) if not each.startswith(line))
    with pytest.raises(output.Unreadable, match=line):
        output.attributes(text)


@pytest.mark.parametrize('name, expected', [
    ('base.img', output.Clone(True, 0, None)),
    ('test01.img', output.Clone(False, 1, 148488)),
    # Asked for by a path, answered by a name.
    ('/gpfs0/test01.img', output.Clone(False, 1, 148488)),
])
def test_clone(name, expected):
    assert output.clone(CLONES, name) == expected


@pytest.mark.parametrize('line, expected', [
    ('   yes      3         9148488  %s', output.Clone(True, 3, 9148488)),
    # An inode of an inode space of its own is as long as the column, or
    # longer.
    ('    no     12  12345678901234  %s',
     output.Clone(False, 12, 12345678901234)),
    ('    no     12  1234567890123456789  %s',
     output.Clone(False, 12, 1234567890123456789)),
    # Its parent is in a snapshot, which has no number here.
    ('    no      1                  %s', output.Clone(False, 1, None)),
])
@pytest.mark.parametrize('name', ['/gpfs0/a', '/gpfs0/7', '/gpfs0/a b',
                                  '/gpfs0/no 1 2'])
def test_a_line_of_clones(line, name, expected):
    text = CLONES + line % name + '\n'
    assert output.clone(text, name) == expected


@pytest.mark.parametrize('name', ['/gpfs0/a', '/gpfs0/12', '/gpfs0/yes'])
def test_no_clone(name):
    assert output.clone(NO_CLONE % name, name) == output.Clone()


@pytest.mark.parametrize('text', ['', CLONES, 'mmclone: /x: no such file\n',
                                  NO_CLONE % '/gpfs0/other'])
def test_nothing_about_a_clone(text):
    with pytest.raises(output.Unreadable, match='/gpfs0/x'):
        output.clone(text, '/gpfs0/x')


@pytest.mark.parametrize('name, expected', [
    ('ibtest', output.Fileset('ibtest', 'Linked', '/fs/project/ibtest',
                              '1')),
    ('old', output.Fileset('old', 'Unlinked', None, '2')),
    ('ib', None),
])
def test_fileset(name, expected):
    found = output.fileset(FILESETS, name)
    assert found == expected
    assert found is None or found.linked == (name == 'ibtest')


def test_snapshots():
    """Those of the whole file system are of no fileset."""
    assert output.snapshots(SNAPSHOTS, 'PAS1736') == [
        output.Snapshot('20201115_PAS1736', 'Valid', 'PAS1736', '16337')]
    assert output.snapshots(SNAPSHOTS, 'nix') == []
    assert output.snapshots('No snapshots in file system ess\n', 'x') == []


class TestTheEmulator:
    """Its output is the sample's, and ours to read whatever is in it."""

    @pytest.mark.parametrize('kind, text', [
        ('mmgetstate', STATE), ('mmgetstate 5', STATE_5),
        ('mmlssnapshot', SNAPSHOTS)])
    def test_tables(self, kind, text):
        header, *lines = text.splitlines()
        rows = [[output.parse.unquote(field)
                 for field in line.split(':')[6:-1]] for line in lines]
        assert printing.table(kind, rows) == text

    def test_columns(self):
        """Those of mmlsfs and mmlsconfig are as in the samples."""
        for kind, text in (('mmlsfs', VERSION), ('mmlsconfig', CONFIG)):
            assert (printing.table(kind, []).strip() ==
                    text.splitlines()[0])
        assert printing.table('mmlsfileset', []).startswith(
            FILESETS.splitlines()[0])

    @given(strategies.lists(strategies.text(string.printable), min_size=2,
                            max_size=2))
    def test_whatever_is_in_a_row(self, row):
        text = printing.table('mmlsconfig', [row])
        found, = output.rows(text)
        assert [found['configParameter'], found['value']] == row

    def test_clones(self):
        class File:
            def __init__(self, *values):
                self.is_parent, self.depth, self.parent = values
        files = [(File(True, 0, None), 'base.img'),
                 (File(False, 1, 148488), 'test01.img')]
        assert printing.clones(files) == CLONES
        assert printing.clones([(File(None, None, None), 'a')]) == (
            NO_CLONE % 'a')


POOLS = """\
Storage pools in file system at '/gpfs0':
Name                    Id   BlkSize Data Meta Total Data in (KB)   \
Free Data in (KB)   Total Meta in (KB)    Free Meta in (KB)
system                   0    256 KB  yes  yes       10485760        \
9953792 ( 95%)        10485760       9955840 ( 95%)
logs                     1      4 MB   no  yes              0        \
      0 (  0%)        10485760       9955840 ( 95%)
fast-1                   2      1 MB  yes   no       20971520       \
20970496 (100%)              0             0 (  0%)
"""


def test_pools():
    assert output.pools(POOLS) == [
        output.Pool('system', True, 10485760 << 10, 9953792 << 10),
        output.Pool('logs', False, 0, 0),
        output.Pool('fast-1', True, 20971520 << 10, 20970496 << 10)]


@pytest.mark.parametrize('text', [
    '', 'mmlspool: No such file system', POOLS.split('system   ')[0]])
def test_no_pools(text):
    with pytest.raises(output.Unreadable, match='no storage pool'):
        output.pools(text)
