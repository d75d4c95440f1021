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


"""What the conformance suite of appliances works with."""

import threading

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances.testing import box as boxes
from remotefs_drivers.appliances.testing import contents
from remotefs_drivers.appliances.testing import files
from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import report
from remotefs_drivers.appliances.testing import values
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors

SIZE = 1 << 20
LONG = 120


@pytest.fixture
def make(tmp_path):
    """Makes a Box, of a kind of folders."""
    def _make(kind='dependent', limit=LONG):
        return boxes.Box(folders.at(tmp_path / kind, kind=kind), limit,
                         boxes.Seen(), {})
    return _make


class TestBox:
    def test_it_passes_on(self, make):
        box = make()
        assert box.create_share('a', SIZE) == box.find_share('a')
        assert box.name == box.appliance.name

    def test_errors_too(self, make):
        with pytest.raises(errors.ApplianceShareMissing):
            make().resize_share('a', SIZE)

    def test_a_call_that_hangs(self, make, monkeypatch):
        box, released = make(limit=0.05), threading.Event()
        monkeypatch.setattr(box.appliance, 'capacity',
                            lambda: released.wait(LONG))
        with pytest.raises(AssertionError,
                           match=r'capacity\(\) did not return'):
            box.capacity()
        released.set()

    def test_what_is_left_out_ends_the_test(self, make):
        box = make('rigid')
        with pytest.raises(pytest.skip.Exception, match='promote'):
            box.promote('a')
        assert box.seen.refused == {'promote'}

    def test_what_was_offered_once_is_not_left_out(self, make):
        box = make('rigid')
        box.seen.done.add('promote')
        with pytest.raises(errors.ApplianceUnsupported):
            box.promote('a')

    def test_what_must_be_there_is_not_left_out(self, make, monkeypatch):
        box = make('rigid')
        monkeypatch.setattr(box.appliance, 'find_share',
                            box.appliance.promote)
        with pytest.raises(errors.ApplianceUnsupported):
            box.find_share('a')

    def test_whether_it_is_offered(self, make):
        for kind, offered in ('rigid', False), ('dependent', True):
            box = make(kind)
            box.create_share('a', SIZE)
            assert box.can('promote', 'a') is offered
            assert ('promote' in box.seen.done) is offered
            assert ('promote' in box.seen.refused) is not offered

    def test_another_one_shares_what_was_found_out(self, make):
        box = make('rigid')
        other = box.like(box.appliance)
        assert not other.can('promote', 'a')
        assert box.seen.refused == {'promote'}


class TestReport:
    def lines(self, depends, *refused):
        seen = boxes.Seen()
        seen.depends = depends
        seen.refused.update(refused)
        return list(report.Report(seen, {'a': 1.0, 'b': 2.0}))

    def test_all_is_offered(self):
        assert self.lines(True) == [
            'clones hang on their snapshots: yes',
            'slowest calls: b 2.00 s, a 1.00 s']

    def test_nothing_is_known(self):
        assert self.lines(None)[:-1] == []

    @pytest.mark.parametrize('method', sorted(boxes.OPTIONAL))
    def test_what_it_means(self, method):
        line = self.lines(True, method)[0]
        assert line == 'not offered: %s, so %s' % (method,
                                                   boxes.OPTIONAL[method])

    @pytest.mark.parametrize('method', sorted(boxes.OF_DEPENDENT))
    def test_it_is_not_needed(self, method):
        lines = self.lines(False, method)
        assert lines[0] == 'not offered: %s, which is not needed' % method
        assert not any(line.startswith('WARNING') for line in lines)

    @pytest.mark.parametrize('method', sorted(boxes.OF_DEPENDENT))
    def test_one_goes_with_the_other(self, method):
        assert any(line.startswith('WARNING') and method in line
                   for line in self.lines(True, method))


class TestGround:
    @pytest.fixture
    def ground(self, make):
        return grounds.Ground(make(), SIZE, [])

    def test_all_goes_away(self, ground):
        """Clones of clones, promoted ones, and what the test deleted."""
        share, snapshot, clone = ground.family()
        last = ground.clone(clone, ground.snapshot(clone))
        ground.box.promote(last)
        ground.box.delete_share(ground.share())
        ground.clear()
        assert ground.box.list_shares() == []

    def test_what_is_not_its_own_stays(self, ground):
        ground.box.create_share('other', SIZE)
        ground.share()
        ground.clear()
        assert [each.name for each in ground.box.list_shares()] == ['other']

    def test_what_stays_is_said(self, ground):
        share, snapshot, clone = ground.family()
        ground.box.clone_snapshot(share, snapshot, 'other', SIZE)
        with pytest.raises(AssertionError, match=share):
            ground.clear()
        assert ground.box.find_share(clone) is None


