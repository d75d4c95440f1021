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

"""A new name for a file, in place of nothing; the mode of a found one."""

import errno
import os

import pytest

from remotefs_drivers.store import files
from tests.unit import things


@pytest.fixture(params=['in one step', 'by a second name'])
def path(request, tmp_path, monkeypatch):
    """A file, on file systems that can and that cannot."""
    if request.param != 'in one step':
        def cannot(path, new_path):
            raise OSError(errno.EINVAL, 'cannot', path)
        monkeypatch.setattr(files, '_rename_no_replace', cannot)
    path = str(tmp_path / 'old')
    things.file(path)
    return path


@pytest.fixture
def new_path(tmp_path):
    return str(tmp_path / 'new')


def test_it_has_the_new_name_only(path, new_path, monkeypatch, tmp_path):
    before = os.lstat(path).st_ino
    flushed = things.watch_flushes(monkeypatch)
    files.rename_new(path, new_path)
    assert os.listdir(str(tmp_path)) == ['new']
    assert os.lstat(new_path).st_ino == before
    assert flushed[-1] == tmp_path.name


@pytest.mark.parametrize('make', things.ALL)
def test_nothing_is_replaced(path, new_path, make):
    make(new_path)
    before = things.describe(path), things.describe(new_path)
    with pytest.raises(FileExistsError):
        files.rename_new(path, new_path)
    assert (things.describe(path), things.describe(new_path)) == before


def test_what_was_cut_off_is_finished(path, new_path, tmp_path):
    os.link(path, new_path)
    files.rename_new(path, new_path)
    assert os.listdir(str(tmp_path)) == ['new']
    assert things.read(new_path) == things.TEXT


def test_its_own_name(path):
    files.rename_new(path, path)
    assert things.read(path) == things.TEXT


def test_its_own_name_in_other_words(path):
    """Two names of one file, of which it has only one."""
    folder, name = os.path.split(path)
    files.rename_new(path, os.path.join(folder, '.', name))
    assert things.read(path) == things.TEXT


def test_the_folder_is_flushed_before_the_old_name_goes(
        path, new_path, monkeypatch):
    def cannot(path, new_path):
        raise OSError(errno.ENOSYS, 'cannot', path)
    monkeypatch.setattr(files, '_rename_no_replace', cannot)
    there = []
    monkeypatch.setattr(files, 'sync_folder', lambda folder: there.append(
        sorted(os.listdir(folder))))
    files.rename_new(path, new_path)
    assert there == [['new', 'old'], ['new']]


def test_nothing_to_rename(path, new_path, tmp_path):
    with pytest.raises(FileNotFoundError):
        files.rename_new(str(tmp_path / 'missing'), new_path)
    assert not os.path.lexists(new_path)


def test_another_failure_is_no_detour(path, new_path, monkeypatch):
    def fails(path, new_path):
        raise OSError(errno.EIO, 'broken', path)
    monkeypatch.setattr(files, '_rename_no_replace', fails)
    with pytest.raises(OSError, match='broken'):
        files.rename_new(path, new_path)
    assert os.path.exists(path) and not os.path.lexists(new_path)


def test_without_the_call(path, new_path, monkeypatch):
    """An old C library."""
    monkeypatch.setattr(files.ctypes, 'CDLL',
                        lambda name, use_errno: object())
    files.rename_new(path, new_path)
    assert things.read(new_path) == things.TEXT


@pytest.mark.parametrize('more', [0, 1, 2])
@pytest.mark.parametrize('has_statx', [True, False])
def test_the_number_of_names(path, more, has_statx, monkeypatch):
    if not has_statx:
        monkeypatch.setattr(files, 'c_function', lambda name: None)
    for number in range(more):
        os.link(path, '%s%d' % (path, number))
    with open(path) as stream:
        assert files.links_of(stream.fileno()) == 1 + more


@pytest.fixture
def stale(monkeypatch):
    """links_of, on a client that knows of two names."""
    class Status:
        st_nlink = 2

    def call(descriptor):
        with monkeypatch.context() as patch:
            patch.setattr(os, 'fstat', lambda descriptor: Status)
            return files.links_of(descriptor)
    return call


def test_the_server_is_asked_for_the_number(path, stale):
    """What the client knows is from before a name went."""
    with open(path) as stream:
        assert stale(stream.fileno()) == 1


def test_the_server_does_not_answer(stale):
    with pytest.raises(OSError, match='Bad file descriptor'):
        stale(9999)


def test_a_mode(path):
    os.chmod(path, 0o644)
    files.set_mode(path, 0o660)
    assert os.lstat(path).st_mode & 0o7777 == 0o660


def test_a_mode_that_is_right_is_left_alone(path, monkeypatch):
    os.chmod(path, 0o660)

    def never(descriptor, mode):
        raise AssertionError('it need not be ours for that')
    monkeypatch.setattr(os, 'fchmod', never)
    files.set_mode(path, 0o660)


def test_a_mode_of_somebody_elses(path, monkeypatch):
    os.chmod(path, 0o644)

    def refuse(descriptor, mode):
        raise PermissionError(errno.EPERM, 'not permitted')
    monkeypatch.setattr(os, 'fchmod', refuse)
    with pytest.raises(OSError, match='has the mode 644, and belongs to user '
                                      '%d' % os.geteuid()) as caught:
        files.set_mode(path, 0o660)
    assert caught.value.filename == path


@pytest.mark.parametrize('make', set(things.ALL) - {things.file})
def test_a_mode_of_what_is_no_file(tmp_path, make):
    path = str(tmp_path / 'thing')
    make(path)
    with pytest.raises(OSError):
        files.set_mode(path, 0o660)


class TestWithoutASecondName:
    """As a clone parent, of which GPFS counts its children as links."""

    def test_it_has_the_new_name_only(self, path, new_path, monkeypatch,
                                      tmp_path):
        def link(*args, **kwargs):
            raise AssertionError('a second name')
        monkeypatch.setattr(os, 'link', link)
        flushed = things.watch_flushes(monkeypatch)
        files.rename_new(path, new_path, False)
        assert os.listdir(str(tmp_path)) == ['new']
        assert flushed[-1] == tmp_path.name

    @pytest.mark.parametrize('make', things.ALL)
    def test_nothing_is_replaced(self, path, new_path, make):
        make(new_path)
        before = things.describe(path), things.describe(new_path)
        with pytest.raises(FileExistsError):
            files.rename_new(path, new_path, False)
        assert (things.describe(path), things.describe(new_path)) == before

    def test_its_own_name_stays(self, path, tmp_path):
        """Whatever the number of its links."""
        os.link(path, str(tmp_path / 'child'))
        folder, name = os.path.split(path)
        with pytest.raises(FileExistsError):
            files.rename_new(path, os.path.join(folder, '.', name), False)
        assert things.read(path) == things.TEXT
