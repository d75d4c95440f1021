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


"""The conformance suite of appliances, run on ours as vendors run it.

To have it run on another one, put a function into BOXES.
"""

import configparser
import functools
import os
import pathlib
import shutil

import pytest

from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import rest
from tests.harness import conformance

_EXAMPLES = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'examples'

#: What folders say that they have, in bytes. Other tests write meanwhile, so
#: that what the file system says moves for other reasons.
_TOTAL = 1 << 30

_FOLDERS = 'remotefs_drivers.embedded.folders:FolderAppliance'
_CONTENT = '--appliance-content=tests.harness.quiet:Folders'


def folders(kind):
    """An appliance of folders, of one of its kinds."""
    def run(folder, appliance=_FOLDERS, arguments=(_CONTENT,)):
        return conformance.run(folder, conformance.section({
            'appliance_type': appliance, 'folders_kind': kind,
            'folders_root': folder / 'root', 'folders_total': _TOTAL,
        }), arguments)
    return run


def example(folder):
    """The one of the manual, installed as it is there."""
    conf = (_EXAMPLES / 'cinder.conf').read_text()
    assert '/srv/example' in conf
    (folder / 'root').mkdir()
    _install(folder)
    return conformance.run(
        folder, conf.replace('/srv/example', str(folder / 'root')),
        ['--appliance-content=local'], [folder])


def _install(folder):
    """What pip makes of the manual's setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(_EXAMPLES / 'setup.cfg')
    for module in parser['options']['py_modules'].split():
        shutil.copy(_EXAMPLES / (module + '.py'), folder)
    group = 'remotefs_drivers.appliances'
    information = folder / 'example_nas-1.0.0.dist-info'
    information.mkdir()
    (information / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: %(name)s\nVersion: %(version)s\n'
        % parser['metadata'])
    (information / 'entry_points.txt').write_text(
        '[%s]%s\n' % (group, parser['options.entry_points'][group]))


def http(folder):
    """The one of our HTTP API, and its reference server."""
    with rest.RestServer(folder / 'server', total=_TOTAL) as server:
        return conformance.run(folder, conformance.section({
            'appliance_type': 'remotefs_drivers.appliances.rest:'
                              'RestAppliance',
            **server.options()}), [_CONTENT])


#: Name -> function that takes an empty folder and runs the suite.
BOXES = {'independent': folders('independent'),
         'dependent': folders('dependent'), 'rigid': folders('rigid'),
         'example': example, 'rest': http}

#: Without the many names, where nothing is about them.
_FEW = ['-k', 'not TestOdd and not odd_name and not AtOnce']

#: What stays undone, and is no fault: all that is skipped, by modules and
#: classes. Nothing else may be.
_RESTART = 'test_restart'
_OF_DEPENDENT = {
    'test_promote', 'test_lost_answers.test_promote',
    'test_hosts.TestAnotherHost.test_promoted_clones',
    'test_clones.TestDeleteSource.test_clones_keep_it',
    'test_snapshots.TestDelete.test_clones_keep_it',
    'test_renaming.TestShare.test_clones_know_the_new_name'}
_OPTIONAL = {
    'test_promote', 'test_roll_back', 'test_renaming', 'test_whole',
    'test_lost_answers.test_promote', 'test_lost_answers.test_roll_back',
    'test_lost_answers.test_rename_share',
    'test_lost_answers.test_rename_snapshot',
    'test_hosts.TestAnotherHost.test_promoted_clones',
    'test_hosts.TestAnotherHost.test_new_names',
    'test_hosts.TestAnotherHost.test_new_names_of_snapshots',
    'test_names.TestOdd.test_a_share_is_not_renamed',
    'test_names.TestOdd.test_a_snapshot_is_not_renamed',
    'test_names.test_a_share_with_an_odd_name_can_be_managed'}
_LEFT_OUT = {'independent': _OF_DEPENDENT, 'rigid': _OPTIONAL,
             'example': _OF_DEPENDENT}


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Called with a name, the Result of one of BOXES; each runs once."""
    return functools.lru_cache(maxsize=None)(
        lambda name: BOXES[name](tmp_path_factory.mktemp(name)))


