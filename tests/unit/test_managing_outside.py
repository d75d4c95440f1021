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

"""Looking at files that anybody may have made."""

import json
import os

import pytest

from remotefs_drivers.store import outside
from tests.unit import crafted
from tests.unit import things

ID = '0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f'
SNAPSHOT = '1f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f'
BASE = 'volume-%s' % ID
OVERLAY = '%s.%s' % (BASE, SNAPSHOT)
FORMAT = (0xE2792ACA, b'raw')


def _encrypted(method):
    made = bytearray(crafted.padded(crafted.qcow2()))
    made[32:36] = method.to_bytes(4, 'big')
    return bytes(made)


@pytest.fixture
def look(tmp_path):
    """Write files, and judge one."""
    def _look(name, said=None, legacy=None, own=None, **written):
        for each, data in written.items():
            things.file(str(tmp_path / _NAMES.get(each, each)), data)
        found, = outside.judge(str(tmp_path), [name], said, legacy, own)
        # Root does it as well: plain values only.
        json.dumps(found)
        return outside.Found(*found)
    return _look


_NAMES = {'base': BASE, 'overlay': OVERLAY, 'table': BASE + '.info',
          'journal': BASE + '.intent'}
TABLE = json.dumps({'active': OVERLAY, SNAPSHOT: OVERLAY}).encode()


@pytest.mark.parametrize('data, said, expected', [
    (b'just text', None, ('raw', 9)),
    (bytes(4096), None, ('raw', 4096)),
    (crafted.gpt(), None, ('raw', 65536)),
    (crafted.luks(), None, ('raw', 8192)),
    (crafted.padded(crafted.qcow2()), None, ('qcow2', 1 << 20)),
    (crafted.padded(crafted.qcow2(size=5)), 'qcow2', ('qcow2', 5)),
    # Whatever it looks like: the operator knows that it is plain bytes.
    (crafted.padded(crafted.qcow2(backing='/etc/shadow')), 'raw',
     ('raw', 4096)),
    (crafted.vdi(), 'raw', ('raw', len(crafted.vdi()))),
])
def test_what_can_be_managed(look, data, said, expected):
    found = look('disk', said, disk=data)
    assert found.problem is None
    assert (found.format, found.size) == expected
    assert (found.there, found.active, found.layers) == (
        True, found.format, None)


@pytest.mark.parametrize('data, said, reason', [
    (b'', None, 'it is empty'),
    (b'', 'raw', 'it is empty'),
    (crafted.padded(crafted.qcow2(size=0)), None, 'it is empty'),
    (crafted.padded(crafted.qcow2(backing='/etc/shadow')), None,
     'names the backing file "/etc/shadow"'),
    (crafted.padded(crafted.qcow2(backing='/etc/shadow')), 'qcow2',
     'names the backing file "/etc/shadow"'),
    (crafted.padded(crafted.qcow2(data='/etc/shadow')), None,
     'names the data file "/etc/shadow"'),
    (crafted.padded(crafted.qcow2(features=1 << 40)), None, 'unknown_feat'),
    (crafted.padded(crafted.qcow2()), None, None),
    # Encrypted by AES, and by LUKS.
    (_encrypted(1), None, 'it is encrypted'),
    (_encrypted(2), 'qcow2', 'it is encrypted'),
    (bytes(4096), 'qcow2', 'it should be qcow2, and its content is raw'),
    (crafted.vdi(), None, 'its content is vdi, expected raw or qcow2'),
    (crafted.qed(), None, 'its content is qed'),
    (crafted.vmdk([]), None, 'its content is vmdk'),
])
def test_what_cannot(look, data, said, reason):
    found = look('disk', said, disk=data)
    if reason is None:
        # The row that proves the others: the header alone is no reason.
        assert found.problem is None
    else:
        assert reason in found.problem
        assert found.there


def test_one_that_may_be_either(look, tmp_path):
    """A header that a guest wrote into a raw volume, or a qcow2 file."""
    def grow():
        os.truncate(str(tmp_path / 'disk'), 1 << 30)
    things.file(str(tmp_path / 'disk'), crafted.padded(crafted.qcow2()))
    grow()
    assert 'give the source-format' in look('disk').problem
    assert look('disk', 'raw').size == 1 << 30
    assert look('disk', 'qcow2').size == 1 << 20


