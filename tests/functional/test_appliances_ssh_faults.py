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


"""Appliances over a real sshd when it, or the way to it, fails."""

import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

from oslo_config import cfg
from oslo_utils import units
import pytest

from remotefs_drivers.appliances import scripted
from remotefs_drivers.appliances import ssh
from remotefs_drivers.embedded import keeper
from remotefs_drivers import errors

pytestmark = pytest.mark.root

SIZE = 32 * units.Mi
#: Seconds that an answer may take which does not come.
LIMIT = 6
#: Seconds that the machine may be slower than it should.
SLACK = 300


@pytest.fixture
def new(nas):
    """Makes appliances that are closed after the test."""
    with contextlib.ExitStack() as stack:
        def make(**changes):
            return stack.enter_context(contextlib.closing(
                nas.new(**changes)))
        yield make


@contextlib.contextmanager
def bounded():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LIMIT + SLACK


@contextlib.contextmanager
def impatient(appliance):
    """Answers may take LIMIT, in this block only: others are from what works.
    """
    line = appliance._line
    patient = line._access
    line._access = dataclasses.replace(patient, limit=LIMIT)
    try:
        yield
    finally:
        line._access = patient
        if line._pool:
            line._pool._access = patient


class TestSilence:
    """Neither an answer nor a refusal: bounded, and taken for lost."""

    def test_sshd_is_silent_from_the_beginning(self, nas, new):
        appliance = new()
        with nas.server.silent(), bounded(), impatient(appliance):
            with pytest.raises(errors.ApplianceUnavailable,
                               match='nothing was begun'):
                appliance.capacity()
        assert appliance.capacity().total

    def test_a_connection_goes_silent(self, nas, new):
        appliance = new()
        appliance.check()
        with nas.server.silent(), bounded(), impatient(appliance):
            with pytest.raises(errors.ApplianceUnavailable,
                               match='appliance_ssh_timeout'):
                appliance.capacity()
        assert appliance.capacity().total

    def test_the_file_system_hangs(self, nas, new):
        """It is done later; the driver finds it and takes it back."""
        appliance = new()
        appliance.check()
        with nas.hanging(), bounded(), impatient(appliance):
            with pytest.raises(errors.ApplianceUnavailable,
                               match='done it or not: the time limit'):
                appliance.create_share('volume-1', SIZE)
        self.taken_back(new)

    def test_the_connection_is_lost_meanwhile(self, nas, new):
        appliance = new()
        appliance.check()
        lost = []

        def ask():
            try:
                appliance.create_share('volume-1', SIZE)
            except Exception as error:
                lost.append(error)
        with nas.hanging():
            asking = threading.Thread(target=ask)
            asking.start()
            while not nas.is_asked():
                assert asking.is_alive()
                time.sleep(0.02)
            nas.server.drop_sessions()
            asking.join(LIMIT + SLACK)
            assert [type(each) for each in lost] == [
                errors.ApplianceUnavailable]
            assert 'nothing was begun' not in str(lost[0])
        self.taken_back(new)

    def taken_back(self, new):
        appliance = new()
        deadline = time.monotonic() + SLACK
        while appliance.find_share('volume-1') is None:
            assert time.monotonic() < deadline
        with pytest.raises(errors.ApplianceShareExists):
            appliance.create_share('volume-1', SIZE)
        # It may not be whole yet, but it can be deleted.
        while True:
            try:
                appliance.delete_share('volume-1')
                break
            except errors.ApplianceError:
                assert time.monotonic() < deadline
        assert appliance.find_share('volume-1') is None

    # There, looking hangs as well.
    @pytest.mark.parametrize('nas', ['zfs'], indirect=True)
    def test_all_places_are_taken(self, nas, new):
        appliance = new()
        # Who asks has a connection: to make one takes a while.
        several(ssh.CONNECTIONS, appliance.list_shares)
        found = []

        def ask():
            try:
                appliance.find_share('volume-1')
            except errors.ApplianceUnavailable as error:
                found.append(error)
        with nas.hanging(), bounded(), impatient(appliance):
            askers = [threading.Thread(target=ask) for __ in range(12)]
            for each in askers:
                each.start()
            for each in askers:
                each.join()
        assert len(found) == 12
        assert appliance.find_share('volume-1') is None


