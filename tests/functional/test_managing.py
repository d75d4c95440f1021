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

"""Files become volumes and volumes files: on one driver, with real tools."""

import json
import os
import subprocess

import pytest

from cinder import exception
from cinder import objects

from remotefs_drivers import errors
from tests.functional import content
from tests.functional import stages
from tests.functional import story

BACKENDS = {
    # Whatever the backend itself makes, it takes both.
    'raw': {'posix_attach_type': 'nfs'},
    'qcow2': stages.QCOW2,
}
FORMATS = ('raw', 'qcow2')
OTHER = '0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f'


@pytest.fixture
def share(tmp_path):
    return str(tmp_path / 'share')


@pytest.fixture
def driver(rig, share):
    return stages.posix(rig, share, **BACKENDS['raw'])


@pytest.fixture(params=sorted(BACKENDS))
def tell(request, rig, share, tmp_path):
    """Begins a story on a backend of each format."""
    made = stages.posix(rig, share, **BACKENDS[request.param])
    return lambda **fields: story.Story(rig, made, tmp_path, **fields)


def _list(driver, rig, **paging):
    volumes = objects.VolumeList.get_all_by_host(rig.context, driver.host)
    given = dict({'marker': None, 'limit': 1000, 'offset': 0,
                  'sort_keys': ['reference'], 'sort_dirs': ['asc']},
                 **paging)
    return driver.get_manageable_volumes(volumes, **given)


def _list_snapshots(driver, rig):
    known = objects.SnapshotList.get_all(
        rig.context, filters={'host': driver.host})
    return driver.get_manageable_snapshots(known, None, 1000, 0,
                                           ['reference'], ['asc'])


def _share(one):
    """Whatever becomes of its volume."""
    return os.path.join(one._folder, 'share')


def _name(path):
    return os.path.basename(path)


# Files that nobody made for Cinder

@pytest.mark.parametrize('file_format', FORMATS)
@pytest.mark.parametrize('length, size', [
    (content.GIB, 1),
    (content.GIB + 512, 2),
    (content.MIB, 1),
])
def test_a_file_becomes_a_volume(rig, driver, share, tmp_path, file_format,
                                 length, size):
    path = content.make_disk(share + '/disk.img', file_format, length)
    os.chmod(path, 0o644)
    before = content.make_disk(str(tmp_path / 'same'), file_format, length)
    volume = rig.manage(driver, {'source-name': 'disk.img'})
    assert (volume.size, volume.provider_location) == (size, share)
    assert volume.admin_metadata['format'] == file_format
    assert stages.left(share) == {'volume-%s' % volume.id}
    found = driver.local_path(volume)
    assert content.size(found, file_format) == size * content.GIB
    content.assert_same(found, file_format, before, file_format)
    assert os.stat(found).st_mode & 0o777 == 0o660
    connection = driver.initialize_connection(volume, {})
    assert connection['data']['format'] == file_format
    driver.delete_volume(volume)
    assert stages.left(share) == set()


def test_a_local_file_carries_no_qcow2(rig, share):
    driver = stages.posix(rig, share)
    content.make_disk(share + '/disk', 'qcow2', content.MIB)
    with pytest.raises(errors.AttachTypeMismatch):
        rig.manage(driver, {'source-name': 'disk'})
    assert stages.left(share) == {'disk'}


# Where it is looked for

def test_shares(rig, tmp_path):
    shares = [str(tmp_path / name) for name in ('a', 'b')]
    driver = stages.posix(rig, *shares)
    for share in shares:
        content.make_disk(share + '/both', 'raw', content.MIB)
    content.make_disk(shares[1] + '/one', 'raw', content.MIB)
    volume = rig.manage(driver, {'source-name': 'one'})
    assert volume.provider_location == shares[1]
    with pytest.raises(exception.ManageExistingInvalidReference,
                       match='there is one on each of'):
        rig.manage(driver, {'source-name': 'both'})
    volume = rig.manage(driver, {'source-name': shares[1] + '/both'})
    assert volume.provider_location == shares[1]
    # The scheduler has chosen another pool.
    with pytest.raises(exception.ManageExistingVolumeTypeMismatch,
                       match='%s#<its share>' % driver.host):
        rig.manage(driver, {'source-name': 'both'}, pool=shares[1])
    # The others are not asked then.
    os.rename(shares[1], shares[1] + '-away')
    volume = rig.manage(driver, {'source-name': 'both'}, pool=shares[0])
    assert volume.provider_location == shares[0]
    assert stages.left(shares[0]) == {volume.name}


