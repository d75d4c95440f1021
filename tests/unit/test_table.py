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

"""The shares file and the table that is made of it."""

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.share import table

GOOD = [
    ('10.0.0.1:/srv', '10.0.0.1:/srv', None),
    ('nas.example.org:/a/b', 'nas.example.org:/a/b', None),
    # The root of an NFSv4 server.
    ('nas:/', 'nas:/', None),
    # IPv6 addresses are in brackets, else their colons could not be told
    # from the one before the export.
    ('[fd00::1]:/srv', '[fd00::1]:/srv', None),
    ('nas:/with\\040blank', 'nas:/with blank', None),
    ('nas:/a -o vers=4.2,hard', 'nas:/a', '-o vers=4.2,hard'),
    # Any white space, and any amount of it, parts the two.
    ('  nas:/a \t  -o vers=3  ', 'nas:/a', '-o vers=3'),
    ('nas:/a -o vers=3 -v', 'nas:/a', '-o vers=3 -v'),
    ('nas:/a # the old one', 'nas:/a', None),
    ('nas:/a -o vers=3\t# not 4', 'nas:/a', '-o vers=3'),
    # A # that is no comment: part of a name.
    ('nas:/a#1', 'nas:/a#1', None),
    ('nas:/a -o sec=sys,x#y', 'nas:/a', '-o sec=sys,x#y'),
    # A colon in the export is its own affair.
    ('nas:/a:b', 'nas:/a:b', None),
    ('n\u00e4s:/\u00fc', 'n\u00e4s:/\u00fc', None),
]

BAD = [
    'nas',
    'nas:',
    '/srv/only/a/path',
    # A GlusterFS volume, which is another driver's.
    'nas:volume',
    ':/srv',
    # Not in brackets.
    'fd00::1:/srv',
    '[fd00::1:/srv',
    '[]:/srv',
    # A blank that should have been \040, not mount options.
    'nas:/a b',
    'nas:/a vers=4.2',
]

#: Where IPv6 addresses need no brackets.
BARE = [
    ('fd00::1:/v', 'fd00::1:/v', None),
    ('::1:/v -o x', '::1:/v', '-o x'),
    ('fe80::1%eth0:/v', 'fe80::1%eth0:/v', None),
    ('[fd00::1]:/v', '[fd00::1]:/v', None),
    ('g1:/v', 'g1:/v', None),
]

NOTHING = ['', '   ', '\t', '#', '# nas:/a', '   # nas:/a']


@pytest.mark.parametrize('line, location, options', GOOD)
def test_good_lines(line, location, options):
    shares, complaints = table.parse(line)
    assert dict(shares) == {location: table.Share(location, options)}
    assert complaints == []


@pytest.mark.parametrize('line, location, options', BARE)
def test_addresses_without_brackets(line, location, options):
    shares, complaints = table.parse(line, bare=True)
    assert list(shares.values()) == [table.Share(location, options)]
    assert complaints == []


@pytest.mark.parametrize('line', [each for each in BAD
                                  if not each.startswith('fd00')])
def test_nothing_else_is_taken_then(line):
    assert table.parse(line, bare=True)[0] == table.Table()


@pytest.mark.parametrize('line', BAD)
def test_bad_lines_are_left_out_and_reported_by_number(line):
    shares, complaints = table.parse('\nnas:/one\n%s\nnas:/two' % line)
    assert list(shares) == ['nas:/one', 'nas:/two']
    complaint, = complaints
    assert complaint.startswith('line 3: "%s" ' % line)


@pytest.mark.parametrize('line', NOTHING)
def test_lines_that_say_nothing(line):
    assert table.parse(line) == (table.Table(), [])


@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_line_ends(end):
    shares, complaints = table.parse(end.join(['nas:/a', 'nas:/b', '']))
    assert (list(shares), complaints) == (['nas:/a', 'nas:/b'], [])


def test_of_the_same_share_the_first_line_counts():
    shares, complaints = table.parse('nas:/a -o vers=3\nnas:/b\nnas:/a')
    assert shares['nas:/a'].options == '-o vers=3'
    assert complaints == ['line 3: share nas:/a is there twice, the first '
                          'line counts']


@given(strategies.text())
def test_any_text_is_read(text):
    shares, complaints = table.parse(text)
    assert len(shares) + len(complaints) <= len(text.splitlines())
    assert all(table.is_location(location) for location in shares)


@pytest.mark.parametrize('text, expected', [
    ('nas:/a', True),
    ('[fd00::1]:/a', True),
    ('/srv', False),
    ('', False),
    ('nas:a', False),
])
def test_is_location(text, expected):
    assert table.is_location(text) is expected


class TestTable:
    SHARES = [table.Share('nas:/b'), table.Share('nas:/a')]

    def test_keeps_the_operators_order(self):
        assert list(table.Table(self.SHARES)) == ['nas:/b', 'nas:/a']

    def test_is_a_mapping(self):
        made = table.Table(self.SHARES)
        assert len(made) == 2
        assert made['nas:/a'] is self.SHARES[1]
        assert 'nas:/c' not in made
        assert made.get('nas:/c') is None
        with pytest.raises(KeyError):
            made['nas:/c']

    def test_is_never_changed(self):
        made = table.Table(self.SHARES)
        with pytest.raises(TypeError):
            made['nas:/c'] = table.Share('nas:/c')
        with pytest.raises(AttributeError):
            made['nas:/a'].options = '-o ro'

    def test_does_not_depend_on_what_it_was_made_of(self):
        shares = list(self.SHARES)
        made = table.Table(shares)
        shares.clear()
        assert len(made) == 2
