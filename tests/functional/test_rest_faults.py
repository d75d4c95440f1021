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

"""RestAppliance against servers that answer badly, over TLS.

What is here runs in a process without eventlet, and once more in one with it.
"""

import json
import socket
import subprocess
import sys
import threading
import types

import pytest

from remotefs_drivers.appliances import rest
from remotefs_drivers.appliances import rest_channel
from remotefs_drivers.embedded import waiting
from remotefs_drivers import errors
from tests.harness import hostile_https as hostile

CAPACITY = b'{"capacity": {"total": 10, "free": 5}}'
GOOD = hostile.answers(200, CAPACITY)
HEAD = b'HTTP/1.1 200 OK\r\n'

#: Seconds for an answer that comes.
PATIENCE = 120

#: Ways that are no answer, and have no end.
ENDLESS = {
    'silent': hostile.is_silent,
    # Each byte comes in time, and all of them would, too late.
    'drips its head': hostile.drips(
        b'', HEAD + b'X: ' + b'x' * 200 +
        b'\r\nContent-Length: %d\r\n\r\n' % len(CAPACITY) + CAPACITY),
    'drips its body': hostile.drips(
        HEAD + b'Content-Length: %d\r\n\r\n' % (200 + len(CAPACITY)),
        b' ' * 200 + CAPACITY),
    'drips chunks': hostile.drips(
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n',
        b'1\r\n \r\n' * 40 + b'%x\r\n%s\r\n0\r\n\r\n' % (len(CAPACITY),
                                                         CAPACITY)),
    'always continues': hostile.never_ends(
        b'', b'HTTP/1.1 100 Continue\r\n\r\n' * 100),
    'has a bad length': hostile.says(HEAD + b'Content-Length: x\r\n\r\n'),
}
#: Ways that are seen to be no answer at once.
LOST = {
    'cuts': hostile.cuts,
    'has no end of headers': hostile.never_ends(HEAD, b'X: x\r\n' * 1000),
    'has a long header': hostile.never_ends(HEAD + b'X: ', b'x' * 60000),
    'is huge': hostile.never_ends(HEAD + b'Content-Length: %d\r\n\r\n'
                                  % (1 << 40), b'x' * 60000),
    'is huge in chunks': hostile.never_ends(
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n',
        b'ea60\r\n' + b'x' * 60000 + b'\r\n'),
    'has no end': hostile.never_ends(HEAD + b'\r\n', b'x' * 60000),
    'is no HTTP': hostile.says_and_closes(b'SSH-2.0-OpenSSH_9.2\r\n'),
    'is cut off': hostile.says_and_closes(
        HEAD + b'Content-Length: 1000\r\n\r\n' + CAPACITY),
    'is no JSON': hostile.answers(200, b'<html>It works!</html>'),
    'is other JSON': hostile.answers(200, b'{"capacity": {"total": "10"}}'),
    'is deep JSON': hostile.answers(200, b'[' * 100000),
    'is of a proxy': hostile.answers(502, b'<html>Bad gateway</html>'),
    'wants to change over': hostile.answers(101, b'', b'Upgrade: tea'),
}


@pytest.fixture
def start(tmp_path):
    """Starts a server that behaves so, and gives a client of it."""
    servers = []

    def start(behave, timeout=PATIENCE, addresses=('127.0.0.1',), **options):
        server = hostile.HostileServer(tmp_path, behave, addresses)
        servers.append(server.__enter__())
        appliance = rest.RestAppliance(types.SimpleNamespace(**{
            'appliance_url': server.url, 'appliance_token': 'secret',
            'appliance_ca_file': server.ca_file,
            'appliance_rest_timeout': timeout, **options}))
        appliance.server = server
        return appliance
    yield start
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(rest, '_WAIT', 0)


@pytest.fixture
def once(monkeypatch):
    monkeypatch.setattr(rest, '_ATTEMPTS', 1)


def test_a_good_one(start):
    appliance = start(GOOD)
    assert appliance.capacity().free == 5
    assert appliance.capacity().free == 5
    assert b'\r\nAuthorization: Bearer secret\r\n' in (
        appliance.server.requests[0])


@pytest.mark.parametrize('way', LOST)
def test_no_answer(start, once, way):
    appliance = start(LOST[way])
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.capacity()
    assert len(appliance.server.requests) == 1


@pytest.mark.parametrize('way', ENDLESS)
def test_an_answer_without_end(start, once, way):
    """It is given up; on a connection that was made when there was time."""
    appliance = start(hostile.in_turn(GOOD, ENDLESS[way]))
    appliance.capacity()
    appliance._channel._timeout = 2
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.capacity()
    waiting.until(lambda: len(appliance.server.requests) > 1, PATIENCE,
                  'the server to read the request')
    assert len(appliance.server.requests) == 2


@pytest.mark.parametrize('way', ['cuts', 'is no HTTP', 'is no JSON',
                                 'is of a proxy'])
def test_a_good_answer_in_the_end(start, way):
    """All attempts have one key, and each call another one."""
    appliance = start(hostile.in_turn(LOST[way], LOST[way],
                                      hostile.answers(200, b'{}')))
    appliance.promote('a')
    appliance.promote('a')
    keys = [line for request in appliance.server.requests
            for line in request.split(b'\r\n')
            if line.startswith(b'Idempotency-Key: ')]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 1]


