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

"""A group of volumes, and what is made of it, on a driver of a rig.

What a driver leaves to Cinder is done by Cinder's own manager, which goes
from volume to volume.
"""

import contextlib
import functools
import types
from unittest import mock

from cinder.volume import manager
from cinder.volume import volume_utils
from oslo_utils import uuidutils

from tests.functional import content

GIB, MIB = content.GIB, content.MIB


@contextlib.contextmanager
def type_is(consistent):
    """Of all groups within: whether snapshots are to be of one moment."""
    with mock.patch.object(volume_utils, 'is_group_a_cg_snapshot_type',
                           lambda group: consistent):
        yield


def new():
    """A group or a group snapshot."""
    return types.SimpleNamespace(id=uuidutils.generate_uuid(), name='group',
                                 status='deleting')


class Group:
    """Two volumes of a group.

    :param rig: see tests.rig
    :param place: knows the ``path`` of a volume's file
    :param folder: for what qemu-img compares with
    """

    def __init__(self, rig, driver, place, folder):
        self._rig, self._driver = rig, driver
        self._place, self._folder = place, folder
        self._manager = types.SimpleNamespace(
            driver=driver, driver_delete_volume=driver.delete_volume,
            driver_delete_snapshot=driver.delete_snapshot)
        self.group = new()
        self.members = [rig.volume(driver) for __ in range(2)]

    def live(self):
        """A group snapshot, groups of it and of this one; all are deleted."""
        self._write(1)
        taken, snapshots = self._take()
        self._write(2)
        self._copy(1, [{'snapshot_id': each.id} for each in snapshots],
                   group_snapshot=taken, snapshots=snapshots)
        self._copy(2, [{'source_volid': each.id} for each in self.members],
                   source_group=self.group, source_vols=self.members)
        _gone(self._do('delete_group_snapshot', taken, snapshots))
        _gone(self._do('delete_group', self.group, self.members))

    def _take(self):
        taken = new()
        snapshots = [self._rig.new_snapshot(volume, group_snapshot_id=taken.id)
                     for volume in self.members]
        update, updates = self._do('create_group_snapshot', taken, snapshots)
        assert update == {'status': 'available'}
        assert {each['id'] for each in updates} == {
            each.id for each in snapshots}
        for each in snapshots:
            each.status = 'available'
        return taken, snapshots

    def _copy(self, pattern, origins, **sources):
        copies = [self._rig.new_volume(self._driver, **each)
                  for each in origins]
        other = new()
        __, updates = self._do('create_group_from_src', other, copies,
                               **sources)
        for copy, update in zip(copies, updates):
            assert update.pop('id') == copy.id
            copy.update(update)
            content.assert_holds(self._place.path(copy), 'raw', GIB,
                                 [(pattern, MIB, MIB)], self._folder)
        _gone(self._do('delete_group', other, copies))

    def _write(self, pattern):
        for volume in self.members:
            content.write(self._place.path(volume), 'raw', pattern, MIB, MIB)

    def _do(self, verb, *args, **kwargs):
        """As VolumeManager does."""
        try:
            return getattr(self._driver, verb)(self._rig.context, *args,
                                               **kwargs)
        except NotImplementedError:
            its_own = functools.partial(
                getattr(manager.VolumeManager, '_%s_generic' % verb),
                self._manager)
            return its_own(self._rig.context, *args, **kwargs)


def _gone(answer):
    __, updates = answer
    assert [each['status'] for each in updates] == ['deleted'] * 2
