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


"""Growing a share."""

import pytest

from remotefs_drivers.appliances.testing import files as the_files
from remotefs_drivers.appliances.testing import values
from remotefs_drivers import errors


@pytest.mark.parametrize('factor, more', [(2, 0), (3, 1), (1, 0), (1, 513)])
def test_it_is_larger(box, ground, size, factor, more):
    share, wanted = ground.share(), size * factor + more
    before = box.find_share(share)
    box.resize_share(share, wanted)
    after = box.find_share(share)
    values.check_share(after, share, wanted)
    assert (after.id, after.location) == (before.id, before.location)


def test_done_already_is_done(box, ground, size):
    share = ground.share()
    box.resize_share(share, 2 * size)
    before = box.find_share(share)
    box.resize_share(share, 2 * size)
    assert box.find_share(share) == before


def test_one_with_snapshots_and_clones(box, ground, size):
    share, snapshot, clone = ground.family()
    for name in share, clone:
        before = box.find_share(name)
        box.resize_share(name, 2 * size)
        after = box.find_share(name)
        values.check_share(after, name, 2 * size)
        assert (after.snapshots, after.origin) == (before.snapshots,
                                                   before.origin)


def test_there_is_none(box, ground, size):
    name = ground.name()
    with pytest.raises(errors.ApplianceShareMissing):
        box.resize_share(name, size)
    assert not values.is_there(box, name)


def test_it_takes_a_file_of_that_size(box, ground, files, size):
    share = ground.share()
    files.write(share, the_files.data(1, size))
    box.resize_share(share, 2 * size)
    files.write(share, the_files.data(2, 2 * size))
    assert files.read(share) == the_files.data(2, 2 * size)


def test_never_less_than_it_holds(box, ground, files, size):
    """Whether it refuses or not."""
    share, content = ground.share(), the_files.data(1, size // 2)
    files.write(share, content)
    try:
        box.resize_share(share, size // 4)
    except errors.ApplianceError:
        pass
    assert files.read(share) == content
    box.resize_share(share, size)
    files.write(share, the_files.data(2, size))
    assert files.read(share) == the_files.data(2, size)
