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

"""ApplianceNfsDriver: groups, and shares that become volumes."""

import os

from cinder import exception
from cinder.volume import volume_utils
from oslo_utils import units
import pytest

from remotefs_drivers import errors
from tests.unit import builder
from tests.unit import databases
from tests.unit import fakes
from tests.unit import test_driver_appliance as appliances

GROUP = 'aaaaaaaa-0000-4000-8000-000000000000'


@pytest.fixture(autouse=True)
def no_flushes(monkeypatch):
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


@pytest.fixture
def site(built, monkeypatch):
    database = databases.Database(monkeypatch)
    return appliances.Site(built, built.appliance(), database)


class Group:
    def __init__(self, consistent=True):
        self.id = GROUP
        self.consistent = consistent


@pytest.fixture(autouse=True)
def group_types(monkeypatch):
    monkeypatch.setattr(volume_utils, 'is_group_a_cg_snapshot_type',
                        lambda group: group.consistent)


@pytest.fixture
def volumes(site):
    made = [site.volume() for __ in range(2)]
    for number, volume in enumerate(made):
        fakes.write(site.path(volume), b'%d' % number)
    site.built.steps.clear()
    return made


def snapshots_of(site, volumes):
    made = [fakes.Snapshot(volume, group_snapshot_id='g')
            for volume in volumes]
    site.snapshots += made
    return made


