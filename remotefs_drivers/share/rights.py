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

"""Who may read and write volume files: the nas_secure_* options.

Cinder's own drivers mark a share where the secure options were found or set
to true with the file .cinderSecureEnvIndicator; ``auto`` means what that
file says. The rule and the name are theirs, so that a share can go from one
driver to the other.
"""

import dataclasses

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

MARKER = '.cinderSecureEnvIndicator'
MARKER_MODE = 0o640
MARKER_TEXT = ('Cinder works on this share without root rights and with '
               'closed file permissions.\nDo not delete this file.\n')

_SECURE_MODE = 0o660
_OPEN_MODE = 0o666


@dataclasses.dataclass(frozen=True)
class Rights:
    """How files are made and who makes them.

    :ivar as_root: whether file operations run as root
    :ivar mode: permissions of volume files
    """

    as_root: bool
    mode: int

    @property
    def are_open(self):
        return self.mode == _OPEN_MODE


def decide(operations, permissions, auto):
    """The rights from the two options.

    :param operations: nas_secure_file_operations: auto, true or false
    :param permissions: nas_secure_file_permissions: the same
    :param auto: what auto stands for: called once at most, returns a bool
    """
    if 'auto' in (operations, permissions):
        automatic = auto()
    secure_operations = (automatic if operations == 'auto'
                         else operations == 'true')
    secure_permissions = (automatic if permissions == 'auto'
                          else permissions == 'true')
    if not secure_operations:
        LOG.warning('File operations run as root '
                    '(nas_secure_file_operations is false, or auto on an '
                    'installation that is not new). Where the share can '
                    'belong to the user of cinder-volume, true is safer.')
    if not secure_permissions:
        LOG.warning('Volume files can be read and written by everyone who '
                    'reaches the share (nas_secure_file_permissions is '
                    'false, or auto on an installation that is not new).')
    return Rights(as_root=not secure_operations,
                  mode=_SECURE_MODE if secure_permissions else _OPEN_MODE)


def is_secure(marked, is_new_installation, make_markers):
    """What ``auto`` stands for.

    :param marked: whether a share has the marker file
    :param make_markers: makes the marker files; returns whether it could
    """
    if marked:
        return True
    return is_new_installation and make_markers()
