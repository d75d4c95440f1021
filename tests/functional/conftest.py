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

"""Whole Cinders and Glances for the tests that talk HTTP.

``steps`` is a user of an embedded cloud, in each concurrency mode, with the
backends ``alpha`` (raw, as local files), ``beta`` (qcow2) and ``omega`` (raw,
attached in a way that carries snapshots). ``user`` is the same, and a
user of stock services over a message broker as well, on PosixDriver, and as
root on NfsDriver; and as root of an embedded cloud on GlusterfsDriver. Each
cloud is started once, by the first test that wants it. ``new_cloud`` makes a
cloud for a single test that wants to stop or kill it. ``rig`` builds drivers
in the process of the tests. ``place`` is a volume of a real GlusterFS, for
root. ``gpfs`` is an emulated GPFS. ``nas`` is a box that appliances are, by
SSH, for root.
"""

import contextlib
import functools
import os
from unittest import mock

import pytest

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded import gluster
from remotefs_drivers.embedded.hypervisor import cinder
from remotefs_drivers.embedded.hypervisor import compute
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import keeper
from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import network
from remotefs_drivers.embedded import spec
from tests.functional import attached
from tests.functional import gluster_places
from tests.functional import gpfs_hosts
from tests.functional import stages
from tests.functional import steps as the_steps
from tests.harness import appliance_boxes
from tests.harness import backends
from tests.harness import emulated
from tests.harness import misbehaviour
from tests.harness import rabbitmq
from tests.harness import stock
from tests.harness import user_mount
from tests import rig as the_rig

#: The concurrency modes that this Cinder has.
MODES = [spec.EVENTLET] + (
    [spec.THREADS] if installed.has_native_threads() else [])

#: Stock services, with the newest Cinder only. They copy volumes and look at
#: images by sudo, unless they are root.
STOCK = [pytest.param(kind, marks=pytest.mark.root)
         for kind in ('stock', 'stock-nfs') if spec.THREADS in MODES]

#: Embedded clouds with drivers that mount, so they are for root.
NFS_CLOUDS, GLUSTERFS = (
    [pytest.param('%s-%s' % (driver, mode), marks=pytest.mark.root)
     for mode in MODES] for driver in ('nfs', 'glusterfs'))
LAYERED = MODES + NFS_CLOUDS + GLUSTERFS[-1:]

#: One of each driver and of each mode, for what is the same in all.
SOME_LAYERED = [pytest.param(MODES[-1]), NFS_CLOUDS[0]]


#: For what has little to do with the mode, one of them.
in_threads, in_eventlet = (
    pytest.mark.parametrize('concurrency', [mode], indirect=True)
    for mode in (MODES[-1], MODES[0]))


def some_with(*values):
    """SOME_LAYERED, each with some of the values: they take turns.

    For what takes long, and is the same for all values in all of them.
    """
    kinds = SOME_LAYERED
    return [pytest.param(*kinds[number % len(kinds)].values,
                         values[number % len(values)],
                         marks=kinds[number % len(kinds)].marks)
            for number in range(max(len(kinds), len(values)))]


#: Names of the backends with raw and with qcow2 volumes, and of the one with
#: raw volumes that can have snapshots.
POSIX = {'raw': 'alpha', 'qcow2': 'beta', 'layered': 'omega'}
NFS = {'raw': 'gamma', 'qcow2': 'delta', 'layered': 'gamma'}

#: What the drivers of NFS call their shares, in each cloud that has some.
SHARES = {kind: {name: '127.0.0.1:/%s-%s' % (kind, name)
                 for name in ('gamma', 'delta')}
          for kind in ('stock-nfs', 'nfs-eventlet', 'nfs-threads')}

#: Volumes that are in use can be uploaded where the operator allows it.
_IN_USE = {'enable_force_upload': True}

#: Most of a backup's time is zlib's, and most of the rest is in small hashes.
BACKUP = {'backup_compression_algorithm': 'none',
          'backup_sha_block_size_bytes': 1 << 20,
          'backup_file_size': 64 << 20}

#: An interpreter with Glance, where it is not the one of the tests.
_GLANCE_PYTHON = os.environ.get('REMOTEFS_GLANCE_PYTHON')


class Mounting(clouds.Cloud):
    """An embedded cloud that finds the programs of a stand-in for NFS."""

    def __init__(self, wanted, mounter):
        super().__init__(wanted)
        self._mounter = mounter

    def start(self, *args, **kwargs):
        with mock.patch.dict(os.environ, PATH=self._mounter.path()):
            super().start(*args, **kwargs)


