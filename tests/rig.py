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

"""A driver as cinder-volume builds it, without the service around it.

The class by its ``volume_driver`` path, options through a configuration
section, volumes as real objects in a real sqlite database. For tests that
look at one driver closely, and for the benchmarks; whole services are in
``remotefs_drivers.embedded``.
"""

import os
import shutil
import types

from cinder import context
from cinder import coordination
from cinder.db import api
from cinder.db import migration
from cinder import objects

# Cinder's modules look these up by name when they are imported.
objects.register_all()

from cinder.volume import configuration  # noqa: E402
from cinder.volume import driver as cinder_driver  # noqa: E402
from cinder.volume import manager  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_utils import importutils  # noqa: E402

from remotefs_drivers.embedded import config  # noqa: E402
from remotefs_drivers.embedded import database  # noqa: E402
from tests.harness import patience  # noqa: E402

CONF = cfg.CONF
PROJECT = '0123456789abcdef0123456789abcdef'
USER = 'fedcba9876543210fedcba9876543210'


class Rig:
    """A Cinder database and configuration in a folder.

    One for each process: Cinder keeps its database and its locks in globals.

    :param folder: a path, empty or made by an earlier rig
    :param config_file: path of a configuration file to begin with
    :param coordination_url: when it is not files in the folder
    """

    #: The URL of the database in a file.
    database_url = staticmethod(config.database_url)

    def __init__(self, folder, config_file=None, coordination_url=None):
        self.folder = str(folder)
        self.context = context.RequestContext(USER, PROJECT, is_admin=True)
        self._path = os.path.join(self.folder, 'cinder.sqlite')
        is_new = not os.path.exists(self._path)
        database.install()
        self._configure(self.database_url(self._path),
                        [config_file] if config_file else [],
                        coordination_url or 'file://' + self.folder)
        if is_new:
            migration.db_sync()
        coordination.COORDINATOR.start()

    def _configure(self, connection, config_files, coordination_url):
        for folder in ('locks', 'conversion'):
            os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        CONF([], project='cinder', default_config_files=config_files)
        CONF.set_override('connection', connection, 'database')
        # A killed process loses nothing by this.
        CONF.set_override('sqlite_synchronous', False, 'database')
        CONF.set_override('state_path', self.folder)
        CONF.set_override('lock_path', os.path.join(self.folder, 'locks'),
                          'oslo_concurrency')
        CONF.set_override('backend_url', coordination_url, 'coordination')
        CONF.set_override('image_conversion_dir',
                          os.path.join(self.folder, 'conversion'))

    def driver(self, path, section='alpha', new_installation=True,
               setup=True, cluster=None, **options):
        """Build a driver by its path, and set it up as the manager does."""
        # A process that was forked to use it has none yet.
        coordination.COORDINATOR.start()
        backend = configuration.Configuration(
            manager.volume_backend_opts + cinder_driver.volume_opts,
            config_group=section)
        known = importutils.import_class(path).get_driver_options()
        backend.append_config_values(known)
        for name, value in {**patience.options(known), **options,
                            'volume_backend_name': section}.items():
            CONF.set_override(name, value, group=section)
        driver = importutils.import_object(
            path, configuration=backend, host='rig@%s' % section,
            cluster_name=cluster, is_vol_db_empty=new_installation,
            active_backend_id=None)
        if setup:
            self.set_up(driver)
        return driver

    def set_up(self, driver):
        """What VolumeManager.init_host does with a driver."""
        driver.do_setup(self.context)
        driver.check_for_setup_error()
        driver.get_version()
        driver.init_capabilities()
        volumes = objects.VolumeList.get_all_by_host(self.context,
                                                     driver.host)
        driver.update_provider_info(volumes, objects.SnapshotList())
        driver.set_throttle()
        driver.set_initialized()
        driver.get_volume_stats(refresh=True)

    def new_volume(self, driver, size=1, pool=None, **fields):
        """A volume in the database, not yet made by its driver."""
        host = driver.host if pool is None else '%s#%s' % (driver.host, pool)
        values = dict({'status': 'creating', 'attach_status': 'detached',
                       'size': size, 'host': host,
                       'user_id': USER,
                       'project_id': PROJECT,
                       'volume_type_id': self._default_type()}, **fields)
        volume = objects.Volume(context=self.context, **values)
        volume.create()
        return volume

    def volume(self, driver, size=1, **fields):
        """A volume as it is after its creation."""
        volume = self.new_volume(driver, size, **fields)
        volume.update(driver.create_volume(volume) or {})
        volume.status = 'available'
        volume.save()
        return volume

    def new_snapshot(self, volume, **fields):
        """A snapshot in the database, not yet made by its driver."""
        snapshot = objects.Snapshot(context=self.context, **dict(
            {'volume_id': volume.id, 'status': 'creating', 'progress': '0%',
             'volume_size': volume.size, 'user_id': USER,
             'project_id': PROJECT, 'display_name': None,
             'volume_type_id': volume.volume_type_id}, **fields))
        snapshot.create()
        return objects.Snapshot.get_by_id(self.context, snapshot.id)

    def snapshot(self, driver, volume, **fields):
        """A snapshot as it is after its creation."""
        snapshot = self.new_snapshot(volume, **fields)
        snapshot.update(driver.create_snapshot(snapshot) or {})
        snapshot.status = 'available'
        snapshot.save()
        return snapshot

    def manage(self, driver, ref, **fields):
        """Make a file a volume, as the manager's flow does."""
        volume = self.new_volume(driver, **dict(
            {'size': 0, 'status': 'managing'}, **fields))
        return self.manage_as(driver, volume, ref)

    def manage_as(self, driver, volume, ref):
        """The same, for a volume that is in the database already."""
        size = driver.manage_existing_get_size(volume, ref)
        update = dict(driver.manage_existing(volume, ref), size=size,
                      status='available')
        volume.update(update)
        volume.save()
        return self.reload(volume)

    def unmanage(self, driver, volume):
        """Let a volume go, and its snapshots before it."""
        for snapshot in objects.SnapshotList.get_all_for_volume(
                self.context, volume.id):
            driver.unmanage_snapshot(snapshot)
            snapshot.destroy()
        volume = self.reload(volume)
        driver.unmanage(volume)
        volume.destroy()

    def manage_snapshot(self, driver, volume, ref):
        """Make a snapshot of what is in the table of a volume."""
        snapshot = self.new_snapshot(volume)
        size = driver.manage_existing_snapshot_get_size(
            snapshot=snapshot, existing_ref=ref)
        snapshot.update(driver.manage_existing_snapshot(
            snapshot=snapshot, existing_ref=ref) or {})
        snapshot.volume_size = size
        snapshot.status = 'available'
        snapshot.save()
        return snapshot

    def delete_snapshot(self, driver, snapshot):
        """Delete a snapshot, as the manager does."""
        driver.delete_snapshot(snapshot)
        snapshot.destroy()

    def reload(self, volume):
        """The volume as the database knows it."""
        return objects.Volume.get_by_id(self.context, volume.id)

    def get_ready_to_fork(self):
        """Make the usual queries once, and leave nothing of them.

        Whoever is forked from here has them compiled; that takes longer than
        they do. A connection must not go along, nor a lock of SQLite's that
        another thread has at that moment: the one of the coordination, say,
        which may be the one to throw connections away.
        """
        kept = self._path + '.kept'
        shutil.copyfile(self._path, kept)
        self._make_queries()
        self.forget_connections()
        coordination.COORDINATOR.stop()
        os.replace(kept, self._path)

    def forget_connections(self):
        api.get_engine().dispose()

    def _make_queries(self):
        driver = types.SimpleNamespace(host='rig@alpha')
        volume = self.reload(self.new_volume(driver))
        volume.admin_metadata = {'format': 'raw'}
        volume.provider_location = 'share'
        volume.status = 'available'
        volume.save()
        snapshot = self.new_snapshot(volume)
        snapshot.status = 'available'
        snapshot.save()
        # Read when it is asked for.
        snapshot.volume
        objects.SnapshotList.get_all_for_volume(self.context, volume.id)
        objects.VolumeList.get_all_by_host(self.context, driver.host)
        snapshot.destroy()
        volume.destroy()

    def _default_type(self):
        return objects.VolumeType.get_by_name_or_id(self.context,
                                                    '__DEFAULT__').id
