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

"""The exact command line of each request, and what none may have in it."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import requests

#: What a tenant writes into metadata, or a volume is called by.
HOSTILE = ['', ' ', 'a b', 'a;reboot', '$(reboot)', '`reboot`', 'a\nb', 'a|b',
           '-P', '--inode-space', 'a,b', 'a:b', 'a/b', '../a', 'ä', '\0', '%s',
           'x' * 256, None, 1, ['a'], b'a', True]

ALL = [
    ('state', [], 'mmgetstate -Y'),
    ('configured', ['clusterId'], 'mmlsconfig clusterId -Y'),
    ('version', ['gpfs0'], 'mmlsfs gpfs0 -V -Y'),
    # As mountinfo says it, on older releases.
    ('version', ['/dev/gpfs0'], 'mmlsfs /dev/gpfs0 -V -Y'),
    ('encryption', ['gpfs0'], 'mmlsfs gpfs0 --encryption -Y'),
    ('pool', ['gpfs0', 'gold'], 'mmlspool gpfs0 gold'),
    ('pools', ['gpfs0'], 'mmlspool gpfs0 all'),
    ('attributes', ['/a/b c'], 'mmlsattr -L /a/b c'),
    ('change_attributes', ['/a', {'pool': 'gold'}], 'mmchattr -P gold /a'),
    ('change_attributes', ['/a', {
        'write_affinity_failure_group': '1,1,1:2;2,1,1',
        'block_group_factor': '128', 'write_affinity_depth': 2,
        'dio': False, 'replicas': '2', 'pool': None}],
     'mmchattr -m 2 -r 2 -D no --write-affinity-depth 2 '
     '--block-group-factor 128 '
     '--write-affinity-failure-group 1,1,1:2;2,1,1 /a'),
    ('change_attributes', ['/a', {'dio': 'yes'}], 'mmchattr -D yes /a'),
    ('clone_snap', ['/a'], 'mmclone snap /a'),
    ('clone_snap', ['/a', '/a.snap'], 'mmclone snap /a /a.snap'),
    ('clone_copy', ['/a.snap', '/b'], 'mmclone copy /a.snap /b'),
    ('clone_redirect', ['/b'], 'mmclone redirect /b'),
    ('clone_split', ['/b'], 'mmclone split /b'),
    ('clone_show', ['/b'], 'mmclone show /b'),
    ('fileset', ['gpfs0', 'consisgroup-1'],
     'mmlsfileset gpfs0 consisgroup-1 -Y'),
    ('create_fileset', ['gpfs0', 'g-1'],
     'mmcrfileset gpfs0 g-1 --inode-space new'),
    ('create_fileset', ['gpfs0', 'g-1', False], 'mmcrfileset gpfs0 g-1'),
    ('link_fileset', ['gpfs0', 'g-1', '/a/g-1'],
     'mmlinkfileset gpfs0 g-1 -J /a/g-1'),
    ('unlink_fileset', ['gpfs0', 'g-1'], 'mmunlinkfileset gpfs0 g-1 -f'),
    ('delete_fileset', ['gpfs0', 'g-1'], 'mmdelfileset gpfs0 g-1 -f'),
    ('create_snapshot', ['gpfs0', 'g-1', 's.1'],
     'mmcrsnapshot gpfs0 s.1 -j g-1'),
    ('delete_snapshot', ['gpfs0', 'g-1', 's.1'],
     'mmdelsnapshot gpfs0 s.1 -j g-1'),
    ('snapshots', ['gpfs0', 'g-1'], 'mmlssnapshot gpfs0 -j g-1 -Y'),
]


@pytest.mark.parametrize('request_, arguments, line', ALL)
def test_the_command_line(request_, arguments, line):
    assert ' '.join(requests.argv(request_, arguments)) == line


def test_no_request_is_without_a_test():
    assert {request for request, __, __ in ALL} == set(requests.ALL)


@pytest.mark.parametrize('name', ['nix', '', None, ['state'], 'argv',
                                  '_path', 'Wanted'])
def test_nothing_else(name):
    with pytest.raises(errors.GpfsRequestInvalid):
        requests.argv(name, [])


@pytest.mark.parametrize('value', HOSTILE)
@pytest.mark.parametrize('request_, arguments', [
    ('version', ['?']), ('encryption', ['?']), ('configured', ['?']),
    ('pool', ['?', 'a']), ('pool', ['a', '?']), ('pools', ['?']),
    ('fileset', ['a', '?']), ('create_fileset', ['a', '?']),
    ('link_fileset', ['a', '?', '/a']), ('unlink_fileset', ['a', '?']),
    ('delete_fileset', ['a', '?']), ('create_snapshot', ['a', '?', 'b']),
    ('create_snapshot', ['a', 'b', '?']), ('delete_snapshot', ['a', '?', 'b']),
    ('delete_snapshot', ['a', 'b', '?']), ('snapshots', ['a', '?']),
    ('change_attributes', ['/a', {'pool': '?'}]),
])
def test_names(request_, arguments, value):
    arguments = [_with(each, value) for each in arguments]
    if value is None and request_ == 'change_attributes':
        # Nothing is wanted, so nothing is asked for.
        value = '?'
    with pytest.raises(errors.GpfsRequestInvalid):
        requests.argv(request_, arguments)


@pytest.mark.parametrize('value', ['', 'a', '-L', '-f/a', './a', '/a\nb',
                                   '/a\0', '/a\x7f', None, 1, b'/a'])
@pytest.mark.parametrize('request_, arguments', [
    ('attributes', ['?']), ('clone_show', ['?']), ('clone_split', ['?']),
    ('clone_redirect', ['?']), ('clone_snap', ['?', '/a']),
    ('clone_copy', ['?', '/a']), ('clone_copy', ['/a', '?']),
    ('link_fileset', ['a', 'a', '?']),
    ('change_attributes', ['?', {'pool': 'a'}]),
])
def test_paths(request_, arguments, value):
    with pytest.raises(errors.GpfsRequestInvalid):
        requests.argv(request_, [_with(each, value) for each in arguments])


@pytest.mark.parametrize('value', ['', 'a', '-L', './a', '/a\nb', 1])
def test_the_path_of_a_parent(value):
    """None is the form without one."""
    with pytest.raises(errors.GpfsRequestInvalid):
        requests.argv('clone_snap', ['/a', value])


@pytest.mark.parametrize('name, values', [
    ('replicas', ['0', '4', '-1', '1 ', '+1', '1.0', '1_0', '²', 'x', '',
                  True, '1;reboot', '-r']),
    ('dio', ['', 'on', '1', 'yes;', 'yes no', '-D', 1]),
    ('write_affinity_depth', ['3', '-1', '', '1 2', 'x']),
    ('block_group_factor', ['0', '-1', '', 'x', '1048577', '9' * 30]),
    ('write_affinity_failure_group', ['', 'x', '1 2', '-1', '1,', ',1',
                                      '1;reboot', '1' * 300, 1, None]),
    ('pools', ['x']),
])
def test_attributes(name, values):
    for value in values:
        with pytest.raises(errors.GpfsRequestInvalid):
            requests.change_attributes('/a', {name: value})


def test_an_attribute_beside_a_good_one():
    with pytest.raises(errors.GpfsRequestInvalid, match='immutable'):
        requests.change_attributes('/a', {'pool': 'a', 'immutable': 'yes'})


def test_the_error_says_what_is_expected():
    with pytest.raises(errors.GpfsRequestInvalid) as info:
        requests.change_attributes('/a', {'replicas': '7'})
    assert "replicas is '7', expected a number from 1 to 3" in str(info.value)


def _with(argument, value):
    if isinstance(argument, dict):
        return {name: _with(each, value) for name, each in argument.items()}
    return value if argument == '?' else argument
