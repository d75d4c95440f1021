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

"""A volume's life, with its content compared after each change."""

import os

from oslo_utils import units

from remotefs_drivers.cmd import attached
from remotefs_drivers.cmd import content
from remotefs_drivers.cmd import disks
from remotefs_drivers.cmd import sample
from remotefs_drivers.cmd import snapshots
from remotefs_drivers.embedded import attachment

RAW = 'alpha'
QCOW2 = 'beta'
IMAGE = 'remotefs-demo'

# GiB
_SIZE = 1
_NEW_SIZE = 2

# What the guest writes: behind the file system, and into the new part.
_WRITES = ((700 * units.Mi, 1 * units.Mi), (1536 * units.Mi, 8 * units.Mi))

_MARKERS = frozenset(['.cinderSecureEnvIndicator',
                      '.remotefs-posix-directory'])


class Walkthrough:
    """:param cloud: cloud.Cloud with the backends of two_posix_backends
    :param folder: path of a folder for files of ours
    :param nova: compute.Compute that this cloud uses
    :param keep_image: leave the image in Glance
    """

    def __init__(self, cloud, folder, nova, keep_image=False):
        self._cloud = cloud
        self._folder = folder
        self._keep_image = keep_image
        self._disks = disks.Disks(cloud, folder)
        self._snapshots = snapshots.Snapshots(self._disks)
        self._attached = attached.Attached(self._disks, self._snapshots,
                                           nova)
        self._sample = sample.Sample(folder)
        self._expected = None
        self._image = None
        self._upload_id = None
        # The volume that the next step is about, and the first raw one.
        self._volume = None
        self._raw = None
        # An earlier run may have been kept, and played with.
        self._before = {share: _files_on(share)
                        for share in cloud.spec.folders}

    def steps(self):
        """Pairs of a title and a function that takes a Progress."""
        return (
            ('make a qcow2 image: ext4 with a file of random bytes',
             self._make_image),
            ('upload it to Glance', self._upload),
            ('image -> volume of 1 GiB on alpha (raw)', self._create),
            ('  compare', self._compare),
            ('image -> volume of 1 GiB on beta (qcow2)', self._create_qcow2),
            ('  compare', self._compare),
            ('extend the raw volume to 2 GiB', self._extend),
            ('  compare', self._compare),
            ('attach it by os-brick, write 9 MiB, detach', self._write),
            ('  compare', self._compare),
            ('clone it', self._clone),
            ('  compare', self._compare),
            ('clone -> image in Glance', self._to_image),
            ('  download and compare', self._compare_image),
            ('retype the clone to beta, with migration', self._retype),
            ('  compare', self._compare),
            ('  take the file out of its file system, compare',
             self._compare_file),
            *self._snapshots.steps(),
            *self._attached.steps(),
            ('delete everything', self._delete),
            ('  look into the shares', self._look),
        )

    proven = (
        'a qcow2 image became a raw and a qcow2 volume with its content',
        'extend, attach and write, clone, upload and migration to the other '
        'backend kept it',
        'the file system in the migrated volume is whole',
        *snapshots.Snapshots.proven,
        *attached.Attached.proven,
        'nothing is left on the shares after the delete',
    )

    def _make_image(self, progress):
        self._sample.make(progress)
        progress.note = '%d MiB' % (
            os.path.getsize(self._sample.qcow2) // units.Mi)

    def _upload(self, progress):
        images = self._cloud.glance.images
        for earlier in list(images.list(filters={'name': IMAGE})):
            images.delete(earlier.id)
        # With a property of its own, since Cinder before 29 can't upload a
        # volume of an image that has none (bug 2144550).
        self._image = images.create(name=IMAGE, disk_format='qcow2',
                                    container_format='bare',
                                    os_distro='remotefs').id
        with open(self._sample.qcow2, 'rb') as source:
            images.upload(self._image, source)
        self._cloud.wait_image(self._image)

    def _create(self, progress):
        self._expected = content.Expected.of_file(self._sample.raw)
        self._expected.grow(_SIZE * units.Gi)
        self._volume = self._disks.new(_SIZE, volume_type=RAW,
                                       imageRef=self._image)

    def _create_qcow2(self, progress):
        self._raw = self._volume
        self._volume = self._disks.new(_SIZE, volume_type=QCOW2,
                                       imageRef=self._image)
        self._snapshots.begin(self._volume, self._expected.copy())

    def _extend(self, progress):
        self._volume = self._raw
        self._cloud.cinder.volumes.extend(self._volume, _NEW_SIZE)
        self._cloud.wait_extended(self._volume, _NEW_SIZE)
        self._expected.grow(_NEW_SIZE * units.Gi)

    def _write(self, progress):
        with attachment.Attachment(self._cloud, self._volume) as found:
            with open(found.path, 'r+b') as disk:
                for offset, size in _WRITES:
                    data = os.urandom(size)
                    disk.seek(offset)
                    disk.write(data)
                    self._expected.write(offset, data)
                disk.flush()
                os.fsync(disk.fileno())

    def _clone(self, progress):
        self._volume = self._disks.new(_NEW_SIZE, source_volid=self._volume)

    def _to_image(self, progress):
        _response, body = self._cloud.cinder.volumes.upload_to_image(
            self._volume, False, 'remotefs-demo-clone', 'bare', 'qcow2',
            'private', False)
        self._upload_id = body['os-volume_upload_image']['image_id']
        found = self._cloud.wait_image(self._upload_id)
        self._cloud.wait_volume(self._volume)
        progress.note = '%d MiB' % (found.size // units.Mi)

    def _compare_image(self, progress):
        path = os.path.join(self._folder, 'download.qcow2')
        with open(path, 'wb') as target:
            for chunk in self._cloud.glance.images.data(self._upload_id):
                target.write(chunk)
        self._disks.compare_file(path, 'qcow2', self._expected, progress)
        os.unlink(path)

    def _retype(self, progress):
        self._cloud.cinder.volumes.retype(self._volume, QCOW2, 'on-demand')
        volume = self._cloud.wait_retyped(self._volume, QCOW2)
        host = getattr(volume, 'os-vol-host-attr:host')
        if '@%s#' % QCOW2 not in host + '#':
            raise content.Differs('The clone is on %s, expected %s.'
                                  % (host, QCOW2))
        progress.note = host.partition('#')[0]

    def _compare(self, progress):
        self._disks.compare(self._volume, self._expected, progress)

    def _compare_file(self, progress):
        with attachment.Attachment(self._cloud, self._volume,
                                   mode='ro') as found:
            with disks.Plain(found.path, found.format,
                             self._folder) as disk:
                self._sample.check_file(disk, self._folder)

    def _delete(self, progress):
        deleted = self._disks.delete_all()
        self._cloud.glance.images.delete(self._upload_id)
        if not self._keep_image:
            self._cloud.glance.images.delete(self._image)
        progress.note = '%d volumes' % deleted

    def _look(self, progress):
        for share, before in self._before.items():
            found = _files_on(share)
            if found != before:
                raise content.Differs('%s holds %s, expected %s.' % (
                    share, sorted(found), sorted(before)))
        progress.note = ('as before' if any(self._before.values())
                         else 'empty')


def _files_on(share):
    return set(os.listdir(share)) - _MARKERS
