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

"""GPFSDriver in a service of an ordinary user.

Started by test_gpfs_rights in a process of its own: ``python -m
tests.functional.ordinary_gpfs CONF HELPER DATABASE FOLDER SECURE``. Prints
what each verb left; what goes wrong is a traceback.
"""

import os
import shlex
import sys
import warnings

from oslo_privsep import priv_context

from tests.functional import gpfs_places
from tests import rig


def main():
    conf, helper, database, folder, secure = sys.argv[1:]
    warnings.simplefilter('ignore')
    assert os.geteuid() != 0
    the_rig = rig.Rig(database, config_file=conf)
    priv_context.init(root_helper=shlex.split(helper))
    driver = the_rig.driver(gpfs_places.DRIVER, 'ordinary',
                            gpfs_mount_point_base=folder,
                            nas_secure_file_operations=secure)
    volume = the_rig.new_volume(driver)
    volume.metadata = {'data_pool_name': 'fast', 'fstype': 'ext4'}
    volume.update(driver.create_volume(volume))
    volume.status = 'available'
    volume.save()
    _report('create', driver.local_path(volume))
    snapshot = the_rig.snapshot(driver, volume)
    _report('snapshot', os.path.join(folder, snapshot.name))
    driver.extend_volume(volume, 2)
    volume.size = 2
    volume.save()
    clone = the_rig.new_volume(driver, 3)
    clone.update(driver.create_cloned_volume(clone, volume))
    _report('clone', driver.local_path(clone))
    driver.revert_to_snapshot(the_rig.context, volume, snapshot)
    _report('revert', driver.local_path(volume))
    the_rig.delete_snapshot(driver, snapshot)
    for each in (volume, clone):
        driver.delete_volume(each)
    print('left', sorted(name for name in os.listdir(folder)
                         if not name.startswith('.')))


def _report(verb, path):
    status = os.stat(path)
    print(verb, status.st_uid, oct(status.st_mode & 0o777), status.st_size)


if __name__ == '__main__':
    main()
