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

"""Spec -> the text of the configuration files. Pure.

What is set here and why: everything stays below the cloud's directory and
on the loopback address; reports and polls are short, since people and tests
wait for them; what works may take long, since the machine may be busy; quotas
are off. All else keeps Cinder's defaults, so that what runs is what operators
run.
"""

import dataclasses
import typing

ADDRESS = '127.0.0.1'

# Who we are for an API without Keystone: any name of the right shape.
PROJECT_ID = '6b2f0f5c6cbd4f24a2d4c15a5b4a0c01'
USER_ID = '6b2f0f5c6cbd4f24a2d4c15a5b4a0c02'
TOKEN = '%s:%s' % (USER_ID, PROJECT_ID)

# As far as Cinder 27 goes.
MICROVERSION = '3.71'

# Names below the cloud's directory, and of the cloud for the clients.
CINDER_CONF = 'cinder.conf'
CLOUDS_FILE = 'clouds.yaml'
CLOUD_NAME = 'embedded'

# A "root helper" that runs the command as it is. An empty one is refused by
# oslo.concurrency.
SAME_USER = 'env'

# castellan's ConfKeyManager wants one; it guards nothing but test data.
_FIXED_KEY = '0123456789abcdef' * 4

# Seconds between heartbeats, and between looks at the shares' free room.
_REPORT_INTERVAL = 2
_STATS_INTERVAL = 5

# Seconds without a heartbeat until a service counts as down: far more than
# a busy machine of two cores needs, since a service that is taken for dead
# makes the scheduler refuse volumes.
_SERVICE_DOWN_TIME = 300

# Seconds that a share may take to answer, where a backend does not say it. By
# default that is 10; a disk that other tests flush takes 5 for one flush.
_SHARE_TIMEOUT = 120

# Seconds that the API waits for an answer of the other services: less than a
# client waits for that of the API.
_ANSWER_LIMIT = 240

# Seconds that a transaction waits for another one's lock on the database.
_SQLITE_TIMEOUT = 240

# Of SQLAlchemy, an entry point of this package; see embedded.database.
DATABASE_PLUGIN = 'remotefs_embedded'

# Seconds that requests under way get to finish after SIGTERM.
GRACE = 3


@dataclasses.dataclass(frozen=True)
class Ports:
    """TCP ports of the servers; ``glance`` is None without a Glance."""

    cinder: int
    glance: typing.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Shipped:
    """Paths of the files that come with Cinder and are used as they are."""

    api_paste: str
    resource_filters: str


def url(port):
    return 'http://%s:%d' % (ADDRESS, port)


def database_url(path):
    """Of a file of SQLite, at an absolute path."""
    return 'sqlite:///%s?timeout=%d&plugin=%s' % (path, _SQLITE_TIMEOUT,
                                                  DATABASE_PLUGIN)


def render(sections):
    """The text of an ini file; see the module spec for how values look."""
    blocks = []
    for name, options in sections.items():
        lines = ['[%s]' % name]
        for option, value in options.items():
            lines += _lines(option, value)
        blocks.append('\n'.join(lines) + '\n')
    return '\n'.join(blocks)


def cinder(spec, ports, shipped):
    """cinder.conf as section -> option -> value."""
    sections = {
        'DEFAULT': _default(spec, ports, shipped),
        'database': {
            'connection': database_url(spec.path('cinder.sqlite')),
            # A killed process loses nothing by this, only a machine that
            # loses its power would.
            'sqlite_synchronous': False,
        },
        'oslo_concurrency': {'lock_path': spec.path('locks')},
        'coordination': {'backend_url':
                         'file://' + spec.path('coordination')},
        'key_manager': {
            'backend': 'cinder.keymgr.conf_key_mgr.ConfKeyManager',
            'fixed_key': _FIXED_KEY,
        },
    }
    for name, options in spec.backends.items():
        sections[name] = {'volume_backend_name': name,
                          **_patience(options), **options}
    return _overlaid(sections, spec.options)


