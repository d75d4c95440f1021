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

"""In front of mount(8) and umount(8): what is for ``mountd`` goes there.

Usage: mount_program.py FOLDER KIND REAL_PROGRAM [ARGUMENT ...]

KIND is mount or umount. A mount of another type, or an umount of what is not
mounted there, is left to the real program. Runs as a script, with nothing
but the standard library, by whoever mounts.
"""

import json
import os
import socket
import sys

TYPES = ('nfs', 'nfs4')

_WITH_VALUE = ('-t', '-o')


def main(folder, kind, program, *arguments):
    answer = _ask(folder, _request(kind, arguments))
    if answer is None:
        os.execv(program, [program, *arguments])
    code, text = answer
    if text:
        sys.stderr.write(text.rstrip() + '\n')
    sys.exit(code)


def _request(kind, arguments):
    """What to ask for, or None when it is no business of ours."""
    values, plain = _parsed(arguments)
    if kind == 'umount':
        flags = [word for word in arguments if word.startswith('-')]
        return {'do': 'umount', 'target': plain[-1],
                'flags': flags} if plain else None
    if set(values['-t']) & set(TYPES) and len(plain) == 2:
        return {'do': 'mount', 'share': plain[0], 'target': plain[1],
                'options': ','.join(values['-o'])}
    return None


def _parsed(arguments):
    """Options with a value, option -> values; and the plain words."""
    values = {option: [] for option in _WITH_VALUE}
    plain = []
    words = iter(arguments)
    for word in words:
        if word in values:
            values[word].append(next(words, ''))
        elif not word.startswith('-'):
            plain.append(word)
    return values, plain


def _ask(folder, request):
    if request is None:
        return None
    return ask(folder, request)


def ask(folder, request, limit=None):
    """Send a request to the mountd of a folder, and return the answer.

    :param limit: seconds
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit)
        _connect(connection, folder)
        connection.sendall(json.dumps(request).encode() + b'\n')
        with connection.makefile('rb') as stream:
            return json.loads(stream.readline())


def _connect(connection, folder):
    # The name of a socket has 107 bytes at most, a folder's may have more.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect('/proc/self/fd/%d/socket' % descriptor)
    finally:
        os.close(descriptor)


if __name__ == '__main__':
    main(*sys.argv[1:])