def test_an_answer_may_be_large(start):
    share = {'name': 'a', 'id': '1', 'location': 'nas:/a', 'size': None,
             'origin': None, 'snapshots': None}
    body = json.dumps({'shares': [share] * 20000}).encode()
    assert len(body) < rest_channel.MOST / 10
    assert len(start(hostile.answers(200, body)).list_shares()) == 20000


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_nobody_is_followed(start, status):
    """Elsewhere, the token would be somebody else's."""
    other = start(GOOD)
    appliance = start(hostile.answers(
        status, b'', b'Location: %s/v1/capacity'
        % other.server.url.encode()))
    with pytest.raises(errors.ApplianceNotReady, match='appliance_url'):
        appliance.capacity()
    assert other.server.requests == []
    assert len(appliance.server.requests) == 1


class TestTrust:
    def test_another_authority(self, start, tmp_path):
        other = tmp_path / 'other'
        other.mkdir()
        ca_file = hostile.HostileServer(other, GOOD).ca_file
        self.refused(start(GOOD, appliance_ca_file=ca_file))

    def test_the_system_knows_it_not(self, start):
        self.refused(start(GOOD, appliance_ca_file=None))

    def test_another_name(self, start):
        self.refused(start(GOOD, addresses=['localhost', '127.0.0.2']))

    def test_no_file(self, start, tmp_path):
        self.refused(start(GOOD, appliance_ca_file=str(tmp_path / 'none')))

    def test_a_file_of_something_else(self, start):
        self.refused(start(GOOD, appliance_ca_file=__file__))

    def refused(self, appliance):
        with pytest.raises(errors.ApplianceNotReady,
                           match='appliance_ca_file'):
            appliance.capacity()
        # Not even the token was sent.
        assert appliance.server.requests == []


def test_a_server_without_tls(start, once):
    plain = start(GOOD, timeout=1)
    plain.server._context.wrap_socket = lambda connection, **kwargs: (
        connection)
    with pytest.raises(errors.ApplianceUnavailable):
        plain.capacity()


def test_a_server_of_plain_http_is_guessed():
    """Which takes what begins TLS for a bad request."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        answering = threading.Thread(target=_answer_plainly, args=(server,))
        answering.start()
        channel = rest_channel.Channel(*server.getsockname(), None,
                                       PATIENCE)
        with pytest.raises(rest_channel.Lost, match='plain HTTP'):
            channel.exchange('GET', '/v1/about', None, {})
        answering.join()


def _answer_plainly(server):
    connection, __ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')


def test_nobody_there(start):
    appliance = start(GOOD)
    appliance.server.__exit__(None, None, None)
    with pytest.raises(errors.ApplianceUnavailable):
        appliance.capacity()


def test_proxies_of_the_environment_are_not_used(start, monkeypatch):
    for name in 'https_proxy', 'HTTPS_PROXY', 'all_proxy':
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    assert start(GOOD).capacity().free == 5


class TestConnections:
    def test_one_is_kept(self, start, monkeypatch):
        made = self.count(monkeypatch)
        appliance = start(GOOD)
        for __ in range(3):
            appliance.capacity()
        assert len(made) == 1
        appliance.close()
        appliance.capacity()
        assert len(made) == 2

    def test_the_server_has_closed_it(self, start, monkeypatch):
        """That is no attempt of its own: it happens whenever it likes."""
        monkeypatch.setattr(rest, '_ATTEMPTS', 1)
        appliance = start(hostile.in_turn(GOOD, hostile.cuts, GOOD))
        assert appliance.capacity() == appliance.capacity()
        assert len(appliance.server.requests) == 3

    def test_one_that_is_to_be_closed(self, start, monkeypatch):
        made = self.count(monkeypatch)
        appliance = start(hostile.answers(200, CAPACITY,
                                          b'Connection: close'))
        assert appliance.capacity() == appliance.capacity()
        assert len(made) == 2

    def test_after_garbage(self, start, once):
        """What is left of one answer is not the beginning of another."""
        appliance = start(hostile.in_turn(
            hostile.says_and_closes(HEAD + b'Content-Length: 1000\r\n\r\n'),
            GOOD))
        with pytest.raises(errors.ApplianceUnavailable):
            appliance.capacity()
        assert appliance.capacity().free == 5

    def test_several_at_once(self, start):
        """One that hangs does not keep others from it."""
        hanging, released = threading.Event(), threading.Event()

        def hangs(connection):
            hanging.set()
            released.wait(PATIENCE)
            GOOD(connection)

        appliance = start(hostile.in_turn(hangs, GOOD))
        found = []
        thread = threading.Thread(
            target=lambda: found.append(appliance.capacity()))
        thread.start()
        assert hanging.wait(PATIENCE)
        for __ in range(3):
            assert appliance.capacity().free == 5
        assert found == []
        released.set()
        thread.join(PATIENCE)
        assert found == [appliance.capacity()]

    def count(self, monkeypatch):
        made = []
        original = rest_channel._Connection.connect

        def connect(connection):
            made.append(connection)
            original(connection)
        monkeypatch.setattr(rest_channel._Connection, 'connect', connect)
        return made


#: As Cinder's commands do it: before anything else is imported.
_RUN = '''
import eventlet
eventlet.monkey_patch()
import sys
import pytest
sys.exit(pytest.main(sys.argv[1:]))
'''


def test_all_the_same_under_eventlet(tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', _RUN, '-q', '-p',
         'no:cacheprovider', '--noconftest', '--basetemp',
         str(tmp_path / 'inner'), '-k', 'not eventlet', __file__],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=1800)
    assert done.returncode == 0, done.stdout
    assert ' passed' in done.stdout