@pytest.mark.parametrize('name, reason', [
    ('nothing', 'there is no file'),
    ('../disk', r'leads out of a share, by "\.\."'),
    ('SHARE/../share/disk', 'leads out of a share'),
    ('SHARE/folder/disk', 'in no folder of it'),
    ('/etc/passwd', 'is not a share of this backend'),
    ('SHARE/', 'is not the name of a file'),
    ('.cinderSecureEnvIndicator', "driver's own"),
    ('..', 'is not the name of a file'),
    ('disk.info', 'name the volume'),
    ('disk.intent', 'name the volume'),
    ('volume-%s.%s' % (OTHER, OTHER), 'is a layer of'),
    ('folder', 'is not a regular file'),
])
def test_names_that_are_refused(rig, driver, share, name, reason):
    os.mkdir(share + '/folder')
    for each in ('disk', 'folder/disk', 'disk.info', 'disk.intent',
                 'volume-%s.%s' % (OTHER, OTHER)):
        content.make_disk(os.path.join(share, each), 'raw', content.MIB)
    before = stages.left(share)
    with pytest.raises(exception.ManageExistingInvalidReference,
                       match=reason):
        rig.manage(driver, {'source-name': name.replace('SHARE', share)})
    assert stages.left(share) == before


# What may be in it

SECRET = '/etc/shadow'
HOSTILE = {
    'backing file': (content.qcow2_header(content.MIB, SECRET),
                     'names the backing file "/etc/shadow"'),
    'data file': (content.qcow2_header(content.MIB, data_file=SECRET),
                  'names the data file "/etc/shadow"'),
    'cut off': (content.qcow2_header(content.MIB)[:600], None),
    'vmdk': (content.vmdk_descriptor(SECRET), 'its content is vmdk'),
    'empty': (b'', 'it is empty'),
}


@pytest.mark.parametrize('kind', sorted(set(HOSTILE) - {'cut off'}))
def test_hostile_files(rig, driver, share, kind):
    data, reason = HOSTILE[kind]
    path = share + '/disk'
    with open(path, 'wb') as stream:
        stream.write(data)
    _refused(rig, driver, share, reason)
    with open(path, 'rb') as stream:
        assert stream.read() == data


def _refused(rig, driver, share, reason):
    before = stages.left(share)
    with pytest.raises(exception.ManageExistingInvalidReference,
                       match=reason):
        rig.manage(driver, {'source-name': 'disk'})
    entry, = [each for each in _list(driver, rig)
              if each['reference']['source-name'] == share + '/disk']
    assert not entry['safe_to_manage']
    assert entry['reason_not_safe'] in reason or reason in entry[
        'reason_not_safe']
    assert stages.left(share) == before


@pytest.mark.parametrize('kind', ['vmdk', 'vdi', 'vhdx', 'vpc', 'qed'])
def test_other_formats(rig, driver, share, kind):
    content.make_disk(share + '/disk', kind, content.MIB)
    _refused(rig, driver, share, 'its content is %s' % kind)


def test_an_encrypted_one(rig, driver, share):
    header = bytearray(content.qcow2_header(content.MIB))
    # The number of the method, LUKS.
    header[32:36] = b'\0\0\0\2'
    with open(share + '/disk', 'wb') as stream:
        stream.write(header)
    _refused(rig, driver, share, 'it is encrypted')


@pytest.mark.parametrize('make, reason', [
    (lambda path: os.symlink('elsewhere', path), 'it is a symbolic link'),
    (os.mkfifo, 'it is not a regular file'),
    (lambda path: os.link(os.path.dirname(path) + '/elsewhere', path),
     'it has 2 names'),
])
def test_what_is_no_plain_file(rig, driver, share, make, reason):
    content.make_disk(share + '/elsewhere', 'raw', content.MIB)
    make(share + '/disk')
    _refused(rig, driver, share, reason)


def test_an_overlay_and_its_base(rig, driver, share):
    """Neither alone: what is in one of them only would be lost."""
    content.make_disk(share + '/disk', 'qcow2', content.MIB)
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'disk',
                    '-F', 'qcow2', share + '/disk.snap'], check=True)
    _refused(rig, driver, share, 'disk.snap would be lost')
    with pytest.raises(errors.ReferenceInvalid, match='backing file "disk"'):
        rig.manage(driver, {'source-name': 'disk.snap'})


