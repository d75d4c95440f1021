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


"""What is sent to an appliance over SSH, and what its answers mean."""

import dataclasses
import shlex
from unittest import mock

from oslo_config import cfg
import paramiko
import pytest

from remotefs_drivers.appliances import answers
from remotefs_drivers.appliances import btrfs
from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances import scripted
from remotefs_drivers.appliances import ssh
from remotefs_drivers.appliances import zfs
from remotefs_drivers import errors
from remotefs_drivers.settings import appliance_ssh

QUESTION = answers.Question('box', 'do it', share='v', snapshot='s')
NAMED = answers.Question('box', 'do it', share='v', snapshot='s', new='n')
#: A share with a snapshot that a clone hangs on, as OpenZFS tells it.
DESCRIBED = (
    't/c/v\ttype\tfilesystem\nt/c/v\tmountpoint\t/t/c/v\n'
    't/c/v\trefquota\t0\nt/c/v\torigin\tt/c/w@o\nt/c/v\tcreatetxg\t7\n'
    't/c/v\tclones\t-\n'
    't/c/v@new\ttype\tsnapshot\nt/c/v@new\tcreatetxg\t10\n'
    't/c/v@new\tclones\t\n'
    't/c/v@old\ttype\tsnapshot\nt/c/v@old\tcreatetxg\t9\n'
    't/c/v@old\tclones\tt/c/x,t/other\n')
#: The same of a release without the property clones.
OLD = ''.join(line + '\n' for line in DESCRIBED.splitlines()
              if '\tclones\t' not in line) + (
    't/c/x\torigin\tt/c/v@old\nt/c/v\torigin\tt/c/w@o\nt/c\torigin\t-\n')


def section(**values):
    conf = cfg.ConfigOpts()
    conf.register_opts(zfs.ZfsAppliance.get_options(), group='backend')
    conf([], default_config_files=[])
    for name, value in {'nas_host': 'box', 'nas_private_key': '/key',
                        'appliance_root': 't/c',
                        'appliance_share_owner': '1:2', **values}.items():
        conf.set_override(name, value, group='backend')
    return conf.backend


def answer(text, status=0, complaint=b''):
    return ssh.Answer(status, text.encode(), complaint)


def said(text='', end='OK'):
    return answer('remotefs-answer 1\n%s\nremotefs-end %s\n' % (text, end))


