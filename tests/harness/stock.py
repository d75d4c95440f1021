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

"""Stock Cinder: its own programs, one cinder.conf, a real message broker.

    with rabbitmq.Broker(folder) as broker:
        with stock.Cloud(spec.two_posix_backends(root), broker) as running:
            running.cinder.volumes.create(1, volume_type='alpha')

It is held like ``embedded.cloud.Cloud``, whose configuration, clients,
ports and Glance it shares, so that a test can run on either. What differs is
what runs: ``cinder-scheduler`` and ``cinder-volume`` as they are installed,
and the API in a WSGI server (gunicorn), as Cinder's manual wants it.
"""

import datetime
import hashlib
import os
import shutil
import subprocess
import sys

from cinderclient import exceptions as cinder_exceptions
from keystoneauth1 import exceptions as session_exceptions

from remotefs_drivers.embedded import cloud
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import database
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import process
from remotefs_drivers.embedded import spec as specs
from tests.harness import family
from tests.harness import turns
from tests.harness import undertaker
from tests.harness import users

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Seconds: 10 on an idle machine of two cores.
START_LIMIT = 400

# Seconds for making the tables.
_SYNC_LIMIT = 300

_API_THREADS = 8

# Sections of the privsep contexts of Cinder, os-brick and our drivers.
_PRIVSEP = ('cinder_sys_admin', 'privsep_osbrick', 'remotefs_privileged')

_GUNICORN = """\
import sys

# Where the application takes its configuration from.
sys.argv[1:] = ['--config-file', %(conf)r]
wsgi_app = 'cinder.wsgi.api:application'
bind = 'fd://%(fd)d'
worker_class = 'gthread'
workers = 1
threads = %(threads)d
graceful_timeout = %(grace)d
timeout = 0
control_socket_disable = True
"""


