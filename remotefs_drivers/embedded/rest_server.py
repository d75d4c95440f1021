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

"""A server of the appliances' HTTP API: ``python -m`` this, with a folder.

The folder is made when it is not there. It gets the shares (``shares/``), a
token, and certificates; what a backend needs to use it is printed. It listens
on the loopback address only.
"""

import argparse
import contextlib
import http.server
import json
import os
import secrets
import socket
import ssl
import sys

from remotefs_drivers.appliances import rest_api
from remotefs_drivers.embedded import certificates
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import folders
from remotefs_drivers.embedded.folders import rules
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import rest_desk
from remotefs_drivers.store import files

#: Files in the folder.
CA = 'ca.pem'
TOKEN = 'token'
SHARES = 'shares'
CERTIFICATE = 'server.pem'
KEY = 'server.key'

#: Seconds that a client may say nothing.
_SILENCE = 60
#: Bytes of a request.
_MOST = 1 << 20
#: Seconds that what was done for a key is known.
_MEMORY = 24 * 3600


def main(argv):
    arguments = _parse(argv)
    prepare(arguments.folder)
    appliance = folders.at(os.path.join(arguments.folder, SHARES),
                           kind=arguments.kind, total=arguments.total,
                           address=arguments.export_address,
                           durable=not arguments.fast)
    appliance.check()
    appliance.forget(_MEMORY)
    listener = (socket.socket(fileno=arguments.listen_fd)
                if arguments.listen_fd is not None else
                ports.listen(arguments.port))
    server = Server(listener, rest_desk.Desk(appliance, _token(
        arguments.folder)), _context(arguments.folder))
    sys.stdout.write(section(arguments.folder, server.server_port))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def prepare(folder):
    """Make the folder, its token and its certificates where missing."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    ca, certificate, key, token = (os.path.join(folder, name) for name in
                                   (CA, CERTIFICATE, KEY, TOKEN))
    if not os.path.exists(certificate):
        certificates.make(ca, certificate, key,
                          [config.ADDRESS, 'localhost'])
    if not os.path.exists(token):
        files.write_atomic(token, secrets.token_urlsafe(32), 0o600)


def section(folder, port):
    """Lines of cinder.conf for a backend that uses it."""
    return ('appliance_type = rest\n'
            'appliance_url = https://%s:%d\n'
            'appliance_token = %s\n'
            'appliance_ca_file = %s\n' % (
                config.ADDRESS, port, _token(folder),
                os.path.join(folder, CA)))


class Server(http.server.ThreadingHTTPServer):
    """:param listener: a listening socket
    :param desk: rest_desk.Desk
    :param context: ssl.SSLContext
    """

    daemon_threads = True

    def __init__(self, listener, desk, context):
        super().__init__(listener.getsockname(), Handler,
                         bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_port = listener.getsockname()[1]
        self.desk = desk
        self._context = context

    def finish_request(self, request, client_address):
        """In the connection's own thread: a slow client holds up nobody."""
        request.settimeout(_SILENCE)
        with self._context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request, client_address):
        """A client that went away, or trusts us not, is a line."""
        sys.stderr.write('%s: %r\n' % (client_address, sys.exc_info()[1]))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = _SILENCE
    # The head and the body of an answer are two writes.
    wbufsize = -1

    def _answer(self):
        try:
            status, plain = self.server.desk.answer(
                self.command, self.path, self.headers, self._body())
        except ValueError as error:
            # What it sent besides would be taken for the next request.
            self.close_connection = True
            status, plain = rest_api.refusal(*rest_api.REQUEST_INVALID,
                                             error)
        except rest_desk.NoAnswer:
            self.close_connection = True
            return
        self._send(status, json.dumps(plain).encode())

    do_GET = do_POST = _answer

    def _body(self):
        length = self.headers.get('Content-Length', '0')
        if 'Transfer-Encoding' in self.headers or not length.isdecimal():
            raise ValueError('it needs a Content-Length')
        if int(length) > _MOST:
            raise ValueError('it has more than %d bytes' % _MOST)
        return self.rfile.read(int(length))

    def _send(self, status, body):
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.end_headers()
        self.wfile.write(body)


def _token(folder):
    with open(os.path.join(folder, TOKEN)) as stream:
        return stream.read().strip()


def _context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, CERTIFICATE),
                            os.path.join(folder, KEY))
    return context


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog='python -m remotefs_drivers.embedded.rest_server',
        description='Serve the HTTP API of appliances from a folder.')
    parser.add_argument('folder', type=os.path.abspath)
    parser.add_argument('--port', type=int, help='a free one if not given')
    parser.add_argument('--listen-fd', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--kind', choices=rules.KINDS,
                        default=rules.DEPENDENT,
                        help='what kind of box it behaves like')
    parser.add_argument('--total', type=int, help='bytes that it has')
    parser.add_argument('--fast', action='store_true',
                        help='what it did need not survive a crash of the '
                             'machine')
    parser.add_argument('--export-address', default=config.ADDRESS,
                        help='what stands before the path in locations')
    return parser.parse_args(argv)


if __name__ == '__main__':
    main(sys.argv[1:])
