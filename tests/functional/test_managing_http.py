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

"""Manage and unmanage through Cinder's API, on each cloud that there is."""

import os

import pytest

from tests.functional import content

pytestmark = pytest.mark.pairs

both = pytest.mark.parametrize('file_format', ['raw', 'qcow2'])


@both
def test_a_file(user, file_format):
    share = user.share(file_format)
    disk = content.make_disk(os.path.join(share, 'disk.img'), file_format,
                             content.GIB + content.MIB)
    same = content.make_disk(os.path.join(user.folder, 'same'), file_format,
                             content.GIB + content.MIB)
    entry = user.manageable(file_format)['disk.img']
    assert (entry.safe_to_manage, entry.size) == (True, 2)
    assert entry.reference == {
        'source-name': '%s/disk.img' % user.location(file_format)}
    assert entry.extra_info['format'] == file_format
    volume = user.manage(file_format, entry.reference)
    assert volume.size == 2
    path = user.path(volume)
    assert not os.path.exists(disk)
    assert content.size(path, file_format) == 2 * content.GIB
    content.assert_same(path, file_format, same, file_format)
    entry = user.manageable(file_format)[os.path.basename(path)]
    assert (entry.safe_to_manage, entry.cinder_id) == (False, volume.id)
    # It is a volume like any other.
    user.extend(volume, 3)
    clone = user.create(file_format, 3, source_volid=volume.id)
    content.assert_same(user.path(clone), file_format, same, file_format)
    with user.attached(volume) as connection:
        assert connection['format'] == file_format
    user.delete(volume, clone)


@both
def test_unmanage_and_manage(user, file_format):
    volume = user.create(file_format)
    content.write(user.path(volume), file_format, 0x5a, content.MIB,
                  content.MIB)
    name = os.path.basename(user.path(volume))
    user.unmanage(volume)
    assert user.manageable(file_format)[name].safe_to_manage
    for ref in ({'source-id': volume.id},
                {'source-name': '%s/%s' % (user.location(file_format), '%s')},
                {'source-name': '%s'}):
        ref = {key: value % name if '%s' in value else value
               for key, value in ref.items()}
        volume = user.manage(file_format, ref)
        path = user.path(volume)
        name = os.path.basename(path)
        content.assert_holds(path, file_format, content.GIB,
                             [(0x5a, content.MIB, content.MIB)], user.folder)
        user.unmanage(volume)
    os.unlink(path)


def test_unmanage_and_manage_with_snapshots(user):
    volume = user.create('qcow2')
    snapshots = []
    for number in range(3):
        content.write(_active(user, volume), 'qcow2', 0xa0 + number,
                      number * content.MIB, content.MIB)
        if number < 2:
            snapshots.append(_snapshot(user, volume))
    before = user.files('qcow2')
    user.unmanage(volume, *snapshots)
    assert user.files('qcow2') == before
    assert user.manageable('qcow2')['volume-%s' % volume.id].safe_to_manage

    back = user.manage('qcow2', {'source-id': volume.id})
    assert user.files('qcow2') == before
    listed = user.manageable_snapshots('qcow2')
    taken = []
    for count, snapshot in enumerate(snapshots, 1):
        entry = listed[snapshot.id]
        assert entry.safe_to_manage
        assert entry.source_reference == {'source-name': '%s/volume-%s' % (
            user.location('qcow2'), volume.id)}
        taken.append(user.manage_snapshot(back, entry.reference))
        copy = user.create('qcow2', 1, snapshot_id=taken[-1].id)
        _assert_first(user, copy, count)
        user.delete(copy)
    assert {entry.cinder_id for entry
            in user.manageable_snapshots('qcow2').values()} == {
        snapshot.id for snapshot in taken}
    # Life goes on.
    taken.append(_snapshot(user, back))
    for snapshot in taken:
        user.cloud.cinder.volume_snapshots.delete(snapshot.id)
        user.cloud.wait_gone(snapshot.id, 'snapshot')
    _assert_first(user, back, 3)
    user.delete(back)
    assert not any(volume.id in name for name in user.files('qcow2'))


def _snapshot(user, volume):
    snapshot = user.cloud.cinder.volume_snapshots.create(volume.id)
    return user.cloud.wait_snapshot(snapshot.id)


def _active(user, volume):
    with user.attached(volume) as connection:
        return os.path.join(user.share('qcow2'), connection['name'])


def _assert_first(user, volume, count):
    """It holds what was written first, and nothing else."""
    content.assert_holds(
        _active(user, volume), 'qcow2', content.GIB,
        [(0xa0 + number, number * content.MIB, content.MIB)
         for number in range(count)], user.folder)


@both
def test_a_hostile_file(user, file_format):
    path = os.path.join(user.share(file_format), 'disk.img')
    data = content.qcow2_header(content.GIB, '/etc/shadow')
    with open(path, 'wb') as stream:
        stream.write(data)
    entry = user.manageable(file_format)['disk.img']
    assert not entry.safe_to_manage
    assert '/etc/shadow' in entry.reason_not_safe
    # The API shows "error_managing" as "error".
    volume = user.manage(file_format, {'source-name': 'disk.img'}, 'error')
    user.delete(volume)
    with open(path, 'rb') as stream:
        assert stream.read() == data
    os.unlink(path)
