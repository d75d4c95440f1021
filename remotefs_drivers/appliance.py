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

"""ApplianceNfsDriver: an NFS appliance, on which each volume is a share.

What the appliance is asked for is in appliances.interface, and by whom in
remotefs.sharing, share_deleting, share_groups and share_managing.
"""

from cinder import interface
from os_brick.remotefs import remotefs as remotefs_brick
from oslo_config import cfg

from remotefs_drivers.appliances import loading
from remotefs_drivers.chain import sharing
from remotefs_drivers import connections
from remotefs_drivers import errors
from remotefs_drivers import options
from remotefs_drivers.remotefs import share_managing
from remotefs_drivers.settings import appliance as appliance_settings
from remotefs_drivers.share import sources
from remotefs_drivers.share import table
from remotefs_drivers.share import visiting

CONF = cfg.CONF

#: Cinder's templates for names -> which names are none of a user's.
_TEMPLATES = {'volume_name_template': sharing.is_temporary,
              'snapshot_name_template': sharing.is_waiting}
#: Bytes: journals are small, and there are as many as verbs under way.
_JOURNAL_SIZE = 64 * 1024 * 1024


@interface.volumedriver
class ApplianceNfsDriver(share_managing.ManagingDriver):
    """Volumes as NFS shares of an appliance."""

    VERSION = '1.0.0'

    driver_prefix = 'appliance'
    driver_volume_type = 'nfs'
    volume_backend_name = 'Appliance_NFS'

    @staticmethod
    def get_driver_options():
        return (options.nas_opts + options.appliance_opts +
                options.appliance_ssh_opts + options.appliance_rest_opts)

    def do_setup(self, context):
        """:raises ApplianceError: when the appliance is not as it should be
        :raises ShareConfigInvalid: when an option makes no sense
        """
        _check_templates()
        self._own = appliance_settings.read(self.configuration)
        if self._appliance is not None:
            # It was there, but not all that Cinder did next went well.
            self._appliance.close()
        self._appliance = loading.load(self._own.type, self.configuration)
        self._appliance.check()
        self.vendor_name = self._appliance.vendor_name or self.vendor_name
        self._home = table.Share(self._find_home().location)
        super().do_setup(context)

    def _find_home(self):
        name = self._own.journal_share
        found = self._appliance.find_share(name)
        if found is not None:
            return found
        try:
            return self._appliance.create_share(name, _JOURNAL_SIZE)
        except errors.ApplianceShareExists:
            # Another service was faster.
            return self._appliance.find_share(name)

    def _read_settings(self):
        return appliance_settings.read_common(self.configuration,
                                              self.volume_backend_name)

    def _make_source(self):
        return sources.Fixed('appliance_journal_share', [self._home])

    def _make_mounter(self):
        return visiting.VisitingMounter(
            remotefs_brick.RemoteFsClient, 'nfs', self._own.mount_point_base,
            self._own.mount_options, self._own.mount_timeout,
            self._own.mount_attempts)

    def _connection(self, volume, share, name, file_format):
        own = self._own.mount_options
        return connections.share('nfs', share.location, name, file_format,
                                 '-o %s' % own if own else None)


def _check_templates():
    """What has a name of the driver's own is deleted without being asked for.
    """
    for option, is_own in _TEMPLATES.items():
        template = getattr(CONF, option)
        if is_own(template):
            raise errors.ShareConfigInvalid(
                option=option,
                reason='"%s" begins as names do that are the driver\'s own, '
                       'expected another beginning' % template)
