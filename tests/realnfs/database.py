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

"""Makes the database that tests in the machine begin with.

Its tables take half a minute on an emulated processor, and two seconds here.
A program of its own, since Cinder keeps its database in globals:
python -m tests.realnfs.database FOLDER
"""

import pathlib
import subprocess
import sys

from tests.realnfs import errors

#: As tests.rig calls it.
NAME = 'cinder.sqlite'
_LIMIT = 600


def make(folder):
    """Make it in this folder; returns its path.

    :raises Missing: when this Cinder can't
    """
    try:
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', __name__, str(folder)],
            cwd=pathlib.Path(__file__).parents[2], timeout=_LIMIT, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
    except subprocess.SubprocessError as exc:
        raise errors.Missing('Cinder can\'t make a database: '
                             f'{exc.output or exc}') from exc
    return pathlib.Path(folder) / NAME


if __name__ == '__main__':
    from tests import rig
    rig.Rig(sys.argv[1])
