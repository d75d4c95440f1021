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

"""Builds a driver on folders, with all that is slow or needs root replaced.

The driver, its options, its table of shares and its files are the real ones;
locks, child processes and mounts are stand-ins (see fakes).
"""

import os

from cinder import objects
from oslo_config import cfg

# Cinder's modules look these up by name when they are imported.
objects.register_all()

from cinder.volume import configuration  # noqa: E402
from cinder.volume import driver as cinder_driver  # noqa: E402

from remotefs_drivers import appliance  # noqa: E402
from remotefs_drivers.embedded import folders  # noqa: E402
from remotefs_drivers import formats  # noqa: E402
from remotefs_drivers import glusterfs  # noqa: E402
from remotefs_drivers import gpfs  # noqa: E402
from remotefs_drivers.gpfs_commands import commands  # noqa: E402
from remotefs_drivers import nfs  # noqa: E402
from remotefs_drivers import posix  # noqa: E402
from remotefs_drivers.qemu import command  # noqa: E402
from remotefs_drivers.share import capacity  # noqa: E402
from remotefs_drivers.share import gluster  # noqa: E402
from remotefs_drivers.share import gpfs as share_gpfs  # noqa: E402
from remotefs_drivers.share import mounter  # noqa: E402
from remotefs_drivers.share import shares  # noqa: E402
from remotefs_drivers.share import visiting  # noqa: E402
from tests.harness import patience  # noqa: E402
from tests.harness import pretended_gpfs  # noqa: E402
from tests.unit import fakes  # noqa: E402

MARKERS = {'.cinderSecureEnvIndicator', '.remotefs-posix-directory'}


class Broken(OSError):
    """What a step raises on request."""


