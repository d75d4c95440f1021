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

"""Shares as they were left by the drivers of old: every verb works on them.

By the GlusterFS driver of Icehouse and of Newton, and by NFS drivers. The
one in today's tree does it all itself, see test_back_and_forth.
"""

import hashlib
import os

import pytest

from remotefs_drivers import errors
from tests.functional import nfs_folders
from tests.functional import old_share
from tests.functional import upload

IPV6 = '[2001:db8::5]:/volumes'


@pytest.fixture
def folders(rig, tmp_path, monkeypatch):
    return nfs_folders.Folders(rig, tmp_path / 'mnt', monkeypatch)


@pytest.fixture
def take(rig, folders, tmp_path):
    """Begins with a layout, and goes on with a driver of ours."""
    def make(layout, base_format, location=nfs_folders.LOCATION,
             compat='0.10', **options):
        driver = folders.ours(location, **options)
        old = old_share.Old(rig, driver, location, folders.folder(location),
                            base_format, compat)
        old_share.LAYOUTS[layout](old)
        return old_share.Taken(old, rig, driver, tmp_path)
    return make


# What is done with it

def _attach(one):
    connection = one.driver.initialize_connection(one.reload(), {})
    assert connection['data']['name'] == one.chain()[0]
    path = os.path.join(one.share, connection['data']['name'])
    one.check_file(path, connection['data']['format'], one.state)
    assert not one.driver.terminate_connection(one.volume, {})


def _clone(one):
    for size in (one.volume.size, one.volume.size + 1):
        copy = one.clone(size)
        one.check_volume(copy, one.state, size)
        one.remove(copy)


def _volume_from_snapshot(one):
    for snapshot in one.snapshots:
        copy = one.clone(2, snapshot)
        one.check_volume(copy, one.held[snapshot.id], 2)
        one.remove(copy)


def _upload(one):
    # Not raw as well: that would send a GiB of each.
    path = upload.upload(one, 'qcow2')
    one.check_file(path, 'qcow2', one.state)
    os.unlink(path)


def _create(one):
    one.take(2)


def _delete(place):
    def verb(one):
        if not one.snapshots:
            one.take(3)
        one.drop(one.snapshots[place])
    return verb


def _revert(one):
    if not one.snapshots:
        one.take(1)
    one.revert(one.snapshots[-1])


def _extend(one):
    one.extend(one.volume.size + 1)


READING = [_attach, _clone, _volume_from_snapshot, _upload]
OLDEST, MIDDLE, NEWEST = _delete(0), _delete(1), _delete(-1)
#: Each verb that changes anything comes first in one of them.
CHANGING = {
    'create': [_create, MIDDLE],
    'extend': [_extend, NEWEST],
    'delete oldest': [OLDEST, _revert],
    'delete middle': [MIDDLE, _extend],
    'delete newest': [NEWEST, OLDEST],
    'revert': [_revert, NEWEST],
}
bases = pytest.mark.parametrize('base_format', ['raw', 'qcow2'])


@pytest.mark.turns
@bases
@pytest.mark.parametrize('layout', old_share.LAYOUTS)
def test_reading(take, layout, base_format):
    one = take(layout, base_format, nfs_legacy_base_format=base_format)
    for verb in READING:
        verb(one)
    one.check_file(one.path, one.format(), one.state)
    one.check_layers()


def _taking_turns():
    """Each layout, each verb; half of the verbs on each kind of base."""
    for number, layout in enumerate(old_share.LAYOUTS):
        for verb in CHANGING:
            number += 1
            yield layout, verb, ('raw', 'qcow2')[number % 2]


@pytest.mark.parametrize('layout, verb, base_format', _taking_turns())
def test_changing(take, layout, verb, base_format):
    one = take(layout, base_format, nfs_legacy_base_format=base_format)
    first, second = CHANGING[verb]
    first(one)
    one.check()
    second(one)
    while one.snapshots:
        one.drop(one.snapshots[0])
    one.write()
    one.check()


