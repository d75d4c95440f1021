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

"""All options of the library, and their list for oslo's sample generator.

Names and defaults of the ``nas_*`` and ``nfs_*`` options are those of the
drivers in Cinder's tree, for which operators' files were written.
"""

from oslo_config import cfg
from oslo_utils import importutils

_SECURE_CHOICES = [
    ('auto', 'true on a new installation or where the marker file '
             '.cinderSecureEnvIndicator is found, else false'),
    ('true', 'always'),
    ('false', 'never'),
]

nas_opts = [
    cfg.StrOpt('nas_host',
               default='',
               deprecated_name='nas_ip',
               help='Address or host name of the NAS. Together with '
                    'nas_share_path it names the only share of the backend '
                    'and takes the place of the shares file.'),
    cfg.StrOpt('nas_login',
               default='admin',
               help='User for the management connection to the NAS.'),
    cfg.StrOpt('nas_password',
               default='',
               secret=True,
               help='Password for the management connection to the NAS.'),
    cfg.PortOpt('nas_ssh_port',
                default=22,
                help='SSH port of the management connection to the NAS.'),
    cfg.StrOpt('nas_private_key',
               default='',
               help='File with the private key for SSH to the NAS.'),
    cfg.StrOpt('nas_share_path',
               default='',
               help='Path of the export on nas_host, for example '
                    '/srv/export1.'),
    cfg.StrOpt('nas_mount_options',
               help='Mount options. They take the place of the ones that '
                    'the driver has an option of its own for.'),
    cfg.StrOpt('nas_secure_file_operations',
               default='auto',
               choices=_SECURE_CHOICES,
               ignore_case=True,
               help='Whether file operations run as the user of the '
                    'service (true) or as root (false).'),
    cfg.StrOpt('nas_secure_file_permissions',
               default='auto',
               choices=_SECURE_CHOICES,
               ignore_case=True,
               help='Whether volume files get the mode 660 (true) or may '
                    'be read and written by everyone (false).'),
    cfg.StrOpt('nas_volume_prov_type',
               default='thin',
               choices=['thin', 'thick'],
               help='thick reserves the whole size of a volume on the '
                    'share when it is made, whatever the option for '
                    'sparse files says.'),
]


def _share_timeout(prefix):
    return cfg.IntOpt('%s_share_timeout' % prefix,
                      default=10,
                      min=1,
                      help='Seconds that a share may take to answer. After '
                           'that it counts as down until it answers a '
                           'check, and the other shares go on.')


def _common(prefix, pool_per_share=True):
    """The options that drivers with chains of overlays have in common."""
    return [
        cfg.BoolOpt('%s_sparsed_volumes' % prefix,
                    default=True,
                    help='Make raw volumes as sparse files, which take room '
                         'as they are written. Otherwise the whole size is '
                         'reserved at creation.'),
        cfg.BoolOpt('%s_qcow2_volumes' % prefix,
                    default=False,
                    help='Make volumes as qcow2 files rather than raw '
                         'ones.'),
        _share_timeout(prefix),
        cfg.BoolOpt('%s_pool_per_share' % prefix,
                    default=pool_per_share,
                    help='Report each share to the scheduler as a pool of '
                         'its own. False reports one pool for the whole '
                         'backend, as the drivers in Cinder\'s tree do: '
                         'needed where volumes of such a driver are taken '
                         'over.'),
        cfg.StrOpt('%s_legacy_base_format' % prefix,
                   choices=['raw', 'qcow2'],
                   help='The file format of volumes that were made before '
                        'Cinder recorded it (until 2021), or were managed '
                        'by a driver that does not. Not set, they are '
                        'refused: a file is never asked for its format, '
                        'which a tenant can forge.'),
        cfg.IntOpt('%s_assisted_create_timeout' % prefix,
                   default=600,
                   min=1,
                   help='Seconds that Nova may take for its part of a '
                        'snapshot of an attached volume: to let the guest '
                        'write to the new file.'),
        cfg.IntOpt('%s_assisted_delete_timeout' % prefix,
                   default=7200,
                   min=1,
                   help='Seconds that Nova may take for its part of the '
                        'deletion of a snapshot of an attached volume: to '
                        'merge its file while the guest goes on.'),
    ]


