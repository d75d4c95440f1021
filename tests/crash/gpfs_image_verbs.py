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

"""Volumes made of images that lie in GPFS, for the crash suite.

As in ``gpfs_verbs``. Images are on the share, in a folder of their own: they
are nobody's to change or remove but Glance's.
"""

import os

from oslo_utils import uuidutils

from remotefs_drivers.store import files
from tests.crash import explorer
from tests.crash import gpfs_verbs
from tests.crash import grounds
from tests.functional import content
from tests.functional import stages

#: What is in an image: pattern of each place, as in a story.
_STATE = {2: 0xc2, 5: 0xc5}


class Image(gpfs_verbs.Clone):
    """A volume of an image; a user deletes one that failed, and tries again.

    :param disk_format: of the image
    """

    def __init__(self, disk_format, **fields):
        super().__init__(snapshots=1, **fields)
        self.disk_format = disk_format

    def prepared(self, story):
        _make(os.path.join(_folder(story), uuidutils.generate_uuid()),
              self.disk_format, story.APART)
        return super().prepared(story)

    def act(self, saga):
        made = saga.spare_volume()
        # Whatever somebody puts beside it has a longer name.
        ident = min(os.listdir(_folder(saga)), key=len)
        update, done = saga.driver.clone_image(
            saga.rig.context, made, None, self._meta(ident), None)
        assert done
        made.update(update)
        made.save()

    def check_more(self, saga):
        saga.check_volume(saga.spare_volume(), _STATE, 2)

    def check_empty(self, saga):
        """Glance finds its image as it was, and can remove it."""
        with explorer.finding(explorer.ORPHANED):
            left = stages.left(os.path.join(saga.rig.folder, 'share'))
            assert left == {grounds.IMAGES}, left
            images = os.listdir(_folder(saga))
            assert len(images) == 1, images
        path = os.path.join(_folder(saga), images[0])
        with explorer.finding(explorer.LOST):
            self._check_image(saga, path)
        with explorer.finding(explorer.ORPHANED):
            # GPFS refuses that as long as anything is based on it.
            assert files.remove(path)

    def _check_image(self, saga, path):
        expected = os.path.join(saga.rig.folder, 'expected.image')
        _make(expected, self.disk_format, saga.APART)
        content.assert_same(path, self.disk_format, expected,
                            self.disk_format)

    def _meta(self, ident):
        return {'id': ident, 'disk_format': self.disk_format,
                'container_format': 'bare'}


class Second(Image):
    """Of an image that another volume is a clone of already."""

    def prepared(self, story):
        fields = super().prepared(story)
        other = story.rig.new_volume(story.driver, 1)
        ident, = os.listdir(_folder(story))
        update, __ = story.driver.clone_image(
            story.rig.context, other, None, self._meta(ident), None)
        other.update(update)
        other.save()
        return fields


def _folder(saga):
    return os.path.join(saga.rig.folder, 'share', grounds.IMAGES)


def _make(path, disk_format, apart):
    length = content.MIB * 8
    content.create(path, disk_format, length)
    content.write_all(path, disk_format, [
        (pattern, number * apart, content.KIB)
        for number, pattern in _STATE.items()])


BACKENDS = {
    'images are cloned': (('gpfs_images_share_mode', 'copy_on_write'),),
    'images are copied': (('gpfs_images_share_mode', 'copy'),),
}

VERBS = {
    'use a raw image': Image('raw'),
    'use a raw image again': Second('raw'),
    'use a qcow2 image': Image('qcow2'),
}

#: Where it makes a difference.
CASES = [('use a raw image', 'images are cloned'),
         ('use a raw image', 'images are copied'),
         ('use a raw image again', 'images are cloned'),
         ('use a qcow2 image', 'images are cloned')]
