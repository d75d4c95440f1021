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

"""Removing volumes, and what is refused rather than lost."""

import dataclasses
import errno
import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers import remotefs
from remotefs_drivers.store import direct
from tests.unit import builder
from tests.unit import fakes
from tests.unit import things


@pytest.fixture
def driver(built):
    return built.posix('a', 'b', posix_attach_type='nfs')


@pytest.fixture
def volume(built, driver):
    """On the second of two shares."""
    made = fakes.Volume(host='host@backend#' + os.path.join(built.folder,
                                                            'b'))
    made.provider_location = driver.create_volume(made)['provider_location']
    built.steps.clear()
    return made


def path_of(built, volume, name='b'):
    return os.path.join(built.folder, name, volume.name)


def test_one_step(built, driver, volume):
    driver.delete_volume(volume)
    assert built.steps == [('delete', (volume.id,))]
    assert built.files('b') == {}
    assert built.run.calls == []


def test_what_went_along_goes_too(built, driver, volume):
    things.file(os.path.join(built.folder, 'b',
                             '.%s.plain-copy' % volume.name))
    driver.delete_volume(volume)
    assert built.files('b') == {}


def test_others_are_left_alone(built, driver, volume):
    names = [volume.name + '0', volume.name[:-1], 'x.' + volume.name,
             '.%s0.plain-copy' % volume.name]
    for name in names:
        things.file(os.path.join(built.folder, 'b', name))
    driver.delete_volume(volume)
    assert set(built.files('b')) == set(names)


def test_twice(built, driver, volume, caplog):
    driver.delete_volume(volume)
    driver.delete_volume(volume)
    assert 'had no file' in caplog.text


def test_after_it_failed_it_can_be_done_again(built, driver, volume):
    built.break_at = 0
    with pytest.raises(errors.VolumeFileInvalid):
        driver.delete_volume(volume)
    assert list(built.files('b')) == [volume.name]
    built.break_at = None
    driver.delete_volume(volume)
    assert built.files('b') == {}


def test_a_share_that_is_not_there_is_no_empty_one(built, driver, volume):
    """Else the record would go, and the data stay."""
    os.remove(os.path.join(built.folder, 'b', '.remotefs-posix-directory'))
    with pytest.raises(errors.ShareNotMounted):
        driver.delete_volume(volume)
    assert list(built.files('b')) == [volume.name]


def test_a_link_is_removed_and_not_followed(built, driver, volume):
    path = path_of(built, volume)
    os.rename(path, path + '.target')
    os.symlink(path + '.target', path)
    driver.delete_volume(volume)
    assert list(built.files('b')) == [volume.name + '.target']


def test_a_directory_is_an_error(built, driver, volume):
    os.remove(path_of(built, volume))
    things.directory(path_of(built, volume))
    with pytest.raises(errors.VolumeFileInvalid):
        driver.delete_volume(volume)


class TestOfSomebodyElse:
    @pytest.mark.parametrize('location', ['/etc', 'nas:/a', '/'])
    def test_a_share_that_is_none_of_ours(self, driver, volume, location):
        volume.provider_location = location
        with pytest.raises(errors.ShareUnknown):
            driver.delete_volume(volume)

    @pytest.mark.parametrize('put', [things.file, things.link,
                                     things.dangling_link, things.fifo])
    @pytest.mark.parametrize('suffix', ['info', 'intent'])
    def test_whatever_is_the_table_it_goes(self, built, driver, volume, put,
                                           suffix):
        """Nobody may be able to make a volume that cannot be deleted."""
        path = '%s.%s' % (path_of(built, volume), suffix)
        put(path)
        driver.delete_volume(volume)
        assert set(built.files('b')) <= {
            '%s.%s.target' % (volume.name, suffix)}

    def test_overlays_go_along(self, built, driver, volume):
        path = path_of(built, volume)
        for suffix in ('.one', '.two', '.info'):
            things.file(path + suffix)
        things.file(path + '0.one')
        driver.delete_volume(volume)
        assert list(built.files('b')) == [volume.name + '0.one']

    @pytest.mark.parametrize('verb', [
        lambda driver, volume: driver.extend_volume(volume, 2),
        lambda driver, volume: driver.initialize_connection(volume, {}),
        lambda driver, volume: driver.local_path(volume),
        lambda driver, volume: driver.create_cloned_volume(
            fakes.Volume(), volume),
        lambda driver, volume: driver.create_snapshot(
            fakes.Snapshot(volume)),
        lambda driver, volume: driver.delete_snapshot(
            fakes.Snapshot(volume)),
        lambda driver, volume: driver.revert_to_snapshot(
            None, volume, fakes.Snapshot(volume)),
        lambda driver, volume: driver.create_volume_from_snapshot(
            fakes.Volume(), fakes.Snapshot(volume)),
        lambda driver, volume: driver.copy_volume_to_image(
            None, volume, None, {}),
        lambda driver, volume: driver.copy_image_to_volume(
            None, volume, None, 'x', disable_sparse=False),
    ])
    @pytest.mark.parametrize('as_root', [False, True])
    def test_no_verb_goes_by_a_damaged_table(self, built, driver, volume,
                                             verb, as_root):
        if as_root:
            driver._means = dataclasses.replace(driver._means,
                                                files=Daemon())
        things.file(path_of(built, volume) + '.info')
        before = built.files('b')
        with pytest.raises(errors.InfoInvalid, match=path_of(built, volume)):
            verb(driver, volume)
        assert built.files('b') == before
        assert built.run.calls == []