def _mounted(prefix, export):
    """The options of those that mount what a shares file lists.

    :param export: what it calls the second half of a share
    """
    return [
        cfg.StrOpt('%s_shares_config' % prefix,
                   default='/etc/cinder/%s_shares' % prefix,
                   help='File with the shares: a line "address:/%s", '
                        'optionally followed by "-o options", for each.'
                        % export),
        cfg.StrOpt('%s_mount_point_base' % prefix,
                   default='$state_path/mnt',
                   help='Folder below which the shares are mounted, each at '
                        'the md5 of its name.'),
        cfg.IntOpt('%s_mount_attempts' % prefix,
                   default=3,
                   help='How often mounting a share is tried before it '
                        'counts as down. At least once, whatever the '
                        'value.'),
        cfg.IntOpt('%s_mount_timeout' % prefix,
                   default=60,
                   min=1,
                   help='Seconds that one attempt to mount a share may take '
                        'before it is killed.'),
    ]


nfs_opts = _mounted('nfs', 'export') + [
    cfg.StrOpt('nfs_mount_options',
               help='Mount options for all shares, see nfs(5).'),
] + _common('nfs')

glusterfs_opts = _mounted('glusterfs', 'volume') + [
    cfg.StrOpt('glusterfs_attach_type',
               default='nfs',
               choices=[
                   ('nfs', 'an NFS export with the file in it, see '
                           'glusterfs_nfs_exports'),
                   ('glusterfs', 'the share, to be mounted by a host that '
                                 'knows how: stock Nova does not'),
                   ('local', 'the path of the file as a local device, the '
                             'same on all hosts; raw volumes only'),
                   ('gpfs', 'the same, by the name under which stock Nova '
                            'accepts a file rather than a block device; '
                            'raw volumes only'),
               ],
               help='How a volume is handed to the host that attaches it.'),
    cfg.ListOpt('glusterfs_nfs_exports',
                default=[],
                help='For glusterfs_attach_type = nfs: the NFS export of '
                     'each share, as share=address:/export pairs divided by '
                     'commas, for example of NFS-Ganesha. A share without '
                     'one is handed out under its own name, and the '
                     'attaching host must have it mounted at '
                     '<nfs_mount_point_base>/<md5 of the name>.'),
] + _common('glusterfs', pool_per_share=False)

posix_opts = [
    cfg.ListOpt('posix_directories',
                default=[],
                help='Directories that hold the volumes: absolute paths, '
                     'there on every host of the backend (CephFS, Lustre, '
                     'BeeGFS, a local disk ...), mounted by the operator. '
                     'A new one must be empty; the driver puts its marker '
                     'file .remotefs-posix-directory into it.'),
    cfg.StrOpt('posix_attach_type',
               default='local',
               choices=[
                   ('local', 'the path of the file as a local device; raw '
                             'volumes only'),
                   ('gpfs', 'the same, by the name under which stock Nova '
                            'accepts a file rather than a block device; '
                            'raw volumes only'),
                   ('nfs', 'an NFS export with the file in it; also '
                           'qcow2'),
               ],
               help='How a volume is handed to the host that attaches it.'),
    cfg.DictOpt('posix_nfs_exports',
                default={},
                help='For posix_attach_type = nfs: the NFS export of each '
                     'directory, as directory:address:/export pairs '
                     'divided by commas. A directory without one is handed '
                     'out under its own path, and the attaching host must '
                     'have it mounted at <nfs_mount_point_base>/<md5 of '
                     'the path>.'),
] + _common('posix')

gpfs_opts = [
    cfg.StrOpt('gpfs_mount_point_base',
               help='Directory for volumes and snapshots, in a mounted GPFS '
                    'file system: an absolute path, the same on all hosts.'),
    cfg.StrOpt('gpfs_images_dir',
               help='Directory in which Glance keeps its images, if that is '
                    'in GPFS too. Not set, images are downloaded.'),
    cfg.StrOpt('gpfs_images_share_mode',
               choices=[
                   ('copy', 'a volume gets a copy of the image'),
                   ('copy_on_write', 'a volume is a clone of a raw image, '
                                     'and shares its blocks until they are '
                                     'written; gpfs_images_dir and '
                                     'gpfs_mount_point_base must be in one '
                                     'fileset'),
               ],
               help='How a volume is made of an image in gpfs_images_dir. '
                    'Not set, images are downloaded.'),
    cfg.IntOpt('gpfs_max_clone_depth',
               default=0,
               min=0,
               help='How many clone parents a volume may have, one over the '
                    'other, through snapshots and clones. A volume with '
                    'more does without the last one, of which it gets a '
                    'copy: a long row makes reading slow. 0 is no limit.'),
    cfg.BoolOpt('gpfs_sparse_volumes',
                default=True,
                help='Make volumes as sparse files, which take room as they '
                     'are written. Otherwise the whole size is reserved at '
                     'creation.'),
    cfg.StrOpt('gpfs_storage_pool',
               default='system',
               help='Storage pool of the file system for the data of new '
                    'volumes. "system" leaves that to the placement rules '
                    'of the file system.'),
    cfg.BoolOpt('gpfs_pool_per_storage_pool',
                default=False,
                help='Report each storage pool of the file system to the '
                     'scheduler as a pool of its own, and put the data of '
                     'new volumes into the one that it chooses, rather than '
                     'into gpfs_storage_pool.'),
    cfg.StrOpt('gpfs_attach_type',
               default='gpfs',
               choices=[
                   ('gpfs', 'the path of the file, by the name under which '
                            'stock Nova accepts a file'),
                   ('local', 'the same as a local device'),
               ],
               help='How a volume is handed to the host that attaches it.'),
    _share_timeout('gpfs'),
]


