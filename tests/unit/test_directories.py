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

"""Directories that the operator mounts, told apart by a marker file."""

import os
import threading

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import directories
from remotefs_drivers.share import table
from remotefs_drivers.store import files
from tests.unit import things

#: Seconds, for what answers: only reached when something is wrong.
LONG = 120


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'volumes'
    path.mkdir()
    return str(path)


@pytest.fixture
def share(folder):
    return table.Share(folder)


@pytest.fixture
def homes():
    """Directories with volumes in the database."""
    return set()


@pytest.fixture
def mounter(homes):
    return directories.DirectoryMounter(homes.__contains__, LONG)


def marker(folder):
    return os.path.join(folder, directories.MARKER)


def test_the_path_is_the_directory(mounter, share, folder):
    assert mounter.path(share) == folder
    assert mounter.base is None


class TestMount:
    def test_an_empty_directory_gets_its_marker(self, mounter, share,
                                                folder):
        mounter.mount(share)
        assert mounter.is_there(share)
        assert os.listdir(folder) == ['.remotefs-posix-directory']
        assert b'Do not delete' in things.read(marker(folder))
        mounter.prove(folder)

    def test_what_a_file_system_has_of_its_own_is_nothing(self, mounter,
                                                          share, folder):
        os.mkdir(os.path.join(folder, 'lost+found'))
        mounter.mount(share)
        assert os.path.exists(marker(folder))

    def test_what_a_marker_that_was_cut_off_leaves_is_nothing(
            self, mounter, share, folder, monkeypatch):
        """Else the directory were refused for ever after a kill."""
        with monkeypatch.context() as patch:
            patch.setattr(os, 'rename', _killed)
            # What is done on an error is not done on a kill.
            patch.setattr(files, 'remove', _killed)
            with pytest.raises(KeyboardInterrupt):
                mounter.mount(share)
        assert len(os.listdir(folder)) == 1
        mounter.mount(share)
        assert os.path.exists(marker(folder))

    def test_a_marked_one_is_taken_with_what_is_in_it(self, mounter, share,
                                                      folder):
        things.file(marker(folder), b'')
        things.file(os.path.join(folder, 'volume-1'))
        mounter.mount(share)
        assert mounter.is_there(share)
        assert things.read(marker(folder)) == b''

    def test_twice_is_once(self, mounter, share):
        mounter.mount(share)
        mounter.mount(share, limit=3)
        assert mounter.is_there(share)

    def test_others_files_without_a_marker(self, mounter, share, folder):
        things.file(os.path.join(folder, 'volume-1'))
        _refused(mounter, share, 'not empty and has no marker file')
        assert os.listdir(folder) == ['volume-1']

    def test_empty_while_volumes_are_recorded(self, mounter, share, folder,
                                              homes):
        """Its file system is not mounted."""
        homes.add(folder)
        _refused(mounter, share, 'volumes are recorded there')
        assert os.listdir(folder) == []

    def test_not_there(self, mounter, tmp_path):
        _refused(mounter, table.Share(str(tmp_path / 'no')),
                 'no such directory')

    def test_a_file(self, mounter, tmp_path):
        things.file(str(tmp_path / 'file'))
        _refused(mounter, table.Share(str(tmp_path / 'file')),
                 'no such directory')

    @pytest.mark.parametrize('as_root, allowed, taken', [
        (False, os.R_OK | os.W_OK | os.X_OK, True),
        (False, os.R_OK | os.X_OK, False),
        (False, os.W_OK | os.X_OK, False),
        # Root writes; who looks for the marker must still be able to read.
        (True, os.R_OK | os.X_OK, True),
        (True, os.R_OK | os.W_OK, False),
    ])
    def test_who_may_what(self, share, homes, monkeypatch, as_root, allowed,
                          taken):
        # As root everything is allowed.
        monkeypatch.setattr(os, 'access',
                            lambda path, mode: not mode & ~allowed)
        mounter = directories.DirectoryMounter(homes.__contains__, 5,
                                               as_root)
        if taken:
            mounter.mount(share)
        else:
            _refused(mounter, share, 'uid %d' % os.geteuid())

    def test_read_only(self, mounter, share, monkeypatch):
        class Status:
            f_flag = os.ST_RDONLY | os.ST_NOSUID
        monkeypatch.setattr(os, 'statvfs', lambda path: Status)
        _refused(mounter, share, 'read-only')

    def test_the_marker_cannot_be_made(self, mounter, share, monkeypatch):
        def full(*unused):
            raise OSError(28, 'No space left on device')
        monkeypatch.setattr(files, 'write_atomic', full)
        _refused(mounter, share, 'cannot be made: No space left')


def _killed(*unused):
    raise KeyboardInterrupt()


def _refused(mounter, share, words):
    with pytest.raises(errors.ShareNotMounted, match=words) as info:
        mounter.mount(share)
    assert share.location in str(info.value)
    assert not mounter.is_there(share)


class TestProve:
    def test_with_its_marker(self, mounter, folder):
        things.file(marker(folder))
        mounter.prove(folder)

    # Links and folders too: a tenant's host may be able to make them.
    @pytest.mark.parametrize('put', [None, things.link, things.dangling_link,
                                     things.directory, things.fifo])
    def test_without(self, mounter, folder, put):
        if put:
            put(marker(folder))
        with pytest.raises(errors.ShareNotMounted, match='marker file'):
            mounter.prove(folder)

    def test_a_directory_that_went_away(self, mounter, share, folder):
        mounter.mount(share)
        os.rename(folder, folder + '.old')
        with pytest.raises(errors.ShareNotMounted, match='No such file'):
            mounter.prove(folder)


class TestThatHangs:
    @pytest.fixture
    def dead(self, monkeypatch, share):
        answers = threading.Event()
        real = os.path.isdir

        def isdir(path):
            assert path != share.location or answers.wait(LONG)
            return real(path)
        monkeypatch.setattr(os.path, 'isdir', isdir)
        yield answers
        answers.set()

    @pytest.fixture
    def mounter(self, homes):
        return directories.DirectoryMounter(homes.__contains__, 0.05)

    def test_it_is_not_waited_for(self, dead, mounter, share):
        _refused(mounter, share, 'does not answer within')

    def test_it_costs_one_thread(self, dead, mounter, share):
        """However often the stats ask for it."""
        before = set(threading.enumerate())
        for _ in range(5):
            _refused(mounter, share, 'does not answer within')
        assert len(set(threading.enumerate()) - before) == 1

    def test_another_directory_does_not_wait(self, dead, mounter, share,
                                             tmp_path):
        _refused(mounter, share, 'does not answer within')
        # Less than the dead one would keep it waiting.
        mounter._timeout = LONG / 2
        other = tmp_path / 'other'
        other.mkdir()
        mounter.mount(table.Share(str(other)))

    def test_it_is_taken_once_it_answers(self, dead, homes, share):
        mounter = directories.DirectoryMounter(homes.__contains__, 0.3)
        _refused(mounter, share, 'does not answer within')
        dead.set()
        mounter._timeout = LONG
        mounter.mount(share)
        assert mounter.is_there(share)


def test_unmounting_is_the_operators(mounter, share):
    mounter.mount(share)
    mounter.unmount(share)
    assert mounter.is_there(share)
