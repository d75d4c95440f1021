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

"""A whole Cinder in this process: ``python -m`` this, with a cinder.conf.

Started by :mod:`remotefs_drivers.embedded.cloud`; can be started by hand as
well. It ends on SIGTERM and SIGINT. The order of the start: database,
scheduler, volume services (and the backup service), and the API as the last,
so that what answers is ready.
"""

# As the stock service does it: chooses eventlet or native threads, and
# patches before anything else is imported.
import cinder.cmd.volume  # noqa: I100,I202

import argparse
import faulthandler
import logging as python_logging
import os
import signal
import sys
import threading
import time
import traceback

import os_brick
from oslo_config import cfg
from oslo_log import log as logging
import sqlalchemy.engine

import cinder.cmd.backup  # noqa: F401  registers options
from cinder.common import config
from cinder.common import constants
from cinder import context
from cinder import coordination
from cinder.db import migration
from cinder import objects
from cinder import rpc
from cinder import utils
from cinder import version

from remotefs_drivers.embedded import api
from remotefs_drivers.embedded import config as embedded_config
from remotefs_drivers.embedded import database
from remotefs_drivers.embedded import identity
from remotefs_drivers.embedded import native
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import rights
from remotefs_drivers.embedded import transport

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# They warn of the key manager for tests with every object that is made.
_QUIET = ['castellan=ERROR', 'stevedore=ERROR', 'cinder.keymgr=ERROR']

# Seconds between two looks at the flag that the signal handler sets.
_TICK = 0.05


class Embedded:
    """The services of one Cinder, started and stopped together."""

    def __init__(self, listening, with_backup):
        self._listening = listening
        self._with_backup = with_backup
        self._services = []
        self._server = None

    def start(self):
        _synchronize_database()
        coordination.COORDINATOR.start()
        rpc.init(CONF)
        scheduler = self._create(binary=constants.SCHEDULER_BINARY)
        # It waits a second or more for the volume services to report.
        waiting = _Thread(scheduler.start)
        volumes = [self._volume(backend) for backend in CONF.enabled_backends]
        for service in volumes:
            service.start()
        if self._with_backup:
            self._backup().start()
        waiting.finish()
        _feed_scheduler(volumes)
        self._server = api.Server(self._listening, api.load(CONF))
        self._server.start()

    def stop(self):
        """Let what is under way finish, for a few seconds at most."""
        deadline = time.monotonic() + embedded_config.GRACE
        if self._server:
            self._server.stop(embedded_config.GRACE)
        stopping = [_Thread(_end, service) for service in self._services]
        for thread in stopping:
            thread.join(max(0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in stopping):
            LOG.warning('Requests are still under way after %d seconds. '
                        'They end here, as they do when a service is killed.',
                        embedded_config.GRACE)

    def _volume(self, backend):
        CONF.register_opt(cinder.cmd.volume.host_opt, group=backend)
        host = CONF[backend].backend_host or CONF.host
        return self._create(host='%s@%s' % (host, backend),
                            service_name=backend, coordination=True,
                            binary=constants.VOLUME_BINARY)

    def _backup(self):
        semaphore = utils.semaphore_factory(CONF.backup_max_operations, 1)
        return self._create(service_name='backup', coordination=True,
                            binary=constants.BACKUP_BINARY,
                            process_number=1, semaphore=semaphore)

    def _create(self, **fields):
        service = identity.EmbeddedService.create(**fields)
        self._services.append(service)
        return service


class _Thread(threading.Thread):
    """A thread whose exception is raised where it is waited for."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self._call = (function, args)
        self._error = None
        self.start()

    def run(self):
        function, args = self._call
        try:
            function(*args)
        except BaseException as exc:
            self._error = exc

    def finish(self):
        self.join()
        if self._error:
            raise self._error


class Stop:
    """Set by SIGTERM and SIGINT; a second one ends the process at once."""

    def __init__(self):
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number, frame):
        if self.wanted:
            os._exit(128 + number)
        self.wanted = True

    def wait(self, unless=lambda: False):
        """Until a signal comes, or ``unless()`` is true."""
        while not self.wanted and not unless():
            time.sleep(_TICK)


def main(argv):
    stop = Stop()
    # For whoever wonders where it hangs: kill -USR1, and look into the log.
    faulthandler.register(signal.SIGUSR1)
    arguments = _parse(argv)
    _configure(arguments)
    if arguments.listen_fd is None:
        listening = ports.listen(CONF.osapi_volume_listen_port)
    else:
        listening = api.inherited(arguments.listen_fd)
    embedded = Embedded(listening, arguments.backup)
    # In a thread, so that a driver that hangs in its setup can be stopped.
    starting = _Thread(embedded.start)
    stop.wait(unless=lambda: not starting.is_alive())
    if stop.wanted:
        return 0
    starting.finish()
    LOG.info('Cinder answers at %s, with %s',
             embedded_config.url(CONF.osapi_volume_listen_port),
             'native threads' if native.is_native() else 'eventlet')
    stop.wait()
    embedded.stop()
    return 0


def _parse(argv):
    parser = argparse.ArgumentParser(prog='remotefs_drivers.embedded.service')
    parser.add_argument('--config-file', required=True)
    parser.add_argument('--listen-fd', type=int,
                        help='a socket that listens already')
    parser.add_argument('--backup', action='store_true',
                        help='run cinder-backup as well')
    parser.add_argument('--root-helper',
                        help='by what it becomes root; by nothing without it')
    return parser.parse_args(argv)


def _configure(arguments):
    objects.register_all()
    CONF(['--config-file', arguments.config_file], project='cinder',
         version=version.version_string())
    config.set_middleware_defaults()
    logging.set_defaults(default_log_levels=(
        logging.get_default_log_levels() + _QUIET))
    logging.setup(CONF, 'cinder')
    python_logging.captureWarnings(True)
    os_brick.setup(CONF)
    if arguments.root_helper:
        rights.become_root_by(arguments.root_helper)
    else:
        rights.stay()
    native.mend()
    transport.install()
    database.install()


def _synchronize_database():
    migration.db_sync()
    path = sqlalchemy.engine.make_url(CONF.database.connection).database
    database.write_ahead_log(path)


def _feed_scheduler(volumes):
    """The reports that came before the scheduler listened are lost."""
    for service in volumes:
        service.manager.publish_service_capabilities(
            context.get_admin_context())


def _end(service):
    service.stop()
    service.wait()


def _exit_code(argv):
    try:
        return main(argv)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


if __name__ == '__main__':
    code = _exit_code(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of Cinder's pools would be joined by the interpreter: one that
    # hangs on a dead share would keep the process for ever.
    os._exit(code)
