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

"""GPFSDriver: IBM Storage Scale (GPFS) with its own clones.

Takes the options, the files and the metadata of the driver in Cinder's tree.
"""

import os

from cinder import interface
from cinder.volume import volume_utils
from oslo_log import log as logging

from remotefs_drivers import connections
from remotefs_drivers import errors
from remotefs_drivers import gpfs_attributes
from remotefs_drivers.gpfs_commands import commands
from remotefs_drivers.gpfs_commands import programs
from remotefs_drivers.gpfs_commands import requests
from remotefs_drivers import gpfs_groups
from remotefs_drivers import gpfs_images
from remotefs_drivers import gpfs_site
from remotefs_drivers import images
from remotefs_drivers import options
from remotefs_drivers import privileged
from remotefs_drivers.settings import gpfs as gpfs_settings
from remotefs_drivers.share import capacity
from remotefs_drivers.share import gpfs as share_gpfs
from remotefs_drivers.share import sources
from remotefs_drivers.share import stats
from remotefs_drivers.share import table
from remotefs_drivers import states

LOG = logging.getLogger(__name__)

#: Key of a volume type for the storage pool.
_POOL_SPEC = 'capabilities:storage_pool'
#: The storage pool that is nobody's choice.
_DEFAULT_POOL = 'system'
#: To the scheduler True is not the True that a volume type asks for, unless
#: it does by "<is>".
_YES = 'True'


