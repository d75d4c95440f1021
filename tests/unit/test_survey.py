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


"""What lies on a share for a volume, with headers that anybody may craft."""

import errno
import json
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.store import survey
from tests.unit import crafted
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')

BASE = 'volume-1'
ONE = '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a'
TWO = '0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b'
A, B = BASE + '.' + ONE, BASE + '.' + TWO
RAW = (None, 'raw', None)
QCOW2 = (None, 'qcow2', None)
NOTHING = (None, None, None)
NO_FILES = [things.link, things.dangling_link, things.directory, things.fifo]


class Share:
    """A folder with the files of a volume."""

    def __init__(self, folder):
        self.folder = str(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def put(self, name, data=b''):
        things.file(self.path(name), data)

    def overlay(self, name, backing, backing_format='qcow2', **fields):
        self.put(name, crafted.qcow2(backing=backing,
                                     backing_format=backing_format,
                                     **fields))

    def table(self, active, **snapshots):
        self.put(BASE + '.info', json.dumps(
            dict(snapshots, active=active)).encode())

    def look(self, recorded=RAW):
        return survey.look(self.folder, BASE, recorded)

    def layers(self, recorded=RAW):
        """(name, format, backing file) from the active one down."""
        return [(name, file_format, header and header[2])
                for name, file_format, __, header in self.look(recorded)[2]]


@pytest.fixture
def share(tmp_path):
    return Share(tmp_path)


@pytest.fixture
def chain(share):
    """volume-1 <- A <- B, the base raw."""
    share.put(BASE, b'x' * 512)
    share.overlay(A, BASE, 'raw')
    share.overlay(B, A)
    share.table(B, **{ONE: A, TWO: B})
    return share


class TestWhole:
    def test_a_raw_file_alone(self, share):
        share.put(BASE, b'x' * 512)
        assert share.look() == (None, None, [(BASE, 'raw', 512, None)])

    def test_a_qcow2_file_alone(self, share):
        share.put(BASE, crafted.qcow2(size=1 << 30))
        table, journal, layers = share.look(QCOW2)
        assert (table, journal) == (None, None)
        assert layers == [(BASE, 'qcow2', os.path.getsize(share.path(BASE)),
                           (3, 1 << 30, None, None, None))]

    def test_plain_values_only(self, chain):
        """Root's daemon sends them as msgpack."""
        def check(value):
            assert type(value) in (tuple, list, str, int, type(None))
            for each in value if type(value) in (tuple, list) else ():
                check(each)
        check(chain.look())

    def test_a_chain(self, chain):
        assert chain.look()[2] == [
            (B, 'qcow2', os.path.getsize(chain.path(B)),
             (3, 1 << 20, A, None, 'qcow2')),
            (A, 'qcow2', os.path.getsize(chain.path(A)),
             (3, 1 << 20, BASE, None, 'raw')),
            (BASE, 'raw', 512, None)]

    def test_the_table_and_the_journal_as_they_are(self, chain):
        chain.put(BASE + '.intent', 'anything \u00e4'.encode())
        table, journal, __ = chain.look()
        assert table == things.read(chain.path(BASE + '.info')).decode()
        assert journal == 'anything \u00e4'
        assert survey.table(chain.folder, BASE) == table

    def test_no_table(self, share):
        assert survey.table(share.folder, BASE) is None

    def test_without_a_table_the_base_is_active(self, chain):
        """A create that was cut off: its overlay is nobody's."""
        os.remove(chain.path(BASE + '.info'))
        assert chain.layers() == [(BASE, 'raw', None)]

    def test_the_table_says_which_is_active(self, chain):
        chain.table(A, **{ONE: A})
        assert chain.layers() == [(A, 'qcow2', BASE), (BASE, 'raw', None)]

    def test_an_overlay_alone(self, chain):
        """It took in what was below while a guest ran."""
        chain.put(A, crafted.qcow2())
        os.remove(chain.path(BASE))
        assert chain.layers() == [(B, 'qcow2', A), (A, 'qcow2', None)]

    @pytest.mark.parametrize('backing', [
        # As old releases of Nova wrote it: the path on its own host.
        '/var/lib/nova/mnt/0123/' + BASE, '/' + BASE, './' + BASE,
        '../' + BASE])
    def test_another_folder_is_not_looked_at(self, chain, backing):
        """Only the name counts; the file is in this folder."""
        chain.overlay(A, backing, 'raw')
        assert chain.layers()[1:] == [(A, 'qcow2', backing),
                                      (BASE, 'raw', None)]


class TestFormat:
    """Of the base; it is never looked for in the base."""

    @pytest.mark.parametrize('recorded, said, expected', [
        # What the overlay says, a host wrote.
        (NOTHING, 'raw', 'raw'),
        (('qcow2', 'qcow2', 'qcow2'), 'raw', 'raw'),
        # It says nothing.
        (('raw', 'qcow2', 'qcow2'), None, 'raw'),
        ((None, 'qcow2', 'raw'), None, 'raw'),
        # Nobody says it.
        ((None, 'raw', None), None, None),
        # None of ours: for the loader to refuse.
        (NOTHING, 'vmdk', 'vmdk'),
    ])
    def test_below_an_overlay(self, chain, recorded, said, expected):
        chain.overlay(A, BASE, said)
        assert chain.layers(recorded)[-1] == (BASE, expected, None)

    @pytest.mark.parametrize('recorded, expected', [
        (RAW, 'raw'), (NOTHING, None), ((None, None, 'raw'), 'raw'),
        (('raw', 'qcow2', None), 'raw')])
    def test_of_the_only_file(self, share, recorded, expected):
        hostile = crafted.qcow2(backing='/etc/shadow')
        share.put(BASE, hostile)
        assert share.look(recorded)[2] == [(BASE, expected, len(hostile),
                                            None)]

    def test_a_tenants_header_in_a_raw_base(self, chain):
        chain.put(BASE, crafted.qcow2(backing='/etc/shadow',
                                      data='/dev/sda'))
        assert chain.layers()[-1] == (BASE, 'raw', None)


class TestRefused:
    @pytest.mark.parametrize('name', [A, B, BASE])
    def test_a_circle(self, chain, name):
        """Each of them names the active one."""
        if name == BASE:
            chain.overlay(A, BASE, 'qcow2')
            chain.overlay(BASE, B)
        else:
            chain.overlay(name, B)
        with pytest.raises(errors.LayerInvalid,
                           match='its own|is the base of a volume'):
            chain.look()

    def test_a_circle_is_shown(self, chain):
        chain.overlay(A, B)
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert '%s, %s' % (B, A) in str(caught.value)

    @pytest.mark.parametrize('name, above', [(A, B), (BASE, A)])
    def test_a_backing_file_that_is_gone(self, chain, name, above):
        os.remove(chain.path(name))
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert str(caught.value).startswith(chain.path(above))
        assert 'its backing file %s is missing' % chain.path(
            name) in str(caught.value)

    def test_the_active_file_is_gone(self, chain):
        os.remove(chain.path(B))
        with pytest.raises(FileNotFoundError) as caught:
            chain.look()
        assert caught.value.filename == chain.path(B)

    def test_there_is_nothing(self, share):
        with pytest.raises(FileNotFoundError) as caught:
            share.look()
        assert caught.value.filename == share.path(BASE)

    @pytest.mark.parametrize('put', NO_FILES)
    @pytest.mark.parametrize('name', [B, A, BASE])
    def test_a_layer_that_is_no_file(self, chain, put, name):
        os.remove(chain.path(name))
        put(chain.path(name))
        before = things.describe(chain.path(name))
        with pytest.raises(OSError) as caught:
            chain.look()
        assert caught.value.filename == chain.path(name)
        assert caught.value.errno in (errno.ELOOP, errno.EINVAL)
        assert things.describe(chain.path(name)) == before

    @pytest.mark.parametrize('backing', [
        '/etc/shadow', 'shadow', '../../etc/shadow', '..', '.', '/', '',
        # Of another volume.
        'volume-2', 'volume-10', 'volume-10.' + ONE,
        # What is no layer of this one.
        BASE + '.info', BASE + '.intent', '.%s.plain-copy' % BASE,
        # What else a name may be to QEMU.
        'json:{"driver":"file","filename":"/etc/shadow"}',
        'nbd://host/x', 'fat:/etc', 'rbd:pool/image',
    ])
    @pytest.mark.parametrize('name', [A, B])
    def test_a_backing_file_of_somebody_else(self, chain, name, backing):
        chain.overlay(name, backing)
        with pytest.raises(errors.LayerInvalid,
                           match='not a file of this volume') as caught:
            chain.look()
        assert str(caught.value).startswith(chain.path(name))

    @pytest.mark.parametrize('data, reason', [
        (b'', 'not a qcow2 file'),
        (b'x' * 512, 'not a qcow2 file'),
        (crafted.qcow2(backing=BASE)[:30], 'damaged'),
        (crafted.qcow2(backing='x' * 1024), 'damaged'),
        (crafted.qcow2(backing=b'\xff'), 'damaged'),
        (crafted.qcow2(backing=BASE, data='/dev/sda'),
         'external data file, "/dev/sda"'),
        (crafted.qcow2(backing=BASE, features=4),
         'external data file, "(not named)"'),
    ])
    @pytest.mark.parametrize('name', [A, B])
    def test_an_overlay_that_is_none(self, chain, name, data, reason):
        chain.put(name, data)
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert chain.path(name) in str(caught.value)
        assert reason in str(caught.value)

    @pytest.mark.parametrize('data, reason', [
        (crafted.qcow2(backing='/etc/shadow'),
         'the base of a volume and names a backing file, "/etc/shadow"'),
        (crafted.qcow2(backing=A), 'the base of a volume and names'),
        (crafted.qcow2(data='/dev/sda'), 'external data file, "/dev/sda"'),
        (b'x' * 512, 'not a qcow2 file'),
    ])
    def test_a_qcow2_base(self, chain, data, reason):
        """Which a tenant cannot write a header to, but others can."""
        chain.put(BASE, data)
        chain.overlay(A, BASE, 'qcow2')
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert str(caught.value).startswith(chain.path(BASE))
        assert reason in str(caught.value)

    def test_a_table_that_is_none(self, chain):
        chain.put(BASE + '.info', b'{}')
        with pytest.raises(errors.InfoInvalid,
                           match=chain.path(BASE + '.info')):
            chain.look()


@pytest.mark.parametrize('suffix', ['info', 'intent'])
class TestTexts:
    """Of the table and the journal, which are read by the same rules."""

    @pytest.mark.parametrize('put', NO_FILES)
    def test_no_file(self, chain, suffix, put):
        path = chain.path('%s.%s' % (BASE, suffix))
        if suffix == 'info':
            os.remove(path)
        put(path)
        before = things.describe(path), _open_files()
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert str(caught.value).startswith(path)
        assert (things.describe(path), _open_files()) == before

    def test_a_fifo_that_somebody_writes_to(self, chain, suffix):
        path = chain.path('%s.%s' % (BASE, suffix))
        if suffix == 'info':
            os.remove(path)
        os.mkfifo(path)
        writer = os.open(path, os.O_RDWR)
        try:
            with pytest.raises(errors.LayerInvalid):
                chain.look()
        finally:
            os.close(writer)

    @pytest.mark.parametrize('data, reason', [
        (b'\xff\xfe', "can't decode"),
        (b'{"active": "\xe4"}', "can't decode"),
        # 4 GiB of memory for the asking.
        (b' ' * ((1 << 20) + 1), 'more than 1048576 bytes'),
    ])
    def test_no_text(self, chain, suffix, data, reason):
        name = '%s.%s' % (BASE, suffix)
        chain.put(name, data)
        with pytest.raises(errors.LayerInvalid) as caught:
            chain.look()
        assert chain.path(name) in str(caught.value)
        assert reason in str(caught.value)


def _open_files():
    return len(os.listdir('/proc/self/fd'))


class TestNames:
    def test_all_but_the_base(self, chain):
        names = {A, B, BASE + '.info', BASE + '.intent',
                 '.%s.plain-copy' % BASE, '.%s.new-overlay' % BASE,
                 # What was cut off.
                 '.%s.new-text' % BASE, '.%s.new-base' % BASE}
        others = {'volume-10', 'volume-10.' + ONE, 'volume-10.info',
                  '.volume-10.plain-copy', '.volume-10.info.x1.tmp',
                  'x' + BASE, '.cinderSecureEnvIndicator',
                  BASE + '.info.bak', BASE + '..'}
        for name in names | others:
            if not os.path.exists(chain.path(name)):
                chain.put(name)
        assert set(survey.names_of(chain.folder, BASE)) == names

    def test_none(self, share):
        share.put(BASE)
        assert survey.names_of(share.folder, BASE) == []