class Builder:
    """Builds drivers, and sees what they do.

    :ivar homes: locations on which the database has volumes
    :ivar steps: what was done: calls to a share by their name, programs,
                 methods of an appliance, and 'record' for what is written
                 into the database; each with the ids of the volumes that
                 were locked meanwhile
    :ivar break_at: number of the step that fails, or None
    :ivar pretended: the pretended_gpfs.Gpfs that a GPFSDriver is on
    :ivar mounts: what is mounted where, as share.gpfs.mounted has it
    :ivar room: bytes that are free on each share
    """

    def __init__(self, folder, monkeypatch):
        self.folder = str(folder)
        self.homes = set()
        self.steps = []
        self.break_at = None
        self.room = 1 << 40
        self.run = fakes.Runner()
        self.mounter = fakes.Mounter(os.path.join(self.folder, 'mnt'))
        self.locks = fakes.Locks()
        self.box_mounter = fakes.BoxMounter(os.path.join(self.folder, 'mnt'))
        self.pretended = pretended_gpfs.Gpfs(self.folder)
        self.mounts = (self.folder, self.pretended.device)
        self._patch = monkeypatch
        self._replace()

    def posix(self, *names, **options):
        """A PosixDriver on folders of these names, 'a' if there are none."""
        folders = [os.path.join(self.folder, name) for name in names or 'a']
        for path in folders:
            os.makedirs(path, exist_ok=True)
        options.setdefault('posix_directories', folders)
        return self.build(posix.PosixDriver, **options)

    def nfs(self, *lines, **options):
        """A NfsDriver on these lines of a shares file, 'nas:/a' if none."""
        return self._with_shares(nfs.NfsDriver, lines or ['nas:/a'], options)

    def glusterfs(self, *lines, **options):
        """The same with a GlusterfsDriver, 'g1:/v' if there are none."""
        return self._with_shares(glusterfs.GlusterfsDriver,
                                 lines or ['g1:/v'], options)

    def gpfs(self, **options):
        """A GPFSDriver on the folder 'a' of a pretended GPFS."""
        base = os.path.join(self.folder, 'a')
        os.makedirs(base, exist_ok=True)
        options.setdefault('gpfs_mount_point_base', base)
        return self.build(gpfs.GPFSDriver, **options)

    def appliance(self, kind='dependent', **options):
        """An ApplianceNfsDriver on a box of folders, in the folder 'box'.

        Mounts are pretended; what is asked of the box is among the steps.
        """
        root = os.path.join(self.folder, 'box')
        os.makedirs(root, exist_ok=True)
        return self.build(
            appliance.ApplianceNfsDriver,
            more=folders.FolderAppliance.get_options(),
            appliance_type='folders',
            folders_root=root, folders_kind=kind, **options)

    def _with_shares(self, cls, lines, options):
        name = '%s_shares' % cls.driver_prefix
        path = os.path.join(self.folder, name)
        with open(path, 'w') as stream:
            stream.write('\n'.join(lines) + '\n')
        options.setdefault(name + '_config', path)
        return self.build(cls, **options)

    def build(self, cls, is_new=True, setup=True, more=(), **options):
        """A driver with these options in its section.

        :param more: options that its section has as well
        """
        conf = cfg.ConfigOpts()
        conf([], project='cinder', default_config_files=[])
        conf.register_opt(cfg.StrOpt('state_path', default=self.folder))
        self._patch.setattr(configuration, 'CONF', conf)
        section = configuration.Configuration(cinder_driver.volume_opts,
                                              'backend')
        section.append_config_values([*cls.get_driver_options(), *more])
        for name, value in {
                **patience.options(cls.get_driver_options()),
                **options}.items():
            conf.set_override(name, value, group='backend')
        built = cls(configuration=section, host='host@backend',
                    cluster_name=None, is_vol_db_empty=is_new,
                    active_backend_id=None)
        built._locks = self.locks
        self._patch.setattr(built, '_has_volumes', self.homes.__contains__)
        if setup:
            built.do_setup(None)
            self.steps.clear()
            self.run.calls.clear()
            self.pretended.calls.clear()
        return built

    def names(self):
        """The names of the steps."""
        return [name for name, __ in self.steps]

    def files(self, name='a'):
        """What is in a folder, but for the markers."""
        path = os.path.join(self.folder, name)
        return {each: os.lstat(os.path.join(path, each)).st_size
                for each in os.listdir(path) if each not in MARKERS}

    def _replace(self):
        self._patch.setattr(command, 'run', self._step_of_run(self.run))
        self._patch.setattr(command, 'get_ready', lambda: None)
        self._patch.setattr(
            capacity, 'look',
            lambda path: capacity.Capacity(1 << 41, self.room))
        self._patch.setattr(capacity, 'ask',
                            lambda path, timeout: capacity.look(path))
        self._patch.setattr(mounter, 'BrickMounter',
                            lambda *unused: self.mounter)
        self._patch.setattr(visiting, 'VisitingMounter',
                            lambda *unused: self.box_mounter)
        self._patch.setattr(gluster, 'Mounter', lambda *unused: self.mounter)
        self._patch.setattr(commands, 'Commands',
                            lambda *unused: self.pretended)
        self._patch.setattr(share_gpfs, 'mounted', lambda path: self.mounts)
        self.pretended.install(self._patch.setattr)
        self._patch.setattr(shares.Shares, 'call',
                            self._step_of_call(shares.Shares.call))
        self._patch.setattr(folders.FolderAppliance, '_call',
                            self._step_of_box(folders.FolderAppliance._call))
        self._patch.setattr(formats, '_save',
                            self._step_of_save(formats._save))

    def _step(self, name):
        number = len(self.steps)
        self.steps.append((name, self.locks.held))
        if number == self.break_at:
            raise Broken(5, 'broken on request')

    def _step_of_run(self, real):
        def run(argv, **limits):
            self._step(argv[1] if argv[0] == 'qemu-img' else argv[0])
            return real(argv, **limits)
        return run

    def _step_of_call(self, real):
        def call(made, share, what, function, *args, limit=None):
            def step(*given):
                self._step(what)
                return function(*given)
            return real(made, share, what, step, *args, limit=limit)
        return call

    def _step_of_box(self, real):
        def call(made, method, *args):
            self._step(method)
            return real(made, method, *args)
        return call

    def _step_of_save(self, real):
        def save(volume, changes):
            self._step('record')
            real(volume, changes)
        return save
