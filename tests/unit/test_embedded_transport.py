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

"""Messages between services of one process, as strict as over a broker."""

import threading

from cinder import exception
from oslo_config import cfg
import oslo_messaging
from oslo_messaging._drivers import impl_fake
import pytest

from remotefs_drivers.embedded import transport

#: Seconds that an answer may take.
LIMIT = 120


class Odd(Exception):
    """From a module that a client must not import at a server's word."""


class Endpoint:
    """What a server does with a message."""

    def __init__(self):
        self.seen = []
        self.got = threading.Event()

    def change(self, ctxt, what):
        what['inner'].append('changed')
        self._note(what)
        return what

    def fail(self, ctxt):
        raise exception.VolumeNotFound(volume_id='x')

    def fail_oddly(self, ctxt):
        raise Odd('x')

    def _note(self, what):
        self.seen.append(what)
        self.got.set()


@pytest.fixture
def bus(monkeypatch):
    monkeypatch.setattr(impl_fake, 'FakeDriver', impl_fake.FakeDriver)
    transport.install()
    # oslo.messaging keeps options of its own in the global one.
    cfg.CONF([], project='cinder', default_config_files=[])
    bus = oslo_messaging.get_rpc_transport(
        cfg.CONF, 'fake:/', allowed_remote_exmods=[exception.__name__])
    yield bus
    bus.cleanup()


@pytest.fixture
def serve(bus):
    servers = []

    def serve(server='host@alpha', topic='volume'):
        endpoint = Endpoint()
        servers.append(oslo_messaging.get_rpc_server(
            bus, oslo_messaging.Target(topic=topic, server=server),
            [endpoint], executor='threading'))
        servers[-1].start()
        return endpoint
    yield serve
    for server in servers:
        server.stop()
        server.wait()


@pytest.fixture
def client(bus):
    return oslo_messaging.get_rpc_client(
        bus, oslo_messaging.Target(topic='volume'), timeout=LIMIT)


def test_the_receiver_has_a_copy(serve, client):
    endpoint = serve()
    sent = {'inner': []}
    answer = client.call({}, 'change', what=sent)
    assert sent == {'inner': []}
    assert answer == {'inner': ['changed']}
    assert answer is not endpoint.seen[0]


def test_all_receivers_of_a_fanout_have_copies(serve, client):
    endpoints = [serve('host@alpha'), serve('host@beta')]
    client.prepare(fanout=True).cast({}, 'change', what={'inner': []})
    for endpoint in endpoints:
        assert endpoint.got.wait(LIMIT)
        assert endpoint.seen == [{'inner': ['changed']}]


def test_a_message_for_one_server_reaches_no_other(serve, client):
    alpha, beta = serve('host@alpha'), serve('host@beta')
    for _number in range(5):
        client.prepare(server='host@beta').call({}, 'change',
                                                what={'inner': []})
    assert (len(alpha.seen), len(beta.seen)) == (0, 5)


def test_a_message_for_the_topic_reaches_one(serve, client):
    alpha, beta = serve('host@alpha'), serve('host@beta')
    client.call({}, 'change', what={'inner': []})
    assert len(alpha.seen) + len(beta.seen) == 1


def test_an_exception_comes_back_as_over_a_broker(serve, client):
    serve()
    with pytest.raises(exception.VolumeNotFound) as caught:
        client.call({}, 'fail')
    assert type(caught.value).__name__ == 'VolumeNotFound_Remote'
    with pytest.raises(oslo_messaging.RemoteError, match='Odd'):
        client.call({}, 'fail_oddly')


def test_a_message_that_nobody_waits_for_is_lost(serve, client):
    with pytest.raises(oslo_messaging.MessagingTimeout, match='host@gamma'):
        client.prepare(server='host@gamma', timeout=0.1).call(
            {}, 'change', what={'inner': []})
    late = serve('host@gamma')
    client.prepare(server='host@gamma').call({}, 'change',
                                             what={'inner': ['second']})
    assert late.seen == [{'inner': ['second', 'changed']}]


def test_a_stopped_server_ends_at_once(bus):
    server = oslo_messaging.get_rpc_server(
        bus, oslo_messaging.Target(topic='volume', server='x'), [Endpoint()],
        executor='threading')
    server.start()
    stopping = threading.Thread(target=server.stop, daemon=True)
    stopping.start()
    stopping.join(LIMIT)
    assert not stopping.is_alive()
    server.wait()
