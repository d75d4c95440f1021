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

"""What is read from a section of cinder.conf, and refused there."""

import dataclasses

from cinder.volume import configuration
from cinder.volume import driver
from oslo_config import cfg
import pytest

from remotefs_drivers import errors
from remotefs_drivers import options
from remotefs_drivers.settings import appliance
from remotefs_drivers.settings import appliance_rest
from remotefs_drivers.settings import common
from remotefs_drivers.settings import glusterfs
from remotefs_drivers.settings import nfs
from remotefs_drivers.settings import posix
from remotefs_drivers.settings import values


@pytest.fixture
def section(tmp_path, monkeypatch):
    """Makes a configuration object of the lines of a section."""
    conf = cfg.ConfigOpts()
    monkeypatch.setattr(configuration, 'CONF', conf)

    def read(*lines, defaults=()):
        path = tmp_path / 'cinder.conf'
        path.write_text('\n'.join(['[backend_defaults]', *defaults,
                                   '[backend]', *lines, '']))
        conf([], project='cinder', default_config_files=[str(path)])
        conf.register_opt(cfg.StrOpt('state_path', default='/state'))
        made = configuration.Configuration(driver.volume_opts, 'backend')
        made.append_config_values(options.nas_opts + options.nfs_opts +
                                  options.glusterfs_opts +
                                  options.posix_opts +
                                  options.appliance_opts +
                                  options.appliance_rest_opts)
        return made
    return read


def test_defaults(section):
    assert common.read(section(), 'nfs', 'Generic_NFS') == (
        common.Settings(
            prefix='nfs', backend_name='Generic_NFS', qcow2=False,
            sparse=True, thick=False, share_timeout=10, pool_per_share=True,
            legacy_format=None, assisted_create_timeout=600,
            assisted_delete_timeout=7200,
            secure_operations='auto', secure_permissions='auto',
            reserved_percentage=0, over_subscription=20.0))


@pytest.mark.parametrize('line, field, value', [
    ('volume_backend_name = gold', 'backend_name', 'gold'),
    ('nfs_qcow2_volumes = true', 'qcow2', True),
    ('nfs_share_timeout = 3', 'share_timeout', 3),
    ('nfs_pool_per_share = false', 'pool_per_share', False),
    ('nfs_legacy_base_format = qcow2', 'legacy_format', 'qcow2'),
    ('nfs_assisted_create_timeout = 7', 'assisted_create_timeout', 7),
    ('nfs_assisted_delete_timeout = 8', 'assisted_delete_timeout', 8),
    ('reserved_percentage = 7', 'reserved_percentage', 7),
    ('max_over_subscription_ratio = 1.5', 'over_subscription', 1.5),
    # Cinder's drivers take it in any case.
    ('nas_secure_file_operations = True', 'secure_operations', 'true'),
    ('nas_secure_file_permissions = FALSE', 'secure_permissions', 'false'),
])
def test_what_is_set_counts(section, line, field, value):
    found = common.read(section(line), 'nfs', 'x')
    assert getattr(found, field) == value


def test_other_drivers_options_do_not_count(section):
    assert not common.read(section('posix_qcow2_volumes = true'), 'nfs',
                           'x').qcow2


def test_backend_defaults_stand_behind_the_section(section):
    made = section('nfs_share_timeout = 3',
                   defaults=['nfs_share_timeout = 4',
                             'nfs_qcow2_volumes = true'])
    found = common.read(made, 'nfs', 'x')
    assert (found.share_timeout, found.qcow2) == (3, True)


@pytest.mark.parametrize('provisioning, sparsed, thick', [
    ('thin', 'true', False),
    # Either of the two options asks for the whole size.
    ('thick', 'true', True),
    ('thin', 'false', True),
    ('thick', 'false', True),
])
def test_thick(section, provisioning, sparsed, thick):
    made = section('nas_volume_prov_type = %s' % provisioning,
                   'nfs_sparsed_volumes = %s' % sparsed)
    assert common.read(made, 'nfs', 'x').thick is thick


