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

"""A server behind TLS that answers badly."""

import contextlib
import socket
import ssl
import threading
import time

from remotefs_drivers.embedded import certificates
from remotefs_drivers.embedded import ports

#: Seconds between two bytes of one that drips, and how many it sends before
#: it gives up: whoever waits for all of them gets a good answer in the end.
_DRIP = 0.1
_DRIPS = 190


class HostileServer:
    """:param folder: for certificates, a pathlib.Path
    :param behave: takes a connection, when its request was read
    :param addresses: that the certificate is for
    :ivar requests: what came, bytes of each
    """

    def __init__(self, folder, behave, addresses=('127.0.0.1',)):
        self.ca_file, certificate, key = (
            str(folder / name) for name in ('ca.pem', 'server.pem', 'key'))
        certificates.make(self.ca_file, certificate, key, addresses)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._behave = behave
        self._listener = ports.listen()
        self._closing = False
        self._open = []
        self.requests = []

    @property
    def url(self):
        return 'https://127.0.0.1:%d' % self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._closing = True
        for each in self._open + [self._listener]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        while not self._closing:
            try:
                connection, __ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        # A client that has enough goes away, or trusts us not.
        with contextlib.suppress(OSError, ValueError):
            with self._context.wrap_socket(connection,
                                           server_side=True) as secure:
                self._open.append(secure)
                while True:
                    self.requests.append(_read(secure))
                    self._behave(secure)


def _read(connection):
    """One request, whole.

    :raises OSError: when there is none
    """
    data = b''
    while b'\r\n\r\n' not in data:
        data += _some(connection)
    head, __, body = data.partition(b'\r\n\r\n')
    length = [int(line.split(b':')[1]) for line in head.split(b'\r\n')
              if line.lower().startswith(b'content-length:')]
    while length and len(body) < length[0]:
        body += _some(connection)
    return head + b'\r\n\r\n' + body


def _some(connection):
    data = connection.recv(65536)
    if not data:
        raise OSError('the client has gone')
    return data


# Ways to behave


def says(data):
    """It sends these bytes, and waits for more requests."""
    return lambda connection: connection.sendall(data)


def answers(status, body, *headers):
    """It answers as HTTP has it."""
    return says(b'\r\n'.join([
        b'HTTP/1.1 %d Whatever' % status, *headers,
        b'Content-Length: %d' % len(body), b'', body]))


def says_and_closes(data):
    def behave(connection):
        connection.sendall(data)
        connection.unwrap()
    return behave


def cuts(connection):
    """It ends the connection, and says nothing."""
    connection.shutdown(socket.SHUT_RDWR)


def is_silent(connection):
    """It waits until the client has enough."""
    _some(connection)


def drips(start, rest):
    """It sends the rest byte by byte, for nearly 20 s; then all of it."""
    def behave(connection):
        connection.sendall(start)
        for place in range(min(_DRIPS, len(rest))):
            connection.sendall(rest[place:place + 1])
            time.sleep(_DRIP)
        connection.sendall(rest[_DRIPS:])
    return behave


def never_ends(start, more):
    def behave(connection):
        connection.sendall(start)
        while True:
            connection.sendall(more)
    return behave


def in_turn(*ways):
    """Each request finds the next of these ways; the last one stays."""
    ways = list(ways)

    def behave(connection):
        way = ways.pop(0) if len(ways) > 1 else ways[0]
        way(connection)
    return behave
