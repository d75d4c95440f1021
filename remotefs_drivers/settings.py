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

"""What the operator configured, read once and frozen.

Drivers read their configuration section here, at ``do_setup``, and nowhere
else; an option that has no value in the section falls back to
``[backend_defaults]`` and then to its default, as Cinder does it.
"""

import dataclasses
import os
import re
import types
from typing import Mapping
from typing import Optional
import urllib.parse

from cinder.volume import volume_utils

from remotefs_drivers.chain import sharing
from remotefs_drivers import connections
from remotefs_drivers import errors
from remotefs_drivers.share import table

#: A client and its options, as exports(5) has them.
_CLIENT = re.compile(r'[^\s()"\'\\#]+\([^\s()"\'\\#]*\)\Z')
_OWNER = re.compile(r'[0-9]+:[0-9]+\Z')


_SHARE_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*\Z')


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options that all drivers share.

    :ivar prefix: what the driver's own options start with, as 'nfs'
    :ivar share_timeout: seconds a share may take to answer
    :ivar thick: whether the whole size of a volume is reserved
    :ivar assisted_create_timeout: seconds that Nova may take for its part
                                   of a snapshot of an attached volume
    :ivar assisted_delete_timeout: the same, of its deletion
    :ivar legacy_format: of volumes whose format nobody recorded, or None
    :ivar reserved_percentage: share of the capacity kept free, 0 to 100
    :ivar over_subscription: how often the capacity may be promised
    """

    prefix: str
    backend_name: str
    qcow2: bool
    sparse: bool
    thick: bool
    share_timeout: int
    pool_per_share: bool
    legacy_format: Optional[str]
    assisted_create_timeout: int
    assisted_delete_timeout: int
    secure_operations: str
    secure_permissions: str
    reserved_percentage: int
    over_subscription: float

    def option(self, name):
        """The full name of one of the driver's own options."""
        return '%s_%s' % (self.prefix, name)

    @property
    def file_format(self):
        """The format of new volumes, 'raw' or 'qcow2'."""
        return 'qcow2' if self.qcow2 else 'raw'


@dataclasses.dataclass(frozen=True)
class Nfs:
    """The options of NfsDriver.

    :ivar nas_location: 'address:/export' of nas_host and nas_share_path, or
                        None when they are not set
    :ivar mount_options: for all shares, or None
    :ivar mount_timeout: seconds
    """

    nas_location: Optional[str]
    shares_config: str
    mount_point_base: str
    mount_options: Optional[str]
    mount_attempts: int
    mount_timeout: int


@dataclasses.dataclass(frozen=True)
class Glusterfs:
    """The options of GlusterfsDriver.

    :ivar mount_timeout: seconds
    :ivar exports: share -> NFS export that hosts attach it by
    """

    shares_config: str
    mount_point_base: str
    mount_attempts: int
    mount_timeout: int
    attach_type: str
    exports: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Appliance:
    """The options of ApplianceNfsDriver.

    :ivar type: of the appliance, an entry point
    :ivar journal_share: name of the share with the journals
    :ivar mount_options: for all shares, or None
    :ivar mount_timeout: seconds
    """

    type: str
    journal_share: str
    mount_point_base: str
    mount_options: Optional[str]
    mount_attempts: int
    mount_timeout: int


@dataclasses.dataclass(frozen=True)
class Posix:
    """The options of PosixDriver.

    :ivar directories: absolute paths, in the operator's order
    :ivar exports: directory -> NFS export that hosts attach it by
    """

    directories: tuple
    attach_type: str
    exports: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Gpfs:
    """The options of GPFSDriver.

    :ivar mount_point_base: an absolute path, links in it followed
    :ivar images_dir: the same, or None
    :ivar share_mode: 'copy', 'copy_on_write' or None
    :ivar clone_depth: most parents of a volume, 0 for any number
    """

    mount_point_base: str
    images_dir: Optional[str]
    share_mode: Optional[str]
    clone_depth: int
    storage_pool: str
    pool_per_storage_pool: bool
    attach_type: str


