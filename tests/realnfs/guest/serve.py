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

"""Sets up users and the NFS server while pytest still imports Cinder.

Runs as a program in the machine; the pytest beside it waits for its end.
"""

import pathlib
import time
import traceback

from tests.realnfs.guest import accounts
from tests.realnfs.guest import nfs_server

_DONE = pathlib.Path('/run/realnfs-served')
_LIMIT = 900


def wait():
    """Return when all is set up.

    :raises RuntimeError: with the reason why it is not
    """
    deadline = time.monotonic() + _LIMIT
    while not _DONE.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f'no NFS server after {_LIMIT} seconds')
        time.sleep(0.1)
    problem = _DONE.read_text()
    if problem:
        raise RuntimeError(f'no NFS server:\n{problem}')


def main():
    try:
        accounts.make()
        nfs_server.NfsServer().set_up()
        _finish('')
    except Exception:
        _finish(traceback.format_exc())


def _finish(problem):
    written = _DONE.with_suffix('.new')
    written.write_text(problem)
    written.rename(_DONE)


if __name__ == '__main__':
    main()
