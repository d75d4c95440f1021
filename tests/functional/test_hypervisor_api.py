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
"""Nova of the embedded hypervisor, asked by Cinder's own client for it.

Cinder itself is played by a recorder.
"""

import os
import time
import uuid

from cinder.common import config  # noqa: F401  registers options
from cinder.compute import nova as cinder_nova
from cinder import context
from cinder import exception
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import loading
from novaclient import exceptions as nova_exceptions
from oslo_config import cfg
import pytest

from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded.hypervisor import compute
from remotefs_drivers.embedded.hypervisor import nbd
from remotefs_drivers.embedded.hypervisor import writer
from tests.functional import disks
from tests.harness import misbehaviour
from tests.harness import recorder

VOLUME = str(uuid.uuid4())
NAME = 'volume-' + VOLUME


@pytest.fixture
def share(tmp_path):
    return disks.Share(tmp_path / 'share', tmp_path / 'scratch')


@pytest.fixture
def nova(tmp_path, share):
    with compute.Compute(tmp_path / 'nova',
                         work=misbehaviour.Assisted) as running:
        running.cinder = recorder.Recorder(share.folder)
        yield running


@pytest.fixture
def client(nova, rig):
    """cinder.compute.nova.API, by the configuration that it is given."""
    conf = cfg.CONF
    conf.register_opts(loading.get_auth_plugin_conf_options('none'),
                       group='nova')
    values = nova.options()['nova']
    for name, value in values.items():
        conf.set_override(name, value, group='nova')
    yield cinder_nova.API()
    for name in values:
        conf.clear_override(name, group='nova')


class Attached:
    """A volume of a server, as Cinder and the guest's user see it."""

    context = context.get_admin_context()

    def __init__(self, share, nova, client, file_format):
        self.share = share
        self.nova = nova
        self.client = client
        self.base_format = file_format
        self.server = str(uuid.uuid4())
        share.create(NAME, file_format)
        nova.cinder.offer(VOLUME, NAME, file_format)
        self.disk = nova.attach(self.server, VOLUME)
        self.guest = self.disk.guest
        self.holds = {}
        self.drive = self.guest.connect(patience=30)
        self.writer = writer.Writer(self.drive)
        self.writer.start()
        self.writer.wait(50)

    @property
    def chain(self):
        return [os.path.basename(path)[len(NAME):]
                for path in self.guest.chain()]

    @property
    def reports(self):
        return self.nova.cinder.reports

    def overlay(self, name):
        """Make the file NAME.name, which nobody uses yet."""
        active = os.path.basename(self.guest.path)
        return self.share.overlay('%s.%s' % (NAME, name), active,
                                  self.guest.format)

    def create(self, name):
        self.overlay(name)
        self.client.create_volume_snapshot(self.context, VOLUME, {
            'snapshot_id': name, 'type': 'qcow2',
            'new_file': '%s.%s' % (NAME, name)})

    def delete(self, name, merge, target):
        self.client.delete_volume_snapshot(self.context, name, {
            'type': 'qcow2', 'volume_id': VOLUME, 'file_to_merge': merge,
            'merge_target_file': target})

    def created(self, *names):
        """Make snapshots, one after the other, that are known to be there."""
        for name in names:
            expected = [*self.reports, (name, 'creating')]
            self.create(name)
            assert self.nova.cinder.wait_reports(len(expected)) == expected

    def check(self):
        """What the guest has, and what its files have."""
        number = self.writer.stop()
        if not self.guest.alive:
            self.guest.start()
        with self.guest.connect() as drive:
            self.writer.journal.check(drive, number)
        self.guest.stop()
        self.writer.journal.check(
            self.share.content(self.guest.path, self.guest.format), number)


@pytest.fixture(params=['raw', 'qcow2'])
def either(request, share, nova, client):
    """Attached, with a raw and with a qcow2 base."""
    return Attached(share, nova, client, request.param)


@pytest.fixture
def attached(share, nova, client):
    return Attached(share, nova, client, 'raw')


def test_create_and_delete(either):
    either.created('1', '2', '3')
    assert either.chain == ['.3', '.2', '.1', '']
    # A middle one, then the newest, then the last.
    either.delete('2', NAME + '.2', NAME + '.1')
    assert either.nova.cinder.wait_reports(4)[3] == ('2', 'deleting')
    assert either.chain == ['.3', '.1', '']
    either.share.delete(NAME + '.2')
    either.delete('3', NAME, None)
    either.nova.cinder.wait_reports(5)
    assert either.chain == ['.3', '']
    either.share.delete(NAME + '.1')
    either.delete('1', NAME + '.3', NAME)
    either.nova.cinder.wait_reports(6)
    assert either.chain == ['']
    either.share.delete(NAME + '.3')
    assert either.reports[3:] == [(name, 'deleting') for name in '231']
    either.check()


