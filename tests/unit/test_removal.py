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


"""Removing all that a volume has."""

import os

import pytest

from remotefs_drivers.store import files
from remotefs_drivers.store import removal
from remotefs_drivers.store import survey
from tests.unit import things

pytestmark = pytest.mark.usefixtures('in_time')

BASE = 'volume-1'
INFO, INTENT = BASE + '.info', BASE + '.intent'
COPY, NEW = '.%s.plain-copy' % BASE, '.%s.new-overlay' % BASE
OTHERS = ['volume-10', 'volume-10.a', 'volume-10.info', 'xvolume-1',
          '.volume-10.plain-copy', '.cinderSecureEnvIndicator']


@pytest.fixture
def share(tmp_path):
    """Puts files into a folder that has those of others as well."""
    def put(*names):
        for name in [*names, *OTHERS]:
            things.file(str(tmp_path / name))
        return str(tmp_path)
    return put


@pytest.mark.parametrize('names, there', [
    ([BASE], True),
    ([BASE, BASE + '.a', BASE + '.b', INFO], True),
    # Cut off while the first snapshot was made.
    ([BASE, BASE + '.a', INTENT], True),
    ([BASE, BASE + '.a', INFO, INTENT, COPY, NEW,
      '.%s.new-text' % BASE], True),
    # The base is gone: an overlay took it in.
    ([BASE + '.a', INFO], True),
    # Copies, without a table to look by.
    ([BASE, COPY, NEW], True),
    # What an earlier removal left, that was cut off.
    ([INFO], False),
    ([INTENT], False),
    ([COPY], False),
    ([], False),
])
def test_all_of_it_goes_and_nothing_else(share, names, there):
    folder = share(*names)
    assert removal.remove_volume(folder, BASE) is there
    assert sorted(os.listdir(folder)) == sorted(OTHERS)
    assert removal.remove_volume(folder, BASE) is False


@pytest.fixture
def order(monkeypatch):
    """The names in the order in which they are removed."""
    removed = []
    real = files.remove

    def remove(path):
        found = real(path)
        if found:
            removed.append(os.path.basename(path))
        return found
    monkeypatch.setattr(files, 'remove', remove)
    return removed


def test_the_table_goes_last(share, order):
    """Without it nobody would look for the overlays."""
    removal.remove_volume(share(BASE, BASE + '.a', INFO, INTENT, COPY), BASE)
    assert set(order[:2]) == {BASE + '.a', COPY}
    assert order[2:] == [BASE, INTENT, INFO]


@pytest.mark.parametrize('number', range(6))
def test_cut_off_anywhere_the_next_one_finishes(share, monkeypatch, number):
    folder = share(BASE, BASE + '.a', BASE + '.b', INFO, INTENT, NEW)
    real, calls = files.remove, []

    def remove(path):
        if len(calls) == number:
            raise KeyError('killed')
        calls.append(path)
        return real(path)
    with monkeypatch.context() as patch:
        patch.setattr(files, 'remove', remove)
        with pytest.raises(KeyError):
            removal.remove_volume(folder, BASE)
    assert os.path.exists(os.path.join(folder, INFO))
    removal.remove_volume(folder, BASE)
    assert sorted(os.listdir(folder)) == sorted(OTHERS)


def test_a_folder_is_not_read_for_a_volume_without_snapshots(share,
                                                             monkeypatch):
    """It may hold ten thousand files."""
    monkeypatch.setattr(survey, 'names_of', pytest.fail)
    assert removal.remove_volume(share(BASE), BASE)


@pytest.mark.parametrize('name', [BASE, BASE + '.a', INFO, INTENT])
def test_a_link_is_removed_and_not_followed(share, name):
    folder = share(INFO)
    path = os.path.join(folder, name)
    if name == INFO:
        os.remove(path)
    os.symlink(os.path.join(folder, OTHERS[0]), path)
    removal.remove_volume(folder, BASE)
    assert sorted(os.listdir(folder)) == sorted(OTHERS)


def test_what_cannot_be_removed_is_an_error(share):
    folder = share(BASE, INFO)
    os.mkdir(os.path.join(folder, BASE + '.a'))
    with pytest.raises(OSError):
        removal.remove_volume(folder, BASE)
    assert os.path.exists(os.path.join(folder, INFO))
