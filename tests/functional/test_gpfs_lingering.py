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

"""GPFSDriver where GPFS takes its time with what was removed.

A parent whose last child has just gone may still be refused. It must not stay
for good: whoever removes something next takes it along.
"""

import contextlib
import os
import time

import pytest

from tests.functional import gpfs_places
from tests.functional import stages

pytestmark = pytest.mark.root

# Seconds.
LINGERING = 1
#: How often it is tried: a slow machine may take longer for one removal.
TRIES = 20


@pytest.fixture
def place(tmp_path):
    with contextlib.ExitStack() as stack:
        made = gpfs_places.Place(stack, str(tmp_path), lingering=LINGERING)
        stack.enter_context(made.programs())
        yield made


def test_parents_go_with_the_next(place, rig):
    driver = rig.driver(gpfs_places.DRIVER, stages.section(),
                        **place.options())

    def live():
        """A volume, a snapshot and a clone, all deleted."""
        volume = rig.volume(driver)
        snapshot = rig.snapshot(driver, volume)
        clone = rig.new_volume(driver)
        driver.create_cloned_volume(clone, volume)
        rig.delete_snapshot(driver, snapshot)
        for each in volume, clone:
            driver.delete_volume(each)
        return {os.path.splitext(name)[1] for name in place.names()}

    assert any(live() == {'.snap', '.ts'} for __ in range(TRIES))
    before = place.names()
    for __ in range(TRIES):
        time.sleep(LINGERING * 1.5)
        live()
        # One that goes may be the last child of another.
        before -= before - place.names()
        if not before:
            break
    assert before == set()
