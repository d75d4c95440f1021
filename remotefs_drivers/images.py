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

"""Images of Glance to volume files, and back.

What comes from Glance was written by a tenant: it is looked at by the format
inspector of oslo.utils, which starts no process and knows what is dangerous
in each format, before qemu-img sees it, and qemu-img is told the format.
What goes to Glance is converted by the volume's recorded format.
"""

import contextlib
import errno
import io
import os

from cinder import exception
from cinder.image import accelerator
from cinder.image import image_utils
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import imageutils
from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers import offload
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import inspection

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

#: Glance's names of what is copied byte by byte.
_RAW_NAMES = frozenset(['raw', 'iso', 'ami', 'ari', 'aki'])


@contextlib.contextmanager
def downloaded(context, image_service, image_id):
    """The image as a local file: the path, while the block runs."""
    fetched = image_utils.TemporaryImages.for_image_service(
        image_service).get(context, image_id)
    if fetched:
        yield fetched
        return
    with image_utils.temporary_file(prefix='image_download_%s_'
                                    % image_id) as path:
        image_utils.fetch(context, image_service, image_id, path, None, None)
        yield path


def check_conversion(image_meta, file_format):
    """Raise when the image is of another format, and that may not be.

    :raises ImageConversionNotAllowed: see image_conversion_disable
    """
    image_utils.check_image_conversion_disable(
        image_meta['disk_format'], file_format, image_meta['id'])


def prepare(path, image_meta):
    """Look at a downloaded image, and unpack it where it is compressed.

    :param image_meta: what Glance says of it
    :returns: (format for qemu-img, virtual size in bytes)
    :raises ImageRefused: when it is not what Glance says, damaged or unsafe
    """
    if image_meta.get('container_format') == 'compressed':
        _decompress(path, image_meta['id'])
    return offload.off_loop(_inspect)(path, image_meta['id'],
                                      image_meta['disk_format'])


def check_size(image_id, virtual_size, volume_size):
    """Raise unless the image fits.

    :param virtual_size: bytes
    :param volume_size: GiB
    """
    if virtual_size > volume_size * units.Gi:
        raise errors.ImageRefused(
            image_id=image_id,
            reason='its virtual size is %.2f GiB, which does not fit into a '
                   'volume of %d GiB' % (virtual_size / units.Gi,
                                         volume_size))


def upload(context, image_service, image_meta, volume, path, file_format,
           run, progress):
    """Make an image of a volume file.

    :param path: of a standalone raw or qcow2 file
    :param file_format: its recorded format
    :param run: runs operations: command.run or alike
    :raises UploadFailed: when the file cannot be read
    """
    wanted = image_utils.fixup_disk_format(image_meta['disk_format'])
    compress = image_meta.get('container_format') == 'compressed'
    image_utils.check_image_conversion_disable(
        image_meta['disk_format'], file_format, image_meta['id'],
        upload=True)
    # Where root works on the files, a copy can be read by everybody here.
    if (file_format == wanted == 'raw' and not compress and
            os.access(path, os.R_OK)):
        _send(context, image_service, image_meta, volume, path)
        return
    with image_utils.temporary_file(prefix='vol_upload_') as converted:
        try:
            image.export(path, file_format, converted, wanted,
                         compress=(wanted == 'qcow2' and
                                   CONF.image_compress_on_upload)
                         ).run(run, **progress)
        except (errors.CommandFailed, errors.CommandTimeout) as error:
            raise _not_uploaded(image_meta, volume, path, error)
        if compress:
            accelerator.ImageAccel(converted, converted).compress_img(
                run_as_root=False)
        _send(context, image_service, image_meta, volume, converted)


def _send(context, image_service, image_meta, volume, path):
    def failed(error):
        return _not_uploaded(image_meta, volume, path, '%s (%s)' % (
            error.strerror, errno.errorcode.get(error.errno, '?')))
    with _File(path, failed) as file:
        stream = io.BufferedReader(file, os.fstat(file.fileno()).st_blksize)
        image_service.update(context, image_meta['id'], {},
                             offload.off_loop(stream),
                             store_id=_store(volume),
                             base_image_ref=_base_image(volume))


class _File(io.FileIO):
    """A file to be sent; who sends it would take its errors for the network's.

    :param failed: returns what is raised instead of an OSError
    """

    def __init__(self, path, failed):
        self._failed = failed
        self._try(super().__init__, path, opener=_open_itself)

    def readinto(self, buffer):
        return self._try(super().readinto, buffer)

    def readall(self):
        return self._try(super().readall)

    def _try(self, function, *args, **kwargs):
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise self._failed(error)


def _open_itself(path, flags):
    """It, and not what a link leads to."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _not_uploaded(image_meta, volume, path, reason):
    return errors.UploadFailed(volume=volume.id, image_id=image_meta['id'],
                               path=path, reason=reason)


def _store(volume):
    """The Glance store that the volume's type asks for, if it does."""
    volume_type = volume.volume_type
    if volume_type is None:
        return None
    return (volume_type.extra_specs or {}).get('image_service:store_id')


def _base_image(volume):
    """The image that the volume was made from, for Glance's co-location."""
    return (volume.glance_metadata or {}).get('image_id')


def _decompress(path, image_id):
    if not CONF.allow_compression_on_image_upload:
        raise errors.ImageRefused(
            image_id=image_id,
            reason='its container format is "compressed", which the option '
                   'allow_compression_on_image_upload forbids')
    if not accelerator.is_gzip_compressed(path):
        raise errors.ImageRefused(
            image_id=image_id,
            reason='its container format is "compressed", but it is not '
                   'compressed by gzip')
    accelerator.ImageAccel(path, path).decompress_img(run_as_root=False)


def _inspect(path, image_id, disk_format):
    """What ``prepare`` returns; reads the file, so runs off the loop."""
    try:
        inspector = inspection.detect(path)
        found = str(inspector)
        if disk_format in _RAW_NAMES:
            _expect(found in inspection.RAW, disk_format, found)
            return 'raw', os.path.getsize(path)
        expected = image_utils.fixup_disk_format(disk_format)
        _expect(inspection.qemu_name(found) == expected, disk_format, found)
        inspection.check_safety(path, inspector)
    except ValueError as error:
        raise errors.ImageRefused(image_id=image_id, reason=str(error))
    if expected == 'vmdk':
        _check_vmdk(path, image_id)
    return expected, inspector.virtual_size


def _expect(as_said, disk_format, found):
    if not as_said:
        raise ValueError('Glance says that it is %s, but its content is %s'
                         % (disk_format, found))


def _check_vmdk(path, image_id):
    """Hold the image against the option vmdk_allowed_types."""
    try:
        out, __ = image.info(path, 'vmdk').run()
    except (errors.CommandFailed, errors.CommandTimeout) as error:
        raise errors.ImageRefused(image_id=image_id, reason=str(error))
    try:
        image_utils.check_vmdk_image(
            image_id, imageutils.QemuImgInfo(out, format='json'))
    except exception.ImageUnacceptable as error:
        raise errors.ImageRefused(image_id=image_id, reason=error.msg)


def not_copied(image_id, volume_id, error):
    """The error to raise when qemu-img gave up on an image."""
    return errors.ImageRefused(
        image_id=image_id,
        reason='it cannot be copied into volume %s: %s' % (volume_id, error))