class TestWriter:
    @pytest.mark.parametrize('numbers, torn', [
        ([3], False),
        ([3, 3, 3], False),
        ([4, 3, 3], False),
        ([4, 4, 3], False),
        # The second snapshot was taken later.
        ([3, 4], True),
        ([3, 3, 4], True),
        # And here the first.
        ([5, 3], True),
        ([5, 4, 3], True),
    ])
    def test_what_is_torn(self, numbers, torn):
        assert files.is_torn(numbers) is torn

    def test_at_each_moment_it_is_whole(self):
        held, seen = {'a': 0, 'b': 0, 'c': 0}, []

        def write_at(path, offset, content):
            held[path] = int.from_bytes(content, 'big')
            seen.append(list(held.values()))
        writer = files.Writer(write_at, [('a', 0), ('b', 8), ('c', 0)])
        writer.start()
        writer.advance()
        writer.stop()
        assert len(seen) >= 9
        assert not any(map(files.is_torn, seen))

    def test_its_error_is_told(self):
        def write_at(path, offset, content):
            raise OSError('no room')
        writer = files.Writer(write_at, [('a', 0)])
        writer.start()
        with pytest.raises(OSError, match='no room'):
            writer.advance()
        writer.stop()


class TestContents:
    def test_those_with_a_name(self):
        assert contents.load('local') is contents.Local
        assert contents.load('mount') is contents.Mount

    def test_one_of_the_vendors(self):
        assert contents.load(
            contents.__name__ + ':Local') is contents.Local

    @pytest.mark.parametrize('name', ['other', 'no.such:Thing', ''])
    def test_there_is_none(self, name):
        with pytest.raises(errors.ShareConfigInvalid, match='local, mount'):
            contents.load(name)

    @pytest.mark.parametrize('address', ['10.0.0.1', '[fd00::1]', 'nas'])
    def test_the_path_of_a_location(self, tmp_path, address):
        local = contents.Local(None, tmp_path)
        with local.opened('%s:/srv/a:b' % address) as path:
            assert path == '/srv/a:b'


class TestValues:
    GOOD = interface.Share('a', '1', 'nas:/a', 10, ('b', 's'),
                           (interface.Snapshot('s', '2', ('c',)),))

    def test_a_good_one(self):
        values.check_share(self.GOOD, 'a', 10)
        values.check_share(interface.Share('a', '1', '[::1]:/a'), 'a', 10)

    @pytest.mark.parametrize('changes', [
        {'name': 'b'}, {'id': ''}, {'id': 7}, {'location': '/a'},
        {'location': 'nas:a'}, {'size': 9}, {'size': '10'},
        {'size': 10.0}, {'origin': ('b',)}, {'origin': 'b@s'},
        {'origin': ['b', 's']}, {'snapshots': ('s',)},
        {'snapshots': (interface.Snapshot('s', ''),)},
        {'snapshots': (interface.Snapshot('s', '2', ['c']),)},
        {'snapshots': (interface.Snapshot('s', '2', (3,)),)},
    ])
    def test_a_bad_one(self, changes):
        share = {**vars(self.GOOD), **changes}
        with pytest.raises(AssertionError):
            values.check_share(interface.Share(**share), 'a', 10)

    def test_something_else(self):
        for other in None, 'a', vars(self.GOOD):
            with pytest.raises(AssertionError):
                values.check_share(other, 'a')

    def test_two_of_one_name(self, make, monkeypatch):
        box = make()
        share = box.create_share('a', SIZE)
        assert values.listed(box, 'a') == share
        assert values.listed(box, 'b') is None
        monkeypatch.setattr(box.appliance, 'list_shares',
                            lambda: [share, share])
        with pytest.raises(AssertionError, match='listed 2 times'):
            values.listed(box, 'a')

    def test_two_ways_to_ask_that_do_not_agree(self, make, monkeypatch):
        box = make()
        box.create_share('a', SIZE)
        monkeypatch.setattr(box.appliance, 'list_shares', list)
        with pytest.raises(AssertionError, match='do not agree on a'):
            values.is_there(box, 'a')
