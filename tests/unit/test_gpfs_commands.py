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

"""The commands of GPFS as methods: what is asked, read and said of it."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.gpfs_commands import output
from remotefs_drivers.gpfs_commands import requests
from tests.unit import test_gpfs_output as samples

LEVEL = ('mmlsconfig::HEADER:version:reserved:reserved:configParameter:value:'
         'nodeList:\nmmlsconfig::0:1:::%s:%s::\n')


class Runner:
    """Answers as programs.run does, and checks what it is asked.

    :ivar answers: request -> (exit code, stdout, stderr), or an exception
    :ivar seen: (request, arguments, timeout)
    """

    def __init__(self):
        self.answers = {}
        self.seen = []

    def __call__(self, request, arguments, timeout):
        self.seen.append((request, arguments, timeout))
        argv = requests.argv(request, arguments)
        answer = self.answers.get(request, (0, '', ''))
        if callable(answer):
            answer = answer(*arguments)
        if isinstance(answer, Exception):
            raise answer
        return (*answer, ' '.join(argv))


@pytest.fixture
def runner():
    return Runner()


@pytest.fixture
def gpfs(runner):
    return commands.Commands(runner, timeout=5, long_timeout=50)


@pytest.mark.parametrize('request_, text, method, arguments, expected', [
    ('state', samples.STATE_5, 'state', (), 'down'),
    ('configured', samples.CONFIG, 'cluster_id', (), '2924343654772276122'),
    ('configured', samples.CONFIG, 'release', (), (5, 2, 1, 0)),
    ('configured', LEVEL % ('minreleaseLeveldaemon', '1403'), 'release', (),
     (4, 1, 0, 0)),
    ('version', samples.VERSION, 'filesystem_release', ('gpfs',),
     (4, 1, 0, 0)),
    ('encryption', samples.ENCRYPTION % 'Yes', 'has_encryption', ('gpfs',),
     True),
    ('encryption', samples.ENCRYPTION % 'No', 'has_encryption', ('gpfs',),
     False),
    ('attributes', samples.ATTRIBUTES % ('g-1', ''), 'attributes', ('/a',),
     output.Attributes('system', 'g-1', None, False, 2)),
    ('clone_show', samples.CLONES, 'clone_show', ('/gpfs0/test01.img',),
     output.Clone(False, 1, 148488)),
    ('fileset', samples.FILESETS, 'fileset', ('project', 'ibtest'),
     output.Fileset('ibtest', 'Linked', '/fs/project/ibtest', '1')),
    ('snapshots', samples.SNAPSHOTS, 'snapshots', ('ess', 'PAS1736'),
     [output.Snapshot('20201115_PAS1736', 'Valid', 'PAS1736', '16337')]),
])
def test_what_is_read(gpfs, runner, request_, text, method, arguments,
                      expected):
    runner.answers[request_] = 0, text, ''
    assert getattr(gpfs, method)(*arguments) == expected
    (seen, __, timeout), = runner.seen
    assert (seen, timeout) == (request_, 5)


@pytest.mark.parametrize('method, arguments, timeout, asked', [
    ('change_attributes', ('/a', requests.Wanted(pool='gold')), 50, [
        '/a', {'pool': 'gold', 'replicas': None, 'dio': None,
               'write_affinity_depth': None, 'block_group_factor': None,
               'write_affinity_failure_group': None}]),
    ('clone_snap', ('/a',), 5, ['/a', None]),
    ('clone_snap', ('/a', '/b'), 5, ['/a', '/b']),
    ('clone_copy', ('/b', '/c'), 5, ['/b', '/c']),
    ('clone_redirect', ('/c',), 50, ['/c']),
    ('clone_split', ('/c',), 50, ['/c']),
    ('create_fileset', ('gpfs0', 'g'), 5, ['gpfs0', 'g', True]),
    ('link_fileset', ('gpfs0', 'g', '/g'), 5, ['gpfs0', 'g', '/g']),
    ('unlink_fileset', ('gpfs0', 'g'), 5, ['gpfs0', 'g']),
    ('delete_fileset', ('gpfs0', 'g'), 50, ['gpfs0', 'g']),
    ('create_snapshot', ('gpfs0', 'g', 's'), 5, ['gpfs0', 'g', 's']),
    ('delete_snapshot', ('gpfs0', 'g', 's'), 50, ['gpfs0', 'g', 's']),
])
def test_what_is_done(gpfs, runner, method, arguments, timeout, asked):
    assert getattr(gpfs, method)(*arguments) is None
    assert runner.seen == [(method, asked, timeout)]


def test_a_release_by_its_other_name(gpfs, runner):
    """Newer ones may not know minreleaseLeveldaemon."""
    runner.answers['configured'] = lambda name: {
        'minReleaseLevel': (0, LEVEL % ('minReleaseLevel', '5.2.1.0'), '')
    }.get(name, (1, '', 'unknown'))
    assert gpfs.release() == (5, 2, 1, 0)


def test_a_release_that_is_answered_by_nothing(gpfs, runner):
    header = (LEVEL % ('x', 'y')).splitlines()[0]
    runner.answers['configured'] = lambda name: {
        'minReleaseLevel': (0, LEVEL % ('minReleaseLevel', '5.2.1.0'), '')
    }.get(name, (0, header, ''))
    assert gpfs.release() == (5, 2, 1, 0)
    runner.answers['configured'] = 0, LEVEL % ('minReleaseLevel', 'LATEST'), ''
    with pytest.raises(errors.GpfsOutputInvalid, match='"LATEST"'):
        gpfs.release()


def test_releases_are_compared():
    assert output.release('1199') < commands.CLONES
    assert output.release('1200') >= commands.CLONES
    assert output.release('1403') < commands.ENCRYPTION
    assert output.release('5.2.1.0') >= commands.ENCRYPTION


class TestPools:
    def test_it_is_there(self, gpfs, runner):
        assert gpfs.has_pool('gpfs0', 'gold')
        assert len(runner.seen) == 1

    def test_it_is_not_there(self, gpfs, runner):
        runner.answers['pool'] = 1, '', 'gold was not found'
        assert not gpfs.has_pool('gpfs0', 'gold')

    def test_no_pool_can_be_asked_for(self, gpfs, runner):
        """A node that is down does not say that the pool is gone."""
        runner.answers['pool'] = 1, '', 'down'
        runner.answers['pools'] = 1, '', 'GPFS is down'
        with pytest.raises(errors.GpfsCommandFailed, match='GPFS is down'):
            gpfs.has_pool('gpfs0', 'gold')


class TestFilesets:
    def test_one_that_is_not_there(self, gpfs, runner):
        runner.answers['fileset'] = 2, '', 'no such fileset'
        assert gpfs.fileset('gpfs0', 'g') is None

    def test_another_error(self, gpfs, runner):
        runner.answers['fileset'] = 1, '', 'GPFS is down'
        with pytest.raises(errors.GpfsCommandFailed, match='GPFS is down'):
            gpfs.fileset('gpfs0', 'g')


class TestErrors:
    def test_it_says_all(self, gpfs, runner):
        runner.answers['clone_snap'] = 17, '', 'mmclone: File\n exists.\n'
        with pytest.raises(errors.GpfsCommandFailed) as info:
            gpfs.clone_snap('/a', '/b')
        text = str(info.value)
        for words in ('could not make a clone parent of /a',
                      '"mmclone snap /a /b"', 'exit code 17',
                      'mmclone: File exists. See "mmclone show"'):
            assert words in text

    def test_what_it_says_on_stdout(self, gpfs, runner):
        runner.answers['attributes'] = 1, '/a: Invalid argument\n', ''
        with pytest.raises(errors.GpfsCommandFailed, match='Invalid argum'):
            gpfs.attributes('/a')

    def test_it_says_nothing(self, gpfs, runner):
        runner.answers['attributes'] = 1, '', ''
        with pytest.raises(errors.GpfsCommandFailed, match='no message'):
            gpfs.attributes('/a')

    def test_it_takes_too_long(self, gpfs, runner):
        runner.answers['clone_show'] = errors.CommandTimeout(
            program='mmclone', reason='no end', seconds=5, command='mmclone')
        with pytest.raises(errors.GpfsCommandTimeout) as info:
            gpfs.clone_show('/a')
        assert 'what clone /a is' in str(info.value)
        assert 'mmdiag' in str(info.value)

    def test_it_is_not_installed(self, gpfs, runner):
        # As it comes back from the daemon that runs as root: a text.
        runner.answers['state'] = errors.CommandFailed('cannot start')
        with pytest.raises(errors.GpfsCommandMissing,
                           match='/usr/lpp/mmfs/bin'):
            gpfs.state()

    def test_root_is_not_to_be_had(self, gpfs, runner):
        runner.answers['state'] = errors.PrivilegeMissing(what='x',
                                                          reason='no sudo')
        with pytest.raises(errors.PrivilegeMissing):
            gpfs.state()

    @pytest.mark.parametrize('request_, method, arguments', [
        ('state', 'state', ()), ('configured', 'cluster_id', ()),
        ('configured', 'release', ()), ('version', 'filesystem_release',
                                        ('gpfs0',)),
        ('encryption', 'has_encryption', ('gpfs0',)),
        ('attributes', 'attributes', ('/a',)),
        ('clone_show', 'clone_show', ('/a',)),
        ('fileset', 'fileset', ('gpfs0', 'g')),
        ('snapshots', 'snapshots', ('gpfs0', 'g')),
    ])
    @pytest.mark.parametrize('text', samples.NONSENSE[:-1])
    def test_nonsense(self, gpfs, runner, request_, method, arguments, text):
        runner.answers[request_] = 0, text, ''
        with pytest.raises(errors.GpfsOutputInvalid,
                           match='could not (ask|list)'):
            getattr(gpfs, method)(*arguments)

    def test_nothing_is_run_for_what_is_refused(self, gpfs, runner):
        """No daemon is started for it either."""
        with pytest.raises(errors.GpfsRequestInvalid):
            gpfs.clone_show('-x')
        with pytest.raises(errors.GpfsRequestInvalid):
            gpfs.change_attributes('/a', requests.Wanted())
        assert runner.seen == []
