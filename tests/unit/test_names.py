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

"""The names of a volume's files."""

import pytest

from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers import names


class Volume:
    id = 'the-id'

    def __init__(self, name):
        self.name = name


@pytest.mark.parametrize('name', [
    'volume-1',
    # A template of the operator's.
    'vol 1',
    'a..b',
    'v\u00f6lume',
    '-rf',
])
def test_of(name):
    assert names.of(Volume(name)) == name


@pytest.mark.parametrize('name', [
    '',
    '.',
    '..',
    '/',
    '/etc/passwd',
    '../volume-1',
    'a/b',
    'volume-1/',
    'a\0b',
    # The driver's own names begin so.
    '.volume-1.plain-copy',
])
def test_names_that_lead_elsewhere(name):
    with pytest.raises(errors.VolumeNameInvalid) as info:
        names.of(Volume(name))
    assert 'the-id' in str(info.value)
    assert 'volume_name_template' in str(info.value)


def test_snapshot_table():
    """As Cinder's drivers name it."""
    assert names.snapshot_table('volume-1') == 'volume-1.info'


def test_journal():
    assert names.journal('volume-1') == 'volume-1.intent'


@pytest.mark.parametrize('name, expected', [
    (names.journal('volume-1'), 'volume-1'),
    (names.temporary('volume-1', names.NEW_TEXT), 'volume-1'),
    # Of nobody's journal.
    ('volume-1', None),
    (names.temporary('volume-1', names.NEW_CLONE), None),
    ('.cinderSecureEnvIndicator', None),
])
def test_whose_journal(name, expected):
    assert names.of_journal(name) == expected


def test_a_temporary_file_says_whose_and_what_for_it_is():
    assert (names.temporary('volume-1', names.PLAIN_COPY) ==
            '.volume-1.plain-copy')


@pytest.mark.parametrize('name', ['', '../x', 'a/b', '.x'])
def test_the_file_of_a_snapshot(name):
    class Snapshot(Volume):
        volume = Volume('volume-1')
    assert names.of_snapshot(Snapshot('snapshot-1')) == 'snapshot-1'
    with pytest.raises(errors.VolumeNameInvalid, match='the-id'):
        names.of_snapshot(Snapshot(name))


def test_all_temporary():
    assert set(names.all_temporary('volume-1')) == {
        names.temporary('volume-1', purpose) for purpose in (
            names.PLAIN_COPY, names.NEW_OVERLAY, names.NEW_BASE,
            names.NEW_CLONE, names.NEW_SNAPSHOT, names.NEW_TEXT)}


def test_no_temporary_file_is_a_layer():
    assert not any(model.is_layer('volume-1', name)
                   for name in names.all_temporary('volume-1'))


def test_no_volume_can_have_the_name_of_a_temporary_file():
    for name in names.all_temporary('volume-1'):
        with pytest.raises(errors.VolumeNameInvalid):
            names.of(Volume(name))
