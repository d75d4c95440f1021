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

"""Stand-ins for what the core works with, with tests of their own.

They do what the real ones do as far as the core can see it, and break on
request. What they were asked to do is in ``calls``.
"""

import contextlib
import os
import uuid

from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from remotefs_drivers.settings import common
from remotefs_drivers.share import table
from tests.unit import crafted

#: Of a backend with thin raw volumes, secure, one pool for each share.
SETTINGS = common.Settings(
    prefix='fake', backend_name='fake', qcow2=False, sparse=True, thick=False,
    share_timeout=120, pool_per_share=True, legacy_format=None,
    secure_operations='true', secure_permissions='true',
    reserved_percentage=0, over_subscription=20.0,
    assisted_create_timeout=600, assisted_delete_timeout=7200)


class Source:
    """A source (see share.sources) that a test sets.

    :ivar failure: what reading it raises
    """

    name = 'the list'

    def __init__(self, *listed):
        self.set(*listed)

    def set(self, *listed):
        self._table = table.Table(listed)
        self.failure = None

    def read(self):
        if self.failure:
            raise self.failure
        return self._table


class Mounter:
    """A mounter (see share.mounter) whose mounts are folders.

    :ivar broken: locations that cannot be mounted
    :ivar busy: locations that cannot be unmounted
    :ivar dead: paths of mounts that are dead
    :ivar revived: those of them that a new mount makes alive
    :ivar calls: ('mount', 'unmount', 'detach' or 'renew', location, limit)
    """

    def __init__(self, base):
        self.base = str(base)
        self.broken = set()
        self.busy = set()
        self.dead = set()
        self.revived = set()
        self.calls = []
        self._mounted = set()

    def path(self, share):
        return os.path.join(self.base, share.location.replace('/', '-'))

    def is_there(self, share):
        return self.path(share) in self._mounted

    def mount(self, share, limit=None):
        self.calls.append(('mount', share.location, limit))
        if share.location in self.broken:
            raise errors.MountFailed(share=share.location, reason='broken',
                                     mount_point=self.path(share))
        os.makedirs(self.path(share), exist_ok=True)
        self._mounted.add(self.path(share))

    def unmount(self, share):
        self.calls.append(('unmount', share.location, None))
        if share.location in self.busy:
            raise errors.ShareUnavailable(share=share.location,
                                          reason='busy')
        self._mounted.discard(self.path(share))

    def detach(self, share):
        """As share.visiting's, whoever uses it."""
        self.calls.append(('detach', share.location, None))
        self._mounted.discard(self.path(share))

    def renew(self, share, limit=None):
        self.calls.append(('renew', share.location, limit))
        self.dead -= self.revived
        if self.path(share) in self.dead:
            self._mounted.discard(self.path(share))
            self.mount(share, limit)

    def prove(self, path):
        if path in self.dead:
            raise errors.MountDead(share=path, reason='no bricks')
        if path not in self._mounted:
            raise errors.ShareNotMounted(share=path, path=path,
                                         reason='not mounted')

    def drop(self, share):
        """Take a mount away, as a server that crashes does."""
        self._mounted.discard(self.path(share))


class BoxMounter(Mounter):
    """The same for shares of embedded.folders, which are folders here.

    What a share holds is seen at its location, mounted or not; but that
    nobody touches one that is not, calls see to (see share.shares).
    """

    def path(self, share):
        return share.location.partition(':')[2]

    def mount(self, share, limit=None):
        if not os.path.isdir(self.path(share)):
            self.broken.add(share.location)
        super().mount(share, limit)

    def prove(self, path):
        if path not in self._mounted:
            raise errors.MountDead(share=path, reason='not mounted')

    def mounted(self):
        """The locations of all that is mounted."""
        return {'127.0.0.1:' + path for path in self._mounted}


class Clock:
    """The module time, in a world where it stands still until it is set.

    :ivar now: seconds; the beginning is at no special place
    """

    def __init__(self):
        self.now = 4321.0

    def monotonic(self):
        return self.now


class Locks:
    """Locks that are free always, and know what is held and was held.

    :ivar elsewhere: ids that another service has, for at_once()
    """

    def __init__(self, prefix='fake'):
        self.held = ()
        self.calls = []
        self.elsewhere = set()

    @contextlib.contextmanager
    def at_once(self, volume_id):
        if volume_id in self.elsewhere:
            yield False
            return
        with self.volumes(volume_id):
            yield True

    @contextlib.contextmanager
    def volumes(self, *volume_ids):
        assert not self.held, 'locks must be taken all at once'
        self.held = volume_ids
        self.calls.append(volume_ids)
        try:
            yield
        finally:
            self.held = ()


