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

"""What is written into the configuration files of an embedded cloud."""

import configparser

from oslo_config import cfg
import pytest

from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import process
from remotefs_drivers.embedded import spec

ROOT = '/srv/my cloud'
PORTS = config.Ports(cinder=11111, glance=22222)
SHIPPED = config.Shipped(api_paste='/etc/cinder/api-paste.ini',
                         resource_filters='/etc/cinder/filters.json')


def make(**fields):
    return spec.two_posix_backends(fields.pop('root', ROOT), **fields)


def parsed(text):
    parser = configparser.ConfigParser(interpolation=None, strict=True,
                                       default_section='no such section')
    parser.read_string(text)
    return parser


def cinder(**fields):
    return parsed(config.render(config.cinder(make(**fields), PORTS,
                                              SHIPPED)))


@pytest.mark.parametrize('root', [
    'relative/path',
    # What the formats that it is written into would change.
    '/srv/$HOME', '/srv/a,b', '/srv/100%', '/srv/a?b', '/srv/a"b',
    '/srv/a\nb', '/srv/a ', ' /srv/a',
])
def test_a_root_that_cannot_be_written_down_is_refused(root):
    with pytest.raises(errors.SpecInvalid):
        make(root=root)


@pytest.mark.parametrize('backends', [
    {},
    {'DEFAULT': {'volume_driver': 'x'}},
    {'a]b': {'volume_driver': 'x'}},
    {'a b': {'volume_driver': 'x'}},
    {'alpha': {}},
    {'alpha': {'volume_driver': ''}},
])
def test_backends_that_cannot_work_are_refused(backends):
    with pytest.raises(errors.SpecInvalid):
        spec.Spec(root=ROOT, backends=backends)


def test_a_concurrency_that_is_none_is_refused():
    with pytest.raises(errors.SpecInvalid, match='asyncio'):
        make(concurrency='asyncio')


def test_a_spec_stays_as_it_is():
    options = {'volume_driver': 'x'}
    made = spec.Spec(root=ROOT, backends={'alpha': options})
    options['volume_driver'] = 'y'
    assert made.backends['alpha']['volume_driver'] == 'x'
    with pytest.raises(TypeError):
        made.backends['alpha']['volume_driver'] = 'z'
    assert made.replace(glance=False).glance is False
    assert made.glance is True


def test_everything_is_on_loopback():
    default = cinder()['DEFAULT']
    assert default['osapi_volume_listen'] == '127.0.0.1'
    assert default['my_ip'] == '127.0.0.1'
    assert default['osapi_volume_listen_port'] == '11111'
    assert default['glance_api_servers'] == 'http://127.0.0.1:22222'


def test_everything_is_below_the_root():
    made = make(backup=True)
    sections = [*config.cinder(made, PORTS, SHIPPED).values(),
                *config.glance(made).values()]
    paths = [str(value) for section in sections
             for value in section.values() if '/' in str(value)]
    known = {'http://127.0.0.1:22222', 'fake:/', SHIPPED.api_paste,
             SHIPPED.resource_filters}
    assert len(paths) > 10
    for path in set(paths) - known:
        assert ROOT in path


def test_oslo_reads_what_was_meant(tmp_path):
    made = make(options={
        'DEFAULT': {'a_list': ['x', 'y'], 'a_bool': True, 'a_number': 1.5},
        'other': {'several': ('one', 'two, with a comma')}})
    path = tmp_path / 'cinder.conf'
    path.write_text(config.render(config.cinder(made, PORTS, SHIPPED)))
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.ListOpt('a_list'), cfg.BoolOpt('a_bool'),
                        cfg.FloatOpt('a_number'),
                        cfg.ListOpt('enabled_backends')])
    conf.register_opts([cfg.MultiStrOpt('several')], group='other')
    conf.register_opts([cfg.ListOpt('posix_directories'),
                        cfg.BoolOpt('posix_qcow2_volumes')], group='beta')
    conf(['--config-file', str(path)])
    assert conf.a_list == ['x', 'y']
    assert conf.a_bool is True
    assert conf.a_number == 1.5
    assert conf.enabled_backends == ['alpha', 'beta']
    assert conf.other.several == ['one', 'two, with a comma']
    assert conf.beta.posix_directories == [ROOT + '/shares/beta']
    assert conf.beta.posix_qcow2_volumes is True


