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

"""ApplianceNfsDriver on a box of folders: what is done, locked and left."""

import os
import uuid

from cinder import exception
from oslo_config import cfg
from oslo_utils import units
import pytest

from remotefs_drivers import appliance
from remotefs_drivers.chain import sharing
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors
from remotefs_drivers.share import table
from remotefs_drivers.store import journal
from tests.harness import box_shares
from tests.unit import builder
from tests.unit import databases
from tests.unit import fakes

HOME = 'cinder-journal'
GROUP_SNAPSHOT = 'aaaaaaaa-0000-4000-8000-000000000000'


@pytest.fixture(autouse=True)
def no_flushes(monkeypatch):
    """Hundreds of them; what is flushed when is for test_files_whole."""
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


@pytest.fixture
def database(monkeypatch):
    return databases.Database(monkeypatch)


@pytest.fixture
def driver(built, database):
    return built.appliance()


class Site:
    """A driver, its box and its database."""

    def __init__(self, built, driver, database):
        self.built, self.driver, self.database = built, driver, database
        self.box = driver._appliance
        self.snapshots = []

    def volume(self, **fields):
        volume = self.database.add(fakes.Volume(**fields))
        return self.update(volume, self.driver.create_volume(volume))

    def clone(self, source, **fields):
        volume = self.database.add(fakes.Volume(source_volid=source.id,
                                                **fields))
        return self.update(
            volume, self.driver.create_cloned_volume(volume, source))

    def snapshot(self, volume):
        snapshot = fakes.Snapshot(volume)
        self.snapshots.append(snapshot)
        return self.update(snapshot, self.driver.create_snapshot(snapshot))

    def copy(self, snapshot, **fields):
        volume = self.database.add(fakes.Volume(**fields))
        return self.update(
            volume,
            self.driver.create_volume_from_snapshot(volume, snapshot))

    def delete(self, volume):
        self.driver.delete_volume(volume)
        self.database.remove(volume)

    @staticmethod
    def update(thing, values):
        for name, value in values.items():
            assert hasattr(thing, name)
            setattr(thing, name, value)
        return thing

    def path(self, volume, name='volume'):
        return os.path.join(self.built.folder, 'box', volume.name, name)

    def shares(self):
        """Name -> names of its snapshots, but for the home."""
        return box_shares.snapshots_by_share(self.box, HOME)

    def mounted(self):
        return {os.path.basename(each) for each in
                self.built.box_mounter.mounted()} - {HOME}

    def journals(self):
        return [name for name in os.listdir(os.path.join(
            self.built.folder, 'box', HOME)) if name.endswith('.intent')]

    def steps(self):
        """What was done since the last call: names."""
        names = self.built.names()
        self.built.steps.clear()
        return names

    def locked(self, name):
        """The ids that were locked at each step of this name."""
        return [set(locked) for step, locked in self.built.steps
                if step == name]


@pytest.fixture
def site(built, driver, database):
    made = Site(built, driver, database)
    made.shares()
    built.steps.clear()
    return made


@pytest.fixture
def volume(site):
    made = site.volume()
    site.built.steps.clear()
    return made


def attach(volume, *connectors):
    """It is attached by these; None is one that is only reserved."""
    volume.attach_status = 'attached'
    for connector in connectors:
        attachment = fakes.Attachment()
        attachment.connector = connector
        volume.volume_attachment.append(attachment)


