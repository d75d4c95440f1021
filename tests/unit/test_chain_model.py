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


"""Layers and chains."""

import dataclasses
import os

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.chain import model
from remotefs_drivers import errors

BASE = 'volume-1'


def layer(name, below=None):
    if below is None:
        return model.Layer(name, 'raw', 512)
    return model.Layer(name, 'qcow2', 512, below, 'raw')


@pytest.fixture
def chain():
    """volume-1 <- volume-1.a <- volume-1.b <- volume-1.c, of s1, s2, s3."""
    return model.Chain('1', BASE, (
        layer('volume-1'), layer('volume-1.a', 'volume-1'),
        layer('volume-1.b', 'volume-1.a'), layer('volume-1.c', 'volume-1.b')),
        model.Info('volume-1.c', {'s1': 'volume-1.a', 's2': 'volume-1.b',
                                  's3': 'volume-1.c'}))


@pytest.mark.parametrize('name, expected', [
    (BASE, True),
    (BASE + '.a', True),
    (BASE + '.0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a', True),
    # Other cases are other names.
    (BASE + '.INFO', True),
    (BASE + '.infos', True),
    ('', False),
    ('.', False),
    (BASE + '.', False),
    # What a volume has besides its layers.
    (BASE + '.info', False),
    (BASE + '.intent', False),
    ('.%s.plain-copy' % BASE, False),
    # As write_atomic leaves it when it is killed.
    ('.%s.info.x8d7f6.tmp' % BASE, False),
    (BASE + '.info.tmp', False),
    # Another volume.
    ('volume-10', False),
    ('volume-10.a', False),
    ('volume-', False),
    ('xvolume-1', False),
    ('x.volume-1.a', False),
    # Elsewhere.
    ('/' + BASE, False),
    ('../' + BASE, False),
    (BASE + '/', False),
    (BASE + './a', False),
    (BASE + '..', False),
    (BASE + '.a/../../b', False),
    # What no shell and no log should have to show, nor a path can hold.
    (BASE + '.a\0', False),
    (BASE + '.a\n', False),
    (BASE + '.\x1b[2J', False),
    (BASE + '.\ud800', False),
    (BASE + '.\u202e', False),
])
def test_is_layer(name, expected):
    assert model.is_layer(BASE, name) is expected


@given(strategies.uuids())
def test_what_a_snapshot_adds_is_a_layer(snapshot_id):
    name = model.overlay(BASE, snapshot_id)
    assert name == 'volume-1.%s' % snapshot_id
    assert model.is_layer(BASE, name)


@given(strategies.text(max_size=12) |
       strategies.text('./\0\n\\ain', max_size=6).map(
           lambda text: BASE + text))
def test_any_layer_is_one_file_in_the_folder(name):
    if not model.is_layer(BASE, name):
        return
    path = os.path.join('/share', name)
    assert os.path.dirname(os.path.normpath(path)) == '/share'
    assert os.fsencode(path)
    assert name.startswith(BASE)
    assert name not in (BASE + '.info', BASE + '.intent')
    # And of no volume but this one.
    assert not model.is_layer('volume-', name)
    assert not model.is_layer('volume-10', name)


@pytest.mark.parametrize('recorded, name, said, has_overlay, expected', [
    # (base, active, legacy) as recorded.
    # Without snapshots the active file is the base.
    ((None, 'raw', None), BASE, None, False, 'raw'),
    ((None, 'qcow2', None), BASE, None, False, 'qcow2'),
    # All snapshots went: the base as it was written down counts first, for
    # nobody may have set the other one back.
    (('raw', 'qcow2', None), BASE, None, False, 'raw'),
    # What is recorded counts more than what the operator says of all.
    ((None, 'raw', 'qcow2'), BASE, None, False, 'raw'),
    ((None, None, 'qcow2'), BASE, None, False, 'qcow2'),
    # With an overlay its header counts, which a host wrote.
    ((None, 'qcow2', None), BASE, 'raw', True, 'raw'),
    (('qcow2', 'qcow2', None), BASE, 'raw', True, 'raw'),
    # It may say nothing.
    (('raw', 'qcow2', None), BASE, None, True, 'raw'),
    # What hosts attach is then no longer the base.
    ((None, 'raw', None), BASE, None, True, None),
    ((None, 'raw', 'qcow2'), BASE, None, True, 'qcow2'),
    # Nobody knows.
    ((None, None, None), BASE, None, False, None),
    ((None, None, None), BASE, None, True, None),
    # An overlay is qcow2, whoever says what.
    (('raw', 'raw', 'raw'), BASE + '.a', 'raw', True, 'qcow2'),
    (('raw', 'raw', 'raw'), BASE + '.a', None, False, 'qcow2'),
])
def test_of_lowest(recorded, name, said, has_overlay, expected):
    assert model.Recorded(*recorded).of_lowest(
        BASE, name, said, has_overlay) == expected


class TestInfo:
    def test_without(self):
        info = model.Info('b', {'s1': 'a', 's2': 'b'})
        assert info.without('s1') == model.Info('b', {'s2': 'b'})
        assert info.without('s2', 'a') == model.Info('a', {'s1': 'a'})
        # What is not there, is not there afterwards.
        assert info.without('s3') == info

    def test_with(self):
        info = model.Info('a', {'s1': 'a'})
        assert info.with_('s2', 'b') == model.Info('a', {'s1': 'a',
                                                         's2': 'b'})
        assert info.with_('s2', 'b', 'b') == model.Info('b', {'s1': 'a',
                                                              's2': 'b'})

    def test_neither_changes_it(self):
        info = model.Info('a', {'s1': 'a'})
        info.without('s1')
        info.with_('s2', 'b')
        assert info == model.Info('a', {'s1': 'a'})
        with pytest.raises(dataclasses.FrozenInstanceError):
            info.active = 'b'


class TestChain:
    def test_ends(self, chain):
        assert (chain.lowest.name, chain.active.name) == ('volume-1',
                                                          'volume-1.c')

    def test_neighbours(self, chain):
        names = [None, *(each.name for each in chain.layers), None]
        for below, name, above in zip(names, names[1:], names[2:]):
            assert getattr(chain.below(name), 'name', None) == below
            assert getattr(chain.above(name), 'name', None) == above

    @pytest.mark.parametrize('snapshot, name', [
        # In the layer below the one that it added.
        ('s1', 'volume-1'), ('s2', 'volume-1.a'), ('s3', 'volume-1.b')])
    def test_content(self, chain, snapshot, name):
        assert chain.content(snapshot).name == name

    @pytest.mark.parametrize('snapshots', [
        {},
        # Its file is not in the chain.
        {'s4': 'volume-1.d'},
        # Nothing is below its file.
        {'s4': 'volume-1'},
    ])
    def test_content_that_is_not_there(self, chain, snapshots):
        chain = dataclasses.replace(chain, info=model.Info('volume-1.c',
                                                           snapshots))
        with pytest.raises(errors.SnapshotUnknown, match='s4'):
            chain.content('s4')

    def test_up_to(self, chain):
        for count, each in enumerate(chain.layers, 1):
            shorter = chain.up_to(each)
            assert shorter.active == each
            assert len(shorter.layers) == count
            assert shorter.lowest == chain.lowest

    def test_without_a_table(self):
        chain = model.Chain('1', BASE, (layer('volume-1'),))
        assert chain.snapshots == {}
        assert chain.active == chain.lowest
        with pytest.raises(errors.SnapshotUnknown):
            chain.content('s1')

    def test_has(self, chain):
        assert chain.has('volume-1.a') and not chain.has('volume-1.d')
