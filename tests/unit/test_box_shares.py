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

"""What tests see of an appliance that a service works with."""

from oslo_utils import units
import pytest

from remotefs_drivers.embedded import folders
from tests.harness import box_shares


@pytest.fixture
def box(tmp_path):
    made = folders.at(str(tmp_path), kind='dependent')
    for name in 'home', 'a', 'b':
        made.create_share(name, units.Mi)
    made.create_snapshot('a', 's')
    return made


def test_all_but_the_home(box):
    assert box_shares.snapshots_by_share(box, 'home') == {'a': ['s'], 'b': []}


def test_one_is_deleted_meanwhile(box, monkeypatch):
    listed = box.list_shares()
    box.delete_share('b')
    monkeypatch.setattr(box, 'list_shares', lambda: listed)
    assert box_shares.snapshots_by_share(box, 'home') == {'a': ['s']}