@pytest.mark.parametrize('name', BOXES)
def test_a_good_one_passes(results, name):
    result = results(name)
    assert result.tests('failed', 'error') == [], result.output
    assert result.returncode == 0
    allowed = {_RESTART, *_LEFT_OUT.get(name, ())}
    assert [test for test in result.tests('skipped')
            if not any((test + '.').startswith(each + '.')
                       for each in allowed)] == []
    assert len(result.tests('passed')) > 100


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize('kind', ['btrfs', 'zfs'])
def test_a_box_that_is_real(tmp_path, request, kind):
    """Over SSH, with a file system that does the work."""
    with request.getfixturevalue(kind + '_nas').ready() as nas:
        result = conformance.run(tmp_path, conformance.section({
            'appliance_type': '%s:%s' % (nas.appliance.__module__,
                                         nas.appliance.__name__),
            **nas.options()}, [
                ('ssh_hosts_key_file', nas.server.known_hosts),
                ('strict_ssh_host_key_policy', True)]),
            ['--appliance-content=local'])
    assert result.tests('failed', 'error') == [], result.output
    assert len(result.tests('passed')) > 100


def test_pip_takes_the_one_of_the_manual():
    """It refuses a folder with a setup.cfg and nothing else."""
    assert 'build-backend' in (_EXAMPLES / 'pyproject.toml').read_text()


class TestReport:
    def test_what_a_poor_one_lacks(self, results):
        lines = results('rigid').output.splitlines()
        assert 'clones hang on their snapshots: yes' in lines
        assert ('not offered: roll_back, so a revert copies all data of the '
                'volume') in lines
        assert ('WARNING: clones hang on their snapshots, and it has no '
                'promote and no rename_snapshot: users cannot delete what '
                'they made clones of') in lines

    def test_what_is_not_needed(self, results):
        lines = results('example').output.splitlines()
        assert 'not offered: promote, which is not needed' in lines
        assert not any(line.startswith('WARNING') for line in lines)


class TestWithoutContent:
    """What needs it fails, or is left out where that was said."""

    def test_it_is_loud(self, tmp_path):
        result = folders('dependent')(tmp_path, arguments=_FEW)
        assert result.returncode == pytest.ExitCode.TESTS_FAILED
        assert 'test_clones.TestContent.test_a_clone_of_a_clone' in (
            result.tests('error'))
        assert '--allow-no-content' in result.output

    def test_it_may_be_left_out(self, tmp_path):
        result = folders('dependent')(
            tmp_path, arguments=['--allow-no-content', *_FEW])
        assert result.tests('failed', 'error') == []
        assert 'test_clones.TestContent.test_a_clone_of_a_clone' in (
            result.tests('skipped'))


@pytest.mark.root
class TestMounted:
    """By the driver's own mounter, with a stand-in for mount -t nfs."""

    #: The last two arguments are ADDRESS:/PATH and the mount point.
    PROGRAM = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
