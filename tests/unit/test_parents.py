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

"""Clone parents in a folder: found by their number, removed when they can be.
"""

import errno
import os

from oslo_utils import uuidutils
import pytest

from remotefs_drivers.store import parents
from tests.unit import things


def inode(path):
    return os.lstat(path).st_ino


class Lying:
    """Names as a file system gives them that does not say their numbers."""

    def __init__(self, real):
        self._real = real

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._real.close()

    def __iter__(self):
        for entry in self._real:
            yield Entry(entry.name)


class Entry:
    def __init__(self, name):
        self.name = name

    def inode(self):
        return 1


@pytest.mark.parametrize('lies', [False, True])
@pytest.mark.parametrize('name, found', [
    ('snapshot-a.ts', True), ('volume-1.snap', True),
    # Somebody asks for these, and whoever does will delete them.
    ('snapshot-a', False), ('volume-1', False), ('an-image', False)])
def test_by_its_number(tmp_path, path, monkeypatch, name, found, lies):
    for each in ('snapshot-b.ts', 'volume-2', name):
        things.file(path(each))
    if lies:
        real = os.scandir
        monkeypatch.setattr(os, 'scandir', lambda folder: Lying(real(folder)))
    assert parents.parent_named(str(tmp_path), inode(path(name))) == (
        name if found else None)


def test_a_number_that_is_nobodys(tmp_path, path):
    things.file(path('snapshot-a.ts'))
    number = inode(path('snapshot-a.ts'))
    os.rename(path('snapshot-a.ts'), path('.hidden'))
    assert parents.parent_named(str(tmp_path), number) is None


def test_one_that_goes_meanwhile(tmp_path, path, monkeypatch):
    things.file(path('snapshot-a.ts'))
    number = inode(path('snapshot-a.ts'))
    monkeypatch.setattr(parents, '_inode', lambda path: None)
    assert parents.parent_named(str(tmp_path), number) is None


def test_discard(gpfs, path):
    things.file(path('volume'))
    assert parents.discard(path('x.ts')) == 'missing'
    gpfs.clone_snap(path('volume'), path('x.ts'))
    assert parents.discard(path('x.ts')) == 'needed'
    os.remove(path('volume'))
    assert parents.discard(path('x.ts')) == 'removed'
    assert not os.path.exists(path('x.ts'))


@pytest.mark.parametrize('number, needed', [
    (errno.EROFS, True), (errno.EPERM, True), (errno.EIO, False),
    (errno.EACCES, False), (errno.ESTALE, False)])
def test_only_some_refusals_are_its_children(path, monkeypatch, number,
                                             needed):
    def remove(path):
        raise OSError(number, os.strerror(number), path)
    monkeypatch.setattr(parents.files, 'remove', remove)
    if needed:
        assert parents.discard(path('x.ts')) == 'needed'
    else:
        with pytest.raises(OSError):
            parents.discard(path('x.ts'))


def test_all_that_can_go(gpfs, tmp_path, path):
    """One that goes may be the last child of another, whatever its name."""
    one, two, three, needed = (
        pattern % uuidutils.generate_uuid() for pattern in (
            'snapshot-%s.ts', 'volume-%s.snap', 'snapshot-%s.ts',
            'snapshot-%s.ts'))
    things.file(path('volume'))
    for name in one, two, three:
        gpfs.clone_snap(path('volume'), path(name))
    things.file(path('other'))
    gpfs.clone_snap(path('other'), path(needed))
    gpfs.clone_snap(path('other'), path('snapshot'))
    os.remove(path('volume'))
    assert set(parents.discard_all(str(tmp_path))) == {one, two, three}
    assert set(os.listdir(tmp_path)) == {needed, 'other', 'snapshot'}
    assert parents.discard_all(str(tmp_path)) == []


def test_one_with_more_links_is_needed(path, tmp_path, monkeypatch):
    """GPFS counts each child as one: it is not even asked."""
    things.file(path('a.ts'))
    os.link(path('a.ts'), path('child'))
    monkeypatch.setattr(parents, 'discard', pytest.fail)
    assert parents.discard_all(str(tmp_path)) == []


class TestDefer:
    def test_it_is_renamed(self, path):
        things.file(path('snapshot'))
        parents.defer(path('snapshot'), path('snapshot.ts'))
        assert not os.path.exists(path('snapshot'))
        assert things.read(path('snapshot.ts')) == things.TEXT

    def test_it_was_before(self, path):
        things.file(path('snapshot.ts'))
        parents.defer(path('snapshot'), path('snapshot.ts'))
        assert things.read(path('snapshot.ts')) == things.TEXT

    def test_there_is_none(self, path):
        with pytest.raises(FileNotFoundError):
            parents.defer(path('snapshot'), path('snapshot.ts'))

    def test_another_one_is_not_replaced(self, path):
        things.file(path('snapshot'), b'one')
        things.file(path('snapshot.ts'), b'other')
        with pytest.raises(FileExistsError):
            parents.defer(path('snapshot'), path('snapshot.ts'))
        assert things.read(path('snapshot')) == b'one'
        assert things.read(path('snapshot.ts')) == b'other'


@pytest.mark.parametrize('make', things.ALL)
def test_anything_is_in_the_way(path, make):
    parents.expect_none(path('x'))
    make(path('x'))
    with pytest.raises(FileExistsError, match='x'):
        parents.expect_none(path('x'))


@pytest.mark.parametrize('make', things.ALL)
def test_only_files_are_there(path, make):
    assert not parents.exists(path('x'))
    make(path('x'))
    if make is things.file:
        assert parents.exists(path('x'))
    else:
        with pytest.raises(OSError):
            parents.exists(path('x'))


def test_whose_it_is(path, monkeypatch):
    things.file(path('x'))
    assert parents.is_own(path('x'))
    monkeypatch.setattr(parents.os, 'geteuid', lambda: 12345)
    assert not parents.is_own(path('x'))


@pytest.mark.parametrize('name', ['disk.snap', 'film.ts', 'volume-1.snap',
                                  'snapshot-1.ts'])
def test_what_an_operator_keeps_there(tmp_path, path, name):
    """No id is in it: it was never a volume's nor a snapshot's."""
    things.file(path(name))
    assert parents.discard_all(str(tmp_path)) == []
    assert things.read(path(name)) == things.TEXT
