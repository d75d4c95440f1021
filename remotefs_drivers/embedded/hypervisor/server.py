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
"""An HTTP server in threads of this process.
"""

import collections
import contextlib
import http.server
import json
import logging
import socket
import threading
import urllib.parse

from remotefs_drivers.embedded import errors

LOG = logging.getLogger(__name__)

# Seconds without a word from a client.
_LIMIT = 60

#: ``body`` is what becomes JSON, or None; ``headers`` a dictionary.
Answer = collections.namedtuple('Answer', 'code body headers',
                                defaults=(None, {}))

#: ``path`` without, ``query`` as name -> list of values, ``body`` as the
#: JSON it was, or None.
Request = collections.namedtuple('Request', 'method path query headers body')


class Server:
    """:param listening: a listening socket, closed with the server
    :param answer: function: Request -> Answer. It may raise Refused, or
        ConnectionAbortedError to cut the connection without an answer

    Not socketserver's: where eventlet was imported before that, it came by
    eventlet's own copy, with locks that native threads wait for in vain.
    """

    def __init__(self, listening, answer):
        self.answer = answer
        self.port = listening.getsockname()[1]
        self._socket = listening
        self._thread = threading.Thread(target=self._run, daemon=True,
                                        name='hypervisor')
        self._thread.start()

    def close(self):
        """Take no more; requests that are under way are not waited for."""
        # Wakes the thread, which closing does not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self):
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address),
                             daemon=True, name='hypervisor request').start()

    def _serve(self, connection, address):
        # A client that goes away is no failure of ours.
        with contextlib.closing(connection), contextlib.suppress(OSError):
            _Handler(connection, address, self)


class _Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.0: a connection carries one request."""

    timeout = _LIMIT

    def do_GET(self):
        try:
            answer = self._answer()
        except ConnectionAbortedError:
            self.close_connection = True
            return
        except errors.Refused as exc:
            answer = _fault(exc.code, exc.message)
        except Exception as exc:
            LOG.exception('%s %s failed', self.command, self.path)
            answer = _fault(500, repr(exc))
        self._send(answer)

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, template, *values):
        LOG.debug(template, *values)

    def _answer(self):
        address = urllib.parse.urlsplit(self.path)
        return self.server.answer(Request(
            self.command, urllib.parse.unquote(address.path),
            urllib.parse.parse_qs(address.query), self.headers,
            self._body()))

    def _body(self):
        length = int(self.headers.get('Content-Length') or 0)
        text = self.rfile.read(length)
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise errors.Refused(400, 'The body is no JSON.')

    def _send(self, answer):
        data = b'' if answer.body is None else json.dumps(
            answer.body).encode()
        self.send_response(answer.code)
        for name, value in {'Content-Type': 'application/json',
                            **answer.headers}.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _fault(code, message):
    """As Nova words it."""
    name = {400: 'badRequest', 404: 'itemNotFound',
            409: 'conflictingRequest'}.get(code, 'computeFault')
    return Answer(code, {name: {'code': code, 'message': message}})