@pytest.mark.parametrize('qcow2, expected', [(True, 'qcow2'),
                                             (False, 'raw')])
def test_file_format(section, qcow2, expected):
    made = section('nfs_qcow2_volumes = %s' % qcow2)
    assert common.read(made, 'nfs', 'x').file_format == expected


def test_option_names_for_messages(section):
    found = common.read(section(), 'posix', 'x')
    assert found.option('share_timeout') == 'posix_share_timeout'


def test_settings_are_frozen(section):
    found = common.read(section(), 'nfs', 'x')
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.thick = True


def test_secure_options_of_the_in_tree_definition(section):
    """It has no choices, so oslo.config lets anything through."""
    class Configuration:
        nas_secure_file_operations = 'perhaps'
    with pytest.raises(errors.ShareConfigInvalid, match='"perhaps"'):
        values.secure(Configuration, 'nas_secure_file_operations')


class TestNfs:
    def test_defaults(self, section):
        assert nfs.read(section()) == nfs.Nfs(
            nas_location=None, shares_config='/etc/cinder/nfs_shares',
            mount_point_base='/state/mnt', mount_options=None,
            mount_attempts=3, mount_timeout=60)

    @pytest.mark.parametrize('lines, location', [
        (['nas_host = nas', 'nas_share_path = /a'], 'nas:/a'),
        (['nas_host = [fd00::1]', 'nas_share_path = /a'], '[fd00::1]:/a'),
        # The old name of the option.
        (['nas_ip = 10.0.0.1', 'nas_share_path = /a'], '10.0.0.1:/a'),
        # One without the other is nothing.
        (['nas_host = nas'], None),
        (['nas_share_path = /a'], None),
    ])
    def test_nas_location(self, section, lines, location):
        assert nfs.read(section(*lines)).nas_location == location

    @pytest.mark.parametrize('lines', [
        ['nas_host = nas', 'nas_share_path = a'],
        ['nas_host = fd00::1', 'nas_share_path = /a'],
    ])
    def test_a_location_that_makes_no_sense(self, section, lines):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='nas_host, nas_share_path'):
            nfs.read(section(*lines))

    @pytest.mark.parametrize('lines, expected', [
        (['nfs_mount_options = vers=3'], 'vers=3'),
        (['nas_mount_options = vers=4'], 'vers=4'),
        (['nfs_mount_options = vers=3', 'nas_mount_options = vers=4'],
         'vers=4'),
    ])
    def test_mount_options(self, section, lines, expected):
        assert nfs.read(section(*lines)).mount_options == expected

    def test_the_base_is_without_links(self, section, tmp_path):
        """mountinfo knows the real path only."""
        (tmp_path / 'real').mkdir()
        (tmp_path / 'link').symlink_to('real')
        made = section('nfs_mount_point_base = %s/link/' % tmp_path)
        found = nfs.read(made).mount_point_base
        assert found == str((tmp_path / 'real').resolve())

    @pytest.mark.parametrize('path', ['mnt', './mnt', ''])
    def test_the_base_is_absolute(self, section, path):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='nfs_mount_point_base'):
            nfs.read(section('nfs_mount_point_base = %s' % path))


class TestGlusterfs:
    def test_what_is_read(self, section):
        found = glusterfs.read(section(
            'glusterfs_attach_type = nfs',
            'glusterfs_qcow2_volumes = true',
            'glusterfs_nfs_exports = g1:/v=ganesha:/v, '
            '[fd00::1]:/w = [fd00::9]:/export/w'))
        assert dict(found.exports) == {'g1:/v': 'ganesha:/v',
                                       '[fd00::1]:/w': '[fd00::9]:/export/w'}
        assert found.attach_type == 'nfs'
        assert found.mount_point_base == '/state/mnt'
        with pytest.raises(TypeError):
            found.exports['g1:/x'] = 'ganesha:/x'

    @pytest.mark.parametrize('pair', ['g1:/v', 'g1:/v=', '=ganesha:/v',
                                      'v=ganesha:/v', 'g1:/v=/export/v',
                                      'g1:/v:ganesha:/v'])
    def test_what_is_no_export(self, section, pair):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='glusterfs_nfs_exports'):
            glusterfs.read(section('glusterfs_nfs_exports = ' + pair))

    @pytest.mark.parametrize('attach_type, refused', [
        ('nfs', False), ('glusterfs', False), ('local', True),
        ('gpfs', True)])
    def test_qcow2_needs_a_type_that_carries_it(self, section, attach_type,
                                                refused):
        made = section('glusterfs_attach_type = ' + attach_type,
                       'glusterfs_qcow2_volumes = true')
        if not refused:
            glusterfs.read(made)
            return
        with pytest.raises(errors.ShareConfigInvalid,
                           match='glusterfs_attach_type = nfs'):
            glusterfs.read(made)