class Clouds:
    """Clouds by their kind, started when they are wanted, stopped at the end.

    Beside each embedded one there is a hypervisor.

    :param factory: pytest's tmp_path_factory
    :param stack: contextlib.ExitStack that stops them
    """

    def __init__(self, factory, stack):
        self._factory = factory
        self._stack = stack
        self._running = {}
        self._novas = {}
        self._gluster = None
        #: Share -> the folder that it is an export of.
        self.behind = {}

    def get(self, kind):
        """:param kind: a concurrency mode, or a name of those below"""
        if kind not in self._running:
            make = {'stock': self._stock, 'stock-nfs': self._stock_nfs,
                    'nfs-eventlet': self._nfs, 'nfs-threads': self._nfs,
                    'glusterfs-eventlet': self._glusterfs,
                    'glusterfs-threads': self._glusterfs}
            self._running[kind] = self._stack.enter_context(
                make.get(kind, self._embedded)(kind))
        return self._running[kind]

    def gluster(self):
        """gluster.Gluster, a real one."""
        if self._gluster is None:
            net = self._stack.enter_context(network.Network())
            made = gluster.Gluster(self._factory.mktemp('gluster'), net)
            made.start()
            self._gluster = made
        return self._gluster

    def nova(self, kind):
        """compute.Compute of an embedded cloud."""
        self.get(kind)
        return self._novas[kind]

    def left(self):
        """Share -> names of files that are still there."""
        found = {share: stages.left(share)
                 for running in self._running.values()
                 for share in running.spec.folders}
        return {share: names for share, names in found.items() if names}

    def _embedded(self, kind):
        return self._with_nova(kind, clouds.Cloud, backends.with_layered(
            self._spec(kind, kind)))

    def _spec(self, kind, concurrency):
        return make_spec(self._folder(kind), concurrency, backup=True,
                         options={'DEFAULT': {**BACKUP, **_IN_USE}})

    def _with_nova(self, kind, make, wanted, *args, **fields):
        nova = self._stack.enter_context(compute.Compute(
            self._factory.mktemp('nova-' + kind),
            work=misbehaviour.Assisted, **fields))
        made = make(nova.configured(wanted), *args)
        nova.cinder = cinder.Cinder(made)
        self._novas[kind] = nova
        return made

    def _stock(self, kind):
        return stock.Cloud(backends.with_layered(
            make_spec(self._folder(kind), spec.EVENTLET)), self._broker(kind))

    def _stock_nfs(self, kind):
        wanted = backends.with_nfs(
            make_spec(self._folder(kind), spec.EVENTLET), SHARES[kind])
        return stock.Cloud(wanted, self._broker(kind),
                           self._mounter(kind).programs)

    def _nfs(self, kind):
        wanted = backends.with_nfs(
            self._spec(kind, kind.partition('-')[2]), SHARES[kind])
        return self._with_nova(kind, Mounting, wanted, self._mounter(kind))

    def _glusterfs(self, kind):
        """Guests have the shares by mounts of their own, as on a host."""
        shares = {name: self.gluster().create('%s-%s' % (name, kind))
                  for name in ('gamma', 'delta')}
        wanted = backends.with_glusterfs(
            self._spec(kind, kind.partition('-')[2]), shares)
        hosts = str(self._factory.mktemp('host'))
        for folder in wanted.root, hosts:
            self._stack.enter_context(keeper.Keeper(folder))
        for name, share in shares.items():
            self.behind[share] = backends.mount_point(
                wanted.backends[name], share)
            mounts.mount('glusterfs', share,
                         backends.mount_point_below(hosts, share))
        return self._with_nova(
            kind, clouds.Cloud, wanted, local_path=functools.partial(
                cinder.local_path, mount_base=hosts))

    def _mounter(self, kind):
        """A stand-in for the NFS client, with empty exports."""
        mounter = self._stack.enter_context(
            user_mount.UserMount(self._factory.mktemp('mounter')))
        for name, share in SHARES[kind].items():
            self.behind[share] = str(self._factory.mktemp(name))
            mounter.export(share, self.behind[share])
        return mounter

    def _broker(self, kind):
        return self._stack.enter_context(
            rabbitmq.Broker(self._factory.mktemp('rabbitmq-' + kind)))

    def _folder(self, kind):
        return str(self._factory.mktemp('cloud-' + kind))


@pytest.fixture(scope='session')
def all_clouds(tmp_path_factory):
    """Clouds; in the end their shares must be empty again."""
    with contextlib.ExitStack() as stack:
        made = Clouds(tmp_path_factory, stack)
        yield made
        assert made.left() == {}, 'tests or drivers left files behind'


@pytest.fixture(scope='session', params=MODES)
def concurrency(request):
    """'eventlet', then 'threads' where this Cinder has it."""
    return request.param


