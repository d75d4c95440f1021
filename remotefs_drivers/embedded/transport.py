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

"""The ``fake:/`` transport of oslo.messaging, made as strict as a broker.

The stock one hands over the very objects of the sender, replies and
exceptions included: services would share state that no two processes share,
and what can't be sent would stay unseen. Here a message is JSON text and
every receiver reads a copy of its own, exceptions come back as they do over
RabbitMQ, and a message to a queue that nobody has declared is lost. Besides,
the stock one looks for messages 20 times in a second, this one is told.
"""

import collections
import queue
import threading
import time

import oslo_messaging
from oslo_messaging._drivers import base
from oslo_messaging._drivers import common
from oslo_messaging._drivers import impl_fake
from oslo_serialization import jsonutils

from remotefs_drivers.embedded import identity


def install():
    """Make ``transport_url = fake:/`` mean the driver below."""
    # The entry point "fake" names the class by its module and name.
    impl_fake.FakeDriver = Driver


class Exchange:
    """Queues of one exchange. A queue's address is (topic, server or None)."""

    def __init__(self):
        self._changed = threading.Condition()
        self._queues = {}

    def declare(self, addresses):
        with self._changed:
            for address in addresses:
                self._queues.setdefault(address, collections.deque())

    def put(self, target, item):
        with self._changed:
            for address in self._receivers(target):
                self._queues[address].append(item)
            self._changed.notify_all()

    def take(self, addresses, until, stopped):
        """The next item for one of ``addresses``, or None.

        :param until: monotonic time to give up at, or None
        :param stopped: function; true when waiting is over
        """
        with self._changed:
            while True:
                for address in addresses:
                    if self._queues[address]:
                        return self._queues[address].popleft()
                left = None if until is None else until - time.monotonic()
                if stopped() or (left is not None and left <= 0):
                    return None
                self._changed.wait(left)

    def wake(self):
        with self._changed:
            self._changed.notify_all()

    def _receivers(self, target):
        if target.fanout:
            return [address for address in self._queues
                    if address[0] == target.topic and address[1]]
        address = (target.topic, target.server)
        return [address] if address in self._queues else []


class Incoming(base.RpcIncomingMessage):
    """A message as one receiver gets it."""

    def __init__(self, text, replies, server):
        message = jsonutils.loads(text)
        super().__init__(message['context'], message['message'])
        self._replies = replies
        self._server = server

    def acknowledge(self):
        # The first thing that a server does in the thread that is going to
        # serve the message.
        identity.enter(self._server)

    def reply(self, reply=None, failure=None):
        if self._replies is None:
            return
        if failure:
            failure = common.serialize_remote_exception(failure)
        self._replies.put((jsonutils.dumps(reply), failure))

    def requeue(self):
        raise NotImplementedError('see Driver.require_features')

    def heartbeat(self):
        """Nobody waits for one: sender and server end together."""


class Listener(base.PollStyleListener):
    """Takes the messages of some queues on behalf of one server."""

    def __init__(self, exchange, addresses):
        super().__init__(prefetch_size=1)
        self._exchange = exchange
        self._addresses = addresses
        self._stopped = threading.Event()
        exchange.declare(addresses)

    def poll(self, timeout=None, batch_size=1, batch_timeout=None):
        until = None if timeout is None else time.monotonic() + timeout
        item = self._exchange.take(self._addresses, until,
                                   self._stopped.is_set)
        if item is None:
            return []
        return [Incoming(*item, server=self._addresses[0])]

    def stop(self):
        self._stopped.set()
        self._exchange.wake()


class Driver(base.BaseDriver):
    """An oslo.messaging driver for services that are all in one process."""

    def __init__(self, conf, url, default_exchange=None,
                 allowed_remote_exmods=None):
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._exchanges = collections.defaultdict(Exchange)

    def send(self, target, ctxt, message, wait_for_reply=None, timeout=None,
             call_monitor_timeout=None, retry=None, transport_options=None):
        replies = queue.Queue() if wait_for_reply else None
        self._put(target, ctxt, message, replies)
        if wait_for_reply:
            return self._answer(target, replies, timeout)

    def send_notification(self, target, ctxt, message, version, retry=None):
        self._put(target, ctxt, message, None)

    def listen(self, target, batch_size, batch_timeout):
        return self._listener(
            self._exchange(target),
            [(target.topic, target.server), (target.topic, None)],
            batch_size, batch_timeout)

    def listen_for_notifications(self, targets_and_priorities, pool,
                                 batch_size, batch_timeout):
        raise NotImplementedError('Nothing here listens for notifications.')

    def cleanup(self):
        self._exchanges.clear()

    def _exchange(self, target):
        return self._exchanges[target.exchange or self._default_exchange]

    def _put(self, target, ctxt, message, replies):
        text = jsonutils.dumps({'context': ctxt, 'message': message})
        self._exchange(target).put(target, (text, replies))

    def _answer(self, target, replies, timeout):
        try:
            reply, failure = replies.get(timeout=timeout)
        except queue.Empty:
            raise oslo_messaging.MessagingTimeout(
                'No reply from %s on topic %s within %s seconds'
                % (target.server or 'any server', target.topic, timeout))
        if failure:
            raise common.deserialize_remote_exception(
                failure, self._allowed_remote_exmods)
        return jsonutils.loads(reply)

    @staticmethod
    def _listener(exchange, addresses, batch_size, batch_timeout):
        return base.PollStyleListenerAdapter(Listener(exchange, addresses),
                                             batch_size, batch_timeout)
