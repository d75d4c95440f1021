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

"""Manage killed at every step: whatever is found then can be managed again.

What Cinder does with a volume whose manage was cut off: it ends in the state
"error_managing", and somebody deletes it.
"""

import os
import shutil

import pytest

from cinder import objects

from tests.crash import cuts
from tests.functional import content
from tests.functional import stages
from tests import rig

SIZE = content.GIB + 512


class Stage:
    """A share and a database; each act in a process of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.share = os.path.join(self.folder, 'share')

    def play(self, act, cut=None):
        """Run act(rig, driver), which the cut may end."""
        return cuts.run(self._act, act, cut)

    def _act(self, act, cut):
        the_rig = rig.Rig(self.folder)
        driver = stages.posix(the_rig, self.share, posix_attach_type='nfs')
        if cut is not None:
            cut.install(driver)
        act(the_rig, driver)


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    os.makedirs(made.share)
    # It gets its marker while it is empty.
    made.play(lambda the_rig, driver: None)
    return made


def _is_cut(stage, ref):
    """Manage it under each knife; yields after each that has cut."""
    for cut in cuts.every():
        def manage(the_rig, driver):
            the_rig.manage(driver, ref)
        if stage.play(manage, cut):
            # One that comes to its end: there is no such step any more,
            # or nothing that runs in it.
            if cut.when == 'before':
                return
            stage.play(_let_go)
            continue
        stage.play(_forget)
        yield cut


def _volumes(the_rig, driver):
    return objects.VolumeList.get_all_by_host(the_rig.context, driver.host)


def _forget(the_rig, driver):
    """Delete the volume that never came to be."""
    volume, = _volumes(the_rig, driver)
    assert volume.status == 'managing'
    volume.status = 'error_managing_deleting'
    driver.delete_volume(volume)
    volume.destroy()


def _let_go(the_rig, driver):
    volume, = _volumes(the_rig, driver)
    the_rig.unmanage(driver, volume)


def _the_only_one(the_rig, driver):
    """The reference of the only thing that can be managed."""
    entry, = driver.get_manageable_volumes(
        _volumes(the_rig, driver), None, 10, 0, ['reference'], ['asc'])
    assert entry['safe_to_manage'], entry
    return entry['reference']


@pytest.mark.parametrize('file_format', ['raw', 'qcow2'])
def test_a_file(stage, tmp_path, file_format):
    disk = content.make_disk(str(tmp_path / 'disk'), file_format, SIZE)

    def put_back():
        for name in stages.left(stage.share):
            os.unlink(os.path.join(stage.share, name))
        shutil.copy(disk, stage.share)

    def again(the_rig, driver):
        volume = the_rig.manage(driver, _the_only_one(the_rig, driver))
        assert volume.size == 2
        path = driver.local_path(volume)
        assert stages.left(stage.share) == {volume.name}
        assert content.size(path, file_format) == 2 * content.GIB
        content.assert_same(path, file_format, disk, file_format)
        driver.delete_volume(volume)
        volume.destroy()
        assert stages.left(stage.share) == set()

    put_back()
    count = 0
    for cut in _is_cut(_Refilled(stage, put_back), {'source-name': 'disk'}):
        stage.play(again)
        count += 1
    # Looking twice, recording, growing, the mode, the name.
    assert count > 10


class _Refilled:
    """A stage with the file back in its place before each manage."""

    def __init__(self, stage, put_back):
        self._stage = stage
        self._put_back = put_back

    def play(self, act, cut=None):
        if cut is not None:
            self._put_back()
        return self._stage.play(act, cut)


@pytest.mark.parametrize('pending', [False, True])
def test_a_chain(stage, pending):
    """Also one that was let go with a plan cut off in it."""
    told = {}

    def begin(the_rig, driver):
        volume = the_rig.volume(driver)
        for number in range(3):
            content.write(driver.local_path(volume),
                          'qcow2' if number else 'raw', 0xa0 + number,
                          number * content.MIB, content.MIB)
            if number < 2:
                the_rig.snapshot(driver, volume)

    def cut_off(the_rig, driver):
        volume, = _volumes(the_rig, driver)
        the_rig.snapshot(driver, volume)

    def check(the_rig, driver):
        volume = the_rig.manage(driver, _the_only_one(the_rig, driver))
        path = driver.local_path(volume)
        content.assert_holds(path, 'qcow2', content.GIB, [
            (0xa0 + number, number * content.MIB, content.MIB)
            for number in range(3)], stage.folder)
        entries = driver.get_manageable_snapshots(
            [], None, 10, 0, ['reference'], ['asc'])
        assert len(entries) == 2
        for entry in entries:
            the_rig.manage_snapshot(driver, volume, entry['reference'])
        assert len(stages.left(stage.share)) == 4
        the_rig.unmanage(driver, volume)

    stage.play(begin)
    if pending:
        # Before the table was changed: the overlay is there, unused.
        step = 0
        while not any(name.endswith('.intent') for name
                      in stages.left(stage.share)):
            stage.play(cut_off, cuts.Cut(step, 'after'))
            step += 1
    stage.play(_let_go)
    table, = [name for name in stages.left(stage.share)
              if name.endswith('.info')]
    told['source-id'] = table[len('volume-'):-len('.info')]
    count = 0
    for cut in _is_cut(stage, told):
        stage.play(check)
        count += 1
    assert count > 8
