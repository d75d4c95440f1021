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

"""Whose volume is what has a name."""

from cinder import objects
import pytest

from remotefs_drivers.remotefs import owners
from tests.unit import databases
from tests.unit import fakes


@pytest.fixture
def database(monkeypatch):
    return databases.Database(monkeypatch)


def test_by_its_id(database):
    volume = database.add(fakes.Volume())
    assert owners.find([volume.name, 'x']) == {volume.name: volume}


def test_by_the_name_that_a_migration_gave_it(database):
    volume = database.add(fakes.Volume())
    volume._name_id = fakes.Volume().id
    assert owners.find([volume.name]) == {volume.name: volume}


def test_by_the_name_that_it_had(database):
    """What it was may be of use to somebody, or be in the way."""
    volume = database.add(fakes.Volume())
    name = volume.name
    volume._name_id = fakes.Volume().id
    assert owners.find([name]) == {name: volume}
    # As long as that is there, it is what was moved away.
    moved = database.add(fakes.Volume(_name_id=volume.id))
    assert moved.name == name
    assert owners.find([name]) == {name: moved}


def test_nobody_is_asked_for_nothing(monkeypatch):
    monkeypatch.setattr(objects.VolumeList, 'get_all', pytest.fail)
    assert owners.find(['volume-x', 'copy-volume-1', '']) == {}


def test_by_its_location(database):
    volumes = [database.add(fakes.Volume(provider_location=each))
               for each in ('nas:/a', 'nas:/b', None)]
    assert owners.at({'nas:/b', 'nas:/c'}) == [volumes[1]]
    assert owners.at([]) == []


def test_thousands(database, monkeypatch):
    volumes = [database.add(fakes.Volume()) for __ in range(7)]
    monkeypatch.setattr(owners, '_AT_ONCE', 3)
    names = [each.name for each in volumes]
    assert owners.find(names) == dict(zip(names, volumes))
    assert max(database.asked) == 3
