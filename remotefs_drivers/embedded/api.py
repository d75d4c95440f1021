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

"""The HTTP server of Cinder's API: one thread for each connection.

oslo.service's own server needs eventlet and listens with SO_REUSEPORT,
which lets a second Cinder take half of the requests. This one does with
either kind of threads, and takes the socket that the parent listens on.
"""

import functools
import os
import socket
import socketserver
import sys
import threading
import wsgiref.simple_server

from oslo_log import log as logging
from oslo_service import wsgi

from remotefs_drivers.embedded import config

LOG = logging.getLogger(__name__)


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """Serves ``app`` on a socket that listens already."""

    daemon_threads = True
    # Threads are not kept in a list that nobody joins.
    block_on_close = False

    def __init__(self, listening, app):
        address = listening.getsockname()
        super().__init__(address, Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = address
        self.setup_environ()
        self.set_app(app)
        self._under_way = 0
        self._changed = threading.Condition()

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True,
                         name='api').start()

    def stop(self, limit):
        """Refuse new connections; wait for the requests under way.

        :param limit: seconds to wait
        :returns: how many requests are not finished
        """
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, limit)
            return self._under_way

    def process_request_thread(self, request, client_address):
        self._count(1)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._count(-1)

    def handle_error(self, request, client_address):
        if isinstance(sys.exc_info()[1], ConnectionError):
            LOG.debug('%s went away', client_address)
        else:
            LOG.exception('Request from %s failed', client_address)

    def _count(self, change):
        with self._changed:
            self._under_way += change
            self._changed.notify_all()


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    """HTTP/1.0: a connection carries one request."""

    def address_string(self):
        # The stock one may ask the name service.
        return self.client_address[0]

    def log_message(self, template, *values):
        LOG.debug('%s ' + template, self.address_string(), *values)


def load(conf):
    """Cinder's API as a WSGI application that everybody may use."""
    app = wsgi.Loader(conf).load_app('osapi_volume')
    return functools.partial(_as_administrator, app)


def _as_administrator(app, environ, start_response):
    """Take a request without a token for the administrator's.

    Cinder without Keystone answers such a request with an empty page that
    names a token, and the discovery of openstacksdk gives up on that.
    """
    environ.setdefault('HTTP_X_AUTH_TOKEN', config.TOKEN)
    return app(environ, start_response)


def inherited(number):
    """The socket that the parent listens on.

    :param number: its file descriptor
    """
    # Not for our own children, which would keep the port after our end.
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)
