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

"""Runs an mm* command.

They lie in a folder of their own, which is in nobody's PATH by itself. Their
output is not translated, and they ask for nothing.
"""

import os
import shutil

from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers.qemu import command

#: Where IBM installs them. It comes first: root runs what is found here.
FOLDER = '/usr/lpp/mmfs/bin'


def run(request, arguments, timeout):
    """Run what a request asks for, to its end.

    :param request: name of one in requests.ALL
    :param arguments: of it, of plain types: they may come from another
                      process
    :param timeout: seconds until it is killed with all its children
    :returns: (exit code, stdout, stderr, command line)
    :raises GpfsRequestInvalid: for what is not to be on a command line
    :raises CommandFailed: when it cannot start
    :raises CommandTimeout: when the time was over
    """
    argv = requests.argv(request, arguments)
    code, out, err = command.outcome([_located(argv[0])] + argv[1:],
                                     timeout=timeout)
    return code, out, err, ' '.join(argv)


def _located(program):
    folders = [FOLDER, os.environ.get('PATH', os.defpath)]
    return (shutil.which(program, path=os.pathsep.join(folders)) or
            os.path.join(FOLDER, program))
