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

"""RestAppliance against the reference server, a process of its own, by TLS."""

import itertools
import subprocess
import sys
import threading
import types
import uuid

import pytest

from remotefs_drivers.appliances import rest
from remotefs_drivers.appliances import rest_api
from remotefs_drivers.appliances import rest_channel
from remotefs_drivers.embedded import errors as embedded_errors
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded import rest as embedded_rest
from remotefs_drivers import errors

SIZE = 1 << 20
#: Seconds for an answer, and for a server to come up.
PATIENCE = 300
ODD = ["it's; $(rm) \"x\"", 'a/b', '..', '.', '.hidden', 'ünï çødé', '100%',
       '%2e%2e%2f', '-rf', 'line\nbreak', 'a?b=c&d#e', 'nul\0', '\udcff',
       'x' * 200]

#: Of each method that changes something: its arguments, about a share with
#: the snapshot s and a clone of it.
CHANGES = {
    'create_share': lambda name: [name + '-new', SIZE],
    'delete_share': lambda name: [name + '-clone'],
    'resize_share': lambda name: [name, 2 * SIZE],
    'rename_share': lambda name: [name, name + '-new'],
    'create_snapshot': lambda name: [name, 'new'],
    'create_snapshots': lambda name: [[name, name + '-clone'], 'new'],
    'delete_snapshot': lambda name: [name, 'free'],
    'rename_snapshot': lambda name: [name, 's', 'new'],
    'clone_snapshot': lambda name: [name, 's', name + '-new', SIZE],
    'promote': lambda name: [name + '-clone'],
    'roll_back': lambda name: [name, 'free'],
}


@pytest.fixture(scope='module')
def running(tmp_path_factory):
    with embedded_rest.RestServer(tmp_path_factory.mktemp('box')) as server:
        yield server


@pytest.fixture
def server(running):
    if not running.alive:
        running.start()
    running.appliance.faults.clear()
    return running


@pytest.fixture
def connect(server):
    """Makes clients."""
    made = []

    def connect(**options):
        made.append(rest.RestAppliance(types.SimpleNamespace(**{
            **server.options(), 'appliance_rest_timeout': PATIENCE,
            **options})))
        return made[-1]
    yield connect
    for each in made:
        each.close()


@pytest.fixture
def appliance(connect):
    return connect()


@pytest.fixture
def name(server):
    """A share with the snapshots s and free, and a clone of s."""
    name = 'volume-%s' % uuid.uuid4()
    box = server.appliance
    box.create_share(name, SIZE)
    for snapshot in 's', 'free':
        box.create_snapshot(name, snapshot)
    box.clone_snapshot(name, 's', name + '-clone', SIZE)
    return name


def content(server, name):
    """What there is of a name, ids and places aside."""
    return [(share.name, share.size, share.origin, [
        (snapshot.name, snapshot.clones) for snapshot in share.snapshots])
        for share in server.appliance.list_shares()
        if share.name.startswith(name)]


