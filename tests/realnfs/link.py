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

"""The talk between the host and the machine: JSON objects, one on a line.

It goes over virtio serial ports, each a unix socket on the host and a
character device in the machine; there is one for each user that tests run
as. The host writes

- `{"run": node id, "next": node id or null, "hint": seconds}`: run a test;
  `next` is the one that will follow, which decides what fixtures outlive this
  test; a test that takes longer than `hint` writes its stack to the console,

the machine writes

- `{"ready": true}`, once, when it can run tests,
- `{"report": serialized pytest report}`, one for each phase of a test,
- `{"done": node id}` after a test's last report,
- `{"failed": text}` when it can't run tests at all.
"""

import json
import pathlib
import socket
import time

#: A pytest for each user: root, and one as cinder-volume's may be.
ROOT = 'root'
USER = 'realnfs'
USERS = (ROOT, USER)

# Seconds until qemu has taken a message.
_SEND_LIMIT = 120


class HostEnd:
    """The host's end; bounds every wait."""

    def __init__(self, path, seconds):
        self._socket = socket.socket(socket.AF_UNIX)
        self._rest = b''
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._socket.connect(str(path))
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def send(self, message):
        self._socket.settimeout(_SEND_LIMIT)
        self._socket.sendall(_line(message))

    def receive(self, seconds):
        """The next message.

        :raises TimeoutError: when it does not come in time
        :raises EOFError: when the machine is gone
        """
        deadline = time.monotonic() + seconds
        while b'\n' not in self._rest:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._rest += data
        line, _newline, self._rest = self._rest.partition(b'\n')
        return json.loads(line)

    def close(self):
        self._socket.close()


class MachineEnd:
    """The machine's end: iterates over the host's orders.

    :param name: of the port, one of USERS
    """

    def __init__(self, name):
        self._port = open(_device(name), 'r+b', buffering=0)

    def send(self, **message):
        data = _line(message)
        while data:
            data = data[self._port.write(data):]

    def __iter__(self):
        rest = b''
        while data := self._port.read(1 << 16):
            *lines, rest = (rest + data).split(b'\n')
            yield from map(json.loads, lines)


def _device(wanted):
    """The port by its name, as no udev makes links to it in the machine."""
    for name in pathlib.Path('/sys/class/virtio-ports').glob('*/name'):
        if name.read_text().strip() == wanted:
            return f'/dev/{name.parent.name}'
    raise FileNotFoundError(f'no virtio port {wanted}')


def _line(message):
    return json.dumps(message).encode() + b'\n'