@dataclasses.dataclass(frozen=True)
class ApplianceSsh:
    """The options of an appliance that is reached by SSH.

    :ivar key: path of the private key, or None
    :ivar limit: seconds that one answer may take
    :ivar root: what the shares are made in
    :ivar address: that hosts mount the shares by
    :ivar exports: clients and options of each share, as exports(5) has
                   them; '' when the shares are not exported one by one
    :ivar owner: 'uid:gid' that shares are given to
    :ivar sudo: whether commands are run by sudo
    :ivar program: path of our program there, or None
    """

    host: str
    port: int
    login: str
    password: str
    key: Optional[str]
    limit: int
    root: str
    address: str
    exports: str
    owner: str
    sudo: bool
    program: Optional[str]


@dataclasses.dataclass(frozen=True)
class ApplianceRest:
    """The options of the appliance that is reached by our HTTP API.

    :ivar url: as the operator wrote it, for messages
    :ivar prefix: path before that of the API, '' for none
    :ivar ca_file: path, or None
    :ivar timeout: seconds
    """

    url: str
    host: str
    port: int
    prefix: str
    token: str = dataclasses.field(repr=False)
    ca_file: Optional[str]
    timeout: int


def read(configuration, prefix, default_backend_name):
    """Read the section of a backend.

    :param configuration: the cinder.volume.configuration object
    :param default_backend_name: used where volume_backend_name is not set
    """
    sparse = _own(configuration, prefix, 'sparsed_volumes')
    thin = configuration.nas_volume_prov_type == 'thin'
    return Settings(
        prefix=prefix,
        backend_name=(configuration.safe_get('volume_backend_name') or
                      default_backend_name),
        qcow2=_own(configuration, prefix, 'qcow2_volumes'),
        sparse=sparse,
        thick=not (thin and sparse),
        share_timeout=_own(configuration, prefix, 'share_timeout'),
        pool_per_share=_own(configuration, prefix, 'pool_per_share'),
        legacy_format=_own(configuration, prefix, 'legacy_base_format'),
        assisted_create_timeout=_own(configuration, prefix,
                                     'assisted_create_timeout'),
        assisted_delete_timeout=_own(configuration, prefix,
                                     'assisted_delete_timeout'),
        secure_operations=_secure(configuration,
                                  'nas_secure_file_operations'),
        secure_permissions=_secure(configuration,
                                   'nas_secure_file_permissions'),
        reserved_percentage=configuration.reserved_percentage,
        over_subscription=volume_utils.get_max_over_subscription_ratio(
            configuration.max_over_subscription_ratio,
            supports_auto=False),
    )


def read_common_of_gpfs(configuration, default_backend_name):
    """The same of GPFSDriver, whose options have names of their own.

    Volume files are closed to others, as they always were.
    """
    sparse = configuration.gpfs_sparse_volumes
    return _read_raw_only(
        configuration, 'gpfs', default_backend_name, sparse=sparse,
        thick=not (sparse and configuration.nas_volume_prov_type == 'thin'),
        secure_permissions='true')


def read_common_of_appliance(configuration, default_backend_name):
    """The same of ApplianceNfsDriver.

    :raises ShareConfigInvalid: when volumes are to be thick
    """
    if configuration.nas_volume_prov_type != 'thin':
        raise errors.ShareConfigInvalid(
            option='nas_volume_prov_type',
            reason='it is "%s", but what room is reserved is for the '
                   'appliance to say. Set it to thin'
                   % configuration.nas_volume_prov_type)
    return _read_raw_only(
        configuration, 'appliance', default_backend_name, sparse=True,
        thick=False,
        secure_permissions=_secure(configuration,
                                   'nas_secure_file_permissions'))


def _read_raw_only(configuration, prefix, default_backend_name, **fields):
    """Where all volumes are raw, those without a record are as well."""
    return Settings(
        prefix=prefix,
        backend_name=(configuration.safe_get('volume_backend_name') or
                      default_backend_name),
        qcow2=False, share_timeout=_own(configuration, prefix,
                                        'share_timeout'),
        pool_per_share=False, legacy_format='raw',
        assisted_create_timeout=0, assisted_delete_timeout=0,
        secure_operations=_secure(configuration,
                                  'nas_secure_file_operations'),
        reserved_percentage=configuration.reserved_percentage,
        over_subscription=volume_utils.get_max_over_subscription_ratio(
            configuration.max_over_subscription_ratio,
            supports_auto=False),
        **fields)


