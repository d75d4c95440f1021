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

"""What an operator may call a file that should be managed."""

import pytest

from remotefs_drivers.remotefs import manageable
from remotefs_drivers.remotefs import reference

SHARES = ['10.0.0.1:/export', '[fd00::1]:/export/deep', 'host:/',
          '/srv/cephfs']
ID = '0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f'


@pytest.mark.parametrize('ref, expected', [
    ({'source-name': 'disk'}, ('disk', None, None)),
    ({'source-name': 'disk.img'}, ('disk.img', None, None)),
    ({'source-name': 'a disk'}, ('a disk', None, None)),
    ({'source-name': 'disk', 'source-format': 'raw'}, ('disk', None, 'raw')),
    ({'source-name': '10.0.0.1:/export/disk'},
     ('disk', '10.0.0.1:/export', None)),
    ({'source-name': '[fd00::1]:/export/deep/disk'},
     ('disk', '[fd00::1]:/export/deep', None)),
    # All ways to write the address.
    ({'source-name': '[FD00:0:0::1]:/export/deep/disk'},
     ('disk', '[fd00::1]:/export/deep', None)),
    # The root of a server.
    ({'source-name': 'host:/disk'}, ('disk', 'host:/', None)),
    ({'source-name': '/srv/cephfs/disk'}, ('disk', '/srv/cephfs', None)),
    ({'source-id': ID}, ('volume-%s' % ID, None, None)),
    ({'source-name': 'volume-%s' % ID}, ('volume-%s' % ID, None, None)),
])
def test_what_it_means(ref, expected):
    found = reference.parse(ref, SHARES)
    assert (found.name, found.location, found.format) == expected


@pytest.mark.parametrize('ref, reason', [
    ('disk', 'is not an object'),
    (None, 'is not an object'),
    ([], 'is not an object'),
    ({}, 'one of source-name and source-id'),
    ({'source-name': 'disk', 'source-id': ID}, 'one of'),
    ({'source-format': 'raw'}, 'one of'),
    ({'source-name': 'disk', 'colour': 'red'}, '"colour" is not known'),
    ({'source-name': ''}, 'is no text'),
    ({'source-name': None}, 'is no text'),
    ({'source-name': 5}, 'is no text'),
    ({'source-name': ['disk']}, 'is no text'),
    ({'source-name': 'disk', 'source-format': 'vmdk'}, 'expected raw or q'),
    ({'source-id': 'disk'}, 'is not the id of a volume'),
    ({'source-id': '../' + ID}, 'is not the id of a volume'),
    ({'source-name': '.'}, 'is not the name'),
    ({'source-name': '..'}, 'is not the name'),
    ({'source-name': '.hidden'}, 'is not the name'),
    ({'source-name': 'di\0sk'}, 'is not the name'),
    ({'source-name': '10.0.0.1:/export/'}, 'is not the name'),
    ({'source-name': '10.0.0.1:/export/..'}, 'leads out'),
    ({'source-name': '10.0.0.1:/export/../export/disk'}, 'leads out'),
    ({'source-name': '../disk'}, 'leads out'),
    ({'source-name': '10.0.0.1:/export/sub/disk'}, 'is not a share'),
    ({'source-name': '10.0.0.2:/export/disk'}, 'is not a share'),
    ({'source-name': '[fd00::2]:/export/deep/disk'}, 'is not a share'),
    ({'source-name': '[nonsense]:/export/deep/disk'}, 'is not a share'),
    ({'source-name': '/disk'}, 'is not a share'),
    ({'source-name': 'volume-%s.info' % ID}, 'name the volume'),
    ({'source-name': 'volume-%s.intent' % ID}, 'name the volume'),
    ({'source-name': 'volume-%s.%s' % (ID, ID)}, 'is a layer of volume-'),
])
def test_what_means_nothing(ref, reason):
    with pytest.raises(ValueError, match=reason):
        reference.parse(ref, SHARES)


@pytest.mark.parametrize('ref', [
    {'source-id': ID},
    {'source-name': ID},
    {'source-name': 'snapshot-%s' % ID},
    {'source-name': 'volume-%s.%s' % (ID, ID)},
    {'source-name': '/srv/cephfs/volume-%s.%s' % (ID, ID)},
])
def test_a_snapshot(ref):
    assert reference.parse_snapshot(ref) == ID


@pytest.mark.parametrize('name, expected', [
    ('volume-%s' % ID, ID),
    # Cinder writes it in one way only.
    ('volume-%s' % ID.upper(), None),
    ('volume-%s' % ID.replace('-', ''), None),
    ('volume-%s\n' % ID, None),
    ('volume-%s.x' % ID, None),
    ('volume-1', None),
    ('Volume-%s' % ID, None),
    ('disk', None),
])
def test_the_id_in_a_name(name, expected):
    assert reference.volume_id_of(name) == expected


def test_what_is_listed():
    base = 'volume-%s' % ID
    gone = 'volume-1' + ID[1:]
    assert manageable.candidates([
        'disk', base, base + '.info', base + '.' + ID, base + '.intent',
        '.%s.plain-copy' % base, '.cinderSecureEnvIndicator',
        # Its base is gone, as happens.
        gone + '.info', gone + '.' + ID,
        # Somebody else's.
        'notes.info', 'disk.img',
    ]) == sorted(['disk', 'disk.img', base, gone])


@pytest.mark.parametrize('size, expected', [
    (1, 1), ((1 << 30) - 1, 1), (1 << 30, 1), ((1 << 30) + 1, 2), (0, 0)])
def test_whole_gib(size, expected):
    assert manageable.whole(size) == expected