class TestAnswers:
    @pytest.mark.parametrize('text', ['', 'a\nb\n', 'remotefs-end OK\nx\n'])
    def test_what_it_says(self, text):
        assert answers.text_of(QUESTION, said(text)) == text

    def test_after_a_greeting(self):
        greeted = answer('Welcome\n' + said('x').output.decode())
        assert answers.text_of(QUESTION, greeted) == 'x'

    @pytest.mark.parametrize('end, error, words', [
        ('Full\tno room', errors.ApplianceFull, 'no room'),
        ('Failed\twhy', errors.ApplianceError, 'why'),
        ('NoSuchName\twhy', errors.ApplianceError, 'why'),
        ('NotReady\tgone\tMend it.', errors.ApplianceNotReady,
         'gone. Mend it.'),
        ('RollbackRefused\tb', errors.ApplianceRollbackRefused, 's: b'),
        ('ShareExists', errors.ApplianceShareExists, 'share v already'),
        ('ShareMissing', errors.ApplianceShareMissing, 'share v'),
        ('ShareMissing\tw', errors.ApplianceShareMissing, 'share w'),
        ('ShareInUse\tb', errors.ApplianceShareInUse, 'share v has .*: b'),
        ('SnapshotExists', errors.ApplianceSnapshotExists,
         'share v has a snapshot s'),
        ('SnapshotExists\tw', errors.ApplianceSnapshotExists,
         'share w has a snapshot s'),
        ('SnapshotExists\t\tz', errors.ApplianceSnapshotExists,
         'share v has a snapshot z'),
        ('SnapshotMissing', errors.ApplianceSnapshotMissing, 'v has no .* s'),
        ('SnapshotInUse\tx', errors.ApplianceSnapshotInUse, 's of share v: x'),
        ('Unsupported', errors.ApplianceUnsupported, 'no way to do it'),
    ])
    def test_errors_by_name(self, end, error, words):
        with pytest.raises(error, match=words) as caught:
            answers.text_of(QUESTION, said(end=end))
        assert type(caught.value) is error

    @pytest.mark.parametrize('end, words', [
        ('ShareExists', 'share n already'),
        ('SnapshotExists', 'share v has a snapshot n'),
        ('SnapshotMissing', 'no snapshot s')])
    def test_of_what_was_to_be_made(self, end, words):
        with pytest.raises(errors.ApplianceError, match=words):
            answers.text_of(NAMED, said(end=end))

    @pytest.mark.parametrize('found, error, words', [
        # Cut off: it may have been done.
        (answer('remotefs-answer 1\nx\n'), errors.ApplianceUnavailable,
         'no end'),
        (answer('remotefs-answer 1\nremotefs-end'),
         errors.ApplianceUnavailable, 'no end'),
        (answer('remotefs-answer 1\n\nremotefs-end OK'),
         errors.ApplianceUnavailable, 'no end'),
        (answer('', -1), errors.ApplianceUnavailable, 'said nothing'),
        (answer('remotefs-answer 2\n\nremotefs-end OK\n'),
         errors.ApplianceNotReady, 'another release'),
        (answer('', 127, b'sh: not found'), errors.ApplianceNotReady,
         'not found .*appliance_program'),
        (answer('', 1, b'sudo: a password is required'),
         errors.ApplianceDenied, 'sudo: a password.*sudoers'),
        (answer('', 1, b'sudo: /p: command not found'),
         errors.ApplianceNotReady, 'not found .*appliance_program'),
        (answer('This account is not available.', 1),
         errors.ApplianceDenied, 'This account'),
        (answer(''), errors.ApplianceDenied, 'said nothing'),
    ])
    def test_no_answer(self, found, error, words):
        with pytest.raises(error, match=words):
            answers.text_of(QUESTION, found)

    @pytest.mark.parametrize('said', [
        answer('', 1, b'Sorry, user c is not allowed to execute \'sh -c ' +
               30000 * b'x'),
        answer('remotefs-answer 1\n\nremotefs-end Failed\tSorry, ' +
               30000 * 'x' + '\n')])
    def test_not_all_of_a_long_one(self, said):
        """sudo repeats our program in its complaint about it."""
        with pytest.raises(errors.ApplianceError, match='Sorry, ') as raised:
            answers.text_of(QUESTION, said)
        assert len(str(raised.value)) < 1000


