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

"""A real Glance under gunicorn: ``python -m`` this, with a folder.

The folder holds ``glance-api.conf``. Beside it go Glance's own paste file and
a ``policy.yaml``, which are made here since only Glance's interpreter knows
them. Without Keystone every caller may do everything.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import sys

# Run as a file by Glance's interpreter, which may not have our package.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))

from glance.common import config as glance_config
from glance.common import wsgi  # noqa: F401  registers options
from glance.db.sqlalchemy import alembic_migrations
from glance.db.sqlalchemy import api as db_api
from glance import policies

from alembic import command as alembic
from gunicorn.app import base
from oslo_config import cfg

from remotefs_drivers.embedded import database

CONF = cfg.CONF

_THREADS = 8

# Seconds that requests under way get to finish after SIGTERM.
_GRACE = 3


class Server(base.BaseApplication):
    """Gunicorn with one worker of native threads, on an inherited socket."""

    def __init__(self, listen_fd):
        self._listen_fd = listen_fd
        super().__init__()

    def load_config(self):
        for name, value in (('bind', 'fd://%d' % self._listen_fd),
                            ('worker_class', 'gthread'),
                            ('workers', 1),
                            ('threads', _THREADS),
                            ('graceful_timeout', _GRACE),
                            # One that is closed here just when a client
                            # uses it again would fail the request.
                            ('keepalive', 0),
                            # Of a silent worker: an upload may be long.
                            ('timeout', 0)):
            self.cfg.set(name, value)
        # Newer ones open a socket in the user's home.
        if 'control_socket_disable' in self.cfg.settings:
            self.cfg.set('control_socket_disable', True)

    def load(self):
        from glance.wsgi import api
        return api.application


def main(argv):
    arguments = _parse(argv)
    # Where Glance's WSGI application looks for its configuration.
    os.environ['OS_GLANCE_CONFIG_DIR'] = arguments.config_dir
    glance_config.set_config_defaults()
    CONF([], project='glance', default_config_files=[
        os.path.join(arguments.config_dir, 'glance-api.conf')])
    copy_paste_file(arguments.config_dir)
    database.install()
    write_policy(os.path.join(arguments.config_dir, 'policy.yaml'))
    alembic.upgrade(alembic_migrations.get_alembic_config(), 'heads')
    # No connection may be shared with the worker that is forked next.
    db_api.get_engine().dispose()
    Server(arguments.listen_fd).run()


def copy_paste_file(folder):
    """Glance looks for it where its configuration is."""
    name = 'glance-api-paste.ini'
    places = [str(entry.locate())
              for entry in importlib.metadata.files('glance') or ()
              if entry.name == name]
    places += [os.path.join(prefix, 'etc', 'glance', name)
               for prefix in (sys.prefix, '/')]
    found = [place for place in places if os.path.isfile(place)]
    if not found:
        sys.exit('Glance\'s %s was found in none of %s.' % (name, places))
    shutil.copyfile(found[0], os.path.join(folder, name))


def write_policy(path):
    """A policy file (JSON is YAML) that lets everybody do everything."""
    rules = {rule.name: '@' for rule in policies.list_rules()}
    with open(path, 'w') as policy:
        json.dump(rules, policy, indent=1)


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog='remotefs_drivers.embedded.glance_server')
    parser.add_argument('--config-dir', required=True)
    parser.add_argument('--listen-fd', type=int, required=True)
    return parser.parse_args(argv)


if __name__ == '__main__':
    main(sys.argv[1:])
