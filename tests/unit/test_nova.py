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
"""Nova's part: what is asked, how long is waited, and how that can end."""

import types

from cinder import exception
from keystoneauth1 import exceptions as keystone
from novaclient import exceptions as nova_exceptions
import pytest

from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers import locks
from remotefs_drivers import nova
from tests.unit import fakes

SWITCH = steps.GuestSwitch('volume-1.s', 'volume-1')
COMMIT = steps.GuestMerge('volume-1.t', 'volume-1', 'volume-1.s')
PULL = steps.GuestMerge('volume-1.t', 'volume-1', None)
PULL_ALL = steps.GuestMerge('volume-1.t', None, None)
SETTINGS = fakes.SETTINGS


class World:
    """Time, Nova and Cinder's database; things happen when it is their time.

    :ivar row: the snapshot as the database has it, None when it is gone
    :ivar events: (seconds, function) that are called once time is there
    :ivar asked: what Nova was asked for
    """

    def __init__(self, snapshot):
        self.now = 1000.0
        self.row = snapshot
        self.events = []
        self.asked = []
        self.broken = None
        self.looks = []
        self.is_done = self.in_use = False
        self.server_state = None

    # The module time

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        due = [each for each in self.events if each[0] <= self.passed]
        self.events = [each for each in self.events if each not in due]
        for __, function in due:
            function()

    @property
    def passed(self):
        return self.now - 1000.0

    # Nova's API, as Cinder has it

    def create_volume_snapshot(self, context, volume_id, info):
        self._request('create', volume_id, info)

    def delete_volume_snapshot(self, context, snapshot_id, info):
        self._request('delete', snapshot_id, info)

    def _request(self, *what):
        self.asked.append(what)
        if self.broken:
            raise self.broken

    def get_server(self, context, server_id, privileged_user, timeout):
        self.asked.append(('server', server_id, timeout))
        if isinstance(self.server_state, Exception):
            raise self.server_state
        return types.SimpleNamespace(status=self.server_state)

    # The database

    def get_by_id(self, context, snapshot_id):
        self.looks.append(self.passed)
        if self.row is None:
            raise exception.SnapshotNotFound(snapshot_id=snapshot_id)
        return self.row

    # What is seen in the files

    def done(self):
        return self.is_done

    # What happens

    def at(self, seconds, **changes):
        """Then the snapshot, or what is seen, is so."""
        def happen():
            for name, value in changes.items():
                setattr(self.row if hasattr(self.row, name) else self, name,
                        value)
        if seconds:
            self.events.append((seconds, happen))
        else:
            happen()

    def answers(self, seconds, status=None):
        """Then Nova's compute service says how it went."""
        changes = {'status': status} if status else {}
        self.at(seconds, progress='90%', **changes)


class Sight:
    def __init__(self, world):
        self.done = world.done
        self.in_use = lambda: world.in_use


@pytest.fixture
def snapshot():
    volume = fakes.Volume(volume_attachment=[
        fakes.Attachment(instance_uuid='an-instance')])
    return fakes.Snapshot(volume, status='creating')


@pytest.fixture
def world(snapshot, monkeypatch):
    made = World(snapshot)
    monkeypatch.setattr(nova, 'time', made)
    monkeypatch.setattr(nova.nova, 'API', lambda: made)
    monkeypatch.setattr(nova.objects, 'Snapshot', made)
    monkeypatch.setattr(locks, 'until_stop', lambda: lambda: False)
    return made


@pytest.fixture
def ask(world, snapshot):
    """Ask for a step and wait; for a merge the snapshot is deleted."""
    def _ask(step=SWITCH):
        if step is not SWITCH:
            snapshot.status = 'deleting'
        nova.Assistant(snapshot, SETTINGS)(step, Sight(world))
    return _ask