def test_what_a_guest_wrote(rig, driver, share):
    """A raw volume that was let go does not come back as something else."""
    volume = rig.volume(driver)
    header = content.qcow2_header(content.MIB)
    content.put(driver.local_path(volume), header)
    ref = {'source-id': volume.id}
    rig.unmanage(driver, volume)
    with pytest.raises(errors.ReferenceInvalid, match='source-format'):
        rig.manage(driver, ref)
    volume = rig.manage(driver, dict(ref, **{'source-format': 'raw'}))
    assert volume.admin_metadata['format'] == 'raw'
    path = driver.local_path(volume)
    assert os.path.getsize(path) == content.GIB
    with open(path, 'rb') as stream:
        assert stream.read(len(header)) == header


def test_a_format_that_is_wrong(rig, driver, share):
    content.make_disk(share + '/disk', 'raw', content.MIB)
    with pytest.raises(errors.ReferenceInvalid, match='its content is raw'):
        rig.manage(driver, {'source-name': 'disk', 'source-format': 'qcow2'})


# Nothing is lost

def test_nothing_is_overwritten(rig, driver, share):
    content.make_disk(share + '/disk', 'raw', content.MIB)
    volume = rig.new_volume(driver, 0, status='managing')
    other = content.make_disk(share + '/' + volume.name, 'raw', content.MIB,
                              seed=5)
    digest = content.digest(other)
    with pytest.raises(errors.VolumeFileExists):
        driver.manage_existing(volume, {'source-name': 'disk'})
    assert stages.left(share) == {'disk', volume.name}
    assert content.digest(other) == digest


def test_a_volume_that_is_one(rig, driver, share):
    volume = rig.volume(driver)
    for ref in ({'source-name': volume.name}, {'source-id': volume.id},
                {'source-name': '%s/%s' % (share, volume.name)}):
        with pytest.raises(exception.ManageExistingAlreadyManaged):
            rig.manage(driver, ref)
    # Of another backend, or another host: the database knows.
    other = stages.posix(rig, share)
    with pytest.raises(exception.ManageExistingAlreadyManaged):
        rig.manage(other, {'source-id': volume.id})
    assert [(entry['cinder_id'], entry['safe_to_manage'])
            for entry in _list(other, rig)] == [(volume.id, False)]


def test_cut_off_with_both_names(rig, driver, share):
    """Where a file system renames by a second name, see files.rename_new."""
    path = content.make_disk(share + '/disk', 'raw', content.GIB)
    volume = rig.new_volume(driver, 0, status='managing',
                            provider_location=share)
    os.link(path, share + '/' + volume.name)
    volume = rig.manage_as(driver, volume, {'source-name': 'disk'})
    assert stages.left(share) == {volume.name}


def test_cut_off_after_the_last_step(rig, driver, share):
    content.make_disk(share + '/disk', 'raw', content.GIB)
    volume = rig.new_volume(driver, 0, status='managing')
    driver.manage_existing(volume, {'source-name': 'disk'})
    # The service is killed, and what it returned is lost.
    volume = rig.reload(volume)
    assert volume.provider_location == share
    volume = rig.manage_as(driver, volume, {'source-name': 'disk'})
    assert (volume.size, stages.left(share)) == (1, {volume.name})


def test_a_manage_that_failed_is_no_delete(rig, driver, share):
    content.make_disk(share + '/disk', 'raw', content.GIB)
    volume = rig.new_volume(driver, 0, status='managing')
    driver.manage_existing(volume, {'source-name': 'disk'})
    volume.status = 'error_managing_deleting'
    driver.delete_volume(volume)
    volume.destroy()
    assert stages.left(share) == {volume.name}
    again = rig.manage(driver, {'source-name': volume.name})
    assert stages.left(share) == {again.name}


# There and back again

def test_unmanage_and_manage(tell):
    one = tell()
    one.write()
    was, old = one.format(), one.volume
    one.rig.unmanage(one.driver, old)
    assert stages.left(_share(one)) == {old.name}
    one.volume = one.rig.manage(one.driver, {'source-id': old.id})
    assert one.format() == was
    one.check()
    one.take(2)
    one.check()
    one.remove()
    assert stages.left(_share(one)) == set()


