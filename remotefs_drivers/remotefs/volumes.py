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

The base of all drivers here. It decides, and takes the locks; the rooms
below do the work: ``share`` knows where a share is and whether it answers,
``volumefile`` makes and changes the file of a volume, ``images`` talks to
Glance, ``formats`` keeps what is recorded. A driver for a kind of share says
how its shares are listed and mounted, and what a host needs to know to
attach a volume.
"""

import contextlib
import os

from cinder.common import constants
from cinder import context as cinder_context
from cinder import objects
from cinder.volume import driver
from cinder.volume import volume_utils
from oslo_log import log as logging

from remotefs_drivers import attachments
from remotefs_drivers import connections
from remotefs_drivers import errors
from remotefs_drivers import formats
from remotefs_drivers import hands
from remotefs_drivers import images
from remotefs_drivers import locks
from remotefs_drivers import options
from remotefs_drivers import privileged
from remotefs_drivers.qemu import command
from remotefs_drivers.qemu import image
from remotefs_drivers.settings import common as common_settings
from remotefs_drivers.share import choice
from remotefs_drivers.share import rights
from remotefs_drivers.share import shares
from remotefs_drivers.share import stats
from remotefs_drivers import states
from remotefs_drivers.store import direct
from remotefs_drivers import volumefile

LOG = logging.getLogger(__name__)

options.give_way()


class RemoteFSDriver(driver.VolumeDriver):
    """Volumes as files on mounted shares.

    Makes no snapshots, but serves volumes that have some. A subclass gives
    ``driver_prefix``, ``driver_volume_type`` and ``volume_backend_name``,
    and implements ``_make_source``, ``_make_mounter`` and ``_connection``.
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
    #: False where the file system copies wrongly.
    kernel_copies = True
    #: Of the shares that the driver works on.
    shares_class = shares.Shares

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(self.get_driver_options())
        self._is_new_installation = bool(kwargs.get('is_vol_db_empty'))
        self._locks = self.locks_class(self.driver_prefix)
        # Made by do_setup: Cinder forks in between.
        self._settings = None
        self._shares = None
        self._means = None

    @staticmethod
    def get_driver_options():
        return options.nas_opts

    @classmethod
    def clean_volume_file_locks(cls, volume_id):
        cls.locks_class(cls.driver_prefix).forget(volume_id)

    # What a driver for a kind of share must say, or may

    def _read_settings(self):
        """settings.common.Settings of the backend."""
        return common_settings.read(self.configuration, self.driver_prefix,
                                    self.volume_backend_name)

    def _share_of(self, volume):
        """The share that a volume is on.

        :raises LocationMissing, ShareUnknown: when it is none of ours
        """
        return self._shares.known(volume)

    def _make_clones(self):
        """See hands.Means.clones; where the file system makes none, None."""
        return None

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

    def _check_attachable(self, volume, file_format):
        """:raises AttachTypeMismatch: for a format that hosts do not take"""
        if (file_format != 'raw' and
                self.driver_volume_type in connections.RAW_ONLY):
            raise errors.AttachTypeMismatch(
                volume=volume.id, format=file_format,
                attach_type=self.driver_volume_type,
                option=self._settings.option('attach_type'))

    # Start

    def do_setup(self, context):
        """Read the configuration, mount the shares, decide on the rights.

        A share that cannot be used is reported and left out.

        :raises NoSharesUsable: when that is so for all of them
        """
        # Before any share is touched, which may hold up what comes later.
        command.get_ready()
        self._settings = self._read_settings()
        self._shares = self.shares_class(
            self._make_source(), self._make_mounter(), self._settings)
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
        self._set_rights({share.location for share, answer
                          in self._shares.check_all().items()
                          if isinstance(answer, Exception)})

    def secure_file_operations_enabled(self):
        return not self._means.rights.as_root

    def _set_rights(self, failures):
        usable = [share for location, share in self._shares.table.items()
                  if location not in failures]
        decided = rights.decide(
            self._settings.secure_operations,
            self._settings.secure_permissions,
            lambda: rights.is_secure(any(map(self._is_marked, usable)),
                                     self._is_new_installation,
                                     lambda: self._mark(usable)))
        by_daemon = decided.as_root and os.geteuid() != 0
        self._means = hands.Means(
            shares=self._shares, rights=decided, thick=self._settings.thick,
            legacy_format=self._settings.legacy_format,
            files=privileged if by_daemon else direct,
            run=privileged.run if by_daemon else command.run,
            kernel_copies=self.kernel_copies, clones=self._make_clones())

    def _is_marked(self, share):
        return self._shares.call(share, 'stat', os.path.lexists,
                                 self._marker(share))

    def _mark(self, usable):
        """Make the marker files, all or none. Returns whether they are."""
        made = []
        try:
            for share in usable:
                self._shares.call(share, 'create', direct.write_atomic,
                                  self._marker(share), rights.MARKER_TEXT,
                                  rights.MARKER_MODE)
                made.append(share)
        except OSError as error:
            # One would be enough to be taken for secure after a restart.
            for share in made:
                self._shares.call(share, 'delete', direct.remove,
                                  self._marker(share))
            LOG.warning('The marker file %s cannot be made (%s), so this is '
                        'not taken for a secure installation. Give the '
                        'share to the user of cinder-volume.',
                        rights.MARKER, error)
            return False
        return True

    def _marker(self, share):
        return os.path.join(self._shares.path(share), rights.MARKER)

    # Volumes

    def create_volume(self, volume):
        """Make the file of a new volume.

        :returns: provider_location, for the database
        """
        states.refuse_encrypted(volume)
        with self._locks.volumes(volume.id):
            share = self._shares.choose(volume.size, self._pool_of(volume))
            self._create(self._file_on(share, volume), volume)
        return {'provider_location': share.location}

    def delete_volume(self, volume):
        """Remove the file of a volume, once its share is proven to be there.

        A volume without provider_location was cut off while it was made: it
        is looked for on every share. One whose manage failed goes from
        Cinder only: its files were there before it.
        """
        if states.is_failed_manage(volume):
            LOG.warning('Volume %s was not managed; what it was to be made '
                        'of stays', volume.id)
            return
        with self._locks.volumes(volume.id):
            if not volume.provider_location:
                self._delete_everywhere(volume)
            elif not self._file_of(volume).delete():
                LOG.warning('Volume %s had no file on %s', volume.id,
                            volume.provider_location)

    def extend_volume(self, volume, new_size):
        """Make a volume larger.

        :param new_size: GiB
        """
        states.refuse_shrink(volume, new_size)
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain()
            try:
                self._grow(file, volume, chain, new_size)
            except (errors.CommandFailed, errors.CommandTimeout,
                    errors.VolumeFileInvalid) as error:
                raise errors.ExtendFailed(volume=volume.id,
                                          new_size=new_size,
                                          reason=str(error))

    def _grow(self, file, volume, chain, new_size):
        """Make the file larger, or leave that to the host of a guest.

        That is told afterwards, and makes the QEMU of the guest grow the
        file and show it to the guest. A raw one may be larger by then.
        """
        if states.is_attached(volume):
            self._check_grows_attached(volume, chain, new_size)
            if chain.active.format != 'raw':
                return
        file.grow(chain, new_size)

    def create_cloned_volume(self, volume, src_vref):
        """Copy a volume, into a larger one where that is asked for."""
        states.refuse_encrypted(volume)
        states.refuse_busy_source(src_vref)
        with self._locks.volumes(volume.id, src_vref.id):
            source = self._file_of(src_vref)
            with self._still(source, src_vref) as chain:
                return self._copy(volume, source, chain)

    def delete_snapshot(self, snapshot):
        """Nothing: it can only be one whose creation was refused."""

    # Attach

    def initialize_connection(self, volume, connector):
        """What a host needs to know to attach the volume.

        Cinder itself reads and writes plain bytes, for a backup or on the
        way to another backend: where the active file is not plain, it gets
        a plain copy.
        """
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain()
            name, file_format = chain.active.name, chain.active.format
            states.refuse_shared(volume, file_format)
            if not states.is_attached(volume):
                file.restore_size(chain)
            if file_format != 'raw' and states.is_plain_bytes_only(volume):
                name, file_format = file.make_plain_copy(chain), 'raw'
        connection = self._connection(volume, file.share, name, file_format)
        connection['mount_point_base'] = self._shares.mount_point_base
        return connection

    def terminate_connection(self, volume, connector, **kwargs):
        """Remove the plain copy; what was restored into it is kept.

        Cinder cuts a file that it restores into to nothing, and writes no
        zeroes into a new one: what is not there in the end is a hole.
        """
        if not states.is_plain_bytes_only(volume):
            return
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            if states.is_restored(volume):
                chain = file.chain()
                if chain.active.format != 'raw':
                    file.take_plain_copy(chain)
                else:
                    file.restore_size(chain)
            else:
                file.remove_plain_copy()

    def validate_connector(self, connector):
        """Any host will do that has the share."""

    def ensure_export(self, context, volume):
        """Nothing: a share is mounted when it is used.

        Cinder calls it at start for each volume in use, and sets the volume
        to "error" when it fails: for a server that is away for a while.
        """

    def create_export(self, context, volume, connector):
        """Nothing: the share is exported by its server."""

    def remove_export(self, context, volume):
        """Nothing: the share is exported by its server."""

    def create_export_snapshot(self, context, snapshot, connector):
        """Nothing: the share is exported by its server."""

    def remove_export_snapshot(self, context, snapshot):
        """Nothing: the share is exported by its server."""

    def local_path(self, volume):
        """The path of the volume's active file on this host."""
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            return file.path_of(file.chain().active.name)

    # Images

    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        """Fill a volume with an image, in the volume's own format."""
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            chain = file.chain()
            if len(chain.layers) > 1:
                raise errors.VolumeHasSnapshots(volume=volume.id)
            path = file.path_of(chain.active.name)
            file_format = chain.active.format
            image_meta = image_service.show(context, image_id)
            images.check_conversion(image_meta, file_format)
            with images.downloaded(context, image_service,
                                   image_id) as local:
                source_format, size = images.prepare(local, image_meta)
                images.check_size(image_id, size, volume.size)
                file.blank(path, file_format, thick=disable_sparse)
                try:
                    file.run(image.convert(local, source_format, path,
                                           file_format))
                except errors.CommandFailed as error:
                    raise images.not_copied(image_id, volume.id, error)

    def copy_image_to_encrypted_volume(self, context, volume, image_service,
                                       image_id, disable_sparse=False):
        """Never in plain text."""
        states.refuse_encrypted(volume)

    def copy_volume_to_image(self, context, volume, image_service,
                             image_meta):
        """Make an image of a volume, whatever a tenant wrote into it."""
        with self._locks.volumes(volume.id):
            file = self._file_of(volume)
            with self._still(file, volume) as chain:
                self._upload(context, volume, file, chain, image_service,
                             image_meta)

    def _upload(self, context, volume, file, chain, image_service,
                image_meta):
        images.upload(context, image_service, image_meta, volume,
                      file.readable(chain), chain.active.format,
                      self._means.run, file.watching())

    # Moving

    def migrate_volume(self, context, volume, host):
        """Left to Cinder, which copies the bytes to a new volume."""
        return False, None

    def retype(self, context, volume, new_type, diff, host):
        """Accept a type that changes nothing about where the file is."""
        if volume.cluster_name:
            return host.get('cluster_name') == volume.cluster_name
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
        self._stats = stats.backend(
            self._settings, self._capacities(), self._features(),
            {'vendor_name': self.vendor_name,
             'driver_version': self.get_version(),
             'storage_protocol': self._storage_protocol(),
             'filter_function': self.get_filter_function(),
             'goodness_function': self.get_goodness_function()})

    def _capacities(self):
        """What room there is, for each poll: see stats.backend."""
        self._shares.reload()
        self._unmount_left()
        return self._shares.check_all()

    def _grows_attached(self):
        """Whether the hosts of guests can make a volume's file larger."""
        return self.driver_volume_type == 'nfs'

    def _check_grows_attached(self, volume, chain, new_size):
        """:raises ExtendFailed: when the guest's host cannot do that"""
        file_format, reason = chain.active.format, None
        if not self._grows_attached():
            reason = ('hosts that attach it by "%s" cannot make it larger '
                      'under a guest: detach it' % self.driver_volume_type)
        elif file_format != 'raw' and not attachments.instances(volume):
            reason = ('it is attached to no instance whose host could make '
                      'its %s file larger: detach it' % file_format)
        if reason is not None:
            raise errors.ExtendFailed(volume=volume.id, reason=reason,
                                      new_size=new_size)

    def _storage_protocol(self):
        """One of cinder.common.constants."""
        return (constants.NFS_VARIANT if self.driver_volume_type == 'nfs'
                else constants.FILE)

    def _features(self):
        """What each pool can do, for the scheduler."""
        return {'QoS_support': False,
                'multiattach': True,
                'online_extend_support': self._grows_attached(),
                'sparse_copy_volume': True}

    # Helpers

    def _file_of(self, volume):
        """The file of a volume on the share that it is recorded on."""
        return self._file_on(self._share_of(volume), volume)

    def _file_on(self, share, volume):
        return volumefile.VolumeFile(self._means, volume, share)

    @contextlib.contextmanager
    def _still(self, file, volume):
        """A chain of a volume that nobody writes to, to be copied.

        :raises VolumeAttached: when there is no way to have one
        """
        states.refuse_attached(volume)
        yield file.chain()

    def _create(self, file, volume):
        """Make the file of a new volume: volumefile.VolumeFile."""
        file.create(self._format_of(volume))

    def _copy(self, volume, source, chain):
        """Make a volume of what a chain of another one holds.

        :param source: volumefile.VolumeFile
        """
        share = self._share_for_copy(volume, source.share)
        self._file_on(share, volume).create_from(source, chain,
                                                 self._format_of(volume))
        return {'provider_location': share.location}

    def _format_of(self, volume):
        """Of a new volume."""
        return ('raw' if states.is_raw_only(volume)
                else self._settings.file_format)

    def _pool_of(self, volume):
        """The share that the scheduler chose, or None."""
        if not self._settings.pool_per_share:
            return None
        return volume_utils.extract_host(volume.host, 'pool')

    def _share_for_copy(self, volume, source_share):
        """The share of a copy: as the scheduler says, else the source's."""
        pool = self._pool_of(volume)
        if pool is not None:
            return self._shares.choose(volume.size, pool)
        return self._shares.choose_beside(volume.size, source_share)

    def _delete_everywhere(self, volume):
        """Remove a volume from whichever share it is on.

        :raises ShareUnavailable: when a share cannot say whether it has it
        """
        everywhere = dict(self._shares.left, **self._shares.table)
        found = [location for location, share in everywhere.items()
                 if self._file_on(share, volume).delete()]
        LOG.warning('Volume %s has no provider_location; its file was %s',
                    volume.id, 'on %s' % ', '.join(found) if found
                    else 'on none of the shares')

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
        return bool(self._own_volumes({'provider_location': location},
                                      limit=1))

    def _own_volumes(self, filters, limit=None):
        """Cinder's volumes of this backend.

        :param limit: that many will do; there may be more all the same
        """
        context = cinder_context.get_admin_context()
        if self.cluster_name:
            # The host is that of whichever service made them.
            return objects.VolumeList.get_all(
                context, limit=limit,
                filters={'cluster_name': self.cluster_name, **filters})
        return objects.VolumeList.get_all_by_host(context, self.host,
                                                  filters=filters)
