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

"""Single options: what they say, and what they may not.

Options of one driver begin with its prefix, such as ``nfs``.
"""

import os

from remotefs_drivers import connections
from remotefs_drivers import errors


def own(configuration, prefix, name):
    """One that has the same name in several drivers, but for the prefix."""
    return getattr(configuration, '%s_%s' % (prefix, name))


def given(configuration, option):
    """One that must be set.

    :raises ShareConfigInvalid: here and below, when it makes no sense
    """
    value = getattr(configuration, option)
    if not value:
        raise errors.ShareConfigInvalid(option=option, reason='it is not set')
    return value


def absolute(path, option):
    """A path from an option, without a slash at its end."""
    if not path or not os.path.isabs(path):
        raise errors.ShareConfigInvalid(
            option=option, reason='"%s" is not an absolute path' % path)
    # Two slashes at the beginning are one to Linux, and two to normpath.
    return '/' + os.path.normpath(path).lstrip('/')


def mount_options(configuration, prefix):
    """For all shares, or None; those of the nas_* options come first."""
    if configuration.nas_mount_options is not None:
        return configuration.nas_mount_options
    return own(configuration, prefix, 'mount_options')


def mount_point_base(configuration, prefix):
    """An absolute path, links in it followed."""
    option = '%s_mount_point_base' % prefix
    return os.path.realpath(absolute(getattr(configuration, option),
                                     option))


def attach_type(configuration, prefix):
    """How hosts attach, if that can carry the volumes that are made."""
    found = own(configuration, prefix, 'attach_type')
    if (found in connections.RAW_ONLY and
            own(configuration, prefix, 'qcow2_volumes')):
        raise errors.ShareConfigInvalid(
            option='%s_attach_type' % prefix,
            reason='"%s" can carry raw volumes only, and %s_qcow2_volumes '
                   'is true. Set %s_attach_type = nfs, or '
                   '%s_qcow2_volumes = false'
                   % (found, prefix, prefix, prefix))
    return found


def secure(configuration, option):
    """'auto', 'true' or 'false'."""
    # The in-tree definition of the option knows no choices, and may be the
    # one that is registered.
    value = str(getattr(configuration, option)).lower()
    if value not in ('auto', 'true', 'false'):
        raise errors.ShareConfigInvalid(
            option=option,
            reason='"%s" is none of auto, true, false' % value)
    return value