class TestRequest:
    def test_create(self, ask, world, snapshot):
        world.answers(0.01)
        ask()
        assert world.asked == [('create', snapshot.volume_id, {
            'snapshot_id': snapshot.id, 'type': 'qcow2',
            'new_file': 'volume-1.s'})]

    @pytest.mark.parametrize('step, to_merge, target', [
        (COMMIT, 'volume-1.s', 'volume-1'),
        (PULL, 'volume-1', None),
        (PULL_ALL, None, None)])
    def test_delete(self, ask, world, snapshot, step, to_merge, target):
        world.answers(0.01)
        world.is_done = True
        ask(step)
        assert world.asked == [('delete', snapshot.id, {
            'volume_id': snapshot.volume_id, 'type': 'qcow2',
            'file_to_merge': to_merge, 'merge_target_file': target})]

    @pytest.mark.parametrize('step', [SWITCH, COMMIT])
    def test_an_answer_of_an_attempt_before_does_not_count(
            self, ask, world, snapshot, step):
        """Else a file would go that was never merged."""
        snapshot.progress = '90%'
        world.answers(3.0)
        world.at(3.0, is_done=True)
        ask(step)
        assert world.passed >= 3.0

    def test_an_answer_before_the_call_returns(self, ask, world):
        world.create_volume_snapshot = lambda *args: world.answers(0)
        ask()
        assert world.passed == 0


class TestPauses:
    def test_looked_at_at_once(self, ask, world):
        world.answers(0.01)
        ask()
        assert world.looks[0] == 0
        assert world.passed < 0.1

    def test_they_grow(self, ask, world):
        world.in_use = True
        world.answers(300)
        ask()
        pauses = [round(later - earlier, 6) for earlier, later
                  in zip(world.looks, world.looks[1:])]
        assert pauses == sorted(pauses)
        assert pauses[-1] == 5
        assert len(pauses) < 80


class TestRefused:
    @pytest.mark.parametrize('error', [
        nova_exceptions.BadRequest(400), nova_exceptions.Forbidden(403),
        nova_exceptions.NotFound(404), nova_exceptions.Conflict(409),
        nova_exceptions.Unauthorized(401), keystone.Unauthorized(),
        keystone.EndpointNotFound(), keystone.MissingAuthPlugin()])
    @pytest.mark.parametrize('step', [SWITCH, COMMIT])
    def test_for_certain(self, ask, world, error, step):
        world.broken = error
        with pytest.raises(errors.NovaRefused):
            ask(step)
        assert world.passed == 0

    @pytest.mark.parametrize('error', [
        nova_exceptions.ClientException(500),
        nova_exceptions.ClientException(503), keystone.ConnectFailure(),
        keystone.ConnectTimeout(), OSError('cut off'), ValueError('x')])
    def test_not_for_certain(self, ask, world, error):
        world.broken = error
        with pytest.raises(errors.NovaUnreachable) as info:
            ask()
        assert str(error) in str(info.value)
        assert 5 <= world.passed < 10

    def test_and_it_is_done_all_the_same(self, ask, world):
        world.broken = keystone.ConnectFailure()
        world.answers(2.0)
        ask()


class TestAnswers:
    def test_it_failed(self, ask, world):
        world.answers(1.0, 'error')
        with pytest.raises(errors.NovaFailed, match='"error"'):
            ask()
        assert world.passed < 3

    def test_a_deletion_failed(self, ask, world):
        world.answers(1.0, 'error_deleting')
        with pytest.raises(errors.NovaFailed, match='"error_deleting"'):
            ask(COMMIT)

    @pytest.mark.parametrize('status', ['deleting', 'error_deleting',
                                        'deleted'])
    def test_it_is_to_be_deleted(self, ask, world, status):
        world.at(1.0, status=status)
        with pytest.raises(errors.SnapshotUnwanted, match=status):
            ask()

    @pytest.mark.parametrize('step', [SWITCH, COMMIT])
    def test_it_is_gone(self, ask, world, step):
        world.events.append((1.0, lambda: setattr(world, 'row', None)))
        with pytest.raises(errors.SnapshotUnwanted, match='gone'):
            ask(step)

    def test_other_words_for_done(self, ask, world):
        """Nova's API may set it so."""
        world.at(1.0, status='available')
        ask()

    def test_progress_of_its_own_is_no_answer(self, ask, world):
        world.at(1.0, progress='50%')
        world.answers(30)
        world.in_use = True
        ask()
        assert world.passed >= 30


