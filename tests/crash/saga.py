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

"""A volume with snapshots that outlives the processes that work on it.

A story of tests.functional that is written down, so that another process
goes on with it: what the volume and its snapshots held before the verb that
is cut off, and what they may hold after it.
"""

import json
import os

from cinder import objects

from tests.functional import story

_FILE = 'saga.json'
#: What ``scribble`` writes: at a place where every layer has something, and
#: at one where no story writes.
MARKS = {0: 0xee, 40: 0xee}


class Saga(story.Story):
    """Of a volume that is in the database of the rig already.

    :ivar subject: id of the snapshot that the verb is about, or None
    :ivar spare: id of the volume that the verb makes, or None
    :ivar fresh: id of a snapshot that the user makes in place of one that
        failed, or None
    """

    # In other clusters, so that a merge can be cut off between two of them.
    APART = 1 << 20

    def __init__(self, rig, driver):
        self.rig = rig
        self.driver = driver
        self._folder = rig.folder
        with open(os.path.join(rig.folder, _FILE)) as stream:
            told = json.load(stream)
        self.volume = objects.Volume.get_by_id(rig.context, told['volume'])
        self.state = numbers(told['state'])
        self.held = {each: numbers(state)
                     for each, state in told['held'].items()}
        self._count = told['count']
        self.subject = told['subject']
        self.spare = told['spare']
        self.fresh = told['fresh']
        self.snapshots = [self.snapshot(each) for each in self.held]

    def snapshot(self, snapshot_id):
        return objects.Snapshot.get_by_id(self.rig.context, snapshot_id)

    def spare_volume(self):
        return objects.Volume.get_by_id(self.rig.context, self.spare)

    def others(self):
        """The snapshots that the verb is not about."""
        return [each for each in self.snapshots if each.id != self.subject]

    def scribble(self):
        """Write what a guest would, after a crash."""
        path, file_format = self.path, self.format()
        for number, pattern in MARKS.items():
            story.content.write(path, file_format, pattern,
                                number * self.APART, story.KIB)

    def scribbled(self, state):
        return {**state, **MARKS}

    def is_scribbled(self):
        """Whether anybody has written to it since."""
        return os.path.exists(os.path.join(self._folder, 'scribbled'))


def write_down(a_story, subject=None, spare=None, fresh=None):
    """Let the next process know a story; ids of what else is in it."""
    with open(os.path.join(a_story.rig.folder, _FILE), 'w') as stream:
        json.dump({'volume': a_story.volume.id, 'state': a_story.state,
                   'held': a_story.held, 'count': a_story._count,
                   'subject': subject, 'spare': spare, 'fresh': fresh},
                  stream)


class Beginning(story.Story):
    """A story whose places are as far apart as a Saga's."""

    APART = Saga.APART

    def overlays(self):
        """(path, name of the layer below, format of that) of each."""
        below, below_format = self.volume.name, self.bottom_format
        for snapshot in self.snapshots:
            name = '%s.%s' % (self.volume.name, snapshot.id)
            yield os.path.join(self.share, name), below, below_format
            below, below_format = name, 'qcow2'

    @property
    def bottom_format(self):
        return self.reload().admin_metadata['base_format']


def numbers(state):
    """The keys that JSON has made texts are numbers again."""
    return {int(number): pattern for number, pattern in state.items()}