class TestGroups:
    def test_snapshots_of_one_moment(self, site, volumes):
        snapshots = snapshots_of(site, volumes)
        update, each = site.driver.create_group_snapshot(None, Group(),
                                                         snapshots)
        assert update == {'status': 'available'}
        assert [one['status'] for one in each] == ['available'] * 2
        assert [one['provider_id'] for one in each] == [
            site.box.find_share(volume.name).snapshots[0].id
            for volume in volumes]
        assert site.shares() == {volume.name: ['snapshot-g']
                                 for volume in volumes}
        assert site.locked('create_snapshots') == [
            {volume.id for volume in volumes}]

    def test_of_an_empty_group(self, site):
        assert site.driver.create_group_snapshot(None, Group(), []) == (
            {'status': 'available'}, [])

    def test_all_or_none(self, site, volumes):
        site.box.create_snapshot(volumes[1].name, 'snapshot-g')
        with pytest.raises(errors.ApplianceSnapshotExists):
            site.driver.create_group_snapshot(None, Group(),
                                              snapshots_of(site, volumes))
        assert site.shares() == {volumes[0].name: [],
                                 volumes[1].name: ['snapshot-g']}

    def test_an_answer_that_is_lost(self, site, volumes):
        site.box.faults.add('create_snapshots', 'lose answer')
        with pytest.raises(errors.ApplianceUnavailable):
            site.driver.create_group_snapshot(None, Group(),
                                              snapshots_of(site, volumes))
        assert site.shares() == {volume.name: [] for volume in volumes}

    def test_one_that_cannot_go(self, site, volumes):
        """It says of which; the others go."""
        snapshots = snapshots_of(site, volumes)
        site.driver.create_group_snapshot(None, Group(), snapshots)
        site.box.faults.add('delete_snapshot', 'lose request',
                            containing=volumes[0].name)
        update, each = site.driver.delete_group_snapshot(None, Group(),
                                                         snapshots)
        assert update == {'status': 'error_deleting'}
        assert [one['status'] for one in each] == ['error_deleting',
                                                   'deleted']
        assert site.shares()[volumes[1].name] == []

    def copies(self, site, count=2):
        return [site.database.add(fakes.Volume(size=2))
                for __ in range(count)]

    def test_a_group_of_a_group_snapshot(self, site, volumes):
        snapshots = snapshots_of(site, volumes)
        site.driver.create_group_snapshot(None, Group(), snapshots)
        copies = self.copies(site)
        self.check(site, copies, site.driver.create_group_from_src(
            None, Group(), copies, object(), snapshots))

    def test_a_group_of_a_group(self, site, volumes):
        copies = self.copies(site)
        self.check(site, copies, site.driver.create_group_from_src(
            None, Group(), copies, None, None, object(), volumes))
        assert all(locked == {each.id for each in (*copies, *volumes)}
                   for locked in site.locked('clone_snapshot'))
        for volume in volumes:
            assert site.shares()[volume.name] == ['clone-' + GROUP]
        for copy in copies:
            site.driver.delete_volume(copy)
        assert site.shares() == {volume.name: [] for volume in volumes}

    def check(self, site, copies, answer):
        update, each = answer
        assert update == {'status': 'available'}
        for number, (copy, one) in enumerate(zip(copies, each)):
            assert one['id'] == copy.id and one['status'] == 'available'
            assert one['provider_location'].endswith(copy.name)
            assert fakes.content(site.path(copy)) == b'%d' % number
            assert os.path.getsize(site.path(copy)) == 2 * units.Gi
        assert site.mounted() == set()

    def test_a_group_of_a_group_that_fails_at_any_step(self, site, volumes):
        number, broken = 0, True
        while broken:
            copies = self.copies(site)
            for copy, source in zip(copies, volumes):
                copy.source_volid = source.id
            site.built.steps.clear()
            site.built.break_at = number
            try:
                site.driver.create_group_from_src(
                    None, Group(), copies, None, None, object(), volumes)
                broken = False
            except (builder.Broken, errors.VolumeFileInvalid):
                pass
            site.built.break_at = None
            for copy in copies:
                site.delete(copy)
            assert site.mounted() == set()
            # By now whatever was begun is taken back.
            site.driver._of(volumes[0]).tidy()
            assert site.shares() == {each.name: [] for each in volumes}
            number += 1
        assert number > 5

    def test_of_other_groups_cinder_takes_care(self, site):
        for call in (
                lambda group: site.driver.create_group(None, group),
                lambda group: site.driver.delete_group(None, group, []),
                lambda group: site.driver.update_group(None, group),
                lambda group: site.driver.create_group_from_src(
                    None, group, []),
                lambda group: site.driver.create_group_snapshot(None, group,
                                                                []),
                lambda group: site.driver.delete_group_snapshot(None, group,
                                                                [])):
            with pytest.raises(NotImplementedError):
                call(Group(consistent=False))

    def test_create_and_delete(self, site, volumes):
        assert site.driver.create_group(None, Group()) == {
            'status': 'available'}
        assert site.driver.update_group(None, Group()) == (None,) * 3
        update, each = site.driver.delete_group(None, Group(), volumes)
        assert update == {'status': 'deleted'}
        assert site.shares() == {}

    def test_where_there_is_no_one_moment(self, site, monkeypatch):
        monkeypatch.setattr(site.box, 'offers', lambda method: False)
        with pytest.raises(exception.VolumeBackendAPIException,
                           match='at one moment') as raised:
            site.driver.create_group(None, Group())
        assert 'fileset' not in str(raised.value)
        assert "'consistent_group_snapshot_enabled': False" in str(
            site.driver.get_volume_stats(refresh=True))