class TestMerged:
    """What Nova says is not enough: a file goes when it was merged."""

    def test_seen_later(self, ask, world):
        world.answers(1.0)
        world.at(4.0, is_done=True)
        ask(COMMIT)
        assert 4 <= world.passed < 8

    def test_never_seen(self, ask, world):
        world.answers(1.0)
        with pytest.raises(errors.GuestNotMerged, match='Nothing was'):
            ask(COMMIT)
        assert world.passed < 30


class TestNothingIsSaid:
    @pytest.mark.parametrize('step', [SWITCH, COMMIT])
    def test_but_it_is_seen(self, ask, world, step, caplog):
        world.in_use = True
        world.at(2.0, is_done=True)
        ask(step)
        assert 5 <= world.passed < 20
        assert 'does not say so' in caplog.text

    def test_it_failed_after_it_was_seen(self, ask, world):
        """A QEMU that is about to switch has the file open already."""
        world.in_use = True
        world.at(2.0, is_done=True)
        world.at(4.0, is_done=False)
        world.answers(12.0, 'error')
        with pytest.raises(errors.NovaFailed):
            ask()

    @pytest.mark.parametrize('step, seconds', [(SWITCH, 600),
                                               (COMMIT, 7200)])
    def test_time_is_over(self, ask, world, step, seconds):
        world.in_use = True
        with pytest.raises(errors.NovaTimeout, match='%d seconds' % seconds):
            ask(step)
        assert seconds <= world.passed < seconds + 1

    @pytest.mark.parametrize('step', [SWITCH, COMMIT])
    def test_the_guest_is_gone(self, ask, world, step):
        """Stopped, or its QEMU was killed: nobody has the files open."""
        world.in_use = True
        world.at(20.0, in_use=False)
        with pytest.raises(errors.GuestGone):
            ask(step)
        assert 30 <= world.passed < 45
        assert len(world.asked) == 1

    def test_for_a_moment_only(self, ask, world):
        """Between two hosts, say."""
        world.in_use = True
        world.at(20.0, in_use=False)
        world.at(28.0, in_use=True)
        world.answers(60.0)
        ask()

    @pytest.mark.parametrize('state', [
        'SHUTOFF', 'ERROR', 'SHELVED_OFFLOADED', 'DELETED',
        exception.ServerNotFound(uuid='an-instance')])
    def test_no_lock_is_ever_seen_and_the_instance_is_down(
            self, ask, world, state):
        world.server_state = state
        with pytest.raises(errors.GuestGone):
            ask()
        assert 10 <= world.passed < 25
        assert world.asked[1:] == [('server', 'an-instance', 10)]

    @pytest.mark.parametrize('state', [
        'ACTIVE', 'PAUSED', 'MIGRATING', OSError('away')])
    def test_or_it_runs(self, ask, world, state):
        """Or Nova cannot say: then it is waited for."""
        world.server_state = state
        world.answers(100)
        ask()
        servers = [each for each in world.asked if each[0] == 'server']
        assert 5 <= len(servers) <= 10

    def test_nobody_knows_the_instance(self, ask, world, snapshot):
        snapshot.volume.volume_attachment[0].instance_uuid = None
        world.answers(100)
        ask()
        assert len(world.asked) == 1


@pytest.mark.parametrize('step', [SWITCH, COMMIT])
def test_the_service_stops(ask, world, monkeypatch, step):
    world.in_use = True
    monkeypatch.setattr(locks, 'until_stop',
                        lambda: lambda: world.passed > 20)
    with pytest.raises(errors.ServiceStopping, match='Nova'):
        ask(step)
    assert world.passed < 30
