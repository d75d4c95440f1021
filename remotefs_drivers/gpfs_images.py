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

"""Images that Glance keeps in GPFS: which of them can be used as they lie.

Glance's file of an image has the image's id as its name. What is in it was
written by a tenant, and is looked at as if it had been downloaded.
"""

import os
import stat

from oslo_log import log as logging
from oslo_utils import uuidutils

from remotefs_drivers import errors
from remotefs_drivers import offload

LOG = logging.getLogger(__name__)

#: Of Glance: content that has to be unpacked first, into a copy.
_PACKED = ('compressed',)


def find(own, commands, image_meta):
    """The path of an image's file, if it is there and in GPFS.

    :param own: settings.gpfs.Gpfs
    :param commands: gpfs_commands.Commands
    :returns: None where the image has to be downloaded
    """
    if not (own.images_dir and own.share_mode):
        return None
    reason = _objection(own, commands, image_meta)
    if reason is None:
        return os.path.join(own.images_dir, image_meta['id'])
    LOG.info('Image %s is downloaded: %s', image_meta['id'], reason)
    return None


def _objection(own, commands, image_meta):
    """Why an image cannot be used as it lies there, or None."""
    if not uuidutils.is_uuid_like(image_meta['id']):
        return 'its id is no name of a file'
    if image_meta.get('container_format') in _PACKED:
        return 'it is %s' % image_meta['container_format']
    path = os.path.join(own.images_dir, image_meta['id'])
    try:
        reason = offload.off_loop(_flaw)(path, image_meta.get('size'))
        if reason is None:
            commands.attributes(path)
        return reason
    except OSError as error:
        return '%s: %s' % (path, error.strerror)
    except errors.CommandFailed as error:
        return '%s is not in GPFS: %s' % (path, error)


def _flaw(path, size):
    """What is wrong with the file itself, or None."""
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        return '%s is not a regular file' % path
    if size not in (None, status.st_size):
        # Glance writes right there what it copies from another store.
        return '%s has %d bytes of %d' % (path, status.st_size, size)
    if not os.access(path, os.R_OK):
        return '%s cannot be read by this service' % path
    return None