class TestRefusals:
    def test_nobody_listens(self, nas, new):
        appliance = new()
        nas.server.stop()
        try:
            with pytest.raises(errors.ApplianceUnavailable,
                               match='nothing was begun.*to connect'):
                appliance.capacity()
        finally:
            nas.server.start()
        assert appliance.capacity().total

    def test_somebody_else_listens(self, nas, new):
        with socket.create_server(('127.0.0.1', 0)) as server:
            appliance = new(nas_ssh_port=server.getsockname()[1],
                            appliance_ssh_timeout=LIMIT)
            with bounded(), pytest.raises(errors.ApplianceUnavailable):
                appliance.capacity()

    def test_restarted_between_calls(self, nas, new):
        appliance = new()
        appliance.create_share('volume-1', SIZE)
        nas.server.restart()
        appliance.create_snapshot('volume-1', 'a')
        nas.server.drop_sessions()
        appliance.delete_share('volume-1', ['a'])

    def test_all_of_many_connections_are_stale(self, nas, new):
        appliance = new()
        several(12, appliance.list_shares)
        nas.server.restart()
        several(12, appliance.list_shares)

    def test_the_key_is_not_known_there(self, nas, new):
        appliance = new()
        appliance.check()
        nas.server.let_in(nas.server.make_key('other', 'ed25519') + '.pub')
        try:
            # Who is in is in.
            appliance.check()
            with pytest.raises(errors.ApplianceDenied,
                               match=nas.server.login):
                new().check()
        finally:
            nas.server.let_in()
            pathlib.Path(nas.server.folder, 'other').unlink()
            pathlib.Path(nas.server.folder, 'other.pub').unlink()

    @pytest.mark.parametrize('content', [None, 'no key at all\n'])
    def test_the_key_is_none(self, new, tmp_path, content):
        path = tmp_path / 'key'
        if content:
            path.write_text(content)
        with pytest.raises(errors.ApplianceDenied,
                           match='nas_private_key %s' % path):
            new(nas_private_key=str(path)).check()

    @pytest.mark.parametrize('kind', ['rsa', 'ecdsa', 'ed25519'])
    def test_keys_of_all_kinds(self, nas, new, kind):
        name = 'kind-' + kind
        path = pathlib.Path(nas.server.folder, name)
        if not path.exists():
            nas.server.make_key(name, kind)
        nas.server.let_in('%s.pub' % path)
        new(nas_private_key=str(path)).check()

    def test_password(self, nas, new):
        new(nas_private_key=None, nas_password=nas.server.password).check()
        with pytest.raises(errors.ApplianceDenied):
            new(nas_private_key=None, nas_password='wrong').check()

    def test_sudo_says_no(self, nas, new):
        nas.server.permit('/usr/bin/true')
        with pytest.raises(errors.ApplianceDenied, match='sudo: '):
            new().check()

    def test_without_sudo(self, new):
        with pytest.raises(errors.ApplianceNotReady, match='root'):
            new(appliance_sudo=False).check()


