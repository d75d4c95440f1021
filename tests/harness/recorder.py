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
"""Plays Cinder for a hypervisor: volumes of a folder, and what it was told.
"""

import threading
import uuid

# Seconds: far more than a merge of a test's takes.
_LIMIT = 300


class Recorder:
    """Has the methods of embedded.hypervisor.cinder.Cinder.

    :param folder: the share, as a folder of this host
    :ivar reports: list of (snapshot id, status), in the order of arrival
    :ivar sizes: volume id -> GiB
    """

    def __init__(self, folder):
        self._folder = str(folder)
        self._infos = {}
        self._attachments = {}
        self.reports = []
        self.sizes = {}
        self._told = threading.Condition()

    def offer(self, volume_id, name, file_format):
        """Give out this file for the volume from now on.

        Those who have it attached see it when they look again.
        """
        self._infos[volume_id] = {
            'driver_volume_type': 'nfs', 'export': self._folder,
            'name': name, 'format': file_format}

    def wait_reports(self, count):
        """:returns: all reports, of which there are at least as many"""
        with self._told:
            assert self._told.wait_for(lambda: len(self.reports) >= count,
                                       _LIMIT), self.reports
            return self.reports

    @property
    def attached(self):
        """Ids of the volumes that are attached."""
        return list(self._attachments.values())

    def report(self, snapshot_id, status):
        with self._told:
            self.reports.append((snapshot_id, status))
            self._told.notify_all()

    def volume_size(self, volume_id):
        return self.sizes[volume_id]

    def reserve(self, volume_id, server_id, mode):
        attachment_id = str(uuid.uuid4())
        self._attachments[attachment_id] = volume_id
        return attachment_id

    def connect(self, attachment_id):
        return self.connection_info(attachment_id)

    def complete(self, attachment_id, volume_id):
        assert self._attachments[attachment_id] == volume_id

    def connection_info(self, attachment_id):
        return self._infos[self._attachments[attachment_id]]

    def release(self, attachment_id):
        del self._attachments[attachment_id]
