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

"""How much room there is."""

import time

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances.testing import files as the_files

#: Others may delete something meanwhile, which hides what is written.
_TRIES = 6
#: Seconds after which a box must have counted it. Many count when they
#: commit, which btrfs does every 30 s while nothing else makes it, and which
#: takes a slow disk a while.
_LONG = 120


def test_it_makes_sense(box):
    capacity = box.capacity()
    assert isinstance(capacity, interface.Capacity)
    assert type(capacity.total) is int and type(capacity.free) is int
    assert 0 <= capacity.free <= capacity.total
    assert capacity.total


def test_what_is_written_takes_room(box, ground, files, size):
    assert any(_is_seen(box, ground, files, size, seed)
               for seed in range(_TRIES)), (
        '%d bytes were written, and no less room is free' % size)


def _is_seen(box, ground, files, size, seed):
    share = ground.share()
    before = box.capacity().free
    files.write(share, the_files.data(seed, size))
    give_up = time.monotonic() + _LONG
    while box.capacity().free > before - size // 2:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.2)
    return True
