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

"""A client of NBD: a guest's disk for Python code.

Spoken is the fixed newstyle handshake and simple replies, of
https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md; all
numbers are big endian. One request is under way at a time, so the requests
take effect in the order in which they were made.
"""

import contextlib
import os
import socket
import struct
import threading
import time

#: The name of the only disk that a daemon of ours exports.
EXPORT = 'disk'

# Seconds for one answer. QEMU answers while a job runs, only slower.
_LIMIT = 300

# Seconds between two tries to connect again.
_TICK = 0.02

# QEMU takes 32 MiB.
_LARGEST = 4 << 20

_GREETING = struct.Struct('>8s8sH')
_OPTION = struct.Struct('>8sII')
_OPTION_REPLY = struct.Struct('>QIII')
_EXPORT_INFO = struct.Struct('>HQH')
_REQUEST = struct.Struct('>IHHQQI')
_REPLY = struct.Struct('>IIQ')

_OPTION_REPLY_MAGIC = 0x3e889045565a9
_REQUEST_MAGIC = 0x25609513
_REPLY_MAGIC = 0x67446698

# Both sides: fixed newstyle, and no padding.
_FLAGS = 3
_OPTION_GO = 7
_REP_ACK = 1
_REP_INFO = 3
_REP_ERROR = 1 << 31
_INFO_EXPORT = 0

READ, WRITE, DISCONNECT, FLUSH = range(4)

# "The server is about to be shut down": a lost connection, said politely.
_SHUTDOWN = 108


class DiskError(Exception):
    """The disk answered with an error.

    :ivar code: an errno, as NBD has them
    """

    def __init__(self, what, code):
        super().__init__('%s: %s' % (what, os.strerror(code)))
        self.code = code


class Broken(ConnectionError):
    """The other side is gone, or does not speak NBD."""


def listen(path, backlog):
    """A listening unix socket; what lies there is removed.

    :param path: may be longer than the 107 bytes of an address
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short(path) as address:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)
            server.bind(address)
        server.listen(backlog)
    except OSError:
        server.close()
        raise
    return server


@contextlib.contextmanager
def short(path):
    """The same path, by a folder's descriptor; children can use it too."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        yield '/proc/%d/fd/%d/%s' % (os.getpid(), folder,
                                     os.path.basename(path))
    finally:
        os.close(folder)


def request(kind, cookie, offset=0, length=0):
    """The bytes of a request, without what is to be written."""
    return _REQUEST.pack(_REQUEST_MAGIC, 0, kind, cookie, offset, length)


def error_of(reply, cookie):
    """The error in the 16 bytes of a reply; 0 is success.

    :raises Broken: when it is no reply to the request with this cookie
    """
    magic, error, answered = _REPLY.unpack(reply)
    if magic != _REPLY_MAGIC or answered != cookie:
        raise Broken('%r is no reply to the request %d' % (reply, cookie))
    return error


def negotiate(receive, send, export=EXPORT):
    """Ask for an export.

    :param receive: function: number of bytes -> as many bytes
    :param send: function that takes bytes
    :returns: its size in bytes
    :raises Broken: when there is none
    """
    greeting = receive(_GREETING.size)
    magic, option_magic, flags = _GREETING.unpack(greeting)
    if (magic, option_magic) != (b'NBDMAGIC', b'IHAVEOPT') or not flags & 1:
        raise Broken('%r is no greeting of NBD' % greeting)
    name = export.encode()
    data = struct.pack('>I%dsH' % len(name), len(name), name, 0)
    send(struct.pack('>I', flags & _FLAGS)
         + _OPTION.pack(b'IHAVEOPT', _OPTION_GO, len(data)) + data)
    return _export_size(receive)


def _export_size(receive):
    size = None
    while True:
        magic, __, kind, length = _OPTION_REPLY.unpack(
            receive(_OPTION_REPLY.size))
        data = receive(length)
        if magic != _OPTION_REPLY_MAGIC or kind & _REP_ERROR:
            raise Broken('the disk is refused: %r' % data)
        if kind == _REP_ACK and size is not None:
            return size
        if kind == _REP_INFO and data[:2] == b'\0\0':
            kind, size, __ = _EXPORT_INFO.unpack(data)


class Client:
    """A disk.

    :param path: of the server's socket
    :param patience: seconds in which a lost connection may come back, after
        which requests that were not answered are made once more; a server
        that lost writes meanwhile is not noticed
    :ivar size: of the disk in bytes, as of the last connection
    """

    def __init__(self, path, patience=0):
        self._path = path
        self._patience = patience
        self._lock = threading.Lock()
        self._socket = None
        self._cookie = 0
        self.size = None
        with self._lock:
            self._insist(self._connect)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def read(self, offset, length):
        """:returns: bytes
        :raises DiskError, Broken:
        """
        return b''.join(
            self._do('read', READ, start, min(_LARGEST,
                                              offset + length - start))
            for start in range(offset, offset + length, _LARGEST))

    def write(self, offset, data):
        """:raises DiskError, Broken:"""
        for start in range(0, len(data), _LARGEST):
            part = data[start:start + _LARGEST]
            self._do('write', WRITE, offset + start, len(part), part)

    def flush(self):
        """What was written lasts now.

        :raises DiskError, Broken:
        """
        self._do('flush', FLUSH)

    def close(self):
        """Say goodbye, without waiting for what is under way to last."""
        with self._lock, contextlib.suppress(OSError):
            if self._socket:
                self._socket.sendall(request(DISCONNECT, 0))
        self._drop()

    def _do(self, what, kind, offset=0, length=0, data=b''):
        with self._lock:
            error, answer = self._insist(
                lambda: self._ask(kind, offset, length, data))
        if error:
            raise DiskError('%s of %d bytes at %d' % (what, length, offset),
                            error)
        return answer

    def _insist(self, function):
        """Call it again, on a new connection, while patience lasts."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                if self._socket is None:
                    self._connect()
                return function()
            except OSError as exc:
                self._drop()
                if time.monotonic() >= deadline:
                    raise Broken('%s: %s' % (self._path, exc))
            time.sleep(_TICK)

    def _ask(self, kind, offset, length, data):
        """:returns: error and what was read"""
        self._cookie += 1
        self._socket.sendall(request(kind, self._cookie, offset, length)
                             + data)
        error = error_of(self._receive(_REPLY.size), self._cookie)
        if error == _SHUTDOWN:
            raise Broken('it is shutting down')
        return error, self._receive(length if kind == READ and not error
                                    else 0)

    def _connect(self):
        if self._socket is not None:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_LIMIT)
        with short(self._path) as address:
            self._socket.connect(address)
        self.size = negotiate(self._receive, self._socket.sendall)

    def _receive(self, length):
        """:returns: exactly as many bytes"""
        data = bytearray(length)
        view, got = memoryview(data), 0
        while got < length:
            count = self._socket.recv_into(view[got:])
            if not count:
                raise Broken('the connection was closed')
            got += count
        return bytes(data)

    def _drop(self):
        if self._socket:
            self._socket.close()
            self._socket = None
