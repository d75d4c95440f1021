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

"""Names and defaults, for which operators' files were written."""

from cinder.volume.drivers.ibm import gpfs as intree_gpfs
from cinder.volume.drivers import nfs as intree_nfs
from cinder.volume.drivers import remotefs as intree_remotefs
from oslo_config import cfg
import pytest

from remotefs_drivers import options

NAS = {
    'nas_host': '',
    'nas_login': 'admin',
    'nas_password': '',
    'nas_ssh_port': 22,
    'nas_private_key': '',
    'nas_share_path': '',
    'nas_mount_options': None,
    'nas_secure_file_operations': 'auto',
    'nas_secure_file_permissions': 'auto',
    'nas_volume_prov_type': 'thin',
}
NFS = {
    'nfs_shares_config': '/etc/cinder/nfs_shares',
    'nfs_mount_point_base': '$state_path/mnt',
    'nfs_mount_options': None,
    'nfs_mount_attempts': 3,
    'nfs_mount_timeout': 60,
    'nfs_sparsed_volumes': True,
    'nfs_qcow2_volumes': False,
    'nfs_share_timeout': 10,
    'nfs_pool_per_share': True,
    'nfs_legacy_base_format': None,
    'nfs_assisted_create_timeout': 600,
    'nfs_assisted_delete_timeout': 7200,
}
GLUSTERFS = {
    'glusterfs_shares_config': '/etc/cinder/glusterfs_shares',
    'glusterfs_mount_point_base': '$state_path/mnt',
    'glusterfs_mount_attempts': 3,
    'glusterfs_mount_timeout': 60,
    'glusterfs_attach_type': 'nfs',
    'glusterfs_nfs_exports': [],
    'glusterfs_sparsed_volumes': True,
    'glusterfs_qcow2_volumes': False,
    'glusterfs_share_timeout': 10,
    'glusterfs_pool_per_share': False,
    'glusterfs_legacy_base_format': None,
    'glusterfs_assisted_create_timeout': 600,
    'glusterfs_assisted_delete_timeout': 7200,
}
POSIX = {
    'posix_directories': [],
    'posix_attach_type': 'local',
    'posix_nfs_exports': {},
    'posix_sparsed_volumes': True,
    'posix_qcow2_volumes': False,
    'posix_share_timeout': 10,
    'posix_pool_per_share': True,
    'posix_legacy_base_format': None,
    'posix_assisted_create_timeout': 600,
    'posix_assisted_delete_timeout': 7200,
}
GPFS = {
    'gpfs_mount_point_base': None,
    'gpfs_images_dir': None,
    'gpfs_images_share_mode': None,
    'gpfs_max_clone_depth': 0,
    'gpfs_sparse_volumes': True,
    'gpfs_storage_pool': 'system',
    'gpfs_pool_per_storage_pool': False,
    'gpfs_attach_type': 'gpfs',
    'gpfs_share_timeout': 10,
}
ALL = (options.nas_opts + options.nfs_opts + options.glusterfs_opts +
       options.posix_opts + options.gpfs_opts + options.appliance_opts +
       options.appliance_ssh_opts + options.appliance_rest_opts)
INTREE = (intree_remotefs.nas_opts + intree_remotefs.volume_opts +
          intree_nfs.nfs_opts + intree_gpfs.gpfs_opts)


def named(opts):
    return {opt.name: opt for opt in opts}


@pytest.mark.parametrize('opts, expected', [
    (options.nas_opts, NAS),
    (options.nfs_opts, NFS),
    (options.glusterfs_opts, GLUSTERFS),
    (options.posix_opts, POSIX),
    (options.gpfs_opts, GPFS),
])
def test_names_and_defaults(opts, expected):
    assert {opt.name: opt.default for opt in opts} == expected


@pytest.mark.parametrize('name', sorted(set(named(ALL)) &
                                        set(named(INTREE))))
def test_an_option_of_the_tree_is_as_it_is_there(name):
    ours, theirs = named(ALL)[name], named(INTREE)[name]
    assert ours.default == theirs.default
    assert type(ours.type) is type(theirs.type) or ours.type.choices
    assert ours.secret == theirs.secret


def test_none_of_the_trees_options_is_missing():
    assert set(named(INTREE)) <= set(named(ALL)) | {
        # For snapshots, which these drivers do not make.
        'nfs_snapshot_support',
    }


def test_the_password_is_a_secret():
    assert named(ALL)['nas_password'].secret


def test_the_old_name_of_nas_host(tmp_path):
    path = tmp_path / 'cinder.conf'
    path.write_text('[a]\nnas_ip = 10.0.0.1\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    conf.register_opts(options.nas_opts, group='a')
    assert conf.a.nas_host == '10.0.0.1'


@pytest.mark.parametrize('name, value', [
    ('nas_secure_file_operations', 'perhaps'),
    ('nas_secure_file_permissions', ''),
    ('nas_volume_prov_type', 'fat'),
    ('nas_ssh_port', '70000'),
    ('nfs_share_timeout', '0'),
    ('nfs_mount_timeout', '-1'),
    ('posix_attach_type', 'iscsi'),
    ('glusterfs_attach_type', 'iscsi'),
    ('gpfs_attach_type', 'nfs'),
    ('gpfs_images_share_mode', 'link'),
    ('gpfs_max_clone_depth', '-1'),
    ('gpfs_share_timeout', '0'),
])
def test_what_oslo_config_refuses(tmp_path, name, value):
    path = tmp_path / 'cinder.conf'
    path.write_text('[a]\n%s = %s\n' % (name, value))
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    conf.register_opts(ALL, group='a')
    with pytest.raises(cfg.ConfigFileValueError):
        conf.a[name]


def test_an_operator_is_told_what_each_is_for():
    assert all(opt.help and opt.help.endswith('.') for opt in ALL)


def test_the_generator_lists_all():
    (section, opts), = options.list_opts()
    assert section == 'backend_defaults'
    assert sorted(opt.name for opt in opts) == sorted(named(ALL))