@bases
@pytest.mark.parametrize('layout', old_share.LAYOUTS)
def test_delete_volume(take, layout, base_format):
    """The first thing that is done, and the format is not asked for."""
    one = take(layout, base_format)
    one.driver.delete_volume(one.reload())
    assert not [name for name in os.listdir(one.share)
                if one.volume.name in name]


@pytest.mark.parametrize('layout', ['without formats', 'newest deleted '
                                    'online'])
@pytest.mark.parametrize('location, compat', [
    (IPV6, '0.10'), (nfs_folders.LOCATION, '1.1')])
def test_other_shares_and_files(take, layout, location, compat):
    one = take(layout, 'raw', location, compat, nfs_legacy_base_format='raw')
    one.check()
    one.take(1)
    one.drop(one.snapshots[0])
    one.check()
    copy = one.clone()
    assert copy.provider_location == location


def test_leftovers_can_be_deleted(take):
    one = take('leftovers', 'raw')
    stray, = one.unknown
    for snapshot in one.reload().snapshots:
        if snapshot.status == 'error':
            one.driver.delete_snapshot(snapshot)
    assert stray not in one.table()
    one.unknown = set()
    one.check()


# Formats

def _seen(share):
    """All that is there: names, bytes and times of change."""
    found = {}
    for name in sorted(os.listdir(share)):
        path = os.path.join(share, name)
        with open(path, 'rb') as stream:
            start = hashlib.sha256(stream.read(1 << 20)).hexdigest()
        status = os.lstat(path)
        found[name] = (status.st_mtime_ns, status.st_size, start)
    return found


@bases
@pytest.mark.parametrize('layout', old_share.SAID)
def test_said_by_an_overlay(take, layout, base_format):
    """Then no option is needed, and what it says counts for nothing."""
    wrong = {'raw': 'qcow2', 'qcow2': 'raw'}[base_format]
    for legacy in (None, wrong):
        one = take(layout, base_format, nfs_legacy_base_format=legacy)
        one.check()
        metadata = one.reload().admin_metadata
        assert metadata['format'] == 'qcow2'
        assert metadata.get('base_format', 'qcow2') == (
            'qcow2' if layout.startswith('base gone') else base_format)


@bases
@pytest.mark.parametrize('layout', [each for each in old_share.LAYOUTS
                                    if each not in old_share.SAID])
def test_said_by_nobody(take, folders, layout, base_format):
    """It is refused by name, and nothing is changed."""
    one = take(layout, base_format)
    before = _seen(one.share)
    for verb in REFUSED.values():
        with pytest.raises(errors.FormatUnknown,
                           match='legacy_base_format'):
            verb(one)
        assert _seen(one.share) == before
    assert not one.reload().admin_metadata
    # The operator says it; it is on record from then on.
    for options in ({'nfs_legacy_base_format': base_format}, {}):
        one.driver = folders.ours(**options)
        one.check()


def _new_snapshot(one):
    return one.rig.new_snapshot(one.reload(), status='available')


REFUSED = {
    'attach': lambda one: one.format(),
    'local path': lambda one: one.path,
    'create snapshot': lambda one: one.driver.create_snapshot(
        _new_snapshot(one)),
    'delete snapshot': lambda one: one.driver.delete_snapshot(
        (one.snapshots or [_new_snapshot(one)])[0]),
    'revert': lambda one: one.driver.revert_to_snapshot(
        one.rig.context, one.reload(),
        (one.snapshots or [_new_snapshot(one)])[-1]),
    'clone': lambda one: one.clone(),
    'volume from snapshot': lambda one: one.clone(
        source=(one.snapshots or [_new_snapshot(one)])[-1]),
    'extend': lambda one: one.driver.extend_volume(one.reload(), 2),
    'upload': lambda one: upload.upload(one, 'raw'),
}
