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

"""Finds the appliance that the operator named, by its entry point."""

import inspect

from oslo_log import log as logging
from stevedore import driver
from stevedore import extension

from remotefs_drivers import errors
from remotefs_drivers import offload

LOG = logging.getLogger(__name__)

GROUP = 'remotefs_drivers.appliances'


def load(name, configuration):
    """Make the appliance of an entry point.

    :param configuration: of the backend; gets the appliance's options
    :returns: appliances.interface.Appliance, or what calls it off the event
              loop
    :raises ShareConfigInvalid: when there is none of that name, or it cannot
                                be imported
    """
    try:
        plugin = driver.DriverManager(
            GROUP, name, on_load_failure_callback=_say_why).driver
    except RuntimeError as error:
        raise errors.ShareConfigInvalid(
            option='appliance_type',
            reason='"%s" cannot be used: %s. There are: %s' % (
                name, error, ', '.join(sorted(_known())) or 'none'))
    configuration.append_config_values(plugin.get_options())
    appliance = plugin(configuration)
    return appliance if appliance.remote else _OffLoop(appliance)


class _OffLoop:
    """An appliance that would hold up all green threads."""

    def __init__(self, appliance):
        self._appliance = appliance

    def __getattr__(self, name):
        found = getattr(self._appliance, name)
        return offload.off_loop(found) if inspect.ismethod(found) else found


def _known():
    return extension.ExtensionManager(
        GROUP, on_load_failure_callback=_say_why).names()


def _say_why(manager, entry_point, error):
    LOG.error('Appliance %s cannot be imported: %s', entry_point, error)