class TestAll:
    def test_shares(self, server, appliance, name):
        appliance.check()
        share = appliance.create_share(name + '-new', SIZE)
        assert share == server.appliance.find_share(name + '-new')
        assert share == appliance.find_share(name + '-new')
        appliance.resize_share(share.name, 2 * SIZE)
        assert appliance.find_share(share.name).size == 2 * SIZE
        renamed = appliance.rename_share(share.name, name + '-other')
        assert appliance.find_share(share.name) is None
        assert renamed in appliance.list_shares()
        appliance.delete_share(renamed.name)
        appliance.delete_share(renamed.name, ['and', 'more'])
        assert appliance.list_shares() == server.appliance.list_shares()
        assert appliance.capacity().total == (
            server.appliance.capacity().total)

    def test_snapshots(self, server, appliance, name):
        made = appliance.create_snapshots([name, name + '-clone'], 'both')
        assert made == [server.appliance.find_share(each).snapshots[-1]
                        for each in (name, name + '-clone')]
        appliance.roll_back(name, 'both')
        appliance.delete_snapshot(name, 'both')
        waits = appliance.rename_snapshot(name, 's', 'waits')
        assert waits.clones == (name + '-clone',)
        appliance.promote(name + '-clone')
        assert appliance.find_share(name).origin == (name + '-clone',
                                                     'waits')
        snapshot = appliance.create_snapshot(name, 'new')
        clone = appliance.clone_snapshot(name, 'new', name + '-2', SIZE)
        assert clone.origin == (name, snapshot.name)

    @pytest.mark.parametrize('odd', ODD)
    def test_odd_names(self, server, appliance, odd):
        share = appliance.create_share(odd, SIZE)
        assert share == appliance.find_share(odd)
        assert share == server.appliance.find_share(odd)
        snapshot = appliance.create_snapshot(odd, odd)
        assert snapshot.name == odd
        clone = appliance.clone_snapshot(odd, odd, odd + '2', SIZE)
        assert clone.origin == (odd, odd)
        appliance.delete_share(odd + '2')
        appliance.delete_share(odd, [odd])
        assert appliance.find_share(odd) is None

    @pytest.mark.parametrize('told', set(rest_api.ERRORS) - {'Unavailable'})
    @pytest.mark.parametrize('method', ['create_share', 'list_shares'])
    def test_errors(self, server, appliance, name, told, method):
        error = rest_api.ERRORS[told][0]
        server.appliance.faults.add(method, faults.REFUSE, error.__name__)
        arguments = [name + '-new', SIZE] if method == 'create_share' else []
        with pytest.raises(error) as caught:
            getattr(appliance, method)(*arguments)
        assert type(caught.value) is error


class TestTrust:
    @pytest.mark.parametrize('token', ['wrong', 'x' * 5000])
    def test_a_wrong_token(self, connect, name, server, token):
        before = content(server, name)
        appliance = connect(appliance_token=token)
        for call in appliance.check, lambda: appliance.delete_share(
                name + '-clone'):
            with pytest.raises(errors.ApplianceDenied):
                call()
        assert content(server, name) == before

    def test_another_name(self, connect, server):
        server.stop()
        server.renew(['localhost', '127.0.0.2'])
        server.start()
        try:
            with pytest.raises(errors.ApplianceNotReady, match='mismatch'):
                connect().check()
        finally:
            server.stop()
            server.renew(['127.0.0.1'])

    def test_a_certificate_of_another(self, connect, server, tmp_path):
        other = embedded_rest.RestServer(tmp_path / 'other')
        with other:
            appliance = connect(
                appliance_ca_file=other.options()['appliance_ca_file'])
            with pytest.raises(errors.ApplianceNotReady):
                appliance.check()

    def test_new_certificates(self, connect, server):
        old = connect()
        old.check()
        server.stop()
        server.renew(['127.0.0.1'])
        server.start()
        # What it trusted at its start, it trusts for good: only now is
        # the file another one.
        with pytest.raises(errors.ApplianceNotReady):
            old.check()
        connect().check()

    def test_it_listens_on_the_loopback_address(self, server):
        shown = subprocess.run(['ss', '-Hltn', 'sport = :%d' % server.port],
                               stdout=subprocess.PIPE, text=True, check=True)
        assert [line.split()[3] for line in shown.stdout.splitlines()] == [
            '127.0.0.1:%d' % server.port]


@pytest.mark.parametrize('method', CHANGES)
class TestLostAnswers:
    """Done once, and told, whatever is lost on the way."""

    def call(self, appliance, method, name):
        return getattr(appliance, method)(*CHANGES[method](name))

    def expected(self, server, method, name):
        """What there is after it was done once; without touching name."""
        other = 'other-%s' % uuid.uuid4()
        box = server.appliance
        box.create_share(other, SIZE)
        for snapshot in 's', 'free':
            box.create_snapshot(other, snapshot)
        box.clone_snapshot(other, 's', other + '-clone', SIZE)
        self.call(box, method, other)
        return repr(content(server, other)).replace(other, name)

    @pytest.mark.parametrize('kind', [faults.LOSE_REQUEST,
                                      faults.LOSE_ANSWER, faults.HALF])
    def test_the_client_asks_again(self, server, appliance, name, method,
                                   kind):
        expected = self.expected(server, method, name)
        server.appliance.faults.watch()
        server.appliance.faults.add(method, kind)
        self.call(appliance, method, name)
        assert repr(content(server, name)) == expected
        assert server.appliance.faults.calls().count(method) == 2

    @pytest.mark.parametrize('kind', [faults.DIE, faults.DIE_AFTER])
    def test_the_server_is_killed(self, server, appliance, name, method,
                                  kind, monkeypatch):
        """Between doing and answering; and it is started again."""
        # It may not be back when those that there are usually are over.
        monkeypatch.setattr(rest, '_ATTEMPTS', 10)
        expected = self.expected(server, method, name)
        server.appliance.faults.add(method, kind)
        failed = []

        def call():
            try:
                self.call(appliance, method, name)
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        server.wait(PATIENCE)
        server.start(PATIENCE)
        thread.join()
        assert failed == []
        assert repr(content(server, name)) == expected