class TestCreate:
    def test_what_is_recorded(self, site):
        volume = site.volume(size=2)
        assert volume.provider_location == '127.0.0.1:%s' % os.path.dirname(
            site.path(volume))
        assert volume.provider_id
        assert volume.admin_metadata['format'] == 'raw'
        assert os.path.getsize(site.path(volume)) == 2 * units.Gi
        assert site.steps() == ['create_share', 'create', 'record']
        assert site.mounted() == set()
        assert site.journals() == []

    def test_one_that_is_there_is_not_ours(self, site):
        volume = fakes.Volume()
        site.box.create_share(volume.name, 1)
        with pytest.raises(errors.ApplianceShareExists):
            site.driver.create_volume(volume)
        assert site.shares() == {volume.name: []}

    @pytest.mark.parametrize('again', ['create', 'clone', 'copy'])
    @pytest.mark.parametrize('method', [
        None, 'create_share', 'create_snapshot', 'clone_snapshot'])
    def test_asked_for_once_more(self, site, volume, again, method):
        """After it went well: what is in the volume by now stays."""
        source = site.snapshot(volume)
        made = {'create': site.volume,
                'clone': lambda: site.clone(volume),
                'copy': lambda: site.copy(source)}[again]()
        fakes.write(site.path(made), b'new')
        if method:
            site.box.faults.add(method, 'refuse', 'ApplianceUnreached')
        with pytest.raises(errors.ApplianceError):
            {'create': lambda: site.driver.create_volume(made),
             'clone': lambda: site.driver.create_cloned_volume(made, volume),
             'copy': lambda: site.driver.create_volume_from_snapshot(
                 made, source)}[again]()
        assert fakes.content(site.path(made)) == b'new'

    def test_a_name_that_leads_elsewhere(self, site):
        with pytest.raises(errors.VolumeNameInvalid):
            site.driver.create_volume(fakes.Volume(_name_id='../x'))


#: Verb -> what is called with a site, and a volume that has a snapshot and a
#: clone.
VERBS = {
    'create': lambda site, *unused: site.volume(),
    'snapshot': lambda site, volume, *unused: site.snapshot(volume),
    'clone': lambda site, volume, *unused: site.clone(volume, size=2),
    'copy': lambda site, volume, snapshot, clone: site.copy(snapshot,
                                                            size=2),
    'extend': lambda site, volume, *unused:
        site.driver.extend_volume(volume, 3),
    'revert': lambda site, volume, snapshot, clone:
        site.driver.revert_to_snapshot(None, volume, snapshot),
    'delete a snapshot': lambda site, volume, snapshot, clone:
        site.driver.delete_snapshot(snapshot),
    'delete': lambda site, volume, snapshot, clone:
        site.driver.delete_volume(clone),
}


class TestAtEachStep:
    @pytest.fixture(params=VERBS)
    def verb(self, request):
        return VERBS[request.param]

    def test_it_fails(self, site, verb):
        """Nothing stays mounted, and all can be deleted afterwards."""
        number, broken = 0, True
        while broken:
            volume = site.volume()
            snapshot = site.snapshot(volume)
            clone = site.clone(volume)
            site.built.steps.clear()
            site.built.break_at = number
            try:
                verb(site, volume, snapshot, clone)
                broken = False
            except (builder.Broken, exception.CinderException):
                pass
            site.built.break_at = None
            assert site.mounted() == set()
            while site.snapshots:
                site.driver.delete_snapshot(site.snapshots.pop())
            for each in list(site.database._volumes.values()):
                if each is not volume:
                    site.delete(each)
            site.delete(volume)
            assert site.shares() == {}
            assert site.journals() == []
            number += 1
        assert number > 1