class TestHostKeys:
    def test_changed(self, nas, new):
        appliance = new()
        appliance.check()
        nas.server.change_host_key()
        with pytest.raises(errors.ApplianceHostKeyChanged,
                           match='ssh_hosts_key_file'):
            appliance.check()
        nas.server.know()
        appliance.check()

    def test_of_another_kind(self, nas, new):
        """A stranger could offer it to get around the one that is known."""
        cfg.CONF.set_override('strict_ssh_host_key_policy', False)
        nas.server.change_host_key('rsa')
        try:
            with pytest.raises(errors.ApplianceHostKeyChanged,
                               match='does not match'):
                new().check()
        finally:
            nas.server.change_host_key('ed25519')
            nas.server.know()

    def test_unknown(self, nas, new, tmp_path):
        empty = tmp_path / 'known_hosts'
        empty.touch()
        cfg.CONF.set_override('ssh_hosts_key_file', str(empty))
        with pytest.raises(errors.ApplianceHostKeyChanged,
                           match='ed25519, SHA256:'):
            new().check()
        assert empty.read_text() == ''
        cfg.CONF.set_override('strict_ssh_host_key_policy', False)
        new().check()
        known = pathlib.Path(nas.server.known_hosts).read_text()
        assert known.split()[2] in empty.read_text()

    def test_no_file(self, new, tmp_path):
        cfg.CONF.set_override('ssh_hosts_key_file', str(tmp_path / 'none'))
        with pytest.raises(errors.ApplianceNotReady, match='ssh-keyscan'):
            new().check()


