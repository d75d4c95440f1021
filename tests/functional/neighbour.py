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


"""A driver in a process of its own, beside others on the same share.

    with Neighbour(folder, share, locks) as one:
        one.call('hold', volumes=[volume_id])

``python -m`` this is that process: a rig and a driver, told by lines of JSON
what to do. Each request has a thread; it ends when its standard input does.
"""

import json
import os
import subprocess
import sys
import threading

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

#: Seconds for one request, which may be many verbs.
_LIMIT = 600


class Failed(Exception):
    """What a verb raised, as text that begins with the name of its class."""


class Request:
    """One that is under way."""

    def __init__(self):
        self._done = threading.Event()
        self._answer = None

    @property
    def is_done(self):
        return self._done.is_set()

    def finish(self, answer):
        self._answer = answer
        self._done.set()

    def result(self, limit=_LIMIT):
        """:raises Failed: when the verb has
        :raises TimeoutError: after so many seconds
        """
        if not self._done.wait(limit):
            raise TimeoutError('no answer in %s seconds' % limit)
        if 'error' in self._answer:
            raise Failed(self._answer['error'])
        return self._answer['value']


class Neighbour:
    """Such a process, as the tests see it.

    :param folder: for the database and lock files, the same for all
    :param share: the same for all: a folder, or one of GlusterFS, which
        each mounts for itself
    :param kind: 'host' (locks of one host), 'cluster', or 'glusterfs', which
        has those of a cluster
    :param url: of the coordination backend
    """

    def __init__(self, folder, share, kind, url):
        self._arguments = [str(folder), str(share), kind, url]
        self._requests = {}
        self._lock = threading.Lock()
        self._popen = None

    def __enter__(self):
        self._popen = subprocess.Popen(
            [sys.executable, '-m', __name__, *self._arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd='/', env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(
                None, [REPOSITORY, os.environ.get('PYTHONPATH')]))})
        threading.Thread(target=self._read, daemon=True).start()
        self.call('ready')
        return self

    def __exit__(self, *exc_info):
        self.kill()
        self._popen.stdin.close()
        self._popen.stdout.close()

    def kill(self):
        """SIGKILL."""
        self._popen.kill()
        self._popen.wait()

    def call(self, verb, **arguments):
        """Have it do something, and return what it returned."""
        return self.begin(verb, **arguments).result()

    def begin(self, verb, **arguments):
        """Have it begin something. Returns a Request."""
        request = Request()
        with self._lock:
            number = len(self._requests)
            self._requests[number] = request
            self._popen.stdin.write(json.dumps(
                {'number': number, 'verb': verb,
                 'arguments': arguments}) + '\n')
            self._popen.stdin.flush()
        return request

    def _read(self):
        try:
            for line in self._popen.stdout:
                answer = json.loads(line)
                self._requests[answer['number']].finish(answer)
        except ValueError:
            # Closed, by the end of the test.
            pass
        for request in list(self._requests.values()):
            if not request.is_done:
                request.finish({'error': 'the process has ended'})


def main(folder, share, kind, url):
    """Do what is asked on standard input, until its end."""
    answers = os.fdopen(os.dup(1), 'w')
    # What else is printed is no answer.
    os.dup2(2, 1)
    # Cinder is here only, not in the process of the tests.
    from tests.functional import inhabitant
    lock, verbs = threading.Lock(), None

    def serve(number, verb, arguments):
        try:
            answer = {'value': getattr(verbs, verb)(**arguments)}
        except BaseException as error:
            answer = {'error': '%s: %s' % (type(error).__name__, error)}
        with lock:
            answers.write(json.dumps({'number': number, **answer}) + '\n')
            answers.flush()

    verbs = inhabitant.Verbs(folder, share, kind, url)
    for line in sys.stdin:
        threading.Thread(target=serve, kwargs=json.loads(line),
                         daemon=True).start()
    os._exit(0)


if __name__ == '__main__':
    main(*sys.argv[1:])