class TestManage:
    @pytest.fixture
    def theirs(self, site):
        """Makes a share of somebody else's."""
        def make(name='theirs', **files):
            share = site.box.create_share(name, units.Gi)
            for file, text in (files or {'disk': b'text'}).items():
                path = os.path.join(site.built.folder, 'box', name, file)
                with open(path, 'wb') as stream:
                    stream.write(text)
            return share
        return make

    def manage(self, site, name):
        volume = site.database.add(fakes.Volume(size=0))
        reference = {'source-name': name}
        assert site.driver.manage_existing_get_size(volume, reference) == 1
        return site.update(volume,
                           site.driver.manage_existing(volume, reference))

    @pytest.mark.parametrize('by_location', [False, True])
    def test_a_share(self, site, theirs, by_location):
        share = theirs()
        volume = self.manage(site, share.location if by_location
                             else share.name)
        assert volume.size == 1
        assert site.shares() == {volume.name: []}
        assert fakes.content(site.path(volume)) == b'text'
        assert os.path.getsize(site.path(volume)) == units.Gi
        assert volume.provider_location.endswith(volume.name)
        assert site.mounted() == set()
        site.driver.delete_volume(volume)
        assert site.shares() == {}

    @pytest.mark.parametrize('files, words', [
        ({'a': b'x', 'b': b'x'}, 'there are 2 files'),
        # They would be deleted with the volume, which knows nothing of them.
        ({'volume': b'x', 'b': b'x'}, 'there are 2 files'),
        ({'theirs': b'x', 'b': b'x', 'c': b'x'}, 'there are 3 files'),
        ({'.hidden': b'x'}, 'there are 0 files')])
    def test_what_is_no_volume(self, site, theirs, files, words):
        theirs(**files)
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match=words):
            self.manage(site, 'theirs')
        assert site.mounted() == set()
        assert list(site.shares()) == ['theirs']

    @pytest.mark.parametrize('name', [
        'none', appliances.HOME, '127.0.0.1:/none'])
    def test_what_is_no_share_for_volumes(self, site, name):
        with pytest.raises(exception.ManageExistingInvalidReference):
            self.manage(site, name)

    def test_one_that_is_there_while_a_verb_runs(self, site, theirs,
                                                 volumes):
        theirs('copy-' + volumes[0].name)
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='no share of that name for volumes'):
            self.manage(site, 'copy-' + volumes[0].name)

    def test_one_that_is_a_volume(self, site, volumes):
        with pytest.raises(exception.ManageExistingAlreadyManaged):
            self.manage(site, volumes[0].name)

    def test_where_no_share_can_be_renamed(self, built, monkeypatch):
        """The file in it keeps its name, its size and its mode."""
        site = appliances.Site(built, built.appliance('rigid'),
                               databases.Database(monkeypatch))
        site.box.create_share('theirs', units.Gi)
        path = os.path.join(built.folder, 'box', 'theirs', 'disk')
        with open(path, 'wb') as stream:
            stream.write(b'text')
        before = os.stat(path)[:2], os.path.getmtime(path)
        for verb in (site.driver.manage_existing_get_size,
                     site.driver.manage_existing):
            with pytest.raises(exception.ManageExistingInvalidReference,
                               match='no way to rename'):
                verb(fakes.Volume(size=0), {'source-name': 'theirs'})
        assert (os.stat(path)[:2], os.path.getmtime(path)) == before
        assert os.path.getsize(path) == 4

    @pytest.mark.parametrize('method', ['resize_share', 'rename_share'])
    def test_it_fails(self, site, theirs, method):
        """The share keeps its name, and can be managed again."""
        theirs()
        site.box.faults.add(method, 'lose request')
        with pytest.raises(errors.ApplianceUnavailable):
            self.manage(site, 'theirs')
        assert list(site.shares()) == ['theirs']
        assert site.mounted() == set()
        self.manage(site, 'theirs')

    def test_a_lost_answer(self, site, theirs):
        """It has its name by then, and is found by that."""
        theirs()
        volume = site.database.add(fakes.Volume(size=0))
        reference = {'source-name': 'theirs'}
        site.box.faults.add('rename_share', 'lose answer')
        with pytest.raises(errors.ApplianceUnavailable):
            site.driver.manage_existing(volume, reference)
        site.driver.manage_existing(volume, reference)
        assert site.shares() == {volume.name: []}

    def test_cut_off_in_the_middle_of_a_rename(self, site, theirs):
        """On NFS, a file that gets a new name has both for a moment."""
        theirs(disk=b'text')
        folder = os.path.join(site.built.folder, 'box', 'theirs')
        os.link(os.path.join(folder, 'disk'), os.path.join(folder, 'volume'))
        volume = self.manage(site, 'theirs')
        assert os.listdir(os.path.dirname(site.path(volume))) == ['volume']
        assert fakes.content(site.path(volume)) == b'text'

    def test_a_file_with_another_name_elsewhere(self, site, theirs):
        theirs(volume=b'text')
        folder = os.path.join(site.built.folder, 'box', 'theirs')
        os.link(os.path.join(folder, 'volume'),
                os.path.join(folder, '.hidden'))
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='2 names'):
            self.manage(site, 'theirs')

    def test_unmanage(self, site, volumes):
        volume = volumes[0]
        site.driver.create_export(None, volume, {})
        site.driver.unmanage(volume)
        assert site.mounted() == set()
        assert volume.name in site.shares()

    def test_the_list(self, site, volumes, theirs):
        theirs()
        theirs('copy-' + volumes[0].name)
        theirs('copy-of-a-project')
        entries = site.driver.get_manageable_volumes([], None, 10, 0, [], [])
        found = {entry['reference']['source-name']: entry
                 for entry in entries}
        assert set(found) == {'theirs', 'copy-of-a-project',
                              *(each.name for each in volumes)}
        assert found['theirs']['safe_to_manage']
        assert found[volumes[0].name]['cinder_id'] == volumes[0].id

    def test_a_snapshot(self, site, volumes):
        volume = volumes[0]
        site.box.create_snapshot(volume.name, 'nightly')
        site.box.create_snapshot(volume.name, 'deleted-' + GROUP)
        snapshot = fakes.Snapshot(volume)
        reference = {'source-name': 'nightly'}
        assert site.driver.manage_existing_snapshot_get_size(
            snapshot, reference) == 1
        site.update(snapshot, site.driver.manage_existing_snapshot(
            snapshot, reference))
        assert snapshot.provider_id
        assert site.shares()[volume.name] == [snapshot.name,
                                              'deleted-' + GROUP]
        for name in 'deleted-' + GROUP, 'none':
            with pytest.raises(exception.ManageExistingInvalidReference):
                site.driver.manage_existing_snapshot(
                    fakes.Snapshot(volume), {'source-name': name})

    @pytest.fixture
    def older(self, site, theirs):
        """A snapshot from before its share was managed, with the volume."""
        share = theirs(disk=b'older')
        site.box.create_snapshot(share.name, 'nightly')
        volume = self.manage(site, share.name)
        fakes.write(site.path(volume), b'newer')
        snapshot = fakes.Snapshot(volume)
        site.update(snapshot, site.driver.manage_existing_snapshot(
            snapshot, {'source-name': 'nightly'}))
        return snapshot

    def test_a_copy_of_what_was_there_before(self, site, older):
        """The file in it has the name that it had then."""
        copy = site.copy(older)
        assert fakes.content(site.path(copy)) == b'older'
        assert os.listdir(os.path.dirname(site.path(copy))) == ['volume']
        assert os.path.getsize(site.path(copy)) == units.Gi

    @pytest.mark.parametrize('rolls_back', [True, False])
    def test_a_revert_to_what_was_there_before(self, site, older,
                                               rolls_back):
        if not rolls_back:
            site.box.create_snapshot(older.volume.name, 'later')
        site.driver.revert_to_snapshot(None, older.volume, older)
        path = site.path(older.volume)
        assert os.listdir(os.path.dirname(path)) == ['volume']
        assert fakes.content(path) == b'older'
        assert os.path.getsize(path) == units.Gi
        assert os.stat(path).st_mode & 0o777 == 0o660
        assert site.mounted() == set()

    def test_a_snapshot_that_is_one_of_a_group(self, site, volumes):
        """Its name has the id of the group snapshot, which all of it have."""
        snapshots = snapshots_of(site, volumes)
        site.driver.create_group_snapshot(None, Group(), snapshots)
        site.database.snapshots += snapshots
        with pytest.raises(exception.ManageExistingAlreadyManaged,
                           match=snapshots[0].id):
            site.driver.manage_existing_snapshot(
                fakes.Snapshot(volumes[0]), {'source-name': 'snapshot-g'})
        site.driver._own_volumes = lambda filters: volumes
        listed = site.driver.get_manageable_snapshots(snapshots, None, 10, 0,
                                                      [], [])
        assert {each['source_reference']['source-name']: each['cinder_id']
                for each in listed} == {
                    each.volume.name: each.id for each in snapshots}