def _back(one, old):
    """Manage what was a volume, and its snapshots by what is listed."""
    one.volume = one.rig.manage(one.driver, {'source-id': old.id})
    held = {}
    for entry in _list_snapshots(one.driver, one.rig):
        assert entry['safe_to_manage'] and entry['cinder_id'] is None
        assert entry['source_reference'] == {
            'source-name': '%s/%s' % (_share(one), old.name)}
        snapshot = one.rig.manage_snapshot(one.driver, one.volume,
                                           entry['reference'])
        held[snapshot.id] = one.held[entry['reference']['source-id']]
        one.snapshots.append(snapshot)
    one.held = held


def test_unmanage_and_manage_with_snapshots(tell):
    one = tell()
    one.take(3)
    one.extend(2)
    old, count = one.reload(), len(one.snapshots)
    before = stages.left(_share(one))
    one.rig.unmanage(one.driver, old)
    one.snapshots = []
    assert stages.left(_share(one)) == before
    entry, = _list(one.driver, one.rig)
    assert entry['reference'] == {
        'source-name': '%s/%s' % (_share(one), old.name)}
    assert (entry['safe_to_manage'], entry['size']) == (True, 2)
    _back(one, old)
    assert len(one.snapshots) == count
    assert one.volume.size == 2
    assert stages.left(_share(one)) == before
    one.check()
    # All are managed now.
    assert not any(entry['safe_to_manage'] for entry
                   in _list(one.driver, one.rig) +
                   _list_snapshots(one.driver, one.rig))
    # Life goes on, and once more round.
    table = one.table()
    one.revert(next(each for each in one.snapshots
                    if table[each.id] == table['active']))
    one.check()
    one.take(1)
    one.drop(one.snapshots[0])
    one.check()
    again = one.reload()
    one.rig.unmanage(one.driver, again)
    one.snapshots = []
    one.volume = one.rig.manage(one.driver,
                                {'source-name': again.name})
    one.rig.unmanage(one.driver, one.volume)
    with pytest.raises(errors.ReferenceInvalid, match='there is no file'):
        # The files have the name that they had from the beginning.
        one.rig.manage(one.driver, {'source-id': again.id})
    _back(one, old)
    one.check()
    one.remove()
    assert stages.left(_share(one)) == set()


def test_a_chain_without_its_table(tell):
    one = tell()
    one.take(2)
    old = one.reload()
    one.rig.unmanage(one.driver, old)
    os.rename(_share(one) + '/%s.info' % old.name,
              _share(one) + '/kept')
    with pytest.raises(errors.ReferenceInvalid,
                       match='%s.* would be lost' % old.name):
        one.rig.manage(one.driver, {'source-id': old.id})
    os.rename(_share(one) + '/kept',
              _share(one) + '/%s.info' % old.name)
    one.snapshots = []
    _back(one, old)
    one.check()


def test_hostile_chains(tell):
    one = tell()
    one.take(1)
    old, active, was = one.reload(), one.path, one.format()
    base = one.base
    one.rig.unmanage(one.driver, old)
    subprocess.run(['qemu-img', 'rebase', '-u', '-f', 'qcow2', '-b',
                    '/etc/shadow', '-F', 'raw', active], check=True)
    with pytest.raises(errors.ReferenceInvalid, match='/etc/shadow'):
        one.rig.manage(one.driver, {'source-id': old.id})
    # A lowest layer that an overlay calls qcow2, and that leads elsewhere.
    subprocess.run(['qemu-img', 'rebase', '-u', '-f', 'qcow2', '-b',
                    _name(base), '-F', 'qcow2', active], check=True)
    with open(base, 'wb') as stream:
        stream.write(content.qcow2_header(content.GIB, '/etc/shadow'))
    with pytest.raises(errors.ReferenceInvalid, match='/etc/shadow'):
        one.rig.manage(one.driver, {'source-id': old.id})
    with open(base + '.info', 'w') as stream:
        json.dump({'active': '../etc'}, stream)
    with pytest.raises(errors.ReferenceInvalid, match='not the name of a'):
        one.rig.manage(one.driver, {'source-id': old.id})
    entry, = _list(one.driver, one.rig)
    assert not entry['safe_to_manage']
    assert was == 'qcow2'