def glance(spec):
    """glance-api.conf as section -> option -> value.

    Without a flavor Glance takes every caller for an administrator. The
    policy file is written by the server itself, which knows the rules.
    """
    return {
        'DEFAULT': {
            'enabled_backends': 'images:file',
            'enabled_import_methods': '[]',
            'use_keystone_limits': False,
        },
        'database': {
            'connection': database_url(
                spec.path('glance', 'glance.sqlite')),
            'sqlite_synchronous': False,
        },
        'glance_store': {'default_backend': 'images'},
        'images': {'filesystem_store_datadir': spec.path('glance', 'images')},
        'os_glance_staging_store': {
            'filesystem_store_datadir': spec.path('glance', 'staging')},
        'os_glance_tasks_store': {
            'filesystem_store_datadir': spec.path('glance', 'tasks')},
        'oslo_policy': {
            'policy_file': spec.path('glance', 'policy.yaml'),
            'enforce_scope': False,
            'enforce_new_defaults': False,
        },
        'oslo_concurrency': {'lock_path': spec.path('locks')},
    }


def clouds_yaml(ports):
    """For the openstack client and openstacksdk."""
    lines = ['clouds:',
             '  %s:' % CLOUD_NAME,
             '    auth_type: admin_token',
             '    auth:',
             '      endpoint: %s/v3/%s' % (url(ports.cinder), PROJECT_ID),
             '      token: %s' % TOKEN]
    if ports.glance:
        lines.append('    image_endpoint_override: %s' % url(ports.glance))
    return '\n'.join(lines) + '\n'


def cinder_client_variables(ports):
    """Environment variables for the cinder client, name -> value."""
    return {'OS_AUTH_TYPE': 'noauth',
            'CINDER_ENDPOINT': url(ports.cinder) + '/v3',
            'OS_PROJECT_ID': PROJECT_ID,
            'OS_USER_ID': USER_ID,
            'OS_VOLUME_API_VERSION': MICROVERSION}


def folders(spec):
    """Every folder that must be there before the start."""
    made = ['state', 'state/conversion', 'locks', 'coordination', 'log']
    if spec.glance:
        made += ['glance', 'glance/images', 'glance/staging', 'glance/tasks']
    if spec.backup:
        made += ['backup']
    return [spec.path(name) for name in made] + list(spec.folders)


def _default(spec, ports, shipped):
    options = {
        'host': spec.host,
        'my_ip': ADDRESS,
        'state_path': spec.path('state'),
        'image_conversion_dir': spec.path('state', 'conversion'),
        'auth_strategy': 'noauth',
        'transport_url': 'fake:/',
        'api_paste_config': shipped.api_paste,
        'resource_query_filters_file': shipped.resource_filters,
        'osapi_volume_listen': ADDRESS,
        'osapi_volume_listen_port': ports.cinder,
        'enabled_backends': list(spec.backends),
        'report_interval': _REPORT_INTERVAL,
        'service_down_time': _SERVICE_DOWN_TIME,
        'rpc_response_timeout': _ANSWER_LIMIT,
        'periodic_interval': _STATS_INTERVAL,
        'periodic_fuzzy_delay': 0,
        'backend_stats_polling_interval': _STATS_INTERVAL,
        'scheduler_driver_init_wait_time': 1,
        # A backend that can't start is to be seen at once.
        'reinit_driver_count': 0,
        'graceful_shutdown_timeout': GRACE,
        'cinder_internal_tenant_project_id': PROJECT_ID,
        'cinder_internal_tenant_user_id': USER_ID,
    }
    options.update(dict.fromkeys(
        ('quota_volumes', 'quota_snapshots', 'quota_groups', 'quota_backups',
         'quota_gigabytes', 'quota_backup_gigabytes'), -1))
    if spec.glance:
        options['glance_api_servers'] = url(ports.glance)
    if spec.backup:
        options.update(_backup(spec))
    return options


def _patience(options):
    """The option of a driver of ours for that: prefix by its module."""
    package, __, rest = options['volume_driver'].partition('.')
    prefix, __, name = rest.partition('.')
    if package != __name__.partition('.')[0] or not name.isidentifier():
        return {}
    return {prefix + '_share_timeout': _SHARE_TIMEOUT}


def _backup(spec):
    return {
        'backup_driver': 'cinder.backup.drivers.posix.PosixBackupDriver',
        'backup_posix_path': spec.path('backup'),
        'backup_workers': 1,
    }


def _overlaid(sections, changes):
    merged = {name: dict(options) for name, options in sections.items()}
    for name, options in changes.items():
        merged.setdefault(name, {}).update(options)
    return merged


def _lines(option, value):
    if value is None:
        return []
    values = value if isinstance(value, tuple) else (value,)
    return ['%s = %s' % (option, _text(item)) for item in values]


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, set, frozenset)):
        return ','.join(_text(item) for item in value)
    return str(value)