class TestCommands:
    @pytest.mark.parametrize('values, start', [
        ({}, ['sudo', '-n', '--', 'sh', '-c',
              scripted.program('zfs.sh'), 'remotefs']),
        ({'nas_login': 'root'}, ['sh', '-c', scripted.program('zfs.sh'),
                                 'remotefs']),
        ({'appliance_sudo': False}, ['sh', '-c', scripted.program('zfs.sh'),
                                     'remotefs']),
        ({'appliance_program': '/p q'}, ['sudo', '-n', '--', '/p q']),
    ])
    def test_words(self, values, start):
        made = zfs.ZfsAppliance(section(**values))
        odd = ["a'b; $(x)", '', 'ü\n']
        words = shlex.split(made._command('verb', *odd).decode())
        assert words == [*start, 't/c', 'verb', *odd]

    def test_names_that_are_no_text(self):
        made = btrfs.BtrfsAppliance(section(appliance_root='/c'))
        assert b"'\xff'" in made._command('find', '\udcff')

    @pytest.mark.parametrize('script', ['zfs.sh', 'btrfs.sh'])
    def test_a_program_is_whole(self, script):
        text = scripted.program(script)
        for verb in ('check', 'create', 'clone', 'delete', 'resize',
                     'rename', 'find', 'list', 'snapshot', 'roll_back',
                     'delete_snapshot', 'rename_snapshot', 'promote',
                     'capacity'):
            assert text.count('\ndo_%s() {' % verb) == 1
        assert text.rstrip().endswith('finish OK')

    @pytest.mark.parametrize('kind, root', [
        (zfs.ZfsAppliance, '/tank/c'), (zfs.ZfsAppliance, 'tank/'),
        (zfs.ZfsAppliance, 'a b'), (zfs.ZfsAppliance, '-tank'),
        (zfs.ZfsAppliance, 'tank@s'), (btrfs.BtrfsAppliance, 'tank/c'),
        (btrfs.BtrfsAppliance, '/a/../b'), (btrfs.BtrfsAppliance, '/a/'),
        (zfs.ZfsAppliance, None)])
    def test_roots_that_are_none(self, kind, root):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='appliance_root'):
            kind(section(appliance_root=root))

    @pytest.mark.parametrize('values, words', [
        ({'nas_host': None}, 'nas_host'),
        ({'nas_private_key': None}, 'nas_password neither'),
        ({'appliance_share_owner': 'cinder'}, 'uid:gid'),
        ({'appliance_export_options': '10.0.0.0/8'}, 'client'),
        ({'appliance_export_options': 'a(rw) b(ro\n#)'}, 'client')])
    def test_options_that_make_no_sense(self, values, words):
        with pytest.raises(errors.ShareConfigInvalid, match=words):
            zfs.ZfsAppliance(section(**values))

    def test_exports_have_a_number(self):
        made = zfs.ZfsAppliance(section(
            appliance_export_options='a(rw) b() c(ro,fsid=7)'))
        first, second, third = made._clients('v').split()
        assert first.startswith('a(rw,fsid=') and second.startswith('b(fsid=')
        assert third == 'c(ro,fsid=7)'
        assert made._clients('v') == made._clients('v') != made._clients('w')

    @pytest.mark.parametrize('size', [0, 1, 63, 64, 65, 1 << 30,
                                      (1 << 40) + 12345])
    def test_limits(self, size):
        for times in 1, 3:
            limit = scripted.limit_for(size, times)
            assert scripted.size_within(limit, times) == size
            assert times * size < limit
            assert scripted.size_within(1, times) == 0