class Daemon:
    """Stands for the module privileged, and what the channel to it does.

    Of an exception the daemon sends the class and ``args``, nothing else.
    """

    def __getattr__(self, name):
        function = getattr(direct, name)

        def call(*args):
            try:
                return function(*args)
            except Exception as error:
                raise type(error)(*error.args)
        return call


class TestWithoutLocation:
    """Cut off while it was made: nobody knows where its file is."""

    @pytest.fixture
    def lost(self, volume):
        volume.provider_location = None
        return volume

    def test_it_is_looked_for_everywhere(self, built, driver, lost, caplog):
        driver.delete_volume(lost)
        assert built.files('b') == {}
        assert built.names() == ['delete', 'delete']
        assert 'its file was on %s' % os.path.join(
            built.folder, 'b') in caplog.text

    def test_it_was_never_made(self, built, driver, lost, caplog):
        os.remove(path_of(built, lost))
        driver.delete_volume(lost)
        assert 'on none of the shares' in caplog.text

    def test_a_share_that_cannot_say_may_have_it(self, built, driver, lost):
        os.remove(os.path.join(built.folder, 'a',
                               '.remotefs-posix-directory'))
        with pytest.raises(errors.ShareUnavailable):
            driver.delete_volume(lost)

    def test_shares_that_left_are_asked_too(self, built):
        driver = built.nfs('nas:/a', 'nas:/b')
        lost = fakes.Volume()
        driver.update_provider_info([fakes.Volume(
            provider_location='nas:/old')], [])
        driver.delete_volume(lost)
        assert [call[1] for call in built.mounter.calls].count(
            'nas:/old') == 1

    @pytest.mark.parametrize('verb', [
        lambda driver, volume: driver.extend_volume(volume, 2),
        lambda driver, volume: driver.initialize_connection(volume, {}),
        lambda driver, volume: driver.create_cloned_volume(
            fakes.Volume(), volume),
        lambda driver, volume: driver.local_path(volume),
    ])
    def test_other_verbs_refuse(self, driver, lost, verb):
        with pytest.raises(errors.LocationMissing):
            verb(driver, lost)


def test_deleting_a_snapshot_that_was_refused(built, driver):
    """Else it could never be deleted."""
    assert remotefs.RemoteFSDriver.delete_snapshot(driver, None) is None
    assert built.steps == []


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS])
def test_what_the_file_system_says_is_said(built, driver, volume, number,
                                           monkeypatch):
    def unlink(path):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, 'unlink', unlink)
    with pytest.raises(errors.VolumeFileInvalid) as info:
        driver.delete_volume(volume)
    assert os.strerror(number) in str(info.value)
    assert errno.errorcode[number] in str(info.value)
    assert volume.id in str(info.value)


def test_nothing_is_done_without_the_lock(built, driver, volume,
                                          monkeypatch):
    def taken(*unused):
        raise builder.Broken(11, 'the coordinator is gone')
    monkeypatch.setattr(built.locks, 'volumes', taken)
    with pytest.raises(builder.Broken):
        driver.delete_volume(volume)
    assert built.steps == []