class TestPosix:
    def test_what_is_read(self, section):
        found = posix.read(section(
            'posix_directories = /srv/b,/srv/a',
            'posix_attach_type = nfs',
            'posix_nfs_exports = /srv/b:nas:/b,/srv/a/:[fd00::1]:/a'))
        assert found.directories == ('/srv/b', '/srv/a')
        assert found.attach_type == 'nfs'
        assert dict(found.exports) == {'/srv/b': 'nas:/b',
                                       '/srv/a': '[fd00::1]:/a'}
        with pytest.raises(TypeError):
            found.exports['/srv/c'] = 'nas:/c'

    @pytest.mark.parametrize('path, expected', [
        ('/srv/a/', '/srv/a'),
        ('/srv/../srv/./a', '/srv/a'),
        # POSIX lets // at the beginning be something else; Linux does not.
        ('//srv//a', '/srv/a'),
        ('/', '/'),
    ])
    def test_a_directory_has_one_name(self, section, path, expected):
        found = posix.read(section('posix_directories = ' + path))
        assert found.directories == (expected,)

    @pytest.mark.parametrize('lines, option', [
        ([], 'posix_directories'),
        (['posix_directories = '], 'posix_directories'),
        (['posix_directories = srv'], 'posix_directories'),
        (['posix_directories = /a,,/b'], 'posix_directories'),
        (['posix_directories = /a', 'posix_attach_type = nfs',
          'posix_nfs_exports = a:nas:/a'], 'posix_nfs_exports'),
    ])
    def test_paths_are_absolute(self, section, lines, option):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='Option %s:' % option):
            posix.read(section(*lines))

    @pytest.mark.parametrize('attach_type, qcow2, refused', [
        ('local', 'false', False),
        ('gpfs', 'false', False),
        ('nfs', 'true', False),
        # A compute host would take the qcow2 file for raw.
        ('local', 'true', True),
        ('gpfs', 'true', True),
    ])
    def test_qcow2_needs_nfs(self, section, attach_type, qcow2, refused):
        made = section('posix_directories = /a',
                       'posix_attach_type = %s' % attach_type,
                       'posix_qcow2_volumes = %s' % qcow2)
        if not refused:
            assert posix.read(made).attach_type == attach_type
            return
        with pytest.raises(errors.ShareConfigInvalid,
                           match='posix_attach_type = nfs'):
            posix.read(made)