class TestShares:
    def ask(self, made, text, call):
        with mock.patch.object(made._line, 'run',
                               return_value=said(text)) as run:
            found = call()
        assert run.call_count == 1
        return found

    @pytest.mark.parametrize('text, clones', [
        (DESCRIBED, ('x', 't/other')), (OLD, ('x',))])
    def test_of_zfs(self, text, clones):
        made = zfs.ZfsAppliance(section(appliance_export_address='fd00::1'))
        assert self.ask(made, text, lambda: made.find_share('v')) == (
            interface.Share('v', 't/c/v', '[fd00::1]:/t/c/v', None,
                            ('w', 'o'), (
                                interface.Snapshot('old', 't/c/v@old',
                                                   clones),
                                interface.Snapshot('new', 't/c/v@new'))))

    def test_of_btrfs(self):
        made = btrfs.BtrfsAppliance(section(appliance_root='/c'))
        text = ('share\t%d\tv\nsnapshot\t10\ta\tb\nsnapshot\t9\tz\n'
                % scripted.limit_for(5, btrfs.BtrfsAppliance.times))
        found = self.ask(made, text, lambda: made.find_share('v'))
        assert (found.location, found.size) == ('box:/c/v', 5)
        assert [each.name for each in found.snapshots] == ['z', 'a\tb']
        listed, = self.ask(made, 'share\tnone\tv\n', made.list_shares)
        assert (listed.size, listed.snapshots) == (None, None)

    @pytest.mark.parametrize('kind, text', [
        ('filesystem', 'legacy'), ('filesystem', 'none'), ('volume', '-')])
    def test_what_cannot_be_mounted_is_none(self, kind, text):
        made = zfs.ZfsAppliance(section())
        lines = ('t/c/v\ttype\t%s\nt/c/v\tmountpoint\t%s\n'
                 't/c/v\trefquota\t0\nt/c/v\torigin\t-\n' % (kind, text))
        assert self.ask(made, lines, made.list_shares) == []
        with pytest.raises(errors.ApplianceError, match='mount point'):
            self.ask(made, lines, lambda: made.find_share('v'))

    @pytest.mark.parametrize('text, several', [
        ('several\n', True), ('one\n', False)])
    def test_whether_zfs_takes_several(self, text, several):
        made = zfs.ZfsAppliance(section())
        self.ask(made, text, made.check)
        assert made.offers('create_snapshots') is several
        assert made.offers('promote')

    def test_several_at_one_moment(self):
        """One command, of which nothing but its end is of interest."""
        made = zfs.ZfsAppliance(section())
        with mock.patch.object(made._line, 'run',
                               return_value=said()) as run:
            found = made.create_snapshots(['v', 'w'], 's')
        assert found == [interface.Snapshot('s', 't/c/v@s'),
                         interface.Snapshot('s', 't/c/w@s')]
        (command, what), __ = run.call_args
        assert shlex.split(command.decode())[-5:] == ['t/c', 'snapshot', 's',
                                                      'v', 'w']
        assert run.call_count == 1

    @pytest.mark.parametrize('end, error, words', [
        ('ShareMissing\tw', errors.ApplianceShareMissing, 'no share w'),
        ('SnapshotExists\tw', errors.ApplianceSnapshotExists,
         'share w has a snapshot s'),
        ('Full\tno room', errors.ApplianceFull, 'no room'),
        ('Unsupported', errors.ApplianceUnsupported, 'no way')])
    def test_not_several_at_one_moment(self, end, error, words):
        made = zfs.ZfsAppliance(section())
        with mock.patch.object(made._line, 'run',
                               return_value=said(end=end)):
            with pytest.raises(error, match=words):
                made.create_snapshots(['v', 'w'], 's')

    def test_names_that_cannot_be_are_not_asked_for(self):
        made = zfs.ZfsAppliance(section())
        made._line = None
        assert made.find_share('a/b') is None
        made.delete_share("a'b")
        made.delete_snapshot('v', 'a@b')
        with pytest.raises(errors.ApplianceShareMissing):
            made.resize_share('..', 1)
        with pytest.raises(errors.ApplianceSnapshotMissing):
            made.roll_back('v', 'a%b')
        with pytest.raises(errors.ApplianceShareMissing):
            made.create_snapshots(['v', 'a,b'], 's')
        with pytest.raises(errors.ApplianceError):
            made.create_snapshots(['v'], 'a,b')


def test_who_we_are_there_without_the_password():
    """A log may have it."""
    access = ssh.Access('box', 22, 'me', 'secret', '/key', 5)
    assert 'me' in repr(access) and 'secret' not in repr(access)


def test_settings_without_the_password():
    own = appliance_ssh.ApplianceSsh(**{
        **{field.name: field.name
           for field in dataclasses.fields(appliance_ssh.ApplianceSsh)},
        'password': 'secret'})
    assert 'login' in repr(own) and 'secret' not in repr(own)


@pytest.fixture
def host_keys(tmp_path):
    """The file of host keys."""
    path = tmp_path / 'known_hosts'
    cfg.CONF.set_override('ssh_hosts_key_file', str(path))
    yield path
    cfg.CONF.clear_override('ssh_hosts_key_file')


def test_a_file_of_host_keys_that_is_broken(host_keys):
    """Somebody else may just be writing to it."""
    host_keys.write_text('box ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAxx\n')
    line = ssh.Line('box', ssh.Access('box', 22, 'me', '', '/key', 5))
    with pytest.raises(errors.ApplianceHostKeyChanged,
                       match='known_hosts has a line that is no key, "box'):
        line.run(b'x', 'do it')