class TestDelete:
    def test_who_is_locked(self, site, volume):
        clone = site.clone(volume)
        site.built.steps.clear()
        site.driver.delete_volume(volume)
        assert site.locked('promote') == [{volume.id, clone.id}]
        assert site.locked('delete_share') == [{volume.id, clone.id}]

    def test_a_clone_that_was_migrated(self, site, volume):
        """Its share has the name of what it was moved to."""
        clone = site.clone(volume)
        site.database.remove(clone)
        moved = site.database.add(fakes.Volume(
            _name_id=clone.id, provider_location=clone.provider_location))
        assert moved.name == clone.name
        site.built.steps.clear()
        site.driver.delete_volume(volume)
        assert site.locked('promote') == [{volume.id, moved.id}]

    def test_of_a_clone_its_origin_is_locked(self, site, volume):
        clone = site.clone(volume)
        site.built.steps.clear()
        site.driver.delete_volume(clone)
        assert site.locked('delete_snapshot') == [{volume.id, clone.id}]
        assert site.shares() == {volume.name: []}

    def test_what_was_cut_off(self, site):
        """It has no location: Cinder had no time to write that down."""
        volume = site.volume()
        volume.provider_location = None
        site.driver.delete_volume(volume)
        assert site.shares() == {}

    def test_what_was_never_made(self, site, caplog):
        volume = fakes.Volume()
        site.driver.delete_volume(volume)
        assert 'had no share %s' % volume.name in caplog.text

    def test_what_was_made_of_a_stranger(self, site):
        """And managed: the operator keeps the snapshot, as it is called."""
        site.box.create_share('golden', 1)
        site.box.create_snapshot('golden', 'clone-base')
        volume = fakes.Volume()
        site.box.clone_snapshot('golden', 'clone-base', volume.name,
                                units.Gi)
        site.driver.delete_volume(volume)
        assert site.shares() == {'golden': ['clone-base']}

    def test_what_has_another_name(self, site, volume):
        """As after a change of volume_name_template: never a silent leak."""
        name, volume._name_id = volume.name, fakes.Volume().id
        with pytest.raises(errors.VolumeShareRenamed, match=name):
            site.driver.delete_volume(volume)
        assert site.shares() == {name: []}

    def test_a_box_that_finds_another_one(self, site, volume, monkeypatch):
        """As one that takes a name for the beginning of names may do."""
        other = site.volume()
        found = site.box.find_share(other.name)
        with monkeypatch.context() as patched, \
                pytest.raises(errors.ApplianceError, match=other.name):
            patched.setattr(site.box, 'find_share', lambda name: found)
            site.driver.delete_volume(volume)
        assert set(site.shares()) == {volume.name, other.name}

    def test_what_is_gone(self, site, volume):
        site.box.delete_share(volume.name)
        site.driver.delete_volume(volume)

    def test_a_copy_that_was_cut_off(self, site, volume):
        """Its source keeps no snapshot for it."""
        copy = fakes.Volume(source_volid=volume.id)
        site.box.create_snapshot(volume.name, 'clone-' + copy.name)
        site.built.steps.clear()
        site.driver.delete_volume(copy)
        assert site.locked('delete_snapshot') == [{copy.id, volume.id}]
        assert site.shares() == {volume.name: []}

    def test_a_copy_whose_source_is_gone(self, site):
        site.driver.delete_volume(fakes.Volume(
            source_volid=fakes.Volume().id))
        assert site.shares() == {}

    def test_it_is_unmounted_first(self, site, volume):
        """A failed detach may have left it."""
        site.driver.create_export(None, volume, {})
        site.driver.delete_volume(volume)
        assert site.mounted() == set()
        assert site.shares() == {}

    def test_a_failed_manage(self, site, volume):
        volume.status = 'error_managing_deleting'
        site.driver.delete_volume(volume)
        assert volume.name in site.shares()

    def test_a_failure_is_an_error(self, site, volume):
        """Never a silent leak."""
        site.box.faults.add('delete_share', 'lose request')
        with pytest.raises(errors.ApplianceUnavailable):
            site.driver.delete_volume(volume)
        assert volume.name in site.shares()
        site.driver.delete_volume(volume)
        assert site.shares() == {}

    @pytest.mark.parametrize('error', [
        'ApplianceUnsupported', 'ApplianceShareInUse',
        # As a clone that an operator made, elsewhere in the pool.
        'ApplianceShareMissing'])
    def test_clones_in_the_way(self, site, volume, error):
        site.clone(volume)
        site.box.faults.add('promote', 'refuse', error)
        with pytest.raises(exception.VolumeIsBusy,
                           match='was told to|no way|it has no share'):
            site.driver.delete_volume(volume)

    def test_a_clone_with_a_snapshot_of_the_same_name(self, site, volume):
        """Of one group snapshot: it cannot take the other one over."""
        snapshot = fakes.Snapshot(volume, group_snapshot_id=GROUP_SNAPSHOT)
        site.driver.create_snapshot(snapshot)
        site.copy(snapshot)
        clone = site.clone(volume)
        of_clone = fakes.Snapshot(clone, group_snapshot_id=GROUP_SNAPSHOT)
        site.driver.create_snapshot(of_clone)
        site.copy(of_clone)
        for each in snapshot, of_clone:
            site.driver.delete_snapshot(each)
        with pytest.raises(exception.VolumeIsBusy, match='deleted-snapshot'):
            site.driver.delete_volume(volume)
        site.driver.delete_volume(clone)
        site.driver.delete_volume(volume)

    @pytest.mark.parametrize('name', [
        'nightly', 'clone-before-upgrade', 'copy-1', 'deleted-scenes'])
    def test_snapshots_of_an_operator_in_the_way(self, site, volume, name):
        """Whatever he calls them."""
        site.box.create_snapshot(volume.name, name)
        with pytest.raises(exception.VolumeIsBusy, match=name):
            site.driver.delete_volume(volume)
        assert site.shares() == {volume.name: [name]}

    def test_snapshots_in_the_way(self, site, volume):
        snapshot = site.snapshot(volume)
        with pytest.raises(exception.VolumeIsBusy, match=snapshot.name):
            site.driver.delete_volume(volume)
        assert site.shares() == {volume.name: [snapshot.name]}


