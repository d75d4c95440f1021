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

"""Where copies of volumes go, when nobody says it and their share is full."""

import os

import pytest

from remotefs_drivers.share import capacity
from tests.unit import builder
from tests.unit import fakes


@pytest.fixture
def built(tmp_path, monkeypatch):
    return builder.Builder(tmp_path, monkeypatch)


@pytest.fixture
def full(monkeypatch):
    """Paths of folders that are full."""
    found = set()
    monkeypatch.setattr(
        capacity, 'look',
        lambda path: capacity.Capacity(1 << 40, 0 if path in found
                                       else 1 << 40))
    return found


@pytest.mark.parametrize('is_full, place', [(False, 'a'), (True, 'b')])
def test_where_a_clone_goes(built, full, is_full, place):
    driver = built.posix('a', 'b', posix_pool_per_share=False)
    a, b = (os.path.join(built.folder, name) for name in 'ab')
    source = fakes.Volume()
    full.add(b)
    source.provider_location = driver.create_volume(source)[
        'provider_location']
    assert source.provider_location == a
    full.clear()
    if is_full:
        full.add(a)
    clone = fakes.Volume()
    update = driver.create_cloned_volume(clone, source)
    assert update == {'provider_location': os.path.join(built.folder, place)}
    assert clone.name in built.files(place)