class TestRest:
    URL = 'appliance_url = https://nas.example.org'
    TOKEN = 'appliance_token = secret'

    def test_defaults(self, section):
        found = appliance_rest.read(section(self.URL, self.TOKEN))
        assert found == appliance_rest.ApplianceRest(
            url='https://nas.example.org', host='nas.example.org', port=443,
            prefix='', token='secret', ca_file=None, timeout=60)

    @pytest.mark.parametrize('url, host, port, prefix', [
        ('https://nas:8443', 'nas', 8443, ''),
        ('https://nas/', 'nas', 443, ''),
        ('https://192.0.2.1:1/api/cinder/', '192.0.2.1', 1, '/api/cinder'),
        ('https://[2001:db8::1]:8443', '2001:db8::1', 8443, ''),
    ])
    def test_a_url(self, section, url, host, port, prefix):
        found = appliance_rest.read(section(
            'appliance_url = %s' % url, self.TOKEN))
        assert (found.host, found.port, found.prefix) == (host, port, prefix)

    @pytest.mark.parametrize('lines, option', [
        ([], 'appliance_url'),
        ([TOKEN], 'appliance_url'),
        # The token would be on the wire for all to read.
        (['appliance_url = http://nas', TOKEN], 'appliance_url'),
        (['appliance_url = nas', TOKEN], 'appliance_url'),
        (['appliance_url = https://', TOKEN], 'appliance_url'),
        (['appliance_url = https://nas:port', TOKEN], 'appliance_url'),
        (['appliance_url = https://nas:99999', TOKEN], 'appliance_url'),
        (['appliance_url = https://me:pw@nas', TOKEN], 'appliance_url'),
        (['appliance_url = https://nas/?a=b', TOKEN], 'appliance_url'),
        (['appliance_url = https://nas/a b', TOKEN], 'appliance_url'),
        ([URL], 'appliance_token'),
        ([URL, 'appliance_token = '], 'appliance_token'),
        ([URL, 'appliance_token = t\u00f6ken'], 'appliance_token'),
    ])
    def test_what_makes_no_sense(self, section, lines, option):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='Option %s:' % option) as caught:
            appliance_rest.read(section(*lines))
        assert 'ken"' not in str(caught.value)

    def test_the_token_is_not_shown(self, section):
        found = appliance_rest.read(section(self.URL, self.TOKEN))
        assert 'secret' not in repr(found)


class TestAppliance:
    def read(self, section, *lines):
        return appliance.read(section('appliance_type = zfs', *lines))

    def test_defaults(self, section):
        assert self.read(section) == appliance.Appliance(
            type='zfs', journal_share='cinder-journal',
            mount_point_base='/state/mnt', mount_options=None,
            mount_attempts=3, mount_timeout=60)

    @pytest.mark.parametrize('line, field, value', [
        ('appliance_journal_share = mine', 'journal_share', 'mine'),
        ('appliance_mount_point_base = /mnt', 'mount_point_base', '/mnt'),
        ('appliance_mount_options = vers=3', 'mount_options', 'vers=3'),
        ('appliance_mount_attempts = 5', 'mount_attempts', 5),
        ('appliance_mount_timeout = 7', 'mount_timeout', 7)])
    def test_what_is_set_counts(self, section, line, field, value):
        assert getattr(self.read(section, line), field) == value

    def test_the_options_of_all_drivers_come_first(self, section):
        found = self.read(section, 'appliance_mount_options = vers=3',
                          'nas_mount_options = vers=4.2')
        assert found.mount_options == 'vers=4.2'

    @pytest.mark.parametrize('lines', [[], ['appliance_type =']])
    def test_it_must_be_said_which_it_is(self, section, lines):
        with pytest.raises(errors.ShareConfigInvalid, match='appliance_type'):
            appliance.read(section(*lines))

    def test_a_relative_folder(self, section):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='appliance_mount_point_base'):
            self.read(section, 'appliance_mount_point_base = mnt')

    def test_what_it_has_in_common(self, section):
        """All volumes are raw, and thin, and there is one pool."""
        made = section('appliance_share_timeout = 3',
                       'nas_secure_file_permissions = false')
        found = appliance.read_common(made, 'x')
        assert found == common.Settings(
            prefix='appliance', backend_name='x', qcow2=False, sparse=True,
            thick=False, share_timeout=3, pool_per_share=False,
            legacy_format='raw', secure_operations='auto',
            secure_permissions='false', reserved_percentage=0,
            over_subscription=20.0, assisted_create_timeout=0,
            assisted_delete_timeout=0)
        assert found.option('share_timeout') == 'appliance_share_timeout'

    def test_no_thick_volumes(self, section):
        with pytest.raises(errors.ShareConfigInvalid,
                           match='nas_volume_prov_type'):
            appliance.read_common(
                section('nas_volume_prov_type = thick'), 'x')
