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


"""What was done survives a crash of the box, if the suite may cause one."""

import time

import pytest

from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors
from remotefs_drivers.qemu import command

#: Seconds that a box may take to come back.
_LONG = 600


@pytest.fixture
def restart(request, box):
    """Called, the box has crashed, and is back."""
    line = request.config.getoption('appliance_restart')
    if not line:
        pytest.skip('not asked for: --appliance-restart')

    def _restart():
        command.run(['sh', '-c', line], timeout=_LONG)
        box.close()
        _wait_for(box)
    return _restart


def _wait_for(box):
    give_up = time.monotonic() + _LONG
    while True:
        try:
            return box.list_shares()
        except errors.ApplianceUnavailable:
            assert time.monotonic() < give_up, 'the box did not come back'
            time.sleep(1)


def test_what_there_was_is_there(box, ground, size, restart):
    share, snapshot, clone = ground.family()
    gone = ground.share()
    box.resize_share(share, 2 * size)
    box.delete_share(gone)
    before = [box.find_share(name) for name in (share, clone)]
    restart()
    assert [box.find_share(name) for name in (share, clone)] == before
    assert not values.is_there(box, gone)


def test_a_new_name_is_there(box, ground, restart):
    old, new = ground.share(), ground.name()
    box.rename_share(old, new)
    restart()
    assert values.is_there(box, new) and not values.is_there(box, old)


def test_a_promoted_clone_is_there(box, ground, restart, dependent):
    share, snapshot, clone = ground.family()
    box.promote(clone)
    restart()
    assert box.find_share(share).origin == (clone, snapshot)


def test_the_content_is_there(box, ground, files, restart):
    share = ground.share()
    files.write(share, b'content')
    clone = ground.clone(share, ground.snapshot(share))
    files.write(share, b'changed')
    restart()
    assert [files.read(each) for each in (share, clone)] == [b'changed',
                                                             b'content']
