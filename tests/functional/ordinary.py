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

"""A service of an ordinary user on shares that belong to root.

Started by test_privsep in a process of its own: ``python -m
tests.functional.ordinary CONF HELPER DATABASE SHARE DRIVER_OPTION ...``.
Prints what each verb left on the share; what goes wrong is a traceback.
"""

import os
import shlex
import sys
import warnings

from oslo_privsep import priv_context

from tests import rig


def main():
    conf, helper, database, share = sys.argv[1:5]
    options = dict(option.split('=') for option in sys.argv[5:])
    warnings.simplefilter('ignore')
    assert os.geteuid() != 0
    the_rig = rig.Rig(database, config_file=conf)
    priv_context.init(root_helper=shlex.split(helper))
    driver = the_rig.driver(
        'remotefs_drivers.posix.PosixDriver', 'ordinary',
        posix_directories=[share], nas_secure_file_operations='false',
        nas_secure_file_permissions='false', **options)
    volume = the_rig.volume(driver)
    _report('create', driver.local_path(volume))
    driver.extend_volume(volume, 2)
    volume.size = 2
    volume.save()
    _report('extend', driver.local_path(volume))
    driver.initialize_connection(volume, {})
    clone = the_rig.new_volume(driver, 3)
    driver.create_cloned_volume(clone, volume)
    _report('clone', driver.local_path(clone))
    managed = the_rig.manage(driver, {'source-name': 'disk'})
    _report('manage', driver.local_path(managed))
    for each in (volume, clone, managed):
        driver.delete_volume(each)
    print('left', sorted(os.listdir(share)))


def _report(verb, path):
    status = os.stat(path)
    print(verb, status.st_uid, oct(status.st_mode & 0o777), status.st_size)


if __name__ == '__main__':
    main()