class TestSnapshots:
    def test_one_that_has_a_clone_waits(self, site, volume):
        snapshot = site.snapshot(volume)
        copy = site.copy(snapshot)
        site.driver.delete_snapshot(snapshot)
        assert site.shares()[volume.name] == ['deleted-' + snapshot.name]
        site.driver.delete_volume(copy)
        assert site.shares() == {volume.name: []}

    def test_where_none_can_wait(self, built, database):
        site = Site(built, built.appliance('rigid'), database)
        volume = site.volume()
        snapshot = site.snapshot(volume)
        site.copy(snapshot)
        with pytest.raises(exception.SnapshotIsBusy):
            site.driver.delete_snapshot(snapshot)
        assert site.shares()[volume.name] == [snapshot.name]

    def test_of_a_group(self, site, volume):
        """All of one group snapshot have one name."""
        snapshot = fakes.Snapshot(volume, group_snapshot_id=GROUP_SNAPSHOT)
        site.driver.create_snapshot(snapshot)
        assert site.shares()[volume.name] == ['snapshot-' + GROUP_SNAPSHOT]
        site.driver.delete_snapshot(snapshot)
        assert site.shares()[volume.name] == []

    def test_a_lost_answer_is_taken_back(self, site, volume):
        site.box.faults.add('create_snapshot', 'lose answer')
        with pytest.raises(errors.ApplianceUnavailable):
            site.snapshot(volume)
        assert site.shares() == {volume.name: []}

    def test_what_has_the_name_is_not_ours(self, site, volume):
        snapshot = site.snapshot(volume)
        with pytest.raises(errors.ApplianceSnapshotExists):
            site.driver.create_snapshot(snapshot)
        assert site.shares() == {volume.name: [snapshot.name]}


