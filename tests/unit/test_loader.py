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


"""From what lies on a share to a chain."""

import pytest

from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers.store import loader

BASE = 'volume-1'
ONE = '0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a'
OVERLAY = BASE + '.' + ONE
PATH = '/mnt/volume-1.info'
TABLE = '{"active": "%s", "%s": "%s"}' % (OVERLAY, ONE, OVERLAY)
NOTHING = model.Recorded()


def head(size=1024, backing=None, backing_format=None):
    """A header as survey.look returns it."""
    return (3, size, backing, None, backing_format)


def load(*files, table=None, recorded=NOTHING):
    """The chain for files from the active one down."""
    return loader.chain_of('1', BASE, (table, None, list(files)), recorded,
                           PATH)


def test_a_raw_file():
    assert load((BASE, 'raw', 512, None)) == model.Chain(
        '1', BASE, (model.Layer(BASE, 'raw', 512),))


def test_the_size_of_qcow2_is_virtual():
    assert load((BASE, 'qcow2', 512, head(1 << 40))).active == model.Layer(
        BASE, 'qcow2', 1 << 40)


@pytest.mark.parametrize('backing', [BASE, '/mnt/' + BASE])
@pytest.mark.parametrize('backing_format', ['raw', None])
def test_a_chain_from_the_lowest_on(backing, backing_format):
    """With what its headers say: whether that is right, is for the plans."""
    chain = load((OVERLAY, 'qcow2', 9, head(1024, backing, backing_format)),
                 (BASE, 'raw', 512, None), table=TABLE)
    assert chain == model.Chain(
        '1', BASE,
        (model.Layer(BASE, 'raw', 512),
         model.Layer(OVERLAY, 'qcow2', 1024, backing, backing_format)),
        model.Info(OVERLAY, {ONE: OVERLAY}))


def test_a_table_without_overlays():
    chain = load((BASE, 'raw', 512, None), table='{"active": "%s"}' % BASE)
    assert chain.info == model.Info(BASE, {})


def test_a_damaged_table():
    with pytest.raises(errors.InfoInvalid, match=PATH):
        load((BASE, 'raw', 512, None), table='{}')


@pytest.mark.parametrize('file_format', [None, '', 'vmdk', 'QCOW2', 'luks'])
def test_a_format_that_is_none(file_format):
    with pytest.raises(errors.FormatUnknown) as caught:
        load((BASE, file_format, 512, None))
    assert 'volume 1 ' in str(caught.value)
    assert 'found was %s,' % file_format in str(caught.value)


@pytest.mark.parametrize('said, recorded, conflict', [
    ('raw', model.Recorded(base='raw'), False),
    ('qcow2', model.Recorded(base='qcow2'), False),
    ('raw', model.Recorded(base='qcow2'), True),
    ('qcow2', model.Recorded(base='raw'), True),
    # What hosts attach is the overlay, and what the operator says is of
    # volumes without a record.
    ('raw', model.Recorded(active='qcow2'), False),
    ('raw', model.Recorded(legacy='qcow2'), False),
    ('raw', NOTHING, False),
])
def test_two_that_say_different_things(said, recorded, conflict):
    files = [(OVERLAY, 'qcow2', 9, head(1024, BASE, said)),
             (BASE, said, 512, head() if said == 'qcow2' else None)]
    if not conflict:
        assert load(*files, table=TABLE,
                    recorded=recorded).lowest.format == said
        return
    with pytest.raises(errors.FormatConflict) as caught:
        load(*files, table=TABLE, recorded=recorded)
    for word in (BASE, OVERLAY, said, recorded.base):
        assert word in str(caught.value)


def test_the_record_is_of_the_base_and_of_no_overlay():
    """Whose lowest layer is an overlay, has no base any more."""
    chain = load((OVERLAY, 'qcow2', 9, head()), table=TABLE,
                 recorded=model.Recorded(base='raw', active='raw'))
    assert chain.lowest.format == 'qcow2'