def test_it_never_answers(server, appliance, name, monkeypatch):
    monkeypatch.setattr(rest, '_WAIT', 0)
    server.appliance.faults.add('create_snapshot', faults.LOSE_ANSWER,
                                times=100)
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.create_snapshot(name, 'new')


def test_it_hangs_and_another_attempt_comes_through(server, connect, name,
                                                    monkeypatch):
    """The first one ends later, and does nothing: it was done."""
    appliance = connect()
    # The first attempt finds a connection, and needs no time for one.
    appliance.check()
    limits = itertools.chain([1], itertools.repeat(PATIENCE))
    monkeypatch.setattr(rest_channel.Channel, '_timeout', property(
        lambda channel: next(limits)), raising=False)
    # The second attempt waits for its own turn, not for the first.
    server.appliance.faults.add('create_snapshot', faults.HANG,
                                seconds=2 * PATIENCE)
    results = []
    thread = threading.Thread(target=lambda: results.append(
        appliance.create_snapshot(name, 'new')))
    server.appliance.faults.watch()
    thread.start()
    while len(server.appliance.faults.calls()) < 2:
        thread.join(0.01)
        assert thread.is_alive()
    server.appliance.faults.clear()
    thread.join()
    assert results == [server.appliance.find_share(name).snapshots[-1]]


def test_many_at_once(server, appliance):
    failed = []

    def work(number):
        try:
            for turn in range(5):
                name = 'many-%d-%d' % (number, turn)
                appliance.create_share(name, SIZE)
                appliance.create_snapshot(name, 's')
                appliance.delete_share(name, ['s'])
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,))
               for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert not [share for share in server.appliance.list_shares()
                if share.name.startswith('many')]


@pytest.mark.parametrize('kind', [rules.INDEPENDENT, rules.RIGID])
def test_other_kinds_of_boxes(tmp_path, kind):
    with embedded_rest.RestServer(tmp_path / 'box', kind, SIZE) as server:
        appliance = rest.RestAppliance(types.SimpleNamespace(
            **server.options(), appliance_rest_timeout=PATIENCE))
        with pytest.raises(errors.ApplianceFull):
            appliance.create_share('a', 2 * SIZE)
        appliance.create_share('a', SIZE)
        appliance.create_snapshot('a', 's')
        clone = appliance.clone_snapshot('a', 's', 'b', SIZE)
        assert (clone.origin is None) == (kind == rules.INDEPENDENT)
        if kind == rules.RIGID:
            with pytest.raises(errors.ApplianceUnsupported):
                appliance.promote('b')
        appliance.check()
        assert appliance.offers('promote') == (kind != rules.RIGID)


def test_a_server_that_cannot_start(tmp_path):
    box = embedded_rest.RestServer(tmp_path / 'box')
    (tmp_path / 'box').mkdir()
    (tmp_path / 'box' / 'server.pem').write_text('no certificate')
    with pytest.raises(embedded_errors.NotReady, match='ended with code'):
        box.start()
    assert not box.alive


def test_it_says_what_a_backend_needs(tmp_path):
    """As an operator starts it."""
    command = [sys.executable, '-W', 'ignore', '-m',
               'remotefs_drivers.embedded.rest_server',
               str(tmp_path / 'try'), '--fast']
    with subprocess.Popen(command, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            options = dict(process.stdout.readline().strip().split(' = ')
                           for __ in range(4))
            appliance = rest.RestAppliance(types.SimpleNamespace(
                **options, appliance_rest_timeout=PATIENCE))
            appliance.check()
        finally:
            process.terminate()
    assert options['appliance_type'] == 'rest'
