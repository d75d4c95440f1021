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
"""NBD by the byte, and against a server of this process."""

import contextlib
import io
import struct
import threading

import pytest

from remotefs_drivers.embedded.hypervisor import nbd

GREETING = b'NBDMAGICIHAVEOPT\x00\x03'
GO = (b'\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x07\x00\x00\x00\x0a'
      b'\x00\x00\x00\x04disk\x00\x00')


def _option_reply(kind, data=b''):
    return struct.pack('>QIII', 0x3e889045565a9, 7, kind, len(data)) + data


INFO = _option_reply(3, struct.pack('>HQH', 0, 1 << 30, 3))
BLOCK_SIZES = _option_reply(3, struct.pack('>HIII', 3, 1, 4096, 1 << 25))
ACK = _option_reply(1)


def _negotiate(received):
    sent = []
    size = nbd.negotiate(io.BytesIO(received).read, sent.append)
    return size, b''.join(sent)


def test_negotiation():
    size, sent = _negotiate(GREETING + BLOCK_SIZES + INFO + ACK)
    assert (size, sent) == (1 << 30, GO)


@pytest.mark.parametrize('received', [
    b'HTTP/1.1 400 Bad R', b'NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53\x00\x03',
    b'NBDMAGICIHAVEOPT\x00\x02',
    GREETING + _option_reply((1 << 31) + 6, b'unknown export'),
    GREETING + b'\0' * 20,
], ids=['http', 'oldstyle', 'not fixed', 'no such disk', 'no magic'])
def test_negotiation_that_fails(received):
    with pytest.raises(nbd.Broken):
        _negotiate(received)


def test_request():
    assert nbd.request(nbd.WRITE, 7, 0x1122334455, 512) == bytes.fromhex(
        '25609513 0000 0001 0000000000000007 0000001122334455 00000200')
    assert [nbd.READ, nbd.WRITE, nbd.DISCONNECT, nbd.FLUSH] == [0, 1, 2, 3]


def test_reply():
    good = bytes.fromhex('67446698 00000000 0000000000000007')
    assert nbd.error_of(good, 7) == 0
    bad = bytes.fromhex('67446698 00000005 0000000000000007')
    assert nbd.error_of(bad, 7) == 5
    for reply, cookie in ((good, 8), (b'\0' * 16, 7)):
        with pytest.raises(nbd.Broken):
            nbd.error_of(reply, cookie)


class Disk:
    """A server with one client at a time; serves a bytearray.

    :ivar cuts: how many connections end in the middle of a request
    :ivar error: of every request
    """

    def __init__(self, path, size=1 << 16):
        self.content = bytearray(size)
        self.cuts = 0
        self.error = 0
        self.requests = []
        self._server = nbd.listen(path, 1)
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self._server.shutdown(2)
        self._server.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, __ = self._server.accept()
                with connection, connection.makefile('rwb') as stream:
                    with contextlib.suppress(OSError, struct.error):
                        self._serve(stream)

    def _serve(self, stream):
        self._send(stream, GREETING)
        stream.read(len(GO))
        self._send(stream, _option_reply(3, struct.pack(
            '>HQH', 0, len(self.content), 3)) + ACK)
        while True:
            __, __, kind, cookie, offset, length = struct.unpack(
                '>IHHQQI', stream.read(28))
            if kind == nbd.DISCONNECT:
                return
            answer = self._do(kind, offset, length, stream)
            if self.cuts:
                self.cuts -= 1
                return
            self._send(stream, struct.pack('>IIQ', 0x67446698, self.error,
                                           cookie) + answer)

    def _do(self, kind, offset, length, stream):
        self.requests.append((kind, offset, length))
        if kind == nbd.WRITE:
            self.content[offset:offset + length] = stream.read(length)
        if kind == nbd.READ and not self.error:
            return self.content[offset:offset + length]
        return b''

    @staticmethod
    def _send(stream, data):
        stream.write(data)
        stream.flush()


@pytest.fixture
def disk(tmp_path):
    with contextlib.closing(Disk(str(tmp_path / 'disk'))) as serving:
        yield serving


def test_client(disk, tmp_path):
    with nbd.Client(str(tmp_path / 'disk')) as client:
        client.write(512, b'abc' * 512)
        client.flush()
        assert client.read(512, 3) == b'abc'
        assert client.size == 1 << 16
    assert disk.content[512:2048] == b'abc' * 512
    assert disk.requests == [(1, 512, 1536), (3, 0, 0), (0, 512, 3)]


def test_what_is_large_goes_in_parts(tmp_path):
    size = 9 << 20
    with contextlib.closing(Disk(str(tmp_path / 'disk'), size)) as serving:
        with nbd.Client(str(tmp_path / 'disk')) as client:
            client.write(0, b'x' * size)
            assert client.read(0, size) == b'x' * size
    assert [length >> 20 for __, __, length in serving.requests] == [
        4, 4, 1] * 2


def test_an_error(disk, tmp_path):
    with nbd.Client(str(tmp_path / 'disk')) as client:
        disk.error = 28
        with pytest.raises(nbd.DiskError) as caught:
            client.write(0, bytes(512))
        assert caught.value.code == 28
        disk.error = 0
        assert client.read(0, 512) == bytes(512)


def test_patience(disk, tmp_path):
    """What was not answered is asked once more."""
    with nbd.Client(str(tmp_path / 'disk'), patience=120) as client:
        disk.cuts = 2
        client.write(0, b'x' * 512)
    assert disk.requests == [(1, 0, 512)] * 3


def test_no_patience(disk, tmp_path):
    with nbd.Client(str(tmp_path / 'disk')) as client:
        disk.cuts = 1
        with pytest.raises(nbd.Broken):
            client.write(0, b'x' * 512)


def test_nobody_is_there(tmp_path):
    with pytest.raises(nbd.Broken):
        nbd.Client(str(tmp_path / 'nobody'))