def read_appliance(configuration):
    """Read the options of ApplianceNfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    if not configuration.appliance_type:
        raise errors.ShareConfigInvalid(
            option='appliance_type',
            reason='it is not set, expected the name of an appliance, such '
                   'as zfs, btrfs or rest')
    return Appliance(
        type=configuration.appliance_type,
        journal_share=_journal_share(configuration.appliance_journal_share),
        mount_point_base=_mount_point_base(configuration, 'appliance'),
        mount_options=_mount_options(configuration, 'appliance'),
        mount_attempts=configuration.appliance_mount_attempts,
        mount_timeout=configuration.appliance_mount_timeout)


def read_gpfs(configuration):
    """Read the options of GPFSDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    images_dir = configuration.gpfs_images_dir
    share_mode = configuration.gpfs_images_share_mode
    if share_mode and not images_dir:
        raise errors.ShareConfigInvalid(
            option='gpfs_images_dir',
            reason='it is not set, while gpfs_images_share_mode is "%s". Set '
                   'it to the directory of Glance\'s images, or set neither'
                   % share_mode)
    return Gpfs(
        mount_point_base=_mount_point_base(configuration, 'gpfs'),
        images_dir=images_dir and os.path.realpath(
            _absolute(images_dir, 'gpfs_images_dir')),
        share_mode=share_mode,
        clone_depth=configuration.gpfs_max_clone_depth,
        storage_pool=configuration.gpfs_storage_pool,
        pool_per_storage_pool=configuration.gpfs_pool_per_storage_pool,
        attach_type=configuration.gpfs_attach_type)


def read_nfs(configuration):
    """Read the options of NfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    return Nfs(nas_location=_nas_location(configuration),
               shares_config=configuration.nfs_shares_config,
               mount_point_base=_mount_point_base(configuration, 'nfs'),
               mount_options=_mount_options(configuration, 'nfs'),
               mount_attempts=configuration.nfs_mount_attempts,
               mount_timeout=configuration.nfs_mount_timeout)


def read_glusterfs(configuration):
    """Read the options of GlusterfsDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    return Glusterfs(
        shares_config=configuration.glusterfs_shares_config,
        mount_point_base=_mount_point_base(configuration, 'glusterfs'),
        mount_attempts=configuration.glusterfs_mount_attempts,
        mount_timeout=configuration.glusterfs_mount_timeout,
        attach_type=_attach_type(configuration, 'glusterfs'),
        exports=types.MappingProxyType(dict(map(
            _export, configuration.glusterfs_nfs_exports))))


def read_posix(configuration):
    """Read the options of PosixDriver.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    directories = tuple(_absolute(path, 'posix_directories')
                        for path in configuration.posix_directories)
    if not directories:
        raise errors.ShareConfigInvalid(
            option='posix_directories',
            reason='it names no directory, expected at least one')
    attach_type = _attach_type(configuration, 'posix')
    exports = {_absolute(path, 'posix_nfs_exports'): export for path, export
               in configuration.posix_nfs_exports.items()}
    return Posix(directories, attach_type, types.MappingProxyType(exports))


def read_appliance_ssh(configuration):
    """Read the options of an appliance that is reached by SSH.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    host = _given(configuration, 'nas_host')
    if not (configuration.nas_private_key or configuration.nas_password):
        raise errors.ShareConfigInvalid(
            option='nas_private_key',
            reason='it is not set, and nas_password neither')
    return ApplianceSsh(
        host=host, port=configuration.nas_ssh_port,
        login=configuration.nas_login, password=configuration.nas_password,
        key=configuration.nas_private_key,
        limit=configuration.appliance_ssh_timeout,
        root=_given(configuration, 'appliance_root'),
        address=configuration.appliance_export_address or host,
        exports=_exports(configuration.appliance_export_options or ''),
        owner=_owner(configuration.appliance_share_owner),
        sudo=configuration.appliance_sudo,
        program=configuration.appliance_program)


def _given(configuration, option):
    value = getattr(configuration, option)
    if not value:
        raise errors.ShareConfigInvalid(option=option, reason='it is not set')
    return value


def _exports(text):
    """Clients of a line of exports(5), one blank between two."""
    for word in text.split():
        if not _CLIENT.match(word):
            raise errors.ShareConfigInvalid(
                option='appliance_export_options',
                reason='"%s" is not of the form client(option,option)' % word)
    return ' '.join(text.split())


def _owner(text):
    if text is None:
        return '%d:%d' % (os.getuid(), os.getgid())
    if not _OWNER.match(text):
        raise errors.ShareConfigInvalid(
            option='appliance_share_owner',
            reason='"%s" is not of the form uid:gid, two numbers' % text)
    return text