@pytest.mark.parametrize('make, reason', [
    (things.link, 'it is a symbolic link'),
    (things.dangling_link, 'it is a symbolic link'),
    (things.directory, 'it is not a regular file'),
    (things.fifo, 'it is not a regular file'),
])
def test_no_file(look, tmp_path, make, reason):
    make(str(tmp_path / 'disk'))
    assert look('disk').problem == reason


def test_nothing(look):
    found = look('disk')
    assert (found.there, found.problem) == (False,
                                            'there is nothing of that name')


def test_who_may_not_write(look, monkeypatch):
    """Root may, so it is the answer that is changed."""
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    assert 'give it to the user of cinder-volume' in look(
        'disk', disk=b'text').problem


def test_other_names(look, tmp_path):
    things.file(str(tmp_path / 'disk'))
    os.link(str(tmp_path / 'disk'), str(tmp_path / 'new'))
    assert look('disk', own='new').problem is None
    assert 'it has 2 names' in look('disk', own='other').problem
    assert 'it has 2 names' in look('disk').problem
    os.link(str(tmp_path / 'disk'), str(tmp_path / 'third'))
    assert 'it has 2 names' in look('disk', own='new').problem


def overlay(backing=BASE, before=(FORMAT,), **more):
    return crafted.padded(crafted.qcow2(backing=backing, before=before,
                                        **more))


def test_a_chain(look):
    found = look(BASE, base=bytes(512), overlay=overlay(), table=TABLE)
    assert found.problem is None
    assert (found.format, found.active, found.size, found.layers,
            found.overlays) == ('raw', 'qcow2', 1 << 20, (OVERLAY, BASE),
                                (OVERLAY,))


def test_the_base_may_be_gone(look):
    found = look(BASE, overlay=crafted.padded(crafted.qcow2()), table=TABLE)
    assert found.problem is None
    assert (found.layers, found.format) == ((OVERLAY,), 'qcow2')


@pytest.mark.parametrize('written, said, reason', [
    ({'table': b'{}'}, None, 'does not say which file is active'),
    ({'table': b'nonsense'}, None, 'cannot be used'),
    ({'overlay': overlay('/etc/shadow')}, None, '/etc/shadow'),
    ({'overlay': overlay('volume-other')}, None, 'volume-other'),
    ({'overlay': overlay(before=())}, None, 'give the source-format'),
    ({'overlay': overlay()}, 'qcow2', 'its overlays say that'),
    ({'overlay': b'text'}, None, 'not a qcow2 file'),
    ({'overlay': overlay(before=((0xE2792ACA, b'qcow2'),)),
      'base': crafted.padded(crafted.qcow2(backing='/etc/shadow'))}, None,
     '/etc/shadow'),
    ({'overlay': overlay(before=((0xE2792ACA, b'vmdk'),)),
      'base': crafted.vmdk([])}, None, 'vmdk'),
    # An empty base.
    ({'base': b''}, None, BASE + ': it is empty'),
])
def test_a_chain_that_is_not_whole(look, written, said, reason):
    given = dict({'base': bytes(512), 'overlay': overlay(),
                  'table': TABLE}, **written)
    found = look(BASE, said, **given)
    assert found.problem is not None
    assert reason in found.problem


def test_a_chain_without_a_base_format(look):
    given = {'base': bytes(512), 'overlay': overlay(before=()),
             'table': TABLE}
    assert look(BASE, 'raw', **given).format == 'raw'
    assert look(BASE, legacy='raw').format == 'raw'


def test_overlays_without_a_table(look):
    found = look(BASE, base=bytes(512), overlay=overlay())
    assert OVERLAY + ' would be lost' in found.problem


def test_a_table_of_one_file(look):
    """Nothing above it says what it is: it is looked at."""
    table = json.dumps({'active': BASE}).encode()
    found = look(BASE, legacy='raw', table=table,
                 base=crafted.padded(crafted.qcow2()))
    assert (found.format, found.layers) == ('qcow2', (BASE,))


def test_neighbours_are_no_overlays(look):
    found = look('disk', disk=b'text', **{
        'disk.qcow2': crafted.padded(crafted.qcow2()),
        'disk.other': crafted.padded(crafted.qcow2(backing='else')),
        'disk.txt': b'text', 'disk.bad': b'QFI\xfb'})
    assert (found.problem, found.overlays) == (None, ())


def test_names_on_a_share(tmp_path):
    things.file(str(tmp_path / 'disk'))
    things.dangling_link(str(tmp_path / 'link'))
    things.directory(str(tmp_path / 'folder'))
    assert sorted(outside.names_on(str(tmp_path))) == ['disk', 'link']
