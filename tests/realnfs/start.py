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

"""The script that is the machine's first process once its root is there."""

import os
import pathlib
import shlex
import sys

_REPO = pathlib.Path(__file__).parents[2]

#: Set in the machine and nowhere else: path of a database to begin with.
DATABASE = 'REALNFS_DATABASE'

_SCRIPT = """
busybox ip link set lo up
hostname realnfs
echo '127.0.0.1 localhost realnfs' > /etc/hosts
export {environment}
cd {repo}
{python} -m tests.realnfs.guest.serve &
{pytest} < /dev/null
echo "pytest ended: $?"
sync
echo o > /proc/sysrq-trigger
sleep 60
"""


def script(config, files, database):
    """Shell text that runs a pytest which waits for the host's orders.

    :param config: the host's pytest config: same root, same ini file, so
        that node ids are the same
    :param files: paths of the test files to collect
    :param database: path of a database of Cinder's to begin with
    """
    command = [sys.executable, '-m', 'pytest', '-q', '--color=no',
               f'--rootdir={config.rootpath}', '-p', 'no:cacheprovider',
               '-p', 'no:faulthandler', '-p', 'tests.realnfs.guest.worker']
    if config.getoption('allow_missing', False):
        command.append('--allow-missing')
    if config.inipath:
        command += ['-c', str(config.inipath)]
    return _SCRIPT.format(
        repo=shlex.quote(str(_REPO)), environment=_environment(database),
        python=shlex.quote(sys.executable),
        pytest=shlex.join(command + [str(path) for path in files]))


def _environment(database):
    path = f'{pathlib.Path(sys.executable).parent}:/usr/sbin:/usr/bin:' \
           '/sbin:/bin'
    kept = {name: value for name, value in os.environ.items()
            if name.startswith(('OS_', 'REALNFS_', 'PYTHONPATH'))}
    wanted = {'LANG': 'C.UTF-8', 'HOME': '/root', 'PATH': path,
              'PYTHONDONTWRITEBYTECODE': '1', **kept, DATABASE: str(database)}
    return ' '.join(f'{name}={shlex.quote(value)}'
                    for name, value in wanted.items())
