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

import contextlib
import os
import shutil
import subprocess
import threading
from unittest import mock

from cinder import objects
from oslo_utils import units

from benchmarks import meter
from remotefs_drivers.store import files

#: What is written into the volume or image that is copied, bytes of 1 GiB.
_DATA = 256 * units.Mi
_THREADS = 8
#: Seconds that the threads may take together.
_PATIENCE = 300


class Operation:
    """A call to a driver.

    :cvar calls: how many calls make a batch, by the in-tree driver and ours
    :cvar shares: how many shares the drivers have
    :cvar saves: whether Cinder's database takes part
    """

    name = None
    title = None
    calls = (5, 20)
    shares = 1
    qcow2 = False
    saves = True

    def prepare(self, pair, root):
        """Once, before all calls.

        :returns: why it cannot be measured here, or None
        """

    def set_up(self, subject):
        """What ``call`` needs: its state."""
        raise NotImplementedError()

    def call(self, driver, state):
        raise NotImplementedError()

    def clean_up(self, subject, state):
        """Remove what a call left."""

    def surroundings(self):
        """A context for the calls of a batch."""
        return contextlib.nullcontext()

    def weight(self, place):
        """For how many calls of a driver's method one ``call`` stands."""
        return 1


class _OfVolume(Operation):
    """A call about one volume, which is the state."""

    def set_up(self, subject):
        return _fresh(subject, subject.rig.volume(subject.driver))

    def clean_up(self, subject, volume):
        files.remove(_file(subject, volume))


class _OfFormat(_OfVolume):
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


class Extend(_OfFormat):
    """From 1 to 2 GiB."""

    verb = 'extend'

    def call(self, driver, volume):
        driver.extend_volume(volume, 2)


class Delete(_OfVolume):
    """An empty raw volume."""

    name = title = 'delete'

    def call(self, driver, volume):
        driver.delete_volume(volume)


class Attach(_OfVolume):
    """What a host needs to know to attach a raw volume."""

    name = 'attach'
    title = 'attach data'

    def call(self, driver, volume):
        driver.initialize_connection(volume, {})


class Stats(Operation):
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


class Clone(_OfVolume):
    """A raw volume of 1 GiB with 256 MiB of data."""

    calls = (2, 4)

    def __init__(self, shared):
        self._sources = {}
        self._shared = shared
        word = 'shared' if shared else 'copied'
        self.name = 'clone-%s' % word
        self.title = 'clone, blocks %s' % word

    def prepare(self, pair, root):
        if self._shared and not _can_clone(root):
            return 'the file system cannot share blocks'
        for subject in pair:
            source = subject.rig.volume(subject.driver)
            _write(_file(subject, source))
            self._sources[subject.driver] = _fresh(subject, source)
        return None

    def set_up(self, subject):
        return subject.rig.new_volume(subject.driver)

    def call(self, driver, volume):
        driver.create_cloned_volume(volume, self._sources[driver])

    def surroundings(self):
        if self._shared:
            return contextlib.nullcontext()
        # As it is where the file system cannot.
        return mock.patch.object(files, 'clone', lambda *paths: False)


class ImageToVolume(_OfVolume):
    """A qcow2 image of 1 GiB with 256 MiB of data, to a raw volume."""

    name = 'image-to-volume'
    title = 'image to volume'
    calls = (1, 1)

    def prepare(self, pair, root):
        raw, qcow2 = (os.path.join(root, 'image.%s' % ending)
                      for ending in ('raw', 'qcow2'))
        files.create(raw, units.Gi, 0o600)
        _write(raw)
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                        raw, qcow2], check=True, timeout=600)
        os.unlink(raw)
        self._service = _ImageService(qcow2)
        self._context = pair[0].rig.context

    def call(self, driver, volume):
        driver.copy_image_to_volume(self._context, volume, self._service,
                                    'image')


class CreateMany(Operation):
    """Raw volumes by eight threads at once; the time is that of one.

    Without the database: eight threads on sqlite would wait for its locks.
    """

    name = 'create-threads'
    title = 'create raw, %d threads' % _THREADS
    calls = (1, 1)
    saves = False
    _each = (3, 12)

    def set_up(self, subject):
        return _Crowd([[_loaded(subject.rig.new_volume(subject.driver))
                        for __ in range(self._each[subject.place])]
                       for __ in range(_THREADS)])

    def call(self, driver, crowd):
        crowd.create(driver)

    def clean_up(self, subject, crowd):
        for volume in crowd.volumes():
            files.remove(_file(subject, volume))

    def surroundings(self):
        return meter.without_saving(objects.Volume)

    def weight(self, place):
        return _THREADS * self._each[place]


class _Crowd:
    """Threads that create volumes, each its own."""

    def __init__(self, lots):
        self._lots = lots
        self._errors = []

    def volumes(self):
        return [volume for lot in self._lots for volume in lot]

    def create(self, driver):
        threads = [threading.Thread(target=self._work, args=(driver, lot),
                                    daemon=True) for lot in self._lots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE)
            if thread.is_alive():
                raise RuntimeError('a thread hangs in create_volume')
        if self._errors:
            raise self._errors[0]

    def _work(self, driver, lot):
        try:
            for volume in lot:
                driver.create_volume(volume)
        except Exception as error:
            self._errors.append(error)


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
            Stats(1), Stats(8), Stats(32), CreateMany()]


def _fresh(subject, volume):
    """The volume as a request brings it: out of the database."""
    return subject.rig.reload(volume)


def _loaded(volume):
    """The volume, which will not need the database any more."""
    with volume.obj_as_admin():
        volume.admin_metadata
    return volume


def _file(subject, volume):
    return os.path.join(subject.folders[0], volume.name)


def _fill(folder, number):
    for index in range(number):
        with open(os.path.join(folder, 'volume-%d' % index), 'xb'):
            pass


def _write(path):
    """Write data into a file that is there."""
    block = os.urandom(units.Mi)
    with open(path, 'r+b') as stream:
        for __ in range(_DATA // len(block)):
            stream.write(block)


def _can_clone(root):
    """Whether the file system can share blocks."""
    source, target = (os.path.join(root, 'clone-%s' % name)
                      for name in ('source', 'target'))
    for path in (source, target):
        files.create(path, 0, 0o600)
    with open(source, 'wb') as stream:
        stream.write(b'data' * units.Ki)
    try:
        return files.clone(source, target)
    finally:
        for path in (source, target):
            files.remove(path)