def read_appliance_rest(configuration):
    """Read the options of the appliance that is reached by our HTTP API.

    :raises ShareConfigInvalid: when one of them makes no sense
    """
    host, port, prefix = _https(configuration.appliance_url)
    token = configuration.appliance_token
    # It is in no message: it is a secret.
    if not token or not (token.isascii() and token.isprintable()):
        raise errors.ShareConfigInvalid(
            option='appliance_token',
            reason='it should be the token that the API wants, of printable '
                   'ASCII characters')
    return ApplianceRest(url=configuration.appliance_url, host=host,
                         port=port, prefix=prefix, token=token,
                         ca_file=configuration.appliance_ca_file,
                         timeout=configuration.appliance_rest_timeout)


def _https(url):
    """(host, port, path) of the address of an API."""
    try:
        found = urllib.parse.urlsplit(url or '')
        port = found.port or 443
    except ValueError:
        found = None
    if (found is None or found.scheme != 'https' or not found.hostname or
            found.query or found.fragment or found.username or
            not (url.isascii() and url.isprintable() and ' ' not in url)):
        raise errors.ShareConfigInvalid(
            option='appliance_url',
            reason='"%s" is not of the form https://host:port' % url)
    return found.hostname, port, found.path.rstrip('/')


def _journal_share(name):
    """A name that no share of a volume can have."""
    if (not _SHARE_NAME.match(name) or sharing.is_temporary(name) or
            volume_utils.extract_id_from_volume_name(name) is not None):
        raise errors.ShareConfigInvalid(
            option='appliance_journal_share',
            reason='"%s" is no name for it, expected letters, digits and '
                   '._- that no volume could have' % name)
    return name


def _mount_options(configuration, prefix):
    """For all shares, or None; those of the nas_* options come first."""
    if configuration.nas_mount_options is not None:
        return configuration.nas_mount_options
    return _own(configuration, prefix, 'mount_options')


def _mount_point_base(configuration, prefix):
    option = '%s_mount_point_base' % prefix
    return os.path.realpath(_absolute(getattr(configuration, option),
                                      option))


def _attach_type(configuration, prefix):
    """How hosts attach, if that can carry the volumes that are made."""
    attach_type = _own(configuration, prefix, 'attach_type')
    if (attach_type in connections.RAW_ONLY and
            _own(configuration, prefix, 'qcow2_volumes')):
        raise errors.ShareConfigInvalid(
            option='%s_attach_type' % prefix,
            reason='"%s" can carry raw volumes only, and %s_qcow2_volumes '
                   'is true. Set %s_attach_type = nfs, or '
                   '%s_qcow2_volumes = false' % (attach_type, prefix, prefix,
                                                 prefix))
    return attach_type


def _export(pair):
    """(share, export) of 'share=address:/export'."""
    location, __, export = (part.strip() for part in pair.partition('='))
    for part in location, export:
        if not table.is_location(part, bare=True):
            raise errors.ShareConfigInvalid(
                option='glusterfs_nfs_exports',
                reason='"%s" is not of the form share=address:/export'
                       % pair)
    return location, export


def _nas_location(configuration):
    host, path = configuration.nas_host, configuration.nas_share_path
    if not (host and path):
        return None
    location = '%s:%s' % (host, path)
    if not table.is_location(location):
        raise errors.ShareConfigInvalid(
            option='nas_host, nas_share_path',
            reason='"%s" is not of the form address:/export' % location)
    return location


def _absolute(path, option):
    """A path from an option, without a slash at its end."""
    if not path or not os.path.isabs(path):
        raise errors.ShareConfigInvalid(
            option=option, reason='"%s" is not an absolute path' % path)
    # Two slashes at the beginning are one to Linux, and two to normpath.
    return '/' + os.path.normpath(path).lstrip('/')


def _own(configuration, prefix, name):
    return getattr(configuration, '%s_%s' % (prefix, name))


def _secure(configuration, option):
    # The in-tree definition of the option knows no choices, and may be the
    # one that is registered.
    value = str(getattr(configuration, option)).lower()
    if value not in ('auto', 'true', 'false'):
        raise errors.ShareConfigInvalid(
            option=option,
            reason='"%s" is none of auto, true, false' % value)
    return value