def test_delete_of_the_only_one_of_all(either):
    either.created('1')
    either.delete('1', None, None)
    either.nova.cinder.wait_reports(2)
    assert either.chain == ['.1']
    either.share.delete(NAME)
    either.check()


def test_what_fails_is_told(attached):
    attached.client.create_volume_snapshot(attached.context, VOLUME, {
        'snapshot_id': '1', 'type': 'qcow2', 'new_file': 'missing'})
    attached.delete('2', 'missing', NAME)
    attached.nova.cinder.wait_reports(2)
    assert sorted(attached.reports) == [('1', 'error'),
                                        ('2', 'error_deleting')]
    attached.check()


def test_server_that_is_off(either):
    either.created('1', '2')
    number = either.writer.stop()
    either.nova.stop_server(either.server)
    assert not either.guest.alive
    with pytest.raises(nova_exceptions.BadRequest):
        either.delete('1', NAME + '.1', NAME)
    either.created('3')
    either.delete('3', NAME + '.1', None)
    either.nova.cinder.wait_reports(4)
    either.share.delete(NAME + '.2')
    either.nova.start_server(either.server)
    assert either.chain == ['.3', '.1', '']
    either.nova.stop_server(either.server)
    either.delete('2', None, None)
    either.nova.cinder.wait_reports(5)
    assert either.share.backing(NAME + '.3') == (None, None)
    either.nova.start_server(either.server)
    with either.guest.connect() as drive:
        either.writer.journal.check(drive, number)


def test_hard_reboot_opens_what_cinder_says(attached):
    """With an old attachment the guest gets an old disk."""
    with attached.writer.paused() as before:
        attached.created('1')
    attached.writer.wait(50)
    number = attached.writer.stop()
    attached.nova.hard_reboot(attached.server)
    assert attached.chain == ['']
    with attached.guest.connect() as drive:
        attached.writer.journal.check(drive, before)
    attached.nova.cinder.offer(VOLUME, NAME + '.1', 'qcow2')
    attached.nova.hard_reboot(attached.server)
    assert attached.chain == ['.1', '']
    with attached.guest.connect() as drive:
        attached.writer.journal.check(drive, number)


def test_extend(attached):
    attached.nova.cinder.sizes[VOLUME] = 1
    assert attached.client.extend_volume(attached.context,
                                         [attached.server], VOLUME)
    attached.nova.wait()
    attached.writer.wait(50)
    attached.writer.stop()
    with attached.guest.connect() as drive:
        assert drive.size == 1 << 30
    assert not attached.client.extend_volume(
        attached.context, [str(uuid.uuid4())], VOLUME)


def test_server_and_its_volume(attached):
    found = attached.client.get_server(attached.context, attached.server,
                                       privileged_user=True)
    assert found.status == 'ACTIVE'
    # Not privileged: with a token for the user.
    found = attached.client.get_server_volume(attached.context,
                                              attached.server, VOLUME)
    assert found.attachment_id == attached.disk.attachment_id
    attached.writer.stop()
    attached.nova.detach(attached.server, VOLUME)
    with pytest.raises(attached.client.NotFound):
        attached.client.get_server_volume(attached.context, attached.server,
                                          VOLUME)
    with pytest.raises(exception.ServerNotFound):
        attached.client.get_server(attached.context, 'nobody',
                                   privileged_user=True)
    assert attached.nova.cinder.attached == []


def test_busy_and_shared_volumes_are_refused(attached):
    owner = attached.nova.servers.get(attached.server)
    owner.task = 'rebooting'
    with pytest.raises(nova_exceptions.BadRequest):
        attached.create('1')
    owner.task = None
    another = attached.nova.servers.add('another')
    another.disks[VOLUME] = attached.disk
    with pytest.raises(nova_exceptions.BadRequest):
        attached.create('2')
    del another.disks[VOLUME]
    with pytest.raises(nova_exceptions.BadRequest):
        attached.client.create_volume_snapshot(
            attached.context, 'unknown', {'snapshot_id': '3',
                                          'type': 'qcow2', 'new_file': 'x'})
    assert attached.reports == []


def test_attach_that_fails_leaves_nothing(share, nova):
    nova.cinder.offer(VOLUME, 'missing', 'raw')
    with pytest.raises(errors.GuestFailed):
        nova.attach('server', VOLUME)
    assert nova.cinder.attached == []
    assert nova.servers.get('server').disks == {}


# How it lets Cinder down: the name, what is told of a creation and of a
# deletion, and whether the work is done.
SAYING = [
    ('slow', ['creating'], ['deleting'], True),
    ('error', ['error'], ['error_deleting'], False),
    ('error_after', ['error'], ['error_deleting'], True),
    ('silent_done', [], [], True),
    ('silent_undone', [], [], False),
    ('duplicate', ['creating'] * 2, ['deleting'] * 2, True),
    ('early', ['creating'], ['deleting'], True),
]


