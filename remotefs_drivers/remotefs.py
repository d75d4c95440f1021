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

"""RemoteFSDriver: volumes as files on mounted shares.

The base of all drivers here. It decides; the rooms below do the work:
``share`` knows where a share is and whether it answers, ``store`` changes
files, ``qemu`` runs qemu-img, ``images`` talks to Glance, ``formats`` keeps
what is recorded. A driver for a kind of share says how its shares are listed
and mounted, and what a host needs to know to attach a volume.
"""

import contextlib
import errno
import os

from cinder.common import constants
from cinder import context as cinder_context
from cinder import objects
from cinder.volume import driver
from cinder.volume import volume_utils
from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import units

from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import images
from remotefs_drivers import locks
from remotefs_drivers import names
from remotefs_drivers import options
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image
from remotefs_drivers.qemu import progress
from remotefs_drivers import settings
from remotefs_drivers.share import choice
from remotefs_drivers.share import rights
from remotefs_drivers.share import shares
from remotefs_drivers.share import stats
from remotefs_drivers.store import allocate
from remotefs_drivers.store import files

LOG = logging.getLogger(__name__)

#: States in which nobody writes to a volume, so that it can be copied.
_COPYABLE = ('available', 'backing-up', 'downloading')
#: Seconds for sharing the blocks of a large, scattered file.
_CLONE_LIMIT = 600