class TestInstalled:
    """Sudo permits one program, below one root, and nothing else."""

    @pytest.fixture
    def path(self, nas):
        path = '/usr/local/sbin/remotefs-appliance'
        nas.box.write(path, scripted.program(nas.appliance.script), '0755')
        nas.server.permit('%s %s *' % (path, nas.root))
        yield path
        nas.box.run('rm', path)

    def test_all_works(self, nas, new, path):
        appliance = new(appliance_program=path)
        appliance.check()
        appliance.create_share('volume-1', SIZE)
        appliance.create_snapshot('volume-1', 'a')
        appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        appliance.promote('volume-2')
        appliance.delete_share('volume-1', ['a'])
        appliance.delete_share('volume-2', ['a'])
        assert appliance.list_shares() == []

    def test_nothing_else(self, nas, new, path):
        with pytest.raises(errors.ApplianceDenied):
            new().check()
        with pytest.raises(errors.ApplianceDenied):
            new(appliance_program=path,
                appliance_root=nas.root + 'x').check()

    @pytest.mark.parametrize('words', [
        ('find', '../../etc'), ('create', '../x', '1', '0:0', ''),
        ('delete', ''), ('delete', 'a\nb'), ('no_such_verb',),
        ('create', 'volume-9', 'x=y', '0:0', ''),
        ('create', 'volume-9', '99999999', 'root', ''),
        ('create', 'volume-9', '99999999', '0:0', '*(rw)\n/ *(rw)'),
        ('create', 'volume-9', '99999999', '0:0', '*(rw) \\'),
        ('create', 'volume-9', '-1', '0:0', ''),
        ('snapshot', 'a'), (), ('create',),
    ], ids=repr)
    def test_it_trusts_no_argument(self, nas, new, path, words):
        """What whoever holds the key may send, around our own checks."""
        done = subprocess.run(
            nas.box.inside([path, nas.root, *words]), timeout=300, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert '\nremotefs-end OK\n' not in done.stdout
        assert new(appliance_program=path).list_shares() == []
        assert nas.box.exported() == {}

    def test_of_another_release(self, nas, new, path):
        nas.box.write(path, '#!/bin/sh\necho remotefs-answer 0\n', '0755')
        with pytest.raises(errors.ApplianceNotReady,
                           match='another release.*appliance_program'):
            new(appliance_program=path).check()

    def test_it_is_not_there(self, nas, new):
        nas.server.permit('ALL')
        with pytest.raises((errors.ApplianceNotReady, errors.ApplianceDenied),
                           match='not found'):
            new(appliance_program='/usr/local/sbin/none').check()

    def test_a_login_that_greets(self, nas, new, path):
        """Whatever a shell's profile prints does not matter."""
        text = nas.box.read(path)
        nas.box.write(path, text.replace(
            'set -u -f', 'echo Welcome; echo; echo you >&2; set -u -f'),
            '0755')
        assert new(appliance_program=path).capacity().total


class TestTheBoxFails:
    def test_what_cannot_be_seen_is_not_missing(self, nas, new):
        appliance = new()
        appliance.create_share('volume-1', SIZE)
        with nas.down():
            for call in (lambda: appliance.find_share('volume-1'),
                         lambda: appliance.delete_share('volume-1'),
                         lambda: appliance.delete_snapshot('volume-1', 'a'),
                         appliance.list_shares):
                with pytest.raises(errors.ApplianceError):
                    call()
        assert appliance.find_share('volume-1') is not None

    def test_what_was_done_survives_a_crash(self, nas, new):
        appliance = new(appliance_export_options='10.0.0.0/8(rw)')
        share = appliance.create_share('volume-1', SIZE)
        appliance.create_snapshot('volume-1', 'a')
        appliance.clone_snapshot('volume-1', 'a', 'volume-2', SIZE)
        appliance.promote('volume-2')
        appliance.rename_share('volume-1', 'volume-3')
        before = [appliance.find_share(name)
                  for name in ('volume-2', 'volume-3')]
        nas.crash()
        assert [appliance.find_share(name)
                for name in ('volume-2', 'volume-3')] == before
        for each in before:
            status = os.stat(nas.folder(each))
            assert '%d:%d' % (status.st_uid, status.st_gid) == nas.owner
        assert share.id not in [each.id for each in before]


class TestHealing:
    """What a crash in the middle of a roll back of btrfs leaves."""

    @pytest.fixture
    def nas(self, btrfs_nas):
        with btrfs_nas.ready():
            yield btrfs_nas

    @pytest.mark.parametrize('steps, content', [
        # The new one was made.
        (1, 'now'),
        # The share was moved away: it comes back.
        (2, 'now'),
        # The new one took its place.
        (3, 'then'),
    ])
    def test_the_next_verb_heals(self, nas, new, steps, content):
        appliance = new()
        share = appliance.create_share('volume-1', SIZE)
        file = pathlib.Path(nas.folder(share), 'volume')
        file.write_text('then')
        made = appliance.create_snapshot('volume-1', 'a')
        file.write_text('now')
        work = pathlib.Path(nas.path, '.work')
        for name in ('new', 'old'):
            (work / name).mkdir(parents=True)
        old, fresh = work / 'old' / 'volume-1', work / 'new' / 'volume-1'
        for command in [('btrfs', 'subvolume', 'snapshot', made.id, fresh),
                        ('mv', '-T', share.id, old),
                        ('mv', '-T', fresh, share.id)][:steps]:
            nas.box.run(*map(str, command))
        assert [each.name for each in appliance.list_shares()] == [
            'volume-1']
        assert appliance.find_share('volume-1').snapshots == (made,)
        assert file.read_text() == content
        assert not old.exists() and not fresh.exists()
        appliance.roll_back('volume-1', 'a')
        assert file.read_text() == 'then'
        assert not work.exists()


def several(count, call):
    """Call it in so many threads at once; all must work."""
    problems = []

    def once():
        try:
            call()
        except Exception as error:
            problems.append(error)
    threads = [threading.Thread(target=once) for __ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


class TestEventlet:
    def test_only_the_caller_waits(self, nas):
        """In a service with an event loop, calls go on side by side."""
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.green_ssh', nas.server.known_hosts,
             '%s:%s' % (type(nas.new()).__module__,
                        nas.appliance.__name__),
             json.dumps(nas.options())],
            stdout=subprocess.PIPE, text=True, timeout=600, cwd='/',
            env={**os.environ, 'PYTHONPATH': keeper.REPOSITORY})
        assert done.returncode == 0
        names, ticks = json.loads(done.stdout.splitlines()[-1])
        assert names == ['volume-%d' % number for number in range(6)]
        # The loop went on while they waited.
        assert ticks > 10