def test_a_base_whose_format_nobody_says(tell):
    """Overlays of old drivers do not say it."""
    one = tell()
    was = one.format()
    one.take(1)
    old = one.reload()
    path = one.path
    one.rig.unmanage(one.driver, old)
    _forget_backing_format(path)
    with pytest.raises(errors.ReferenceInvalid, match='source-format'):
        one.rig.manage(one.driver, {'source-id': old.id})
    one.volume = one.rig.manage(one.driver, {'source-id': old.id,
                                             'source-format': was})
    one.snapshots = []
    content_of = one.format()
    assert content_of == 'qcow2'
    one.check_file(one.path, 'qcow2', one.state)
    assert one.reload().admin_metadata['base_format'] == was


def _forget_backing_format(path):
    """Make the header extension one that nobody knows."""
    with open(path, 'r+b') as stream:
        data = stream.read(65536)
        stream.seek(data.index(b'\xe2\x79\x2a\xca'))
        stream.write(b'\x12\x34\x56\x78')


# Snapshots

@pytest.mark.parametrize('ref, reason', [
    ({'source-id': OTHER}, 'it has no record of it, but of: '),
    ({'source-name': 'disk'}, 'is not the id of a snapshot'),
    ({}, 'source-name'),
    ('text', 'source-name'),
])
def test_snapshots_that_are_none(tell, ref, reason):
    one = tell()
    one.take(1)
    with pytest.raises(exception.ManageExistingInvalidReference,
                       match=reason):
        one.rig.manage_snapshot(one.driver, one.reload(), ref)
    with pytest.raises(exception.ManageExistingAlreadyManaged):
        one.rig.manage_snapshot(one.driver, one.reload(),
                                {'source-id': one.snapshots[0].id})
    one.check()


def test_an_unmanaged_snapshot_is_left_alone(tell):
    one = tell()
    one.take(2)
    stray = one.snapshots.pop(0)
    one.driver.unmanage_snapshot(stray)
    stray.destroy()
    one.take(1)
    one.drop(one.snapshots[0])
    entries = {entry['reference']['source-id']: entry for entry
               in _list_snapshots(one.driver, one.rig)}
    assert entries.pop(stray.id)['safe_to_manage']
    assert {entry['cinder_id'] for entry in entries.values()} == {
        each.id for each in one.snapshots}
    back = one.rig.manage_snapshot(
        one.driver, one.reload(), {'source-name': '%s.%s' % (
            one.volume.name, stray.id)})
    one.snapshots.append(back)
    one.held[back.id] = one.held[stray.id]
    one.check()


# Lists

def test_a_list(rig, driver, share):
    for name in ('b', 'a', 'c'):
        content.make_disk(share + '/' + name, 'raw', content.MIB)
    os.mkdir(share + '/folder')
    volume = rig.volume(driver, 2)
    found = _list(driver, rig)
    assert [(_name(entry['reference']['source-name']), entry['size'],
             entry['safe_to_manage'], entry['cinder_id'])
            for entry in found] == [
        ('a', 1, True, None), ('b', 1, True, None), ('c', 1, True, None),
        (volume.name, 2, False, volume.id)]
    assert _list(driver, rig, limit=2, marker=found[0]['reference']) == (
        found[1:3])
    assert _list(driver, rig, sort_keys=['size'], sort_dirs=['desc'],
                 limit=1) == found[3:]


def test_a_share_that_is_gone_is_left_out(rig, tmp_path):
    shares = [str(tmp_path / name) for name in ('a', 'b')]
    driver = stages.posix(rig, *shares)
    for share in shares:
        content.make_disk(share + '/disk', 'raw', content.MIB)
    os.rename(shares[0], shares[0] + '-away')
    assert [entry['reference'] for entry in _list(driver, rig)] == [
        {'source-name': shares[1] + '/disk'}]


def test_snapshots_of_a_share_that_is_gone_are_left_out(rig, tmp_path):
    shares = [str(tmp_path / name) for name in ('a', 'b')]
    driver = stages.posix(rig, *shares, **stages.QCOW2)
    taken = {}
    for share in shares:
        volume = rig.volume(driver, pool=share)
        taken[share] = rig.snapshot(driver, rig.reload(volume))
    os.rename(shares[0], shares[0] + '-away')
    assert [entry['cinder_id'] for entry
            in _list_snapshots(driver, rig)] == [taken[shares[1]].id]
