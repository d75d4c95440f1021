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
"""Nova, as far as Cinder has to do with it.

    with compute.Compute(folder) as nova:
        with clouds.Cloud(nova.configured(spec)) as cloud:
            nova.cinder = cinder.Cinder(cloud)
            disk = nova.attach(server_id, volume_id)
            with disk.guest.connect() as drive: ...
            nova.detach(server_id, volume_id)

The ports of Cinder and of this are not fixed before the start, so Cinder is
configured with this one running.
"""

import contextlib
import threading
import time

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import api
from remotefs_drivers.embedded.hypervisor import assisted
from remotefs_drivers.embedded.hypervisor import cinder
from remotefs_drivers.embedded.hypervisor import guest
from remotefs_drivers.embedded.hypervisor import keystone
from remotefs_drivers.embedded.hypervisor import server
from remotefs_drivers.embedded.hypervisor import servers
from remotefs_drivers.embedded import ports

# Seconds for what is under way at the end.
_LIMIT = 300

_GIB = 1 << 30


class Compute:
    """:param folder: absolute path of a folder for logs and sockets, not on
        a share
    :param local_path: function: connection_info -> path of the file
    :param work: assisted.Assisted, or another way to do what Cinder asks for
    :ivar folder: the same
    :ivar cinder: cinder.Cinder, or somebody else who has its methods; to be
        set before anything is attached
    :ivar servers: servers.Servers
    :ivar assisted: what does what Cinder asks for
    """

    def __init__(self, folder, local_path=cinder.local_path,
                 work=assisted.Assisted):
        self.cinder = None
        self.servers = servers.Servers()
        self.assisted = work(self)
        self.folder = str(folder)
        self._local_path = local_path
        self._server = None
        self._works = []
        self._beginning = threading.Lock()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.close()

    def start(self):
        """Answer requests."""
        self._server = server.Server(ports.listen(), api.Api(self).answer)

    def close(self):
        """Answer no more, and switch all servers off."""
        if self._server:
            self._server.close()
        for each in self.servers:
            for volume_id in list(each.disks):
                with contextlib.suppress(errors.CloudError):
                    _switch_off(each.disks[volume_id].guest)
                self._forget(each, volume_id)
        self.wait()

    @property
    def url(self):
        return config.url(self._server.port)

    def options(self):
        """cinder.conf for Cinder to use it: section -> option -> value."""
        return {'nova': {'auth_type': 'none',
                         'endpoint': self.url + api.PREFIX,
                         'token_auth_url': self.url + keystone.PREFIX}}

    def configured(self, spec):
        """The same spec.Spec, of a cloud that uses it."""
        return spec.replace(options={**spec.options, **self.options()})

    def attach(self, server_id, volume_id, mode='rw', named=True):
        """Attach a volume to a server, which is made when there is none.

        :param mode: 'rw' or 'ro'
        :param named: tell Cinder the server's id. Without one Cinder knows
            of an attachment, but of no server
        :returns: servers.Disk; ``guest`` has it open when the server is on
        """
        owner = self.servers.add(server_id)
        attachment_id = self.cinder.reserve(
            volume_id, server_id if named else None, mode)
        try:
            info = self.cinder.connect(attachment_id)
            disk = servers.Disk(volume_id, attachment_id, guest.Guest(
                self.folder, self._local_path(info), _format(info),
                read_only=(mode == 'ro'), name='volume-' + attachment_id))
            with owner.lock:
                if owner.active:
                    disk.guest.start()
                owner.disks[volume_id] = disk
            self.cinder.complete(attachment_id, volume_id)
        except BaseException:
            self._forget(owner, volume_id)
            self.cinder.release(attachment_id)
            raise
        return disk

    def detach(self, server_id, volume_id):
        """Close the file, and tell Cinder."""
        disk = self.servers.disk(server_id, volume_id)
        _switch_off(disk.guest)
        # Cinder asks whether the server still has it.
        self._forget(self.servers.get(server_id), volume_id)
        self.cinder.release(disk.attachment_id)

    def stop_server(self, server_id):
        """Switch it off; jobs that are under way come to nothing."""
        found = self.servers.get(server_id)
        found.state = servers.SHUTOFF
        for disk in list(found.disks.values()):
            _switch_off(disk.guest)

    def start_server(self, server_id):
        """Switch it on, with the files that its definition names."""
        found = self.servers.get(server_id)
        with found.lock:
            for disk in found.disks.values():
                disk.guest.start()
            found.state = servers.ACTIVE

    def hard_reboot(self, server_id):
        """Off and on, with the files and formats that Cinder has stored.

        An attachment that names an old file brings up an old disk: the
        hypervisor has no other source.
        """
        found = self.servers.get(server_id)
        found.task = 'rebooting_hard'
        try:
            self.stop_server(server_id)
            for disk in found.disks.values():
                info = self.cinder.connection_info(disk.attachment_id)
                disk.guest.path = self._local_path(info)
                disk.guest.format = _format(info)
            self.start_server(server_id)
        finally:
            found.task = None

    def wait(self, limit=_LIMIT):
        """Until nothing is under way.

        :raises Timeout: after ``limit`` seconds
        """
        deadline = time.monotonic() + limit
        for work in self._works:
            work.join(max(0, deadline - time.monotonic()))
            if work.is_alive():
                raise errors.Timeout('The hypervisor still works after %d '
                                     'seconds.' % limit)

    def begin(self, function, *arguments):
        """Call it in a thread of its own."""
        work = threading.Thread(target=function, args=arguments, daemon=True,
                                name='hypervisor work')
        with self._beginning:
            work.start()
            self._works = [each for each in self._works if each.is_alive()]
            self._works.append(work)

    def hear(self, event):
        """Cinder says that something happened.

        :param event: validation.Event
        :raises Refused:
        """
        found = self.servers.get(event.server_id)
        if event.name == 'volume-extended':
            self.begin(self._extend, found, event.tag)

    def _extend(self, found, volume_id):
        disk = found.disks.get(volume_id)
        if disk and found.active:
            disk.guest.resize(self.cinder.volume_size(volume_id) * _GIB)

    def _forget(self, owner, volume_id):
        disk = owner.disks.pop(volume_id, None)
        if disk:
            disk.guest.kill()


def _format(connection_info):
    # As Nova's drivers for files have it.
    return connection_info.get('format') or 'raw'


def _switch_off(guest):
    """Politely, unless it crashed before."""
    if guest.alive:
        guest.stop()
    else:
        guest.kill()