class Cloud(cloud.Cloud):
    """API, scheduler and volume service as processes of their own.

    :param spec: embedded.spec.Spec
    :param broker: rabbitmq.Broker, started
    :param programs: folder to put in front of PATH, see user_mount
    :param user: id of the user that Cinder runs as, when root runs this;
        he has no way to other rights
    :param hosts: names of further hosts, each with a cinder-volume that has
        the same backends and nothing else in common with the others
    """

    def __init__(self, spec, broker, programs=None, user=None, hosts=()):
        self._broker = broker
        self._vhost = hashlib.sha256(spec.root.encode()).hexdigest()[:16]
        super().__init__(_with_broker(
            spec, broker.url(self._vhost),
            os.geteuid() if user is None else user))
        self._hosts = tuple(hosts)
        self._programs = programs
        self._user = user
        self._started = None
        self._undertaker = None

    def start(self, backends=None, limit=START_LIMIT):
        self._broker.add_vhost(self._vhost)
        self._undertaker = self._undertaker or undertaker.Undertaker()
        super().start(backends, limit)

    def stop(self, limit=cloud.STOP_LIMIT):
        """As its base; nothing that it has started survives.

        :raises Withstood: when something does
        """
        codes = super().stop(limit)
        self._bury()
        return codes

    def kill(self, alone=False):
        codes = super().kill(alone)
        if not alone:
            self._bury()
        return codes

    def kill_cinder(self, alone=True, name='cinder-volume'):
        """SIGKILL to cinder-volume only; API and scheduler stay.

        :param name: of the one that is meant, see ``pids``
        """
        self._cinder.kill_one(name, alone)

    def start_cinder(self, backends=None, limit=START_LIMIT,
                     name='cinder-volume'):
        """Start cinder-volume again after :meth:`kill_cinder`."""
        self._started = _now()
        self._cinder.start_one(name)
        self._wait_ready(
            self.spec.backends if backends is None else backends, limit)

    @property
    def pids(self):
        """Process ids by name: of each program, not of Cinder as a whole."""
        found = super().pids
        if found.pop('cinder', None):
            found.update(self._cinder.pids)
        return found

    def _bury(self):
        if self._undertaker:
            self._undertaker.bury()
        self._undertaker = None

    def _cinder_child(self, server):
        self._started = _now()
        if self._user is not None:
            users.give(self.spec.root, self._user)
        return family.Services(self._synchronize_database, [
            self._api(server), self._service('cinder-scheduler'),
            self._service('cinder-volume'),
            *map(self._volume_service_of, self._hosts),
            *([self._service('cinder-backup')] if self.spec.backup else [])])

    def _service(self, program, name=None, more=()):
        """:param more: paths of further configuration files"""
        name = name or program
        files = [self.spec.path('cinder.conf'), *more]
        return family.Family(
            name, self._as_user([_program(program)] + [
                '--config-file=' + path for path in files]),
            self.spec.path('log', name + '.log'),
            environment=self._environment(
                threads=self.spec.concurrency == specs.THREADS))

    def _volume_service_of(self, host):
        """With folders of its own, as another host has."""
        state = self.spec.path('host-' + host)
        for name in ('locks', 'conversion'):
            os.makedirs(os.path.join(state, name), exist_ok=True)
        path = os.path.join(state, 'cinder.conf')
        _write(path, config.render({
            'DEFAULT': {'host': host, 'state_path': state,
                        'image_conversion_dir': state + '/conversion'},
            'oslo_concurrency': {'lock_path': state + '/locks'}}))
        return self._service('cinder-volume', 'cinder-volume-' + host, [path])

    def _api(self, server):
        """In native threads always, since gunicorn gives it these."""
        path = self.spec.path('gunicorn.conf.py')
        _write(path, _GUNICORN % {
            'conf': self.spec.path('cinder.conf'), 'fd': server.fileno(),
            'threads': _API_THREADS, 'grace': config.GRACE})
        return process.Child(
            'cinder-api',
            self._as_user([_program('gunicorn'), '--config', path]),
            self.spec.path('log', 'cinder-api.log'), sockets=[server],
            environment=self._environment(threads=True))

    def _as_user(self, command):
        if self._user is None:
            return command
        return users.command(self._user, command)

    def _environment(self, threads):
        path = os.environ.get('PATH', os.defpath)
        return {
            **self._undertaker.environment,
            'OS_CINDER_DISABLE_EVENTLET_PATCHING': '1' if threads else None,
            'HOME': self.spec.path('state'),
            'PATH': os.pathsep.join(filter(None, [self._programs, path])),
            'PYTHONPATH': os.pathsep.join(filter(None, [
                REPOSITORY, turns.install(self.spec.path('plugins')),
                os.environ.get('PYTHONPATH')])),
        }

    def _synchronize_database(self):
        done = subprocess.run(
            self._as_user([_program('cinder-manage'), '--config-file',
                           self.spec.path('cinder.conf'), 'db', 'sync']),
            env={**os.environ, **self._environment(threads=True)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_SYNC_LIMIT, text=True)
        if done.returncode:
            raise errors.NotReady('The tables could not be made.',
                                  done.stdout)
        database.write_ahead_log(self.spec.path('cinder.sqlite'))

    def _wait_ready(self, backends, limit):
        # What it reported before the start does not count.
        self._until(lambda: self._beating(backends), limit,
                    'the services in %s to report' % self.spec.root)
        # A driver may still be looking at its shares, one of them dead.
        self._until(lambda: set(backends) <= self._usable(), limit,
                    'the backends %s to be up' % ', '.join(backends))
        super()._wait_ready(backends, limit)

    def _beating(self, backends):
        """Whether all have reported since the start that was the last."""
        try:
            services = self.cinder.services.list()
        except (cinder_exceptions.ClientException,
                session_exceptions.ClientException):
            return False
        beating = {service.host for service in services
                   if service.updated_at
                   and _time(service.updated_at) > self._started}
        # A request that comes before the scheduler listens is lost, and
        # waited for a minute.
        return {self.spec.host, *(
            '%s@%s' % (host, backend) for backend in backends
            for host in (self.spec.host, *self._hosts))} <= beating


def _with_broker(spec, url, user):
    """The spec, with what separate processes need in cinder.conf."""
    merged = {name: dict(options) for name, options in spec.options.items()}
    defaults = {
        'DEFAULT': {'transport_url': url},
        'database': {'connection': turns.url(
            spec.path('cinder.sqlite'))},
    }
    for name in _PRIVSEP:
        defaults[name] = _daemon_of_the_same_user(spec, user)
    for name, options in defaults.items():
        merged[name] = {**options, **merged.get(name, {})}
    return spec.replace(options=merged)


def _daemon_of_the_same_user(spec, user):
    """A privsep daemon without sudo, and without what it can't have."""
    options = {'helper_command': '%s --config-file %s' % (
        _program('privsep-helper'), spec.path('cinder.conf'))}
    if user != 0:
        options['capabilities'] = ''
    return options


def _program(name):
    """A program of the Python that runs this, or of the system."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.path.exists(beside) else shutil.which(name)
    if not found:
        raise errors.NotInstalled('The program %s was not found beside %s, '
                                  'nor in PATH.' % (name, sys.executable))
    return found


def _now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def _time(text):
    """A time as Cinder's API writes it, in UTC."""
    return datetime.datetime.fromisoformat(text)


def _write(path, text):
    with open(path, 'w') as out:
        out.write(text)
