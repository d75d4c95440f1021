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


"""Names of all kinds, each of one thing only."""

import uuid

import pytest

from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors

#: What an administrator may ask to have managed.
ODD = [
    'two words', ' at the ends ', "it's", '"quoted"', 'a;b', '$(id)', '`id`',
    'a|b', 'a&b', 'a>b', 'back\\slash', 'a*', '[ab]', 'a?', '%s', '%2e', 'a%',
    '#a', '~', '-rf', '--help', 'a=b', 'a,b', 'a:b', 'a@b', 'a@', '@a',
    'gr\u00fc\u00df', '\u65e5\u672c', 'tab\there', 'line\nbreak',
]
#: The same, which no share has, whatever a box would make of them.
NOBODYS = ['.', '..', '/', '../..', '/etc', 'a/b', 'nul\0', 'x' * 300]


def unique(pattern):
    """A name that no share of the box can have."""
    return pattern % uuid.uuid4().hex


class TestOrdinary:
    @pytest.mark.parametrize('pattern', [
        '%s', 'v.%s', 'V-%s', 'v_%s', 'v%s.', 'v%s-', '0.%s', 'v..%s',
        'v--%s', 'volume-%s.snapshot'])
    def test_all_of_our_letters(self, box, ground, pattern):
        name = ground.share(ground.name(unique(pattern)))
        snapshot = ground.snapshot(name, unique(pattern))
        clone = ground.name(unique(pattern))
        box.clone_snapshot(name, snapshot, clone, ground.size)
        assert values.is_there(box, name) and values.is_there(box, clone)
        assert ground.names_of(name) == [snapshot]
        box.delete_share(clone)
        box.delete_share(name, (snapshot,))
        assert not values.is_there(box, name)

    def test_long_ones(self, box, ground):
        """Twice as long as the driver's."""
        name = ground.share(ground.name(unique('volume-%s').ljust(96, 'x')))
        snapshot = ground.snapshot(name, unique('deleted-%s').ljust(96, 'x'))
        assert ground.names_of(name) == [snapshot]

    def test_one_that_begins_as_another_does(self, box, ground):
        name = ground.name()
        longer = [ground.share(ground.name(name + end))
                  for end in ('1', '-1', '.1', '_')]
        assert not values.is_there(box, name)
        with pytest.raises(errors.ApplianceShareMissing):
            box.create_snapshot(name, 's')
        ground.share(name)
        box.delete_share(name)
        assert all(values.is_there(box, each) for each in longer)

    def test_snapshots_that_begin_alike(self, box, ground):
        share = ground.share()
        ground.snapshots(share, 's-1', 's-12', 's-', 's')
        box.delete_snapshot(share, 's-1')
        assert set(ground.names_of(share)) == {'s-12', 's-', 's'}

    def test_a_dot_is_no_other_letter(self, box, ground):
        name = unique('v.%s')
        ground.share(ground.name(name.replace('.', 'x')))
        assert not values.is_there(box, ground.name(name))

    def test_capitals_are_letters_of_their_own(self, box, ground):
        share = ground.share()
        ground.snapshots(share, 'a', 'A')
        box.delete_snapshot(share, 'A')
        assert ground.names_of(share) == ['a']
        assert not values.is_there(box, share.upper())
        box.delete_share(share.upper(), ('a',))
        assert values.is_there(box, share)

    def test_a_share_and_a_snapshot_of_one_name(self, box, ground):
        share = ground.share()
        ground.snapshot(share, share)
        assert ground.names_of(share) == [share]
        box.delete_snapshot(share, share)
        assert values.is_there(box, share)


@pytest.mark.parametrize('odd', ODD + NOBODYS)
class TestOdd:
    """Where there is no such thing, the answer is the usual one."""

    def test_a_share_is_not_found(self, box, ground, odd):
        assert box.find_share(_tail(odd)) is None

    def test_a_share_is_not_renamed(self, box, ground, odd):
        with pytest.raises(errors.ApplianceShareMissing):
            box.rename_share(_tail(odd), ground.name())

    def test_a_snapshot_is_not_renamed(self, box, ground, odd):
        share = ground.share()
        snapshot = ground.snapshot(share)
        with pytest.raises(errors.ApplianceSnapshotMissing):
            box.rename_snapshot(share, _tail(odd), 'new')
        assert ground.names_of(share) == [snapshot]


@pytest.mark.parametrize('odd', ODD)
def test_a_share_with_an_odd_name_can_be_managed(box, ground, odd):
    """Made by the suite where the appliance lets it."""
    name, new = ground.name(_tail(odd)), ground.name()
    try:
        ground.share(name)
    except errors.ApplianceError:
        pytest.skip('it makes no share of such a name')
    assert box.find_share(name).name == name
    box.rename_share(name, new)
    assert not values.is_there(box, name)
    assert values.is_there(box, new)


def _tail(odd):
    """Nobody has it; what is dangerous stands where it was."""
    return odd + unique('%s') if odd in ODD else odd


def test_nothing_is_a_pattern(box, ground):
    """Of shells, of SQL, of regular expressions."""
    share = ground.share()
    snapshot = ground.snapshot(share)
    for name in '*', share[:-1] + '*', share[:-1] + '?', '%', '.*':
        assert box.find_share(name) is None
        box.delete_share(name, (name,))
        box.delete_snapshot(share, name)
    assert ground.names_of(share) == [snapshot]
