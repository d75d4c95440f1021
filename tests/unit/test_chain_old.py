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

"""Chains and tables that drivers of old have left."""

import pytest

from remotefs_drivers.chain import info
from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan
from remotefs_drivers import errors

BASE = 'volume-1'
ID = '11111111-2222-4333-8444-555555555555'


@pytest.mark.parametrize('key', [ID, 'tmp-snap-' + ID])
def test_a_clone_that_was_cut_off(key):
    name = model.overlay(BASE, key)
    found = model.Info(name, {key: name})
    assert info.loads(info.dumps(found), BASE, 'path') == found


@pytest.mark.parametrize('key', [
    'tmp-snap-', 'tmp-snap-x', ID + 'tmp-snap-', 'tmp-snap-tmp-snap-' + ID,
    'snap-' + ID])
def test_no_other_ids(key):
    text = '{"active": "volume-1", "%s": "volume-1.a"}' % key
    with pytest.raises(errors.InfoInvalid, match='id of a snapshot'):
        info.loads(text, BASE, 'path')


def _chain(*overlays):
    """:param overlays: (backing file, backing format) of each"""
    layers = [model.Layer(BASE, 'raw', 1)]
    layers += [model.Layer('%s.%d' % (BASE, number), 'qcow2', 1, *backing)
               for number, backing in enumerate(overlays)]
    return model.Chain('the-volume', BASE, tuple(layers))


@pytest.mark.parametrize('overlays', [
    (), ((BASE, 'raw'),), ((BASE, 'raw'), (BASE + '.0', 'qcow2'))])
def test_mended(overlays):
    assert plan.check_mended(_chain(*overlays)) is None


@pytest.mark.parametrize('wrong', [
    (BASE + '.0', None), (BASE + '.0', 'raw'),
    ('/elsewhere/%s.0' % BASE, 'qcow2')])
def test_not_mended(wrong):
    with pytest.raises(errors.ChainNotMended, match='volume-1[.]1') as found:
        plan.check_mended(_chain((BASE, 'raw'), wrong))
    assert 'the-volume' in str(found.value)
