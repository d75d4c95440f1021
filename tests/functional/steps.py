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

"""What a user does, over HTTP, and where its result lies on the share."""

import contextlib
import hashlib
import json
import os
import socket
import sqlite3

from remotefs_drivers.embedded import waiting
from tests.functional import content
from tests.functional import stages
from tests.harness import backends


#: Seconds: far more than anything takes that comes to an end.
_LONG = 300


class Steps:
    """A user of a cloud, and a look behind it.

    :param cloud: embedded.cloud.Cloud or alike
    :param folder: for downloads
    :param backends: format of volumes -> name of the backend that makes them;
                     a format will do wherever a backend is asked for
    :param behind: share -> folder that it is an export of, to look at its
                   files on this side of the network
    """

    def __init__(self, cloud, folder, backends=(), behind=()):
        self.cloud = cloud
        self.folder = str(folder)
        self.backends = dict(backends)
        self._behind = dict(behind)

    # What the user does

    def create(self, backend, size=1, **kwargs):
        """A new volume, available; size in GiB."""
        volume = self.cloud.cinder.volumes.create(
            size, volume_type=self._name(backend), **kwargs)
        return self.cloud.wait_volume(volume.id)

    def create_failing(self, backend, size=1, **kwargs):
        """A new volume that ends in error; it, and its messages."""
        volume = self.cloud.cinder.volumes.create(
            size, volume_type=self._name(backend), **kwargs)
        return self.cloud.wait_volume(volume.id, 'error')

    def extend(self, volume, size):
        self.cloud.cinder.volumes.extend(volume.id, size)
        return self.cloud.wait_extended(volume.id, size)

    def snapshot(self, volume):
        snapshot = self.cloud.cinder.volume_snapshots.create(volume.id)
        return self.cloud.wait_snapshot(snapshot.id)

    def delete_snapshot(self, snapshot, status=None):
        """:param status: that it ends in, when it cannot be deleted"""
        self.cloud.cinder.volume_snapshots.delete(snapshot.id)
        if status is None:
            self.cloud.wait_gone(snapshot.id, 'snapshot')
        else:
            self.cloud.wait_snapshot(snapshot.id, status)

    def revert(self, volume, snapshot):
        self.cloud.cinder.volumes.revert_to_snapshot(volume, snapshot)
        self.cloud.wait_snapshot(snapshot.id)
        return self.cloud.wait_volume(volume.id)

    def backup(self, volume, status='available'):
        """Of a volume in that state, 'available' or 'in-use'."""
        backup = self.cloud.cinder.backups.create(
            volume.id, force=(status == 'in-use'))
        self.cloud.wait_volume(volume.id, status)
        return self.cloud.wait_backup(backup.id)

    def restore(self, backup, volume=None):
        """Into this volume, or into a new one."""
        restored = self.cloud.cinder.restores.restore(
            backup.id, None if volume is None else volume.id)
        self.cloud.wait_backup(backup.id)
        return self.cloud.wait_volume(restored.volume_id)

    def delete_backup(self, backup):
        self.cloud.cinder.backups.delete(backup.id)
        self.cloud.wait_gone(backup.id, 'backup')

    def retype(self, volume, backend):
        name = self._name(backend)
        self.cloud.cinder.volumes.retype(volume.id, name, 'on-demand')
        return self.cloud.wait_retyped(volume.id, name)

    def delete(self, *volumes):
        for volume in volumes:
            self.cloud.cinder.volumes.delete(volume.id)
        for volume in volumes:
            self.cloud.wait_gone(volume.id)

    # What an administrator does

    def unmanage(self, volume, *snapshots):
        """Let a volume go, and all of its snapshots before it."""
        for snapshot in snapshots:
            self.cloud.cinder.volume_snapshots.unmanage(snapshot)
            self.cloud.wait_gone(snapshot.id, 'snapshot')
        self.cloud.cinder.volumes.unmanage(volume.id)
        self.cloud.wait_gone(volume.id)

    def manage(self, backend, ref, status='available'):
        """Make a file a volume; returns the volume in that state."""
        volume = self.cloud.cinder.volumes.manage(
            self.pool(backend), ref, volume_type=self._name(backend))
        return self.cloud.wait_volume(volume.id, status)

    def manage_snapshot(self, volume, ref):
        snapshot = self.cloud.cinder.volume_snapshots.manage(volume.id, ref)
        return self.cloud.wait_snapshot(snapshot.id)

    def manageable(self, backend):
        """File name -> entry of the list, of what could be managed."""
        entries = self.cloud.cinder.volumes.list_manageable(
            self.pool(backend).split('#')[0])
        return {os.path.basename(entry.reference['source-name']): entry
                for entry in entries}

    def manageable_snapshots(self, backend):
        """Old id -> entry of the list, of what could be managed."""
        entries = self.cloud.cinder.volume_snapshots.list_manageable(
            self.pool(backend).split('#')[0])
        return {entry.reference['source-id']: entry for entry in entries}

    def pool(self, backend):
        """Cinder's name of a backend's first share."""
        wanted = '@%s#%s' % (self._name(backend), self.location(backend))
        name, = [pool.name for pool in self.cloud.cinder.pools.list()
                 if pool.name.endswith(wanted)]
        return name

    # What both do

    def image(self, path, disk_format):
        """Upload a file as an image."""
        image = self.cloud.glance.images.create(
            name=os.path.basename(path), disk_format=disk_format,
            container_format='bare')
        with open(path, 'rb') as stream:
            self.cloud.glance.images.upload(image.id, stream)
        return self.cloud.wait_image(image.id)

    def smuggle(self, data, disk_format):
        """An image that Glance would not take today: put behind its back.

        Older releases took it, and an attacker may have reached its store.
        """
        image = self.image(self.disk('harmless', _QEMU.get(disk_format,
                                                           disk_format),
                                     length=content.MIB), disk_format)
        with open(self.cloud.spec.path('glance', 'images', image.id),
                  'wb') as stream:
            stream.write(data)
        with contextlib.closing(sqlite3.connect(
                self.cloud.spec.path('glance', 'glance.sqlite'),
                timeout=_LONG)) as glance:
            glance.execute(
                'update images set size = ?, checksum = ?, os_hash_value = ?'
                ' where id = ?',
                (len(data), hashlib.md5(data).hexdigest(),
                 hashlib.sha512(data).hexdigest(), image.id))
            glance.commit()
        return image

    def upload(self, volume, disk_format, status='available'):
        """Make an image of a volume; returns the path of its download."""
        __, answer = self.cloud.cinder.volumes.upload_to_image(
            volume.id, status == 'in-use', 'from-%s' % volume.id, 'bare',
            disk_format, 'private', False)
        image = answer['os-volume_upload_image']['image_id']
        self.cloud.wait_image(image)
        self.cloud.wait_volume(volume.id, status)
        path = self.download(image)
        self.cloud.glance.images.delete(image)
        return path

    def download(self, image_id):
        path = os.path.join(self.folder, 'download-%s' % image_id)
        with open(path, 'wb') as stream:
            for chunk in self.cloud.glance.images.data(image_id):
                stream.write(chunk)
        return path

    @contextlib.contextmanager
    def attached(self, volume):
        """Attach by the attachments API: yields the connection."""
        attachments = self.cloud.cinder.attachments
        attachment = attachments.create(volume.id, None, None, mode='rw')
        attachment_id = _field(attachment, 'id')
        try:
            updated = attachments.update(attachment_id, connector())
            attachments.complete(attachment_id)
            self.cloud.wait_volume(volume.id, 'in-use')
            yield _field(updated, 'connection_info')
        finally:
            attachments.delete(attachment_id)
            self.cloud.wait_volume(volume.id)

    def until(self, look, what):
        """Wait until look() is true."""
        waiting.until(look, _LONG, what, check=self.cloud.check,
                      explain=self.cloud.log)

    # Where its result is

    def location(self, backend):
        """What the driver calls a backend's first share."""
        options = self.cloud.spec.backends[self._name(backend)]
        if 'posix_directories' in options:
            return options['posix_directories'][0]
        with open(backends.shares_file(options)) as stream:
            return stream.read().split()[0]

    def share(self, backend):
        """The folder of a backend's first share."""
        return self._folder(self.location(backend))

    def path(self, volume):
        """The path of a volume's file."""
        volume = self.cloud.cinder.volumes.get(volume.id)
        pool = getattr(volume, 'os-vol-host-attr:host').split('#')[1]
        name_id = getattr(volume, 'os-vol-mig-status-attr:name_id', None)
        return os.path.join(self._folder(pool),
                            'volume-%s' % (name_id or volume.id))

    def table(self, volume):
        """The table of a volume's snapshots, {} when there is none."""
        path = self.path(volume) + '.info'
        if not os.path.exists(path):
            return {}
        with open(path) as stream:
            return json.load(stream)

    def active(self, volume):
        """The path of the file that hosts attach."""
        path = self.path(volume)
        name = self.table(volume).get('active', os.path.basename(path))
        return os.path.join(os.path.dirname(path), name)

    def mount_point_base(self, backend):
        """Where a backend's shares are mounted, None where none are."""
        return backends.mount_point_base(
            self.cloud.spec.backends[self._name(backend)])

    def files(self, backend):
        """The names on a backend's share, without the markers."""
        return stages.left(self.share(backend))

    def messages(self, volume):
        """What Cinder tells the user about a volume, as one text."""
        return ' '.join(message.user_message
                        for message in self.cloud.cinder.messages.list()
                        if message.resource_uuid == volume.id)

    def disk(self, name, file_format='qcow2', length=4 * content.MIB,
             seed=1):
        """A disk with content of its own, in the folder."""
        return content.make_disk(os.path.join(self.folder, name),
                                 file_format, length, seed)

    def file(self, name, data):
        """A file with these bytes, in the folder."""
        path = os.path.join(self.folder, name)
        with open(path, 'wb') as stream:
            stream.write(data)
        return path

    def _name(self, backend):
        return self.backends.get(backend, backend)

    def _folder(self, location):
        return self._behind.get(location, location)


#: Glance's name of a format -> qemu-img's.
_QEMU = {'vhd': 'vpc'}


def connector():
    """What a host says of itself when it attaches a volume."""
    return {'ip': '127.0.0.1', 'host': socket.gethostname(),
            'initiator': 'iqn.1994-05.com.example:none',
            'platform': 'x86_64', 'os_type': 'linux', 'multipath': False}


def _field(answer, name):
    """cinderclient returns objects or dicts, as its version likes."""
    return answer[name] if isinstance(answer, dict) else getattr(answer, name)