@pytest.fixture(scope='session')
def cloud(concurrency, all_clouds):
    """cloud.Cloud with its backends, Glance and cinder-backup, running."""
    return all_clouds.get(concurrency)


@pytest.fixture
def steps(cloud, tmp_path):
    """steps.Steps: a user of the embedded cloud."""
    return the_steps.Steps(cloud, tmp_path, POSIX)


def _user(request, all_clouds, tmp_path):
    cloud = all_clouds.get(request.param)
    return the_steps.Steps(
        cloud, tmp_path, NFS if NFS['raw'] in cloud.spec.backends else POSIX,
        all_clouds.behind)


@pytest.fixture(params=MODES + STOCK + GLUSTERFS[-1:])
def user(request, all_clouds, tmp_path):
    """steps.Steps: a user of each cloud that there is."""
    return _user(request, all_clouds, tmp_path)


@pytest.fixture(params=LAYERED)
def layered_user(request, all_clouds, tmp_path):
    """steps.Steps: a user of each embedded cloud, on either driver.

    Of a format 'layered': raw volumes that can have snapshots.
    """
    return _user(request, all_clouds, tmp_path)


@pytest.fixture
def life(layered_user, all_clouds, request):
    """Makes attached.Life: volumes whose guests write all the time."""
    nova = all_clouds.nova(request.node.callspec.params['layered_user'])
    with contextlib.ExitStack() as stack:
        yield lambda *args, **fields: stack.enter_context(
            attached.Life(layered_user, nova, *args, **fields))


@pytest.fixture(params=MODES + STOCK[:1] + GLUSTERFS[-1:])
def moving_user(request, all_clouds, tmp_path):
    """The same, where Cinder can copy volumes with O_DIRECT.

    The stand-in for mounted NFS cannot; real NFS can, see tests/realnfs.
    """
    return _user(request, all_clouds, tmp_path)


@pytest.fixture(scope='session')
def rig(tmp_path_factory):
    """rig.Rig: drivers in this process, without the services."""
    return the_rig.Rig(tmp_path_factory.mktemp('rig'))


@pytest.fixture
def glusterfs(all_clouds, tmp_path):
    """gluster.Gluster, and whatever the test mounts goes in the end."""
    with keeper.Keeper(tmp_path):
        yield all_clouds.gluster()


@pytest.fixture
def place(rig, all_clouds, tmp_path):
    """gluster_places.Place: a volume of a real GlusterFS, for this test."""
    made = gluster_places.Place(rig, all_clouds.gluster(), tmp_path)
    try:
        with keeper.Keeper(tmp_path):
            yield made
    finally:
        made.close()


@pytest.fixture
def gpfs(tmp_path):
    """storage.Storage, an emulated GPFS, for this test.

    Hosts a and b have it mounted, at folders of these names.
    """
    with contextlib.ExitStack() as stack:
        made = emulated.gpfs(stack, tmp_path)
        for host in 'ab':
            made.mount(host, tmp_path / host)
        yield made


@pytest.fixture
def hosts(gpfs, tmp_path, monkeypatch):
    """gpfs_hosts.Hosts of it, whose commands are found."""
    return gpfs_hosts.Hosts(gpfs, tmp_path, monkeypatch)


@pytest.fixture
def new_cloud(tmp_path):
    """Makes a cloud.Cloud that is not started; stopped after the test.

    Keyword arguments are fields of spec.Spec; ``name`` gives a directory of
    its own.
    """
    made = []

    def make(name='cloud', concurrency=spec.EVENTLET, **fields):
        made.append(clouds.Cloud(make_spec(str(tmp_path / name), concurrency,
                                           **fields)))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def make_spec(root, concurrency, **fields):
    return backends.posix(root, concurrency=concurrency,
                          glance_python=_GLANCE_PYTHON, **fields)


@pytest.fixture(scope='session')
def zfs_nas(tmp_path_factory):
    """appliance_boxes.ZfsPlace, for root."""
    with appliance_boxes.with_zfs(tmp_path_factory.mktemp('zfs')) as made:
        yield made


@pytest.fixture(scope='session')
def btrfs_nas(tmp_path_factory):
    """appliance_boxes.BtrfsPlace, for root."""
    with appliance_boxes.with_btrfs(
            tmp_path_factory.mktemp('btrfs')) as made:
        yield made


@pytest.fixture(scope='session')
def quotas_nas(tmp_path_factory):
    """The same, with quotas on."""
    with appliance_boxes.with_btrfs(tmp_path_factory.mktemp('quotas'),
                                    quotas=True) as made:
        yield made


@pytest.fixture(params=['zfs', 'btrfs'])
def nas(request):
    """An appliance_boxes.Place of each kind, empty and whole, for root."""
    made = request.getfixturevalue(request.param + '_nas')
    with made.ready():
        yield made