class TestLine:
    @pytest.fixture
    def line(self):
        made = ssh.Line('box', ssh.Access('box', 22, 'me', '', '/key', 5))
        made._pool = mock.Mock()
        return made

    def connection(self, channel=None, error=None):
        client = mock.Mock()
        session = client.get_transport.return_value.open_session
        if error:
            session.side_effect = error
        else:
            session.return_value = channel
        return client

    def channel(self, output=b'out'):
        made = mock.MagicMock()
        made.__enter__.return_value = made
        made.recv.side_effect = [output, b'']
        made.recv_stderr.side_effect = [b'']
        made.recv_exit_status.return_value = 3
        return made

    def test_an_answer(self, line):
        client = self.connection(self.channel())
        line._pool.get.return_value = client
        assert line.run(b'x', 'do it') == ssh.Answer(3, b'out', b'')
        line._pool.put.assert_called_once_with(client)
        client.get_transport().close.assert_not_called()

    def test_what_was_not_begun_is_tried_once_more(self, line):
        stale = self.connection(error=paramiko.SSHException('gone'))
        line._pool.get.side_effect = [stale, self.connection(self.channel())]
        assert line.run(b'x', 'do it').output == b'out'
        stale.get_transport().close.assert_called_once_with()
        line._pool.close_free.assert_called_once_with()

    def test_and_no_more_often(self, line):
        line._pool.get.side_effect = [OSError('no way')] * 2
        with pytest.raises(errors.ApplianceUnreached,
                           match='nothing was begun.*no way'):
            line.run(b'x', 'do it')
        assert line._pool.get.call_count == 2

    def test_what_may_have_begun_is_not_tried_again(self, line):
        channel = self.channel()
        channel.exec_command.side_effect = paramiko.SSHException('lost')
        client = self.connection(channel)
        line._pool.get.return_value = client
        with pytest.raises(errors.ApplianceUnavailable,
                           match='or not: lost') as caught:
            line.run(b'x', 'do it')
        assert not isinstance(caught.value, errors.ApplianceUnreached)
        assert line._pool.get.call_count == 1
        client.get_transport().close.assert_called_once_with()
        line._pool.put.assert_called_once_with(client)

    def test_an_end_of_the_connection_is_no_end_of_the_answer(self, line):
        client = self.connection(self.channel())
        client.get_transport().is_active.return_value = False
        line._pool.get.return_value = client
        with pytest.raises(errors.ApplianceUnavailable, match='was lost'):
            line.run(b'x', 'do it')

    @pytest.mark.parametrize('raised, error', [
        (paramiko.AuthenticationException('no'), errors.ApplianceDenied),
        (ssh._KeyUnusable('no'), errors.ApplianceDenied),
        (ssh._UnknownHost('no'), errors.ApplianceHostKeyChanged)])
    def test_refusals_are_not_tried_again(self, line, raised, error):
        line._pool.get.side_effect = raised
        with pytest.raises(error, match='no'):
            line.run(b'x', 'do it')
        assert line._pool.get.call_count == 1
        # Nor do they take a place for ever.
        assert line._places.acquire(timeout=0)

    # As in paramiko.auth_handler.
    @pytest.mark.parametrize('text', [
        'Authentication timeout.',
        'Authentication failed: transport shut down or saw EOF'])
    def test_no_answer_is_no_refusal(self, line, text):
        """An sshd that is slow, or ends: it is tried again."""
        line._pool.get.side_effect = paramiko.AuthenticationException(text)
        with pytest.raises(errors.ApplianceUnreached, match=text):
            line.run(b'x', 'do it')
        assert line._pool.get.call_count == 2

    def test_nothing_is_opened_before_it_is_needed(self):
        with mock.patch.object(ssh, '_Pool') as pool:
            zfs.ZfsAppliance(section()).close()
        pool.assert_not_called()