exec mergerfs -o "fsname=$1,minfreespace=0,moveonenospc=false" "${1#*:}" "$2"
"""

    @pytest.fixture(autouse=True)
    def programs(self, tmp_path, monkeypatch):
        folder = tmp_path / 'bin'
        folder.mkdir()
        (folder / 'mount').write_text(self.PROGRAM)
        (folder / 'mount').chmod(0o755)
        monkeypatch.setenv('PATH', '%s:%s' % (folder, os.environ['PATH']))
        with keeper.Keeper(tmp_path):
            yield

    def test_the_content_is_seen(self, tmp_path):
        result = folders('dependent')(tmp_path, arguments=[
            '--appliance-content=mount', '-k', 'test_content or Content'])
        assert result.tests('failed', 'error') == [], (
            result.output)
        assert len(result.tests('passed')) > 10
        assert mounts.below(tmp_path) == []

    def test_a_share_that_cannot_be_mounted(self, tmp_path, programs):
        (tmp_path / 'bin' / 'mount').write_text('#!/bin/sh\nexit 32\n')
        result = folders('dependent')(tmp_path, arguments=[
            '--appliance-content=mount', '-k', 'test_a_new_one_is_empty'])
        assert result.returncode == pytest.ExitCode.TESTS_FAILED
        assert 'cannot be mounted at' in result.output


@pytest.mark.root
class TestUser:
    """What root may do shows nothing of what the service may."""

    _ASKED = ['-k', 'test_the_user']
    _TEST = 'test_content.test_the_user_of_the_service_makes_files_in_it'

    def test_one_who_may_not(self, tmp_path):
        result = folders('dependent')(
            tmp_path, arguments=[_CONTENT, '--appliance-user=nobody',
                                 *self._ASKED])
        assert result.tests('failed') == [self._TEST]
        assert 'which is of 0:0' in result.output

    @pytest.mark.parametrize('name, message', [
        ('', 'not asked for: --appliance-user'),
        ('no-such-user', 'there is no user no-such-user')])
    def test_nobody(self, tmp_path, name, message):
        result = folders('dependent')(
            tmp_path, arguments=[_CONTENT, '--appliance-user', name, '-rs',
                                 *self._ASKED])
        assert result.tests('skipped', 'error') == [self._TEST]
        assert message in result.output


class TestUnclear:
    """Nothing is tested then, and it is said what to do."""

    @pytest.mark.parametrize('appliance, message', [
        ('nobodys', '"nobodys" cannot be used'),
        ('no.such:Module', 'no.such:Module cannot be imported'),
        ('os:PathLike', 'os:PathLike is no subclass'),
    ])
    def test_which_appliance(self, tmp_path, appliance, message):
        result = folders('dependent')(tmp_path, appliance)
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert message in result.output

    def test_an_appliance_that_is_not_ready(self, tmp_path):
        """It is said once, and not for each test."""
        result = folders('dependent')(tmp_path,
                                      'tests.harness.planted:NotReady')
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert result.output.count('it has no tea. Brew some.') == 1

    def test_how_to_get_at_the_content(self, tmp_path):
        result = folders('dependent')(
            tmp_path, arguments=['--appliance-content=by-magic'])
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert '"by-magic" is neither of local, mount' in result.output

    def test_which_section(self, tmp_path):
        result = folders('dependent')(
            tmp_path, arguments=['--appliance-section=', '--appliance-conf',
                                 str(_two_sections(tmp_path))])
        assert result.returncode == pytest.ExitCode.USAGE_ERROR
        assert '--appliance-section' in result.output


def _two_sections(folder):
    path = folder / 'two.conf'
    path.write_text('[one]\na = 1\n[two]\nb = 2\n')
    return path


#: Appliance of tests.harness.planted -> what finds its mistake.
PLANTED = {
    'Adopts': {
        'test_hosts.TestAnotherHost.test_each_undoes_what_the_other_did',
        'test_lost_answers.test_create_share',
        'test_shares.TestCreate.test_one_that_is_there_is_refused',
        'test_shares.TestCreate.test_one_that_is_there_keeps_its_content'},
    'TakesAlong': {
        'test_shares.TestDelete.test_other_snapshots_keep_it',
        'test_shares.TestDelete.test_other_snapshots_keep_the_content'},
    'Empties': {'test_shares.TestDelete.test_other_snapshots_keep_it'},
    'NewestFirst': {
        'test_many.test_all_snapshots_are_found',
        'test_promote.test_its_own_snapshots_are_newer',
        'test_promote.test_snapshots_up_to_its_own_change_hands',
        'test_renaming.TestShare.test_its_snapshots_come_along',
        'test_renaming.TestSnapshot.test_the_order_stays',
        'test_snapshots.TestCreate.test_the_oldest_comes_first',
        'test_snapshots.TestDelete.test_made_anew_it_is_the_newest',
        'test_snapshots.TestDelete.test_only_it_is_gone'},
    'ByName': {
        'test_renaming.TestShare.test_its_snapshots_come_along',
        'test_renaming.TestSnapshot.test_the_order_stays',
        'test_snapshots.TestCreate.test_the_oldest_comes_first',
        'test_snapshots.TestDelete.test_made_anew_it_is_the_newest',
        'test_snapshots.TestDelete.test_only_it_is_gone'},
    'SharesBlocks': {
        'test_clones.TestContent.test_writing_to_it_changes_nothing_else',
        'test_promote.test_the_content_of_all_stays'},
    'RollsOver': {
        'test_roll_back.test_newer_snapshots_are_never_lost',
        'test_roll_back.test_to_an_older_one_or_not_at_all'},
    'SaysDone': {
        'test_snapshots.TestDelete.test_a_clone_that_does_not_need_it_stays',
        'test_snapshots.TestDelete.test_clones_keep_it'},
    'RenamesOnce': {
        'test_lost_answers.test_rename_snapshot',
        'test_renaming.TestSnapshot.test_done_already_is_done'},
    'OneByOne': {'test_moment.TestSeveral.test_all_are_of_one_moment'},
    'SomeOfThem': {
        'test_moment.TestSeveral.test_one_has_it_already',
        'test_moment.TestSeveral.test_there_is_no_such_share'},
    'Unquoted': {
        'test_names.TestOdd.test_a_share_is_not_found',
        'test_names.test_a_share_with_an_odd_name_can_be_managed',
        'test_what_is_left.test_nothing_of_the_suite_is_left'},
    'Patterns': {'test_names.test_nothing_is_a_pattern'},
    'OtherError': {
        'test_names.TestOrdinary.test_one_that_begins_as_another_does',
        'test_snapshots.TestCreate.test_there_is_no_such_share'},
    'TooEarly': {
        'test_hosts.TestAnotherHost.test_sizes',
        'test_lost_answers.test_resize_share',
        'test_resize.test_it_is_larger',
        'test_resize.test_one_with_snapshots_and_clones'},
    'Remembers': {
        'test_hosts.TestAnotherHost.test_clones',
        'test_hosts.TestAnotherHost.test_new_names',
        'test_hosts.TestAnotherHost.test_new_names_of_snapshots',
        'test_hosts.TestAnotherHost.test_shares',
        'test_hosts.TestAnotherHost.test_sizes',
        'test_hosts.TestAnotherHost.test_snapshots'},
    'Forgets': {'test_restart.test_what_there_was_is_there'},
    'Leaks': {
        'test_clones.TestCreate.test_there_is_no_such_share',
        'test_clones.TestCreate.test_there_is_no_such_snapshot'},
    'Denies': {
        'test_clones.TestCreate.test_what_it_returns',
        'test_clones.TestDeleteSource.test_clones_that_need_it_not_stay',
        'test_clones.TestOrigin.test_of_clones',
        'test_offers.test_what_depends_is_told_from_both_ends',
        'test_renaming.TestSnapshot.'
        'test_with_clones_it_waits_under_another_name',
        'test_shares.TestFind.test_a_list_has_all_of_them_or_none',
        'test_snapshots.TestDelete.test_a_clone_that_does_not_need_it_stays'},
    'Half': {
        'test_clones.TestCreate.test_what_it_returns',
        'test_lost_answers.test_clone_snapshot',
        'test_names.TestOrdinary.test_all_of_our_letters',
        'test_shares.TestFind.test_a_list_has_all_of_them_or_none',
        'test_what_is_left.test_nothing_of_the_suite_is_left'},
    'Bare': {
        'test_shares.TestCreate.test_a_size_that_is_not_round',
        'test_shares.TestCreate.test_it_is_found_as_it_was_returned',
        'test_shares.TestCreate.test_what_it_returns',
        'test_shares.TestDelete.test_its_name_is_free_again'},
    'Trims': {'test_whole.test_holes_and_what_is_behind_the_data'},
    'Umask': {'test_whole.test_whom_files_belong_to'},
    'OneFile': {'test_whole.test_files_of_any_name'},
    'RollsUpon': {'test_whole.test_nothing_newer'},
    'OnePage': {'test_many.test_all_shares_are_listed'},
    'OnePageOfSnapshots': {'test_many.test_all_snapshots_are_found'},
    'StaysOpen': {'test_many.test_nothing_stays_open'},
    'Folds': {
        'test_names.TestOrdinary.test_capitals_are_letters_of_their_own'},
    'Hangs': {
        'test_capacity.test_it_makes_sense',
        'test_capacity.test_what_is_written_takes_room'},
}
#: More arguments for some: how long a call may take; what a restart is.
_ARGUMENTS = {
    # What is well has that time, too, so it is few.
    'Hangs': ['-k', 'test_capacity or test_resize',
              '--appliance-timeout=6'],
    'Forgets': _FEW + ['--appliance-restart=rm -rf {}/root-memory'],
    'Unquoted': [],
}


@pytest.mark.slow
@pytest.mark.parametrize('name', PLANTED)
def test_a_mistake_is_found(tmp_path, name):
    """By these tests, and the others pass."""
    arguments = [each.format(tmp_path)
                 for each in _ARGUMENTS.get(name, _FEW)]
    result = folders('dependent')(tmp_path, 'tests.harness.planted:' + name,
                                  arguments=[_CONTENT, *arguments])
    assert set(result.tests('failed')) == PLANTED[name], result.output