appliance_opts = [
    cfg.StrOpt('appliance_type',
               help='Which appliance it is: an entry point of the group '
                    'remotefs_drivers.appliances. zfs, btrfs and rest come '
                    'with the library, vendors may add their own.'),
    cfg.StrOpt('appliance_mount_point_base',
               default='$state_path/mnt',
               help='Folder below which shares are mounted while they are '
                    'needed, each at the md5 of its name.'),
    cfg.StrOpt('appliance_mount_options',
               help='Mount options for all shares, see nfs(5).'),
    cfg.IntOpt('appliance_mount_attempts',
               default=3,
               help='How often mounting a share is tried. At least once, '
                    'whatever the value.'),
    cfg.IntOpt('appliance_mount_timeout',
               default=60,
               min=1,
               help='Seconds that one attempt to mount or unmount a share '
                    'may take before it is killed.'),
    cfg.StrOpt('appliance_journal_share',
               default='cinder-journal',
               help='Name of a small share of the backend\'s own, made when '
                    'it is not there and always mounted: what is under way '
                    'is written down in it, so that any host can finish '
                    'what a crash cut off.'),
    _share_timeout('appliance'),
]

#: Of the appliances that are reached by SSH, besides the nas_* ones.
appliance_ssh_opts = [
    cfg.StrOpt('appliance_root',
               help='What the shares are made in: for zfs a dataset, as '
                    'tank/cinder; for btrfs the absolute path of a folder '
                    'in a btrfs file system.'),
    cfg.StrOpt('appliance_export_address',
               help='Address by which hosts mount the shares. Not set, it '
                    'is nas_host.'),
    cfg.StrOpt('appliance_export_options',
               help='How each share is exported, as exports(5) has it: '
                    '10.0.0.0/8(rw,no_root_squash,no_subtree_check), '
                    'several divided by blanks. Not set, the operator has '
                    'exported what the shares are made in, with crossmnt.'),
    cfg.StrOpt('appliance_share_owner',
               help='Numbers of the user and the group, as 64061:64061, '
                    'that the root folder of each new share is given to. '
                    'Not set, they are those of this service.'),
    cfg.IntOpt('appliance_ssh_timeout',
               default=60,
               min=1,
               help='Seconds that the appliance may take for one answer.'),
    cfg.BoolOpt('appliance_sudo',
                default=True,
                help='Whether commands are run by sudo there, unless '
                     'nas_login is root.'),
    cfg.StrOpt('appliance_program',
               help='Absolute path of our program on the appliance, where it '
                    'was installed so that sudo need permit nothing else. '
                    'Not set, it is sent along, and sudo must permit sh.'),
]

#: Of the appliance that is reached by our HTTP API.
appliance_rest_opts = [
    cfg.StrOpt('appliance_url',
               help='Address of the API, as https://nas.example.com:8443.'),
    cfg.StrOpt('appliance_token',
               secret=True,
               help='Token that the API wants from this backend.'),
    cfg.StrOpt('appliance_ca_file',
               help='File with the certificate authorities that vouch for '
                    'the API. Not set, the system\'s are trusted.'),
    cfg.IntOpt('appliance_rest_timeout',
               default=60,
               min=1,
               help='Seconds that the API may take for one answer.'),
]


def give_way():
    """Let Cinder's own modules register the options that we share first.

    They fail to load after somebody else has registered an option of theirs,
    and a backend of one of them may stand beside ours in one cinder.conf.
    Ours are registered where nobody else's are.
    """
    for module in ('cinder.volume.drivers.remotefs',
                   'cinder.volume.drivers.nfs',
                   'cinder.volume.drivers.ibm.gpfs'):
        importutils.try_import(module)


def list_opts():
    """The entry point ``oslo.config.opts``: what a backend section takes."""
    return [('backend_defaults',
             nas_opts + nfs_opts + glusterfs_opts + posix_opts + gpfs_opts +
             appliance_opts + appliance_ssh_opts + appliance_rest_opts)]