class Runner:
    """Stands for command.run: does to files what qemu-img would do.

    :ivar broken: 'qemu-img convert' or alike -> the exception it raises
    :ivar calls: the arguments of each call, without their limits
    """

    def __init__(self):
        self.broken = {}
        self.calls = []

    def __call__(self, argv, progress=None, aborted=None, **limits):
        self.calls.append(argv)
        what = ' '.join(argv[:2]) if argv[0] == 'qemu-img' else argv[0]
        if what in self.broken:
            raise self.broken[what]
        if progress is not None:
            progress(100.0)
        work = self._WORK.get(what)
        if work is not None:
            work(argv)
        return '', ''

    def _create(argv):
        path = argv[-2]
        assert os.path.getsize(path) == 0
        _write_header(path, int(argv[-1]), None, None)

    def _rebase(argv):
        path = argv[-1]
        _write_header(path, _header(path).virtual_size, _after(argv, '-b'),
                      _after(argv, '-F'))

    def _resize(argv):
        path, size = argv[-2], int(argv[-1])
        found = _header(path)
        assert size >= found.virtual_size
        _write_header(path, size, found.backing_file, found.backing_format)

    def _commit(argv):
        path = argv[-1]
        found = _header(path)
        below = os.path.join(os.path.dirname(path), found.backing_file)
        if found.backing_format == 'raw':
            if os.path.getsize(below) < found.virtual_size:
                os.truncate(below, found.virtual_size)
        else:
            lower = _header(below)
            _write_header(below, max(found.virtual_size, lower.virtual_size),
                          lower.backing_file, lower.backing_format)
        if content(path):
            _overwrite(below, content(path))

    def _convert(argv):
        target, target_format = argv[-1], _after(argv, '-O')
        if target_format == 'qcow2' and '-n' in argv:
            assert _header(target)
        _overwrite(target, b'%s of %s' % (target_format.encode(),
                                          content(argv[-2])))

    _WORK = {'qemu-img create': _create,
             'qemu-img rebase': _rebase,
             'qemu-img resize': _resize,
             'qemu-img commit': _commit,
             'qemu-img convert': _convert}


_HEADER_ROOM = 4096


def content(path, length=64):
    """What was written to a file, without the header that Runner makes."""
    with open(path, 'rb') as stream:
        if stream.read(4) == header.MAGIC:
            stream.seek(_HEADER_ROOM)
        else:
            stream.seek(0)
        return stream.read(length).rstrip(b'\0')


def write(path, data):
    """Write into a volume's file, as a guest does."""
    _overwrite(path, data)


def _overwrite(path, data):
    """Write at the beginning of a file that is there."""
    with open(path, 'r+b') as stream:
        if stream.read(4) == header.MAGIC:
            stream.seek(_HEADER_ROOM)
        else:
            stream.seek(0)
        stream.write(data)


def _header(path):
    found = header.read(path)
    assert found is not None, 'it is not a qcow2 file: %s' % path
    return found


def _write_header(path, size, backing, backing_format):
    with open(path, 'r+b') as stream:
        stream.write(crafted.padded(
            crafted.qcow2(size=size, backing=backing,
                          backing_format=backing_format), _HEADER_ROOM))


def _after(argv, option):
    """The value of an option, or None."""
    return argv[argv.index(option) + 1] if option in argv else None


class Volume:
    """As much of cinder.objects.Volume as drivers look at.

    :ivar saved: (provider_location, admin_metadata) at each save
    """

    def __init__(self, **fields):
        self.id = str(uuid.uuid4())
        self._name_id = None
        self.size = 1
        self.status = 'available'
        self.attach_status = 'detached'
        self.host = 'host@fake'
        self.cluster_name = None
        self.provider_location = None
        self.provider_id = None
        self.source_volid = self.snapshot_id = None
        self.admin_metadata = {}
        self.migration_status = None
        self.encryption_key_id = None
        self.volume_type = None
        self.glance_metadata = None
        self.metadata = {}
        self.group_id = self.group = None
        self.multiattach = False
        self.obj_context = Context()
        self.user_id = self.project_id = self.volume_type_id = None
        self.volume_attachment = []
        self.saved = []
        self._is_admin = False
        for name, value in fields.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def __getitem__(self, name):
        return getattr(self, name)

    @property
    def name_id(self):
        return self._name_id or self.id

    @property
    def name(self):
        return 'volume-%s' % self.name_id

    @contextlib.contextmanager
    def obj_as_admin(self):
        self._is_admin = True
        try:
            yield
        finally:
            self._is_admin = False

    def obj_attr_is_set(self, name):
        return hasattr(self, name)

    def obj_load_attr(self, name):
        """Raises what Cinder does not say: it loads nothing for a user."""
        assert self._is_admin, 'admin metadata is for admins'
        setattr(self, name, {})

    def save(self):
        assert self._is_admin, 'admin metadata is for admins'
        self.saved.append((self.provider_location,
                           dict(self.admin_metadata)))


class Context:
    """As much of a request's context as drivers look at."""

    def elevated(self):
        return self


class Attachment:
    """As much of cinder.objects.VolumeAttachment as drivers look at.

    :ivar saved: connection_info at each save
    """

    def __init__(self, connection_info=None, instance_uuid=None):
        self.id = str(uuid.uuid4())
        self.instance_uuid = instance_uuid
        self.connector = None
        self.connection_info = connection_info
        self.saved = []

    def save(self):
        self.saved.append(self.connection_info)


class Snapshot:
    """As much of cinder.objects.Snapshot as drivers look at.

    :ivar saved: progress at each save
    """

    def __init__(self, volume, **fields):
        self.id = str(uuid.uuid4())
        self.volume = volume
        self.volume_id = volume.id
        self.volume_size = volume.size
        self.status = 'available'
        self.progress = '0%'
        self.display_name = None
        self.group_snapshot_id = None
        self.provider_id = None
        self.obj_context = Context()
        self.saved = []
        for name, value in fields.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    @property
    def name(self):
        return 'snapshot-%s' % self.id

    def save(self):
        self.saved.append(self.progress)