class TestMounts:
    def test_the_life_of_an_attachment(self, site, volume):
        site.driver.create_export(None, volume, {})
        found = site.driver.initialize_connection(volume, {})
        assert found['driver_volume_type'] == 'nfs'
        assert found['data'] == {'export': volume.provider_location,
                                 'name': 'volume', 'format': 'raw'}
        assert site.mounted() == {volume.name}
        site.driver.terminate_connection(volume, {})
        site.driver.remove_export(None, volume)
        assert site.mounted() == set()

    @pytest.mark.parametrize('connectors, shared', [
        ([], False), ([{'host': 'a'}], False),
        ([{'host': 'a'}, {'host': 'b'}], True),
        ([{'host': 'a'}, {'host': 'a'}], True),
        # Of a reservation Cinder asks for no end, so it is none's.
        ([{'host': 'a'}, None], False)])
    def test_attached_elsewhere_too(self, site, volume, connectors, shared):
        attach(volume, *connectors)
        assert site.driver.terminate_connection(volume, {}) is shared

    def test_mount_options_are_handed_on(self, built, database):
        driver = built.appliance(appliance_mount_options='vers=4.2')
        site = Site(built, driver, database)
        found = driver.initialize_connection(site.volume(), {})
        assert found['data']['options'] == '-o vers=4.2'

    def test_what_needs_no_location(self, site):
        """Of a volume that is in error."""
        site.driver.remove_export(None, fakes.Volume())

    @pytest.mark.parametrize('verb', [
        lambda driver, volume: driver.create_export(None, volume, {}),
        lambda driver, volume: driver.initialize_connection(volume, {}),
        lambda driver, volume: driver.local_path(volume)])
    def test_what_does(self, site, verb):
        with pytest.raises(errors.LocationMissing):
            verb(site.driver, fakes.Volume())

    def test_at_start_a_server_may_be_away(self, site, volume, caplog):
        """Cinder would set the volume to an error."""
        site.built.box_mounter.broken.add(volume.provider_location)
        site.driver.ensure_export(None, volume)
        assert 'is not mounted' in caplog.text
        site.built.box_mounter.broken.clear()
        site.driver.ensure_export(None, volume)
        assert site.mounted() == {volume.name}

    @pytest.mark.parametrize('cluster, fields, stays', [
        # Nobody else could have detached it.
        (None, {}, True),
        ('cluster@fake', {}, False),
        ('cluster@fake', {'status': 'in-use'}, True)])
    def test_detached_by_another_service(self, site, volume, cluster, fields,
                                         stays):
        site.driver.cluster_name = cluster
        site.driver.create_export(None, volume, {})
        for name, value in fields.items():
            setattr(volume, name, value)
        site.driver.get_volume_stats(refresh=True)
        assert site.mounted() == ({volume.name} if stays else set())

    def test_deleted_by_another_service(self, site, volume):
        site.driver.cluster_name = 'cluster@fake'
        site.driver.create_export(None, volume, {})
        site.database.remove(volume)
        site.driver.get_volume_stats(refresh=True)
        assert site.mounted() == set()

    def test_nothing_is_held(self, site):
        """Then nobody is asked."""
        site.driver.cluster_name = 'cluster@fake'
        site.driver.get_volume_stats(refresh=True)
        assert site.database.asked == []

    def test_what_an_earlier_service_left(self, site, volume):
        used, other = site.volume(), '127.0.0.1:%s' % site.built.folder
        attach(used, {})
        for location in (used.provider_location, volume.provider_location,
                         other):
            site.built.box_mounter.mount(_share(location))
        assert site.driver.update_provider_info([used, volume], []) == (
            None, None)
        assert site.built.box_mounter.mounted() == {
            used.provider_location, other, site.driver._home.location}


def _share(location):
    return table.Share(location)


def test_a_migration(site, volume):
    """Cinder itself exchanges all fields but these, provider_id as well."""
    new = site.volume()
    assert site.driver.update_migrated_volume(
        None, volume, new, 'available') == {
            '_name_id': new.id, 'provider_location': new.provider_location}


class TestLost:
    """Shares that are called like volumes."""

    @pytest.fixture
    def said(self, site, caplog):
        """Called after a start, what was said of some."""
        def start():
            caplog.clear()
            site.driver.check_for_setup_error()
            return caplog.text
        return start

    def test_none(self, site, volume, said):
        site.box.create_share('nightly', units.Gi)
        assert said() == ''

    def test_its_volume_is_gone(self, site, volume, said):
        site.database.remove(volume)
        assert '1 shares on' in said()
        assert site.shares() == {volume.name: []}

    def test_its_volume_is_elsewhere(self, site, volume, said):
        volume.provider_location = '127.0.0.1:/other'
        assert volume.name in said()

    def test_its_volume_is_being_made(self, site, volume, said):
        volume.provider_location = None
        assert said() == ''

    def test_many(self, site, said):
        for number in range(30):
            site.box.create_share('volume-%s' % uuid.uuid4(), units.Gi)
        assert said().count('volume-') == 20

    def test_the_appliance_does_not_tell(self, site, said):
        site.box.faults.add('list_shares', 'lose request')
        assert 'are not looked for' in said()


