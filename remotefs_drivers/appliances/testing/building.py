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


"""Builds an appliance as cinder-volume does, from a configuration file."""

from cinder.common import config  # noqa: F401, has the option state_path
from cinder import objects
from oslo_config import cfg
from oslo_utils import importutils

# Cinder's modules look these up by name when they are imported.
objects.register_all()

from cinder.volume import configuration  # noqa: E402
from cinder.volume import driver  # noqa: E402

from remotefs_drivers.appliances import interface  # noqa: E402
from remotefs_drivers.appliances import loading  # noqa: E402
from remotefs_drivers import options  # noqa: E402

CONF = cfg.CONF

#: Sections that are no backend's.
_COMMON = frozenset(['DEFAULT', configuration.SHARED_CONF_GROUP])


class Unclear(Exception):
    """It cannot be told what is to be tested; with what to do."""


class Builder:
    """Builds the same appliance as often as wanted: as many hosts.

    :param name: of an entry point, or 'module:Class'; None for
                 appliance_type
    :param path: of the configuration file, or None
    :param section: of the backend in it; None for its only one
    :raises Unclear: it cannot be told which appliance, or which section
    """

    def __init__(self, name, path=None, section=None):
        CONF([], project='cinder', default_config_files=_files(path),
             default_config_dirs=[])
        self.section = section or _only_section(path)
        self.configuration = configuration.Configuration(
            driver.volume_opts + options.nas_opts + options.appliance_opts,
            config_group=self.section)
        self.name = name or self.configuration.appliance_type
        if not self.name:
            raise Unclear('Say which appliance is to be tested: --appliance='
                          'NAME, or appliance_type in [%s] of the file that '
                          '--appliance-conf names.' % self.section)

    def __call__(self):
        """One more of them.

        :raises Unclear, ShareConfigInvalid: there is no such appliance
        """
        if ':' not in self.name:
            return loading.load(self.name, self.configuration)
        cls = _by_path(self.name)
        self.configuration.append_config_values(cls.get_options())
        return cls(self.configuration)


def _by_path(name):
    """The class of 'module:Class'; it need not be installed."""
    try:
        found = importutils.import_class(name.replace(':', '.'))
    except ImportError as error:
        raise Unclear('%s cannot be imported: %s' % (name, error))
    if not (isinstance(found, type) and
            issubclass(found, interface.Appliance)):
        raise Unclear('%s is no subclass of %s.Appliance' % (
            name, interface.__name__))
    return found


def _files(path):
    return [str(path)] if path else []


def _only_section(path):
    """The section of the only backend, by what is written there."""
    found = CONF.list_all_sections() if path else ['appliance']
    backends = [name for name in found if name not in _COMMON]
    if len(backends) != 1:
        raise Unclear('%s has sections of %s. Say which one it is: '
                      '--appliance-section=NAME.' % (
                          path, ', '.join(backends) or 'no backend'))
    return backends[0]
