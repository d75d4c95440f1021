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

"""Snapshots by the driver itself: every verb at every place of a chain."""

import json
import os
import subprocess

import pytest

from remotefs_drivers import errors
from remotefs_drivers import formats
from tests.functional import content
from tests.functional import stages
from tests.functional import story

BACKENDS = {
    'raw': {'posix_attach_type': 'nfs'},
    'thick': {'posix_attach_type': 'nfs', 'posix_sparsed_volumes': False},
    'qcow2': stages.QCOW2,
}


@pytest.fixture(params=sorted(BACKENDS))
def tell(request, rig, tmp_path):
    """Begins a story on a backend of each format."""
    driver = stages.posix(rig, tmp_path / 'share',
                          **BACKENDS[request.param])
    return lambda **fields: story.Story(rig, driver, tmp_path, **fields)


def test_create_and_delete_the_only_one(tell):
    one = tell()
    was = one.format()
    snapshot, = one.take(1)
    assert one.format() == 'qcow2'
    assert one.table() == {
        'active': os.path.basename(one.path),
        snapshot.id: '%s.%s' % (one.volume.name, snapshot.id)}
    one.check()
    one.drop(snapshot)
    one.check()
    # As if there had never been any.
    assert one.format() == was
    assert one.table() == {}
    one.remove()
    assert stages.left(one._folder + '/share') == set()


@pytest.mark.parametrize('place', [0, 1, 2])
def test_delete_anywhere(tell, place):
    one = tell()
    one.take(3)
    one.drop(one.snapshots[place])
    one.check()
    # Life goes on.
    one.take(1)
    one.check()
    while one.snapshots:
        one.drop(one.snapshots[0])
        one.check()
    one.remove()


def test_the_table_is_as_the_tree_writes_it(tell):
    one = tell()
    one.take(2)
    with open(one.base + '.info') as stream:
        text = stream.read()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True)


def test_overlays_name_what_is_below(tell):
    one = tell()
    was = one.format()
    one.take(2)
    for path, backing, backing_format in [
            (one.path, '%s.%s' % (one.volume.name, one.snapshots[0].id),
             'qcow2'),
            (one.base + '.' + one.snapshots[0].id, one.volume.name, was)]:
        info = json.loads(subprocess.check_output(
            ['qemu-img', 'info', '--output=json', path]))
        assert info['backing-filename'] == backing
        assert info['backing-filename-format'] == backing_format
        assert os.stat(path).st_mode & 0o777 == 0o660


def test_revert(tell):
    one = tell()
    __, newest = one.take(2)
    one.revert(newest)
    one.check()
    one.write()
    one.revert(newest)
    one.check()
    with pytest.raises(errors.SnapshotNotNewest):
        one.driver.revert_to_snapshot(one.rig.context, one.reload(),
                                      one.snapshots[0])
    one.check()


def test_extend(tell):
    one = tell()
    one.take(1)
    one.extend(2)
    one.check()
    one.take(1)
    one.extend(3)
    for snapshot in list(one.snapshots):
        one.drop(snapshot)
        one.check()


@pytest.mark.parametrize('size', [1, 2])
def test_copies(tell, size):
    one = tell()
    one.take(2)
    copy = one.clone(size)
    one.check_volume(copy, one.state, size)
    one.remove(copy)
    for snapshot in one.snapshots:
        copy = one.clone(size, snapshot)
        one.check_volume(copy, one.held[snapshot.id], size)
        one.remove(copy)
    one.check()


def test_what_a_verb_leaves_is_known_without_a_look(tell, monkeypatch):
    settled = []
    settle = formats.settle

    def listen(volume, chain):
        settled.append(chain)
        settle(volume, chain)

    monkeypatch.setattr(formats, 'settle', listen)
    one = tell()

    def same():
        expected = settled[-1]
        return one.driver._file_of(one.reload()).chain() == expected

    for __ in range(3):
        one.take(1)
        assert same()
    one.revert(one.snapshots[-1])
    assert same()
    one.extend(2)
    one.take(1)
    # One in the middle, the newest, the oldest, the last.
    for place in (1, -1, 0, 0):
        one.drop(one.snapshots[place])
        assert same()
    assert one.snapshots == []


def test_a_snapshot_without_a_record(tell):
    one = tell()
    stray = one.rig.new_snapshot(one.volume)
    one.driver.delete_snapshot(stray)
    one.take(1)
    one.driver.delete_snapshot(stray)
    one.check()
    for call in (lambda: one.clone(source=_available(stray)),
                 lambda: one.driver.revert_to_snapshot(
                     one.rig.context, one.reload(), stray)):
        with pytest.raises(errors.SnapshotUnknown):
            call()


def _available(snapshot):
    snapshot.status = 'available'
    return snapshot


def test_a_record_without_a_file(tell):
    one = tell()
    one.take(1)
    stray = one.rig.new_snapshot(one.volume)
    table = one.table()
    table[stray.id] = '%s.%s' % (one.volume.name, stray.id)
    with open(one.base + '.info', 'w') as stream:
        json.dump(table, stream)
    one.driver.delete_snapshot(stray)
    one.check()


def test_many(tell):
    one = tell()
    one.take(12)
    for place in (5, 0, -1, 3):
        one.drop(one.snapshots[place])
    one.check()


def test_delete_with_leftovers(tell):
    one = tell()
    one.take(2)
    share = one.share
    for name in ('.%s.plain-copy' % one.volume.name,
                 '%s.intent' % one.volume.name,
                 '%s.0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f' % one.volume.name):
        with open(os.path.join(share, name), 'w') as stream:
            stream.write('{}')
    other = one.rig.volume(one.driver)
    one.driver.delete_volume(one.volume)
    assert stages.left(share) == {other.name}


def test_the_record_follows(tell):
    """What the drivers in Cinder's tree go by."""
    one = tell()
    was = one.format()
    one.take(1)
    metadata = one.reload().admin_metadata
    assert (metadata['format'], metadata['base_format']) == ('qcow2', was)
    one.drop(one.snapshots[0])
    metadata = one.reload().admin_metadata
    assert (metadata['format'], metadata['base_format']) == (was, was)


def test_a_local_file_carries_no_overlay(rig, tmp_path):
    driver = stages.posix(rig, tmp_path / 'share')
    volume = rig.volume(driver)
    with pytest.raises(errors.AttachTypeMismatch, match='posix_attach_type'):
        rig.snapshot(driver, volume)
    assert stages.left(tmp_path / 'share') == {volume.name}


def test_content_is_compared(tell):
    """A story that is told wrong is found out."""
    one = tell()
    one.take(1)
    one.state[1] = 0x01
    with pytest.raises(AssertionError):
        one.check()
    one.state = {}
    with pytest.raises(AssertionError):
        content.assert_holds(one.path, one.format(), content.GIB, [],
                             one._folder)
