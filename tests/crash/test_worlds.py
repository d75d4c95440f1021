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

"""Worlds are copied whole, with folders, and told from each other."""

import shutil

import pytest

from tests.crash import worlds
from tests.harness import pretended_gpfs


@pytest.fixture
def world(tmp_path, database):
    """A folder with a fileset on its share, and a file in that."""
    folder = tmp_path / 'world'
    group = folder / 'share' / 'group'
    group.mkdir(parents=True)
    pretended_gpfs.Gpfs.be_fileset(str(group), 'group')
    (group / 'volume').write_bytes(b'data')
    (folder / 'saga.json').write_text('{}')
    shutil.copy(database, folder)
    return folder


def test_a_copy_is_the_same(world, tmp_path):
    target = tmp_path / 'copy'
    (target / 'share' / 'old').mkdir(parents=True)
    (target / 'share' / 'old' / 'volume').touch()
    worlds.copy(str(world), str(target))
    assert worlds.names(str(target)) == ['group/volume']
    assert worlds.digest(str(target)) == worlds.digest(str(world))
    copied = pretended_gpfs.Gpfs(target / 'share').fileset('gpfs0', 'group')
    assert copied.path == str(target / 'share' / 'group')


@pytest.mark.parametrize('change', [
    lambda share: (share / 'other').mkdir(),
    lambda share: (share / 'group').chmod(0o700),
    lambda share: (share / 'group' / 'volume').write_bytes(b'else'),
    lambda share: (share / 'group' / 'volume').rename(share / 'volume')])
def test_what_makes_it_another_one(world, change):
    before = worlds.digest(str(world))
    change(world / 'share')
    assert worlds.digest(str(world)) != before
