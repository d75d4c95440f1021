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
import types
import warnings

from cinder import objects
from cinder.volume import volume_utils
from oslo_privsep import priv_context
from oslo_utils import uuidutils

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
    _take_of_group(the_rig, driver, folder)
    print('left', sorted(name for name in os.listdir(folder)
                         if not name.startswith('.')))


def _take_of_group(the_rig, driver, folder):
    """A group snapshot, whose files come from what is root's alone."""
    volume_utils.is_group_a_cg_snapshot_type = lambda group: True
    objects.Volume.group = None
    group, taken = [types.SimpleNamespace(id=uuidutils.generate_uuid())
                    for __ in range(2)]
    taken.group_id = group.id
    driver.create_group(the_rig.context, group)
    volume = the_rig.volume(driver, group_id=group.id)
    snapshots = [the_rig.new_snapshot(volume)]
    update, __ = driver.create_group_snapshot(the_rig.context, taken,
                                              snapshots)
    assert update == {'status': 'available'}, update
    _report('group', os.path.join(folder, 'consisgroup-' + group.id,
                                  snapshots[0].name))
    update, __ = driver.delete_group_snapshot(the_rig.context, taken,
                                              snapshots)
    assert update == {'status': 'deleted'}, update
    update, __ = driver.delete_group(the_rig.context, group, [volume])
    assert update == {'status': 'deleted'}, update


def _report(verb, path):
    status = os.stat(path)
    print(verb, status.st_uid, oct(status.st_mode & 0o777), status.st_size)


if __name__ == '__main__':
    main()