class TestRecovery:
    @pytest.fixture
    def cut(self, site, volume):
        """An upload that was killed: its journal, share and snapshot."""
        with open(os.path.join(site.built.folder, 'box', HOME,
                               volume.name + '.intent'), 'w') as stream:
            stream.write(journal.dumps(sharing.lend(volume.name, units.Gi)))
        name = 'copy-' + volume.name
        site.box.create_snapshot(volume.name, name)
        site.box.clone_snapshot(volume.name, name, name, units.Gi)
        site.built.steps.clear()
        return volume

    def test_at_start(self, site, cut):
        site.driver.check_for_setup_error()
        assert site.shares() == {cut.name: []}
        assert site.journals() == []
        assert site.locked('delete_share') == [{cut.id}]

    def test_of_what_another_service_is_at(self, site, cut):
        """A service that starts does not wait for the end of an upload."""
        site.built.locks.elsewhere.add(cut.id)
        site.driver.check_for_setup_error()
        assert site.journals() == [cut.name + '.intent']
        assert set(site.shares()) == {cut.name, 'copy-' + cut.name}

    def cut_revert(self, site, volume):
        """Leave the journal of a revert by a copy."""
        plan = sharing.revert_by_copy(volume.name, 's', units.Gi,
                                      volume.name)
        with open(os.path.join(site.built.folder, 'box', HOME,
                               volume.name + '.intent'), 'w') as stream:
            stream.write(journal.dumps(plan))

    def test_of_a_share_that_an_operator_has_removed(self, site, volume):
        self.cut_revert(site, volume)
        site.box.delete_share(volume.name)
        site.driver.delete_volume(volume)
        assert site.journals() == []

    @pytest.mark.parametrize('verb', [
        lambda site, volume: site.copy(site.snapshot(volume)),
        lambda site, volume: site.clone(volume),
        lambda site, volume: _copy_of_moment(site, volume)])
    def test_before_it_is_kept(self, site, volume, verb):
        """A copy would never get rid of the rest, nor have room for it."""
        self.cut_revert(site, volume)
        open(site.path(volume, '.volume.new-clone'), 'w').close()
        copy = verb(site, volume)
        assert os.listdir(os.path.dirname(site.path(copy))) == ['volume']
        assert site.journals() == []

    def test_what_came_without_a_journal(self, site, volume):
        """It fails one verb, which takes it along, and no other."""
        name = 'copy-' + volume.name
        site.box.create_snapshot(volume.name, name)
        site.box.clone_snapshot(volume.name, name, name, units.Gi)
        share = site.driver._of(volume)
        with pytest.raises(errors.ApplianceSnapshotExists):
            with share.lent():
                pass
        assert site.shares() == {volume.name: []}
        with share.lent():
            assert site.shares() == {volume.name: [name], name: []}

    def test_of_one_that_was_migrated(self, site, cut):
        """The lock is that of its id."""
        site.database.remove(cut)
        moved = site.database.add(fakes.Volume(_name_id=cut.id))
        site.driver.check_for_setup_error()
        assert site.locked('delete_share') == [{moved.id}]
        assert site.journals() == []

    def test_of_one_that_is_gone(self, site, cut):
        site.database.remove(cut)
        site.driver.check_for_setup_error()
        assert site.journals() == []
        assert site.shares() == {cut.name: []}

    def test_what_cannot_be_done_now(self, site, cut, caplog):
        site.box.faults.add('delete_share', 'lose request')
        site.driver.check_for_setup_error()
        assert 'is not finished yet' in caplog.text
        assert site.journals() == [cut.name + '.intent']
        site.driver.delete_volume(cut)
        assert site.shares() == {}
        assert site.journals() == []

    def test_other_files_of_the_share_are_left_alone(self, site):
        path = os.path.join(site.built.folder, 'box', HOME, 'notes.intent')
        open(path, 'w').close()
        site.driver.check_for_setup_error()
        assert os.path.exists(path)


