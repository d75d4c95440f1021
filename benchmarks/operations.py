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

"""What is measured: one class for each kind of call, with its surroundings.

``set_up`` makes what a call needs and ``clean_up`` removes what it left;
neither is timed.
"""

import os
import shutil
import subprocess

from cinder import objects
from oslo_utils import units

from benchmarks import bare
from benchmarks import meter
from benchmarks import operation
from benchmarks import snapshots
from remotefs_drivers.store import files


class _OfFormat(operation.OfVolume):
    verb = None

    def __init__(self, qcow2):
        self.qcow2 = qcow2
        file_format = 'qcow2' if qcow2 else 'raw'
        self.name = '%s-%s' % (self.verb, file_format)
        self.title = '%s %s' % (self.verb, file_format)


class Create(_OfFormat):
    """A volume of 1 GiB, empty."""

    verb = 'create'

    def set_up(self, subject):
        return subject.rig.new_volume(subject.driver)

    def call(self, driver, volume):
        driver.create_volume(volume)

    def bare(self, subject, volume):
        if not self.qcow2:
            return []
        return [bare.create_qcow2(operation.path_of(subject, volume),
                                  units.Gi)]


class Extend(_OfFormat):
    """From 1 to 2 GiB."""

    verb = 'extend'

    def call(self, driver, volume):
        driver.extend_volume(volume, 2)


class Delete(operation.OfVolume):
    """An empty raw volume."""

    name = title = 'delete'

    def call(self, driver, volume):
        driver.delete_volume(volume)


class Attach(operation.OfVolume):
    """What a host needs to know to attach a raw volume."""

    name = 'attach'
    title = 'attach data'

    def call(self, driver, volume):
        driver.initialize_connection(volume, {})


class Stats(operation.Operation):
    """The stats for the scheduler, of shares with 1000 files each."""

    calls = (2, 6)
    files = 1000

    def __init__(self, shares):
        self.shares = shares
        self.name = 'stats-%d' % shares
        self.title = 'stats, %d share%s' % (shares, 's' * (shares > 1))

    def prepare(self, pair, root):
        for subject in pair:
            for folder in subject.folders:
                _fill(folder, self.files)

    def set_up(self, subject):
        """Nothing: any call is like the others."""

    def call(self, driver, state):
        driver.get_volume_stats(refresh=True)


class Clone(operation.Copy):
    """A raw volume of 1 GiB with 256 MiB of data."""

    verb = 'clone'

    def _make_sources(self, pair, root):
        for subject in pair:
            source = subject.rig.volume(subject.driver)
            operation.write(operation.path_of(subject, source))
            self._sources[subject.driver] = operation.fresh(subject, source)

    def call(self, driver, volume):
        driver.create_cloned_volume(volume, self._sources[driver])


class ImageToVolume(operation.OfVolume):
    """A qcow2 image of 1 GiB with 256 MiB of data, to a raw volume."""

    name = 'image-to-volume'
    title = 'image to volume'
    calls = (1, 1)

    def prepare(self, pair, root):
        raw, qcow2 = (os.path.join(root, 'image.%s' % ending)
                      for ending in ('raw', 'qcow2'))
        files.create(raw, units.Gi, 0o600)
        operation.write(raw)
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                        raw, qcow2], check=True, timeout=600)
        os.unlink(raw)
        self._service = _ImageService(qcow2)
        self._context = pair[0].rig.context

    def call(self, driver, volume):
        driver.copy_image_to_volume(self._context, volume, self._service,
                                    'image')


class CreateMany(operation.Operation):
    """Raw volumes by eight threads at once; the time is that of one.

    Without the database: eight threads on sqlite would wait for its locks.
    """

    name = 'create-threads'
    title = 'create raw, %d threads' % operation.THREADS
    calls = (1, 1)
    saves = False
    _each = (3, 12)

    def set_up(self, subject):
        return operation.Crowd([[self._volume(subject) for __ in
                                 range(self._each[subject.place])]
                                for __ in range(operation.THREADS)])

    def call(self, driver, crowd):
        crowd.work(driver.create_volume)

    def clean_up(self, subject, crowd):
        for volume in crowd.items():
            files.remove(operation.path_of(subject, volume))

    def surroundings(self):
        return meter.without_saving(objects.Volume)

    def weight(self, place):
        return operation.THREADS * self._each[place]

    def _volume(self, subject):
        return operation.loaded(subject.rig.new_volume(subject.driver))


class _ImageService:
    """As much of Glance as a download needs: one image, a local file."""

    temp_images = None

    def __init__(self, path):
        self._path = path

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': 'qcow2',
                'container_format': 'bare', 'status': 'active',
                'size': os.path.getsize(self._path)}

    def download(self, context, image_id, data=None):
        with open(self._path, 'rb') as stream:
            shutil.copyfileobj(stream, data, units.Mi)


def every():
    """All operations, in the order of the table."""
    return [Create(qcow2=False), Create(qcow2=True), Delete(),
            Extend(qcow2=False), Extend(qcow2=True), Attach(),
            Clone(shared=True), Clone(shared=False), ImageToVolume(),
            Stats(1), Stats(8), Stats(32), CreateMany(),
            *snapshots.every()]


def _fill(folder, number):
    for index in range(number):
        with open(os.path.join(folder, 'volume-%d' % index), 'xb'):
            pass
