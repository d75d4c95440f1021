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


"""What happens inside of a neighbour: see tests.functional.neighbour."""

import contextlib
import os
import time

from cinder import coordination
from cinder import objects

from remotefs_drivers import glusterfs
from remotefs_drivers import locks
from remotefs_drivers import posix
from remotefs_drivers import remotefs
from remotefs_drivers.settings import posix as posix_settings
from tests.functional import content
from tests.harness import backends
from tests.harness import turns
from tests import rig as the_rig

PATTERN = 0xa7
IMAGE_SIZE = 1 << 20


class OneHostDriver(remotefs.RemoteFSSnapDriver):
    """PosixDriver with locks of one host."""

    driver_prefix = 'posix'
    driver_volume_type = 'nfs'

    get_driver_options = staticmethod(posix.PosixDriver.get_driver_options)
    _make_source = posix.PosixDriver._make_source
    _make_mounter = posix.PosixDriver._make_mounter
    _connection = posix.PosixDriver._connection
    _export = posix.PosixDriver._export

    def do_setup(self, context):
        self._own = posix_settings.read(self.configuration)
        super().do_setup(context)


class NoLockDriver(posix.PosixDriver):
    """One that locks nothing: to see that this is seen."""

    locks_class = locks.NoLocks


DRIVERS = {'cluster': posix.PosixDriver, 'host': OneHostDriver,
           'none': NoLockDriver, 'glusterfs': glusterfs.GlusterfsDriver}


class Rig(the_rig.Rig):
    """One whose database several processes share."""

    database_url = staticmethod(turns.url)


def _options(kind, folder, share):
    if kind != 'glusterfs':
        return {'posix_directories': [share], 'posix_attach_type': 'nfs'}
    # A host of its own, as far as the share knows.
    options = backends.glusterfs(
        os.path.join(folder, 'host-%d' % os.getpid()), 'alpha', [share])
    options.pop('volume_driver')
    return options


class Glance:
    """As much of Cinder's image service as a copy needs."""

    temp_images = None

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': 'raw',
                'container_format': 'bare', 'size': IMAGE_SIZE}

    def get_location(self, context, image_id):
        return None, None

    def download(self, context, image_id, data=None, **kwargs):
        data.write(bytes([PATTERN]) * IMAGE_SIZE)

    def update(self, context, image_id, meta, data=None, **kwargs):
        assert data.read(4096) == bytes([PATTERN]) * 4096


class Probe:
    """Locks that look whether anybody else is inside.

    A file stands for who is inside; what makes it is the kernel alone.
    """

    def __init__(self, driver, folder):
        self._locks = driver._locks
        self._folder = folder
        self.asked = []
        self.entered = 0
        self.met = []

    @contextlib.contextmanager
    def volumes(self, *ids):
        self.asked += ids
        with self._locks.volumes(*ids):
            mine = [self._enter(volume_id) for volume_id in sorted(set(ids))]
            time.sleep(0.01)
            try:
                yield
            finally:
                for path in filter(None, mine):
                    os.unlink(path)

    def _enter(self, volume_id):
        path = os.path.join(self._folder, 'inside-' + volume_id)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            self.met.append(volume_id)
            return None
        self.entered += 1
        return path


class Verbs:
    """All that a neighbour can be asked for; volumes by their ids."""

    def __init__(self, folder, share, kind, url):
        self._rig = Rig(folder, coordination_url=url)
        self._driver = self._rig.driver(
            '%s.%s' % (DRIVERS[kind].__module__, DRIVERS[kind].__name__),
            **_options(kind, folder, share))
        self._probe = self._driver._locks = Probe(self._driver, folder)
        self._held = []

    def ready(self):
        return os.getpid()

    # Locks by themselves

    def hold(self, volumes):
        held = self._driver._locks.volumes(*volumes)
        held.__enter__()
        self._held.append(held)

    def release(self):
        while self._held:
            self._held.pop().__exit__(None, None, None)

    def stop(self):
        """As a service does first when it is told to stop."""
        coordination.COORDINATOR.stop()

    def asked(self):
        """Volumes that somebody wanted to enter, whether he could or not."""
        return self._probe.asked

    def seen(self):
        """How often a volume was entered, and whom this met there."""
        return {'entered': self._probe.entered, 'met': self._probe.met}

    # Verbs

    def create(self):
        """A volume with something in it, and a snapshot; their ids."""
        volume = self._rig.volume(self._driver)
        path = self._driver.local_path(volume)
        content.write(path, 'raw', PATTERN, 0, content.MIB)
        return volume.id, self.create_snapshot(volume.id)

    def create_empty(self):
        return self._rig.volume(self._driver).id

    def create_snapshot(self, volume):
        return self._rig.snapshot(self._driver, self._volume(volume)).id

    def delete_snapshot(self, snapshot):
        self._rig.delete_snapshot(self._driver, self._snapshot(snapshot))

    def revert(self, volume, snapshot):
        self._driver.revert_to_snapshot(
            self._rig.context, self._volume(volume), self._snapshot(snapshot))

    def clone(self, volume):
        return self._copy(lambda new: self._driver.create_cloned_volume(
            new, self._volume(volume)))

    def clone_snapshot(self, snapshot):
        return self._copy(lambda new: self._driver.create_volume_from_snapshot(
            new, self._snapshot(snapshot)))

    def extend(self, volume, size):
        volume = self._volume(volume)
        self._driver.extend_volume(volume, size)
        volume.size = size
        volume.save()

    def attach(self, volume):
        """The name of the file that a host gets."""
        return self._driver.initialize_connection(
            self._volume(volume), {})['data']['name']

    def back_up(self, volume):
        """Have a plain copy made, as for cinder-backup, and removed."""
        volume = self._volume(volume)
        volume.status = 'backing-up'
        self._driver.initialize_connection(volume, {})
        self._driver.terminate_connection(volume, {})

    def upload(self, volume):
        self._driver.copy_volume_to_image(
            self._rig.context, self._volume(volume), Glance(),
            {'id': 'an-image', 'disk_format': 'raw',
             'container_format': 'bare'})

    def download(self, volume):
        self._driver.copy_image_to_volume(
            self._rig.context, self._volume(volume), Glance(), 'an-image')

    def delete(self, volume):
        volume = self._volume(volume)
        self._driver.delete_volume(volume)
        volume.destroy()

    def path(self, volume):
        return self._driver.local_path(self._volume(volume))

    def rounds(self, volume, count):
        """All kinds of work on a volume that others work on as well."""
        for __ in range(count):
            snapshot = self.create_snapshot(volume)
            self.attach(volume)
            for copy in (self.clone(volume), self.clone_snapshot(snapshot)):
                self.upload(copy)
                self.delete(copy)
            self.upload(volume)
            self.delete_snapshot(snapshot)

    def _copy(self, make):
        new = self._rig.new_volume(self._driver)
        new.update(make(new))
        new.status = 'available'
        new.save()
        return new.id

    def _volume(self, volume_id):
        return objects.Volume.get_by_id(self._rig.context, volume_id)

    def _snapshot(self, snapshot_id):
        return objects.Snapshot.get_by_id(self._rig.context, snapshot_id)
