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

"""An mm* program: asks the server, and prints what that says.

Usage: program.py FOLDER HOST NAME [ARGUMENT ...]

Runs as a script, with nothing but the standard library and as little of that
as possible: it is started for each command.
"""

import _socket
import posix
import sys

_CHUNK = 1 << 16


def ask(folder, words):
    """Send words to the server of a folder.

    :param words: list of bytes, without a zero byte
    :returns: (a number, two texts), bytes
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        _connect(connection, folder)
        _send(connection, b'\0'.join(words))
        connection.shutdown(_socket.SHUT_WR)
        answer = b''
        while True:
            chunk = connection.recv(_CHUNK)
            if not chunk:
                break
            answer += chunk
    finally:
        connection.close()
    code, out, err = answer.split(b'\0')
    return int(code), out, err


def _connect(connection, folder):
    # The name of a socket has 107 bytes at most, a folder's may have more.
    descriptor = posix.open(folder, posix.O_PATH | posix.O_DIRECTORY)
    try:
        connection.connect('/proc/self/fd/%d/socket' % descriptor)
    finally:
        posix.close(descriptor)


def _send(connection, data):
    while data:
        data = data[connection.send(data):]


def main(folder, host, *argv):
    code, out, err = ask(folder, [
        b'run', host.encode(), posix.getcwdb(),
        *(word.encode('utf-8', 'surrogateescape') for word in argv)])
    for descriptor, data in (1, out), (2, err):
        while data:
            data = data[posix.write(descriptor, data):]
    sys.exit(code)


if __name__ == '__main__':
    main(*sys.argv[1:])