@interface.volumedriver
class GPFSDriver(gpfs_groups.GroupDriver):
    """Volumes as files in GPFS."""

    VERSION = '1.0.0'

    driver_prefix = 'gpfs'
    driver_volume_type = 'gpfs'
    volume_backend_name = 'GPFS'
    vendor_name = 'IBM'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Storage pools as they were last seen.
        self._pools = {}

    @staticmethod
    def get_driver_options():
        return options.nas_opts + options.gpfs_opts

    def do_setup(self, context):
        """:raises GpfsNotReady: when GPFS is not as it should be"""
        self._own = gpfs_settings.read(self.configuration)
        self._commands = commands.Commands(
            programs.run if os.geteuid() == 0 else privileged.run_gpfs)
        self.driver_volume_type = self._own.attach_type
        self._clone_depth = self._own.clone_depth
        self._site = gpfs_site.look(self._commands, self._own,
                                    self._read_settings().backend_name)
        super().do_setup(context)

    def _read_settings(self):
        return gpfs_settings.read_common(self.configuration,
                                         self.volume_backend_name)

    def _make_source(self):
        self._share = table.Share(self._own.mount_point_base)
        return sources.Fixed('gpfs_mount_point_base', [self._share])

    def _make_mounter(self):
        return share_gpfs.Mounter(
            self._commands, self._settings.share_timeout,
            as_root=self._settings.secure_operations == 'false')

    def _make_clones(self):
        return self._commands

    def _connection(self, volume, share, name, file_format):
        return connections.device(
            self.driver_volume_type,
            self._file_on(share, volume).path_of(name), file_format)

    def _share_of(self, volume):
        """There is one; the driver in Cinder's tree records none."""
        return self._share

    # What its metadata ask for

    def _create(self, file, volume):
        wanted = gpfs_attributes.filesystem(volume)
        super()._create(file, volume)
        if wanted is not None:
            with file.removed_on_error():
                file.make_filesystem(*wanted)

    def _dress(self, volume, path):
        wanted = self._wanted(volume)
        if wanted is not None:
            self._commands.change_attributes(path, wanted)

    def _new_file(self, volume):
        # What is not to be had is refused before there is anything.
        self._wanted(volume)
        return super()._new_file(volume)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Let the volume be what a snapshot holds.

        :raises MetadataInvalid: when its file could not be given what it
            asks for by now; nothing is done then
        """
        self._wanted(volume)
        super().revert_to_snapshot(context, volume, snapshot)

    def _wanted(self, volume):
        pool = self._chosen(volume.host)
        if pool is None and self._own.storage_pool != _DEFAULT_POOL:
            pool = self._own.storage_pool
        return gpfs_attributes.wanted(volume, pool)

    def _chosen(self, host):
        """The storage pool that the scheduler chose, or None.

        Nor is the backend's name one, by which Cinder calls the one pool of
        a backend, as this was when the volume was made.
        """
        if not self._own.pool_per_storage_pool:
            return None
        pool = volume_utils.extract_host(host, 'pool')
        is_before = (pool == self._settings.backend_name and
                     pool not in self._pools)
        return None if is_before else pool

    def get_pool(self, volume):
        """The pool of a volume that was made when there was one only."""
        if not self._own.pool_per_storage_pool:
            return None
        return self._commands.attributes(
            self._file_of(volume).path).storage_pool

    # Images

    def clone_image(self, context, volume, image_location, image_meta,
                    image_service):
        """Make a volume of an image that lies in GPFS.

        :returns: (update, True); (None, False) for one to be downloaded
        """
        states.refuse_encrypted(volume)
        path = gpfs_images.find(self._own, self._commands, image_meta)
        if path is None:
            return None, False
        images.check_conversion(image_meta, 'raw')
        source_format, size = images.prepare(path, image_meta)
        images.check_size(image_meta['id'], size, volume.size)
        with self._locks.volumes(volume.id):
            file = self._new_file(volume)
            if source_format != 'raw' or not self._clone_parent(file, path):
                self._fill(file, volume, path, source_format, image_meta)
            return self._dressed(volume, file), True

    def _clone_parent(self, file, path):
        """Make a volume a clone of an image; returns False if it cannot be.

        The image becomes a clone parent itself, which it can do since
        nobody writes to one.
        """
        if self._own.share_mode != 'copy_on_write' or not self._is_near(
                file, path):
            return False
        if not self._commands.clone_show(path).is_parent:
            self._make_parent(path)
        file.copy_of_parent(path)
        return True

    def _make_parent(self, path):
        try:
            self._commands.clone_snap(path)
        except errors.CommandFailed:
            # By another volume of the image, at the same time, on any host.
            if not self._commands.clone_show(path).is_parent:
                raise

    def _is_near(self, file, path):
        """Whether it would be in the image's fileset."""
        near = (self._commands.attributes(file.folder).fileset ==
                self._commands.attributes(path).fileset)
        if not near:
            LOG.info('%s is copied: it is in another fileset than %s', path,
                     file.folder)
        return near

    def _fill(self, file, volume, path, source_format, image_meta):
        # Without the file system that an empty volume may come with.
        super()._create(file, volume)
        with file.removed_on_error():
            try:
                file.fill(path, source_format)
            except errors.CommandFailed as error:
                raise images.not_copied(image_meta['id'], volume.id,
                                        error)

    # Moving

    def migrate_volume(self, context, volume, host):
        """Nothing, to another service on the same directory.

        All else is left to Cinder, which copies the bytes to a new volume.
        """
        if not self._is_here(host):
            return False, None
        self._follow(volume, host)
        return True, None

    def _follow(self, volume, host):
        """Move the data to the storage pool that was chosen, if one was.

        A service that does not report each as a pool has one of another
        name, whatever this one does.
        """
        pool = volume_utils.extract_host(host['host'], 'pool')
        told = host.get('capabilities', {}).get('storage_pool')
        if pool and pool == told and pool != volume_utils.extract_host(
                volume.host, 'pool'):
            self._change_pool(volume, pool)

    def _is_here(self, host):
        return (host.get('capabilities', {}).get('location_info') ==
                self._location_info())

    def retype(self, context, volume, new_type, diff, host):
        """Change the storage pool, where the rest stays as it is."""
        if diff.get('encryption') and any(diff['encryption'].values()):
            return False
        specs = diff.get('extra_specs', {})
        if _differ(specs.get('volume_backend_name')):
            return False
        if not (super().retype(context, volume, new_type, diff, host) or
                self._is_here(host)):
            return False
        if self._own.pool_per_storage_pool:
            # The scheduler has looked for one that fits the new type.
            self._follow(volume, host)
        elif _differ(specs.get(_POOL_SPEC)):
            self._change_pool(volume, specs[_POOL_SPEC][1] or
                              self._own.storage_pool)
        return True

    def _change_pool(self, volume, pool):
        if not self._commands.has_pool(self._site.device, pool):
            raise errors.MetadataInvalid(
                volume=volume.id, key=_POOL_SPEC, value=pool,
                expected='a storage pool of %s, see "mmlspool %s"'
                         % (self._site.device, self._site.device))
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            file.chain()
            self._commands.change_attributes(
                file.path, requests.Wanted(pool=pool))

    # Stats

    def _location_info(self):
        return 'GPFSDriver:%s:%s' % (self._site.cluster_id,
                                     self._own.mount_point_base)

    def _site_features(self):
        """Of each pool: the scheduler looks nowhere else."""
        found = dict(location_info=self._location_info(),
                     storage_pool=self._own.storage_pool,
                     consistencygroup_support=_YES,
                     consistent_group_snapshot_enabled=True)
        if self._site.encryption:
            found['gpfs_encryption_rest'] = _YES
        return found

    def _update_volume_stats(self):
        super()._update_volume_stats()
        self._stats.update(self._site_features())
        if self._own.pool_per_storage_pool:
            self._stats['pools'] = [
                self._stats_of(name, room) for name, room
                in self._rooms().items()]

    def _stats_of(self, name, room):
        return dict(stats.pool(self._settings, name, [room],
                               {**self._features(),
                                **self._site_features()}),
                    storage_pool=name,
                    filter_function=self.get_filter_function(),
                    goodness_function=self.get_goodness_function())

    def _rooms(self):
        """Storage pool -> capacity.Capacity; one of none where GPFS is away.
        """
        try:
            # Proven before, within the time limit.
            self._shares.call(self._share, 'look', os.path.lexists,
                              self._shares.path(self._share))
            self._pools = {
                each.name: capacity.Capacity(each.total, each.free)
                for each in self._commands.pools(self._site.device)
                if each.has_data}
            return self._pools
        except (errors.ShareUnavailable, errors.CommandFailed,
                errors.CommandTimeout, OSError) as error:
            LOG.error('The storage pools count as full: %s', error)
            return dict.fromkeys(self._pools, capacity.Capacity(0, 0))


def _differ(pair):
    """Of a type's extra specs: (old, new), or None."""
    return bool(pair) and pair[0] != pair[1]
