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

"""Images by a driver alone, with an image service that keeps one in a file.
"""

import os
import shutil

IMAGE_ID = '11111111-2222-4333-8444-555555555555'


class Images:
    """One raw image, as cinder.image.glance gives and takes it.

    :param path: of the file that it is in, or will be
    """

    temp_images = None

    def __init__(self, path):
        self._path = str(path)

    def show(self, context, image_id):
        return {'id': image_id, 'disk_format': 'raw',
                'container_format': 'bare',
                'size': os.path.getsize(self._path), 'properties': {}}

    def get_location(self, context, image_id):
        return None, None

    def download(self, context, image_id, data=None, **fields):
        with open(self._path, 'rb') as stream:
            shutil.copyfileobj(stream, data)

    def update(self, context, image_id, image_meta, data, **fields):
        assert image_id == IMAGE_ID
        with open(self._path, 'wb') as stream:
            shutil.copyfileobj(data, stream)


def upload(one, disk_format):
    """Upload the volume of a story; returns the path of what arrived."""
    path = os.path.join(one._folder, 'uploaded.' + disk_format)
    to_file(path, one.driver, one.rig.context, one.reload(), disk_format)
    return path


def to_file(path, driver, context, volume, disk_format):
    driver.copy_volume_to_image(
        context, volume, Images(path),
        {'id': IMAGE_ID, 'disk_format': disk_format,
         'container_format': 'bare'})
