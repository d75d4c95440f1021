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

"""A service with an event loop, one of whose two shares dies.

Started by test_glusterfs_faults in a process of its own: ``python -m
tests.functional.green FOLDER SHARE_THAT_DIES SHARE``. Prints a line when the
first share may die, and waits for one. Then prints in JSON how many seconds a
verb on the other share took, and the longest pause of the event loop.
"""

import json
import os
import sys
import time
import warnings

import eventlet

eventlet.monkey_patch()

from remotefs_drivers import errors  # noqa: E402
from tests.functional import gluster_places  # noqa: E402
from tests.functional import story  # noqa: E402
from tests.harness import backends  # noqa: E402
from tests.harness import impatience  # noqa: E402
from tests import rig  # noqa: E402


def main(folder, dying, share):
    warnings.simplefilter('ignore')
    the_rig = rig.Rig(folder)
    victim = _driver(the_rig, 'victim', dying)
    driver = _driver(the_rig, 'other', share)
    told = story.Story(the_rig, driver, folder)
    first, __ = told.take(2)
    descriptor = os.open(os.path.join(_path(victim), 'held'),
                         os.O_CREAT | os.O_RDWR)
    os.fsync(descriptor)
    print('ready', flush=True)
    sys.stdin.readline()
    os.pwrite(descriptor, b'x' * 512, 0)
    pauses = []
    eventlet.spawn(_watch, pauses)
    try:
        with impatience.share_and_mounts(victim, dying):
            victim._shares.call(_share(victim), 'flush', os.fsync, descriptor)
        raise AssertionError('the share is not dead')
    except errors.ShareTimeout:
        pass
    began = time.monotonic()
    told.drop(first)
    print(json.dumps([time.monotonic() - began, max(pauses)]), flush=True)
    sys.stdin.readline()
    told.check()


def _driver(the_rig, name, share):
    values = backends.glusterfs(os.path.join(the_rig.folder, name), name,
                                [share])
    values.pop('volume_driver')
    return the_rig.driver(gluster_places.PATH, name, **values)


def _share(driver):
    share, = driver._shares.table.values()
    return share


def _path(driver):
    return driver._shares.path(_share(driver))


def _watch(pauses):
    while True:
        began = time.monotonic()
        eventlet.sleep(0.01)
        pauses.append(time.monotonic() - began)


if __name__ == '__main__':
    main(*sys.argv[1:])