def test_the_callers_options_win():
    found = cinder(options={
        'DEFAULT': {'report_interval': 7, 'my_ip': None, 'debug': True},
        'alpha': {'reserved_percentage': 3},
        'nova': {'region_name': 'there'}})
    assert found['DEFAULT']['report_interval'] == '7'
    assert 'my_ip' not in found['DEFAULT']
    assert found['DEFAULT']['debug'] == 'true'
    assert found['alpha']['reserved_percentage'] == '3'
    assert found['alpha']['volume_driver'] == spec.POSIX_DRIVER
    assert found['nova']['region_name'] == 'there'


def test_a_backend_may_have_another_name():
    backend = spec.posix_backend(['/x'], volume_backend_name='other')
    made = spec.Spec(root=ROOT, backends={'alpha': backend,
                                          'beta': spec.posix_backend(['/y'])})
    sections = config.cinder(made, PORTS, SHIPPED)
    assert sections['alpha']['volume_backend_name'] == 'other'
    assert sections['beta']['volume_backend_name'] == 'beta'


@pytest.mark.parametrize('driver, said', [
    ('remotefs_drivers.nfs.NfsDriver', {'nfs_share_timeout': '120'}),
    ('remotefs_drivers.remotefs.nfs.NfsDriver', {}),
    ('cinder.volume.drivers.nfs.NfsDriver', {}),
    ('elsewhere', {})])
def test_a_disk_may_be_busy(driver, said):
    made = spec.Spec(root=ROOT, backends={'alpha': {'volume_driver': driver}})
    found = parsed(config.render(config.cinder(made, PORTS, SHIPPED)))
    assert dict(found['alpha']) == {'volume_backend_name': 'alpha',
                                    'volume_driver': driver, **said}


def test_a_backend_says_itself_how_long_it_is_waited_for():
    backend = spec.posix_backend(['/x'], posix_share_timeout=3)
    made = spec.Spec(root=ROOT, backends={'alpha': backend})
    found = config.cinder(made, PORTS, SHIPPED)
    assert found['alpha']['posix_share_timeout'] == 3


@pytest.mark.parametrize('fields, option', [
    ({'glance': False}, 'glance_api_servers'),
    ({'backup': False}, 'backup_driver'),
])
def test_what_is_left_out_is_not_configured(fields, option):
    assert option not in cinder(**fields)['DEFAULT']


def test_folders():
    found = config.folders(make(glance=False))
    assert ROOT + '/state/conversion' in found
    assert ROOT + '/shares/alpha' in found
    assert not any('glance' in folder for folder in found)
    assert ROOT + '/glance/images' in config.folders(make())
    assert ROOT + '/backup' in config.folders(make(backup=True))


def test_raw_volumes_are_local_and_qcow2_ones_carry_their_format():
    backends = make().backends
    assert backends['alpha']['posix_attach_type'] == 'local'
    assert backends['beta']['posix_attach_type'] == 'nfs'


def test_clients_are_told_where_it_is():
    text = config.clouds_yaml(PORTS)
    assert 'http://127.0.0.1:11111/v3/' in text
    assert 'image_endpoint_override: http://127.0.0.1:22222' in text
    assert 'image' not in config.clouds_yaml(config.Ports(cinder=1))
    variables = config.cinder_client_variables(PORTS)
    assert variables['CINDER_ENDPOINT'] == 'http://127.0.0.1:11111/v3'


def test_folders_that_one_may_not_look_into_leave_the_path():
    assert process.search_path(
        '/root/bin:/usr/bin::/gone:/bin',
        lambda folder: folder in ('/usr/bin', '/bin')) == '/usr/bin:/bin'
