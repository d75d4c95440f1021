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

"""A service of an ordinary user that runs the commands of GPFS as root.

Started by test_gpfs_commands in a process of its own: ``python -m
tests.functional.ordinary_gpfs_commands CONF HELPER DATABASE FOLDER``. Prints
what each did; what goes wrong is a traceback.
"""

import os
import shlex
import sys
import warnings

from oslo_privsep import priv_context

from remotefs_drivers import errors
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers import privileged
from tests import rig

#: Seconds for a command that hangs.
SHORT = 1


def main():
    conf, helper, database, folder = sys.argv[1:]
    warnings.simplefilter('ignore')
    assert os.geteuid() != 0
    rig.Rig(database, config_file=conf)
    priv_context.init(root_helper=shlex.split(helper))
    gpfs = commands.Commands(privileged.run_gpfs)
    print('state', gpfs.state())
    print('pool', gpfs.has_pool('gpfs0', 'nix'))
    volume = os.path.join(folder, 'volume')
    gpfs.clone_snap(volume, volume + '.snap')
    gpfs.clone_copy(volume + '.snap', volume + '.clone')
    gpfs.change_attributes(volume, requests.Wanted(pool='data', dio=True))
    print('clone', gpfs.clone_show(volume + '.clone').depth)
    print('attributes', gpfs.attributes(volume).storage_pool)
    _complain('exists', gpfs.clone_copy, volume + '.snap', volume)
    _complain('hostile', privileged.run_gpfs, 'clone_show', ['-x'], SHORT)
    _complain('unknown', privileged.run_gpfs, 'mmshutdown', [], SHORT)
    # The last one of these hangs.
    print('again', gpfs.state())
    _complain('hangs', commands.Commands(privileged.run_gpfs, SHORT).state)


def _complain(what, function, *arguments):
    try:
        function(*arguments)
    except errors.exception.CinderException as error:
        print(what, type(error).__name__, error)


if __name__ == '__main__':
    main()