def _copy_of_moment(site, volume):
    other = site.volume()
    copy = fakes.Volume()
    shares = [site.driver._of(each) for each in (other, volume)]
    with shares[0].moment(shares, 'g'):
        return site.update(copy, site.driver._of(copy).copy_of_moment(
            shares[1], 'g'))


class TestStart:
    def test_the_home_is_made_once(self, built, database):
        for __ in range(2):
            driver = built.appliance()
        assert driver._home.location.endswith('/' + HOME)

    def test_two_at_once(self, built, monkeypatch, driver):
        """The other one was faster between two questions."""
        box = driver._appliance
        answers = [None, box.find_share(HOME)]
        monkeypatch.setattr(box, 'find_share', lambda name: answers.pop(0))
        assert driver._find_home().name == HOME

    def test_it_is_tried_again(self, built, driver, monkeypatch):
        """As Cinder does; nobody else lets go of the connections."""
        closed = []
        monkeypatch.setattr(folders.FolderAppliance, 'close',
                            lambda self: closed.append(self))
        first = driver._appliance
        driver.do_setup(None)
        assert driver._appliance is not first
        assert [each.faults for each in closed] == [first.faults]

    @pytest.mark.parametrize('options, words', [
        ({'appliance_type': 'none'}, '"none" cannot be used'),
        ({'appliance_type': None}, 'it is not set'),
        ({'nas_volume_prov_type': 'thick'}, 'is for the appliance to say')])
    def test_options_that_make_no_sense(self, built, options, words):
        with pytest.raises(exception.InvalidConfigurationValue, match=words):
            built.build(appliance.ApplianceNfsDriver, **dict(
                {'appliance_type': 'folders',
                 'folders_root': built.folder},
                **options), more=_folder_options())

    @pytest.mark.parametrize('option, template', [
        ('snapshot_name_template', 'clone-%s'),
        ('snapshot_name_template', 'deleted-%s'),
        ('volume_name_template', 'copy-%s')])
    def test_names_that_are_our_own(self, built, option, template):
        """Such a snapshot would go with its volume, whoever needs it."""
        cfg.CONF.set_override(option, template)
        try:
            with pytest.raises(exception.InvalidConfigurationValue,
                               match=option):
                built.appliance()
        finally:
            cfg.CONF.clear_override(option)

    def test_the_appliance_is_not_as_it_should_be(self, built, monkeypatch):
        def check(self):
            raise errors.ApplianceNotReady(appliance='x', reason='no pool',
                                           remedy='Make one.')

        monkeypatch.setattr(folders.FolderAppliance, 'check', check)
        with pytest.raises(errors.ApplianceNotReady):
            built.appliance()


def _folder_options():
    return folders.FolderAppliance.get_options()


class TestStats:
    def test_them(self, built, database):
        driver = built.appliance(folders_total=8 * units.Gi)
        stats = driver.get_volume_stats(refresh=True)
        assert stats['storage_protocol'] == 'nfs'
        text = str(stats)
        assert "'total_capacity_gb': 8.0" in text
        assert "'online_extend_support': True" in text
        assert "'multiattach': True" in text

    def test_no_journals(self, site, caplog):
        """Hardly a verb can do without."""
        home = site.driver._home
        site.built.box_mounter.unmount(home)
        site.built.box_mounter.broken.add(home.location)
        text = str(site.driver.get_volume_stats(refresh=True))
        assert "'free_capacity_gb': 0" in text
        assert ('counts as full: Share %s cannot be' % home.location
                in caplog.text)
        site.built.box_mounter.broken.clear()
        text = str(site.driver.get_volume_stats(refresh=True))
        assert "'free_capacity_gb': 0" not in text

    def test_an_appliance_that_does_not_answer(self, site, caplog):
        site.box.faults.add('capacity', 'lose request')
        text = str(site.driver.get_volume_stats(refresh=True))
        assert "'free_capacity_gb': 0" in text
        assert 'counts as full' in caplog.text