class RemoteFSDriver(driver.VolumeDriver):
    """Volumes as files on mounted shares, without snapshots.

    A subclass gives ``driver_prefix``, ``driver_volume_type`` and
    ``volume_backend_name``, and implements ``_make_source``,
    ``_make_mounter`` and ``_connection``.
    """

    VERSION = '1.0.0'
    CI_WIKI_NAME = 'remotefs_drivers'

    driver_prefix = 'remotefs'
    #: What Cinder and Nova call the way to attach a volume, as 'nfs'.
    driver_volume_type = None
    #: The backend's name where the option volume_backend_name is not set.
    volume_backend_name = 'Generic_RemoteFS'
    vendor_name = 'Open Source'
    #: Which locks the driver takes, see the module locks.
    locks_class = locks.ProcessLocks

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(self.get_driver_options())
        self._is_new_installation = bool(kwargs.get('is_vol_db_empty'))
        self._locks = self.locks_class(self.driver_prefix)
        self._settings = None
        self._shares = None
        self._rights = None
        self._files = files
        self._run = command.run

    @staticmethod
    def get_driver_options():
        return options.nas_opts

    @classmethod
    def clean_volume_file_locks(cls, volume_id):
        cls.locks_class(cls.driver_prefix).forget(volume_id)

    # What a driver for a kind of share must say

    def _make_source(self):
        """Where the table of shares comes from: see share.sources."""
        raise NotImplementedError()

    def _make_mounter(self):
        """How a share gets to its path: see share.mounter."""
        raise NotImplementedError()

    def _connection(self, volume, share, name, file_format):
        """What a host needs to attach a file of a volume.

        :param name: of the file on the share
        :returns: driver_volume_type and data, as initialize_connection
                  returns them
        """
        raise NotImplementedError()

    # Start

    def do_setup(self, context):
        """Read the configuration, mount the shares, decide on the rights.

        A share that cannot be used is reported and left out.

        :raises NoSharesUsable: when that is so for all of them
        """
        self._settings = settings.read(self.configuration,
                                       self.driver_prefix,
                                       self.volume_backend_name)
        self._shares = shares.Shares(self._make_source(),
                                     self._make_mounter(), self._settings)
        self._shares.reload()
        failures = {share.location: str(error) for share, error
                    in self._shares.mount_all().items() if error}
        for location, reason in failures.items():
            LOG.error('Going on without share %s: %s', location, reason)
        if len(failures) == len(self._shares.table):
            raise errors.NoSharesUsable(backend=self._settings.backend_name,
                                        reasons=choice.describe(failures))
        self._set_rights(failures)

    def check_for_setup_error(self):
        """Everything was checked in do_setup, where it was needed."""

    def update_provider_info(self, volumes, snapshots):
        """At start: take notice of where this backend's volumes are."""
        self._shares.adopt({volume.provider_location for volume in volumes})
        return None, None

    def set_nas_security_options(self, is_new_cinder_install):
        """Decide again on who works on the files, and with which rights."""
        self._is_new_installation = is_new_cinder_install
        self._set_rights(())

    def secure_file_operations_enabled(self):
        return not self._rights.as_root

    def _set_rights(self, failures):
        usable = [share for location, share in self._shares.table.items()
                  if location not in failures]
        self._rights = rights.decide(
            self._settings.secure_operations,
            self._settings.secure_permissions,
            lambda: rights.is_secure(any(map(self._is_marked, usable)),
                                     self._is_new_installation,
                                     lambda: self._mark(usable)))
        if self._rights.as_root and os.geteuid() != 0:
            self._files = privileged
            self._run = privileged.run
        else:
            self._files = files
            self._run = command.run

    def _is_marked(self, share):
        return self._shares.call(share, 'stat', os.path.lexists,
                                 self._path(share, rights.MARKER))

    def _mark(self, usable):
        """Make the marker files. Returns whether that was possible."""
        try:
            for share in usable:
                self._shares.call(share, 'create', files.write_atomic,
                                  self._path(share, rights.MARKER),
                                  rights.MARKER_TEXT, rights.MARKER_MODE)
        except OSError as error:
            LOG.warning('The marker file %s cannot be made (%s), so this is '
                        'not taken for a secure installation. Give the '
                        'share to the user of cinder-volume.',
                        rights.MARKER, error)
            return False
        return True

    # Volumes

    def create_volume(self, volume):
        """Make the file of a new volume.

        :returns: provider_location, for the database
        """
        self._refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            share = self._shares.choose(volume.size, self._pool_of(volume))
            file_format = ('raw' if self._is_migration_target(volume)
                           else self._settings.file_format)
            self._make_file(volume, share, file_format)
        return {'provider_location': share.location}

    def delete_volume(self, volume):
        """Remove the file of a volume, once its share is proven to be there.

        A volume without provider_location was cut off while it was made: it
        is looked for on every share.
        """
        with self._locks.volumes(volume.id):
            if volume.provider_location:
                share = self._shares.known(volume)
                if not self._delete_on(volume, share):
                    LOG.warning('Volume %s had no file on %s', volume.id,
                                share.location)
            else:
                self._delete_everywhere(volume)

    def extend_volume(self, volume, new_size):
        """Make a volume larger.

        :param new_size: GiB
        """
        if new_size < volume.size:
            raise errors.ShrinkRefused(volume=volume.id, size=volume.size,
                                       new_size=new_size)
        with self._locks.volumes(volume.id):
            share, path = self._file_of(volume)
            file_format = formats.of(volume)
            try:
                self._grow(share, path, file_format, volume.size, new_size)
            except (errors.CommandFailed, errors.CommandTimeout,
                    OSError) as error:
                raise errors.ExtendFailed(volume=volume.id,
                                          new_size=new_size,
                                          reason=str(error))

    def create_cloned_volume(self, volume, src_vref):
        """Copy a volume, into a larger one where that is asked for.

        Where the file system can share blocks, none is copied.
        """
        self._refuse_encrypted(volume)
        if src_vref.status not in _COPYABLE:
            raise errors.SourceBusy(volume=src_vref.id,
                                    status=src_vref.status,
                                    expected=', '.join(_COPYABLE))
        with self._locks.volumes(volume.id, src_vref.id):
            source_share, source = self._file_of(src_vref)
            share = self._share_for_copy(volume, source_share)
            self._copy_file(volume, share, source, formats.of(src_vref),
                            src_vref.size)
        return {'provider_location': share.location}

    def delete_snapshot(self, snapshot):
        """Nothing: it can only be one whose creation was refused."""

    # Attach

    def initialize_connection(self, volume, connector):
        """What a host needs to know to attach the volume.

        Cinder copies a volume to another backend byte by byte, so a qcow2
        volume that is about to be copied is shown as a raw copy.
        """
        file_format = formats.of(volume)
        if volume.status in ('backing-up', 'restoring-backup'):
            self._refuse_unless_raw(volume, file_format)
        with self._locks.volumes(volume.id):
            share = self._shares.known(volume)
            name = names.of(volume)
            size = self._file_size(volume, share)
            if file_format == 'raw' and size < volume.size * units.Gi:
                self._restore_size(volume, share, size)
            if file_format != 'raw' and self._is_migration_source(volume):
                name = self._make_plain_copy(volume, share)
                file_format = 'raw'
        connection = self._connection(volume, share, name, file_format)
        connection['mount_point_base'] = self._shares.mount_point_base
        return connection

    def terminate_connection(self, volume, connector, **kwargs):
        """Remove the raw copy of a volume that was copied elsewhere."""
        if self._is_migration_source(volume):
            with self._locks.volumes(volume.id):
                self._remove_plain_copy(volume, self._shares.known(volume))

    def validate_connector(self, connector):
        """Any host will do that has the share."""

    def ensure_export(self, context, volume):
        """At start, for each attached volume: mount its share."""
        self._shares.ensure_mounted(self._shares.known(volume))

    def create_export(self, context, volume, connector):
        """Nothing: the share is exported by its server."""

    def remove_export(self, context, volume):
        """Nothing: the share is exported by its server."""

    def create_export_snapshot(self, context, snapshot, connector):
        """Nothing: the share is exported by its server."""

    def remove_export_snapshot(self, context, snapshot):
        """Nothing: the share is exported by its server."""

    def local_path(self, volume):
        """The path of the volume's file on this host."""
        return self._path(self._shares.known(volume), names.of(volume))

    # Images

    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        """Fill a volume with an image, in the volume's own format."""
        with self._locks.volumes(volume.id):
            share, path = self._file_of(volume)
            image_meta = image_service.show(context, image_id)
            with images.downloaded(context, image_service,
                                   image_id) as local:
                source_format, size = images.prepare(local, image_meta)
                images.check_size(image_id, size, volume.size)
                self._blank(volume, share, path,
                            self._settings.thick or disable_sparse)
                copy = image.convert(local, source_format, path,
                                     formats.of(volume))
                try:
                    self._run_watched(copy, volume)
                except errors.CommandFailed as error:
                    raise images.not_copied(image_id, error)

    def copy_image_to_encrypted_volume(self, context, volume, image_service,
                                       image_id, disable_sparse=False):
        self._refuse_encrypted(volume)

    def copy_volume_to_image(self, context, volume, image_service,
                             image_meta):
        """Make an image of a volume, whatever a tenant wrote into it."""
        with self._locks.volumes(volume.id):
            __, path = self._file_of(volume)
            images.upload(context, image_service, image_meta, volume, path,
                          formats.of(volume), self._run,
                          self._watching(volume))

    # Moving

    def migrate_volume(self, context, volume, host):
        """Left to Cinder, which copies the bytes to a new volume."""
        return False, None

    def retype(self, context, volume, new_type, diff, host):
        """Accept a type that changes nothing about where the file is."""
        return host['host'] == volume.host

    def update_migrated_volume(self, ctxt, volume, new_volume,
                               original_volume_status):
        """The file keeps the name of the volume that it was made as.

        Cinder calls that its name_id. A rename could be cut off, and would
        leave a file that nobody knows.
        """
        formats.record_moved(volume, new_volume)
        return {'_name_id': new_volume.name_id,
                'provider_location': new_volume.provider_location}

    # Stats

    def get_pool(self, volume):
        """The pool that a volume is in: its share, where shares are pools."""
        if self._settings.pool_per_share:
            return volume.provider_location
        return None

    def _update_volume_stats(self):
        self._shares.reload()
        self._unmount_left()
        capacities = self._shares.check_all()
        self._stats = stats.backend(
            self._settings, capacities, self._features(),
            {'vendor_name': self.vendor_name,
             'driver_version': self.get_version(),
             'storage_protocol': self._storage_protocol(),
             'filter_function': self.get_filter_function(),
             'goodness_function': self.get_goodness_function()})

    def _storage_protocol(self):
        """One of cinder.common.constants."""
        return (constants.NFS_VARIANT if self.driver_volume_type == 'nfs'
                else constants.FILE)

    def _features(self):
        """What each pool can do, for the scheduler."""
        return {'QoS_support': False,
                'multiattach': False,
                'online_extend_support': False,
                'sparse_copy_volume': True}

    # Helpers

    def _file_of(self, volume):
        """(share, path) of a volume whose file is really there."""
        share = self._shares.known(volume)
        self._file_size(volume, share)
        return share, self._path(share, names.of(volume))

    def _file_size(self, volume, share):
        """The size in bytes of a volume's file, which is really there."""
        name = names.of(volume)
        path = self._path(share, name)
        with _explained(volume, share, path):
            return self._shares.call(
                share, 'stat', self._files.size_alone, path,
                self._path(share, names.snapshot_table(name)))

    def _path(self, share, name):
        return os.path.join(self._shares.path(share), name)

    def _pool_of(self, volume):
        """The share that the scheduler chose, or None."""
        if not self._settings.pool_per_share:
            return None
        return volume_utils.extract_host(volume.host, 'pool')

    def _make_file(self, volume, share, file_format):
        """Make a volume's file, or nothing at all."""
        path = self._path(share, names.of(volume))
        size = volume.size * units.Gi
        formats.record(volume, file_format, share.location)
        self._create_empty(volume, share, path,
                           size if file_format == 'raw' else 0)
        with self._removed_on_error(share, path):
            self._lay_out(path, file_format, size, self._settings.thick)
        if self._rights.are_open:
            LOG.warning('%s can be read and written by everyone', path)

    def _create_empty(self, volume, share, path, size):
        with _explained(volume, share, path):
            self._shares.call(share, 'create', self._files.create, path,
                              size, self._rights.mode)

    def _lay_out(self, path, file_format, size, thick):
        """Prepare an empty file for its format; size in bytes."""
        if file_format == 'qcow2':
            image.create_qcow2(path, size, 'falloc' if thick else 'off').run(
                self._run)
        elif thick:
            allocate.reserve(path, 0, size, self._run)

    def _blank(self, volume, share, path, thick):
        """Throw away what a volume holds: it may be filled a second time."""
        file_format = formats.of(volume)
        size = volume.size * units.Gi
        with _explained(volume, share, path):
            self._shares.call(share, 'truncate', self._files.blank, path,
                              size if file_format == 'raw' else 0)
        self._lay_out(path, file_format, size, thick)

    @contextlib.contextmanager
    def _removed_on_error(self, share, path):
        """Leave no half-made file behind."""
        try:
            yield
        except BaseException:
            with excutils.save_and_reraise_exception():
                try:
                    self._shares.call(share, 'delete', self._files.remove,
                                      path)
                except (errors.ShareUnavailable, OSError) as error:
                    LOG.error('%s is left behind, delete the volume: %s',
                              path, error)

    def _delete_on(self, volume, share):
        """Remove a volume's files. Returns whether there was one."""
        name = names.of(volume)
        path = self._path(share, name)
        others = [self._path(share, other)
                  for other in names.all_temporary(name)]
        with _explained(volume, share, path):
            return self._shares.call(
                share, 'delete', self._files.remove_alone, path, others,
                self._path(share, names.snapshot_table(name)))

    def _delete_everywhere(self, volume):
        """Remove a volume from whichever share it is on.

        :raises ShareUnavailable: when a share cannot say whether it has it
        """
        shares_of_all = dict(self._shares.left, **self._shares.table)
        found = [location for location, share in shares_of_all.items()
                 if self._delete_on(volume, share)]
        LOG.warning('Volume %s has no provider_location; its file was %s',
                    volume.id, 'on %s' % ', '.join(found) if found
                    else 'on none of the shares')

    def _grow(self, share, path, file_format, size, new_size):
        """Sizes in GiB. What fails leaves the file as it was."""
        if file_format == 'qcow2':
            image.resize(path, file_format, new_size * units.Gi).run(
                self._run)
            return
        self._shares.call(share, 'extend', self._files.grow, path,
                          new_size * units.Gi)
        if self._settings.thick:
            try:
                allocate.reserve(path, size * units.Gi,
                                 (new_size - size) * units.Gi, self._run)
            except BaseException:
                with excutils.save_and_reraise_exception():
                    self._shares.call(share, 'extend',
                                      self._files.shrink_back, path,
                                      size * units.Gi)

    def _restore_size(self, volume, share, size):
        """Set a size again that a crash of the host took back."""
        path = self._path(share, names.of(volume))
        LOG.warning('%s has %d bytes, less than the %d GiB of its volume: '
                    'it is made as large again', path, size, volume.size)
        with _explained(volume, share, path):
            self._shares.call(share, 'extend', self._files.grow, path,
                              volume.size * units.Gi)

    def _share_for_copy(self, volume, source_share):
        """The share of a copy: as the scheduler says, else the source's."""
        pool = self._pool_of(volume)
        if pool is None and source_share.location in self._shares.table:
            pool = source_share.location
        return self._shares.choose(volume.size, pool)

    def _copy_file(self, volume, share, source, file_format, source_size):
        """Make a volume's file as a copy; source_size in GiB."""
        path = self._path(share, names.of(volume))
        formats.record(volume, file_format, share.location)
        self._create_empty(volume, share, path, 0)
        with self._removed_on_error(share, path):
            if self._shares.call(share, 'clone', self._files.clone, source,
                                 path, limit=_CLONE_LIMIT):
                if volume.size > source_size:
                    self._grow(share, path, file_format, source_size,
                               volume.size)
            else:
                self._blank(volume, share, path, self._settings.thick)
                self._run_watched(image.convert(source, file_format, path,
                                                file_format), volume)

    def _make_plain_copy(self, volume, share):
        """A raw copy of a qcow2 volume beside it; returns its name."""
        self._remove_plain_copy(volume, share)
        name = names.temporary(names.of(volume), names.PLAIN_COPY)
        copy = self._path(share, name)
        self._create_empty(volume, share, copy, volume.size * units.Gi)
        with self._removed_on_error(share, copy):
            self._run_watched(
                image.convert(self._path(share, names.of(volume)), 'qcow2',
                              copy, 'raw'), volume)
        return name

    def _remove_plain_copy(self, volume, share):
        copy = self._path(share, names.temporary(names.of(volume),
                                                 names.PLAIN_COPY))
        with _explained(volume, share, copy):
            self._shares.call(share, 'delete', self._files.remove, copy)

    def _run_watched(self, operation, volume):
        operation.run(self._run, **self._watching(volume))

    def _watching(self, volume):
        """How to follow long work on a volume, where the runner can."""
        if self._run is not command.run:
            return {}
        return {'progress': progress.Log('Copying volume %s' % volume.id)}

    def _is_migration_target(self, volume):
        """Whether Cinder will copy plain bytes into this new volume."""
        return (volume.migration_status or '').startswith('target:')

    def _is_migration_source(self, volume):
        """Whether Cinder is about to copy the plain bytes of this volume.

        A volume that a guest has is copied by the guest's host instead.
        """
        return (volume.migration_status == 'migrating' and
                not volume.volume_attachment)

    def _is_cinders_own(self, volume):
        """Whether it is Cinder, and no compute host, that attaches now."""
        return (volume.status in ('backing-up', 'restoring-backup') or
                self._is_migration_source(volume) or
                (self._is_migration_target(volume) and
                 volume.status == 'available'))

    def _refuse_encrypted(self, volume):
        if volume.encryption_key_id:
            raise errors.EncryptionUnsupported(volume=volume.id)

    def _refuse_unless_raw(self, volume, file_format):
        if file_format != 'raw':
            raise errors.RawDataOnly(volume=volume.id, format=file_format,
                                     status=volume.status)

    def _unmount_left(self):
        """Unmount shares that left the table, when their volumes are gone."""
        for share in self._shares.left.values():
            if self._has_volumes(share.location):
                continue
            try:
                self._shares.forget(share)
            except errors.ShareUnavailable as error:
                LOG.warning('Share %s is no longer used, and stays mounted: '
                            '%s', share.location, error)

    def _has_volumes(self, location):
        """Whether Cinder knows volumes of this backend on a share."""
        return bool(objects.VolumeList.get_all_by_host(
            cinder_context.get_admin_context(), self.host,
            filters={'provider_location': location}))


@contextlib.contextmanager
def _explained(volume, share, path):
    """Turn what the file system says into what the operator understands."""
    try:
        yield
    except FileExistsError as error:
        if error.filename and error.filename.endswith('.info'):
            raise errors.VolumeHasSnapshots(volume=volume.id,
                                            path=error.filename)
        raise errors.VolumeFileExists(volume=volume.id, path=path)
    except FileNotFoundError:
        raise errors.VolumeFileMissing(volume=volume.id, path=path,
                                       share=share.location)
    except OSError as error:
        raise errors.VolumeFileInvalid(
            volume=volume.id, path=path,
            reason='%s (%s)' % (error.strerror,
                                errno.errorcode.get(error.errno, '?')))