@pytest.mark.parametrize('name, creating, deleting, done', SAYING,
                         ids=[row[0] for row in SAYING])
def test_misbehaviour(attached, name, creating, deleting, done):
    options = {'seconds': 0.3} if name in ('slow', 'duplicate') else {}
    start = time.monotonic()
    attached.nova.assisted.next(name, **options)
    attached.create('1')
    if name == 'early':
        assert attached.reports == [('1', 'creating')]
    attached.nova.wait()
    assert attached.reports == [('1', each) for each in creating]
    assert attached.chain == (['.1', ''] if done else [''])
    if options:
        assert time.monotonic() - start >= options['seconds']
    if not done:
        attached.share.delete(NAME + '.1')
        attached.created('1')
    del attached.reports[:]
    attached.nova.assisted.next(name, **options)
    attached.delete('1', NAME + '.1', NAME)
    attached.nova.wait()
    assert attached.reports == [('1', each) for each in deleting]
    assert attached.chain == ([''] if done else ['.1', ''])
    # Only the one request is treated so.
    attached.created('2')
    attached.check()


@pytest.mark.parametrize('code, expected', [
    (400, nova_exceptions.BadRequest), (500, nova_exceptions.ClientException),
])
def test_misbehaviour_refuse(attached, code, expected):
    attached.nova.assisted.next('refuse', code=code)
    with pytest.raises(expected) as caught:
        attached.create('1')
    assert caught.value.code == code
    attached.nova.wait()
    assert (attached.reports, attached.chain) == ([], [''])
    attached.check()


def test_misbehaviour_answer_lost(attached):
    attached.nova.assisted.next('answer_lost')
    with pytest.raises(keystone_exceptions.ConnectFailure):
        attached.create('1')
    attached.nova.wait()
    assert (attached.reports, attached.chain) == ([], ['.1', ''])
    attached.check()


@pytest.mark.parametrize('name', ['killed', 'stopped'])
@pytest.mark.parametrize('merge, target', [
    ('.2', '.1'), ('.1', None), ('.3', '.2'),
], ids=['commit', 'stream', 'active commit'])
def test_misbehaviour_in_the_middle(attached, name, merge, target):
    attached.created('1', '2', '3')
    busy = attached.writer
    number = busy.stop()
    del attached.reports[:]
    attached.nova.assisted.next(name)
    attached.delete('2', NAME + merge, target and NAME + target)
    attached.nova.wait()
    assert not attached.guest.alive
    assert attached.reports == []
    assert attached.nova.servers.get(attached.server).active == (
        name == 'killed')
    attached.guest.start()
    # Begun, and not finished.
    assert attached.chain == ['.3', '.2', '.1', '']
    with attached.guest.connect() as drive:
        busy.journal.check(drive, number)


@pytest.mark.parametrize('name', ['killed', 'stopped'])
def test_misbehaviour_before_a_snapshot(attached, name):
    number = attached.writer.stop()
    attached.nova.assisted.next(name)
    attached.create('1')
    attached.nova.wait()
    assert (attached.guest.alive, attached.reports) == (False, [])
    attached.guest.start()
    assert attached.chain == ['']
    with attached.guest.connect() as drive:
        attached.writer.journal.check(drive, number)


@pytest.mark.parametrize('is_on', [True, False], ids=['on', 'off'])
def test_misbehaviour_absolute(attached, is_on):
    attached.created('1', '2')
    if not is_on:
        attached.writer.stop()
        attached.nova.stop_server(attached.server)
    attached.nova.assisted.next('absolute')
    attached.create('3')
    attached.nova.wait()
    _assert_elsewhere(attached, '.3', '.2')
    attached.nova.assisted.next('absolute')
    attached.delete('3', NAME + '.1', None)
    attached.nova.wait()
    _assert_elsewhere(attached, '.3', '.1')
    if is_on:
        attached.nova.assisted.next('absolute')
        attached.delete('1', NAME + '.1', NAME)
        attached.nova.wait()
        _assert_elsewhere(attached, '.3', '')
    assert {status for __, status in attached.reports} == {'creating',
                                                           'deleting'}
    attached.check()


def _assert_elsewhere(attached, name, below):
    backing, __ = attached.share.backing(NAME + name)
    assert os.path.isabs(backing)
    assert not backing.startswith(attached.share.folder)
    assert os.path.samefile(backing, attached.share.path(NAME + below))


def test_every_misbehaviour_is_tested():
    assert set(misbehaviour.NAMES) == {row[0] for row in SAYING} | {
        'refuse', 'answer_lost', 'killed', 'stopped', 'absolute'}


def test_a_writer_tells_of_errors(attached):
    attached.drive._patience = 1
    # What was begun before still has the old one.
    attached.writer.wait(1)
    attached.guest.kill()
    with pytest.raises(nbd.Broken):
        attached.writer.wait(1000)
