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

"""One request by HTTPS, within a time and a size.

The standard library's timeouts are of each read: a server that sends a byte
a second would be waited for as long as it likes. Here each read gets what is
left of the whole. Nothing is followed anywhere, and no proxy of the
environment sees the token.

Connections are kept for the next request. The stack of them needs no lock,
and so works for native and green threads alike.
"""

import contextlib
import http.client
import io
import ssl
import time

#: Bytes of an answer. Some ten thousand shares take a tenth of that.
MOST = 32 << 20
#: Connections that are kept.
_IDLE = 8
#: What OpenSSL calls an answer that is no TLS; it depends on its version.
_NO_TLS = ('WRONG_VERSION_NUMBER', 'RECORD_LAYER_FAILURE', 'HTTP_REQUEST')


class Lost(Exception):
    """There was no answer. What was asked for may be done, or be done yet.
    """


class Untrusted(Exception):
    """Nothing was asked: it is not known to be the right one."""


class Channel:
    """To one server.

    :param ca_file: of those who may vouch for it; None for the system's
    :param timeout: seconds for each exchange
    """

    def __init__(self, host, port, ca_file, timeout):
        self._address = host, port
        self._ca_file = ca_file
        self._timeout = timeout
        self._context = None
        self._idle = []

    def exchange(self, verb, path, body, headers):
        """Ask, and wait for the answer.

        What was sent may be sent again, on a new connection when the server
        has closed one that was kept.

        :returns: (status, body as bytes)
        :raises Lost, Untrusted:
        """
        deadline = time.monotonic() + self._timeout
        request = verb, path, body, headers
        try:
            kept = self._kept()
            if kept:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return self._ask(kept, deadline, request)
            return self._ask(self._connection(), deadline, request)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(str(error))
        except (OSError, http.client.HTTPException) as error:
            raise Lost('%s: %s%s' % (type(error).__name__, error,
                                     _guess(error)))

    def close(self):
        """The next exchange makes a new connection."""
        for connection in iter(self._kept, None):
            connection.close()

    def _kept(self):
        """A connection, or None."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connection(self):
        if self._context is None:
            self._context = self._new_context()
        return _Connection(*self._address, context=self._context)

    def _new_context(self):
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise Untrusted('the certificates in %s cannot be read: %s'
                            % (self._ca_file, error))

    def _ask(self, connection, deadline, request):
        try:
            connection.begin(deadline)
            connection.request(*request)
            response = connection.getresponse()
            body = response.read(MOST + 1)
            if len(body) > MOST:
                raise Lost('its answer has more than %d bytes' % MOST)
            if response.length:
                raise Lost('its answer was cut off, %d bytes before its end'
                           % response.length)
        except BaseException:
            connection.close()
            raise
        self._keep(connection, response)
        return response.status, body

    def _keep(self, connection, response):
        # What was not read would be taken for the next answer.
        if (response.isclosed() and not response.will_close and
                len(self._idle) < _IDLE):
            self._idle.append(connection)
        else:
            connection.close()


class _Connection(http.client.HTTPSConnection):
    """All of one exchange has one deadline."""

    def begin(self, deadline):
        self._deadline = deadline
        self.timeout = _left(deadline)
        if self.sock:
            self.sock.settimeout(self.timeout)

    def response_class(self, sock, *args, **kwargs):
        return http.client.HTTPResponse(_Timed(sock, self._deadline), *args,
                                        **kwargs)


class _Timed:
    """What HTTPResponse takes for a socket.

    Only its file is used, which may outlive the connection.
    """

    def __init__(self, sock, deadline):
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode):
        return io.BufferedReader(_TimedFile(
            self._sock.makefile(mode, buffering=0), self._sock,
            self._deadline))


class _TimedFile(io.RawIOBase):
    """Reads of a socket, each within what is left of the time."""

    def __init__(self, stream, sock, deadline):
        self._stream = stream
        self._sock = sock
        self._deadline = deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        self._sock.settimeout(_left(self._deadline))
        return self._stream.readinto(buffer)

    def close(self):
        self._stream.close()
        super().close()


def _left(deadline):
    """Seconds.

    :raises TimeoutError: when there are none
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError('the time for one answer is over')
    return left


def _guess(error):
    """What may be behind an error that does not tell, or nothing."""
    if getattr(error, 'reason', None) in _NO_TLS:
        return ' (is it plain HTTP that is spoken there?)'
    return ''
