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

"""The cloud as its user holds it.

    with cloud.Cloud(spec.two_posix_backends('/tmp/cloud')) as running:
        volume = running.cinder.volumes.create(1, volume_type='alpha')
        running.wait_volume(volume.id)

Everything lies below the spec's root and stays there: a cloud that is
started on the same root again has its volumes back.
"""

import contextlib
import os
import sys

from remotefs_drivers.embedded import clients
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded import errors
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import ports
from remotefs_drivers.embedded import process
from remotefs_drivers.embedded import spec as specs

# Seconds. A start takes 3, but 10 times as long on an emulated processor.
START_LIMIT = 300

# Seconds from SIGTERM to SIGKILL; the services give up after config.GRACE, if
# they get their turn.
STOP_LIMIT = config.GRACE + 57

_HERE = os.path.dirname(os.path.abspath(__file__))


class Cloud(clients.Clients):
    """Cinder, and Glance when the spec has it, as child processes.

    :param spec: spec.Spec
    :param orphan: the processes outlive this one
    :ivar spec: may be replaced between stop() and start()
    """

    def __init__(self, spec, orphan=False):
        self.spec = spec
        self.ports = None
        self._orphan = orphan
        self._cinder = None
        self._glance = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    @property
    def conf(self):
        """The path of the cinder.conf that it is started with."""
        return self.spec.path(config.CINDER_CONF)

    @property
    def pids(self):
        """Process ids by name."""
        return {child.name: child.pid for child in self._children()}

    @property
    def alive(self):
        """Whether all of it runs."""
        children = self._children()
        return bool(children) and all(child.alive for child in children)

    def start(self, backends=None, limit=START_LIMIT):
        """Start, and wait until it can take requests.

        :param backends: names of those that must come up (default: all)
        :raises NotReady, PortTaken, NotInstalled: and stops what runs
        """
        self._refuse_twice()
        self._prepare()
        try:
            self._launch()
            self._wait_ready(
                self.spec.backends if backends is None else backends, limit)
        except BaseException:
            self.kill()
            raise

    def stop(self, limit=STOP_LIMIT):
        """SIGTERM, and SIGKILL to what does not end within ``limit`` seconds.

        :returns: exit code by name
        """
        for child in self._children():
            child.terminate()
        return self._end(lambda child: child.stop(limit))

    def kill(self, alone=False):
        """SIGKILL to Cinder and Glance.

        :param alone: leave commands that Cinder has started to themselves,
            as they are when an operator's service is killed
        """
        return self._end(lambda child: child.kill(alone))

    def restart(self, **kwargs):
        """Stop and start again, on the same ports; arguments of start()."""
        self.stop()
        self.start(**kwargs)

    def kill_cinder(self, alone=True):
        """SIGKILL to Cinder only."""
        self._cinder.kill(alone)

    def start_cinder(self, backends=None, limit=START_LIMIT):
        """Start Cinder again after :meth:`kill_cinder`."""
        with contextlib.closing(ports.listen(self.ports.cinder)) as server:
            self._cinder = self._cinder_child(server)
            self._cinder.start()
        self._wait_ready(
            self.spec.backends if backends is None else backends, limit)

    def log(self, lines=40):
        """The last lines of Cinder's log, since its last start."""
        return self._cinder.tail(lines) if self._cinder else ''

    def check(self):
        """:raises NotReady: when a process has ended."""
        for child in self._children():
            child.check()

    def _children(self):
        return [child for child in (self._cinder, self._glance) if child]

    def _refuse_twice(self):
        if any(child.alive for child in self._children()):
            raise errors.CloudError('The cloud in %s is running already.'
                                    % self.spec.root)

    def _prepare(self):
        self._check_installed()
        # Images and databases are nobody else's business.
        os.makedirs(self.spec.root, mode=0o700, exist_ok=True)
        for folder in config.folders(self.spec):
            os.makedirs(folder, exist_ok=True)

    def _check_installed(self):
        needed = ['cinder', 'cinderclient']
        if self.spec.glance:
            needed += ['glanceclient']
            if not self.spec.glance_python:
                needed += ['glance', 'gunicorn']
        installed.require(*needed)
        if (self.spec.concurrency == specs.THREADS
                and not installed.has_native_threads()):
            raise errors.SpecInvalid('This Cinder can\'t run with native '
                                     'threads: that came with Cinder 29.')

    def _launch(self):
        kept = ports.load(self.spec) or config.Ports(None)
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(contextlib.closing(
                ports.listen(kept.cinder)))]
            if self.spec.glance:
                servers.append(stack.enter_context(contextlib.closing(
                    ports.listen(kept.glance))))
            numbers = [server.getsockname()[1] for server in servers]
            self.ports = config.Ports(*numbers)
            ports.save(self.spec, self.ports)
            self._write_config()
            self._cinder = self._cinder_child(servers[0])
            self._glance = (self._glance_child(servers[1])
                            if self.spec.glance else None)
            for child in self._children():
                child.start()

    def _write_config(self):
        sections = config.cinder(self.spec, self.ports, installed.shipped())
        _write(self.conf, config.render(sections))
        _write(self.spec.path(config.CLOUDS_FILE),
               config.clouds_yaml(self.ports))
        if self.spec.glance:
            _write(self.spec.path('glance', 'glance-api.conf'),
                   config.render(config.glance(self.spec)))

    def _cinder_child(self, server):
        threads = self.spec.concurrency == specs.THREADS
        command = [sys.executable, '-m', 'remotefs_drivers.embedded.service',
                   '--config-file', self.conf,
                   '--listen-fd', str(server.fileno())]
        if self.spec.backup:
            command.append('--backup')
        if self.spec.root_helper:
            command += ['--root-helper', self.spec.root_helper]
        return self._child('cinder', command, server, {
            'OS_CINDER_DISABLE_EVENTLET_PATCHING': '1' if threads else None,
            'PYTHONPATH': os.pathsep.join(filter(None, [
                os.path.dirname(os.path.dirname(_HERE)),
                os.environ.get('PYTHONPATH')]))})

    def _glance_child(self, server):
        # As a file, since its interpreter may not have our package.
        command = [self.spec.glance_python or sys.executable, '-I',
                   os.path.join(_HERE, 'glance_server.py'),
                   '--config-dir', self.spec.path('glance'),
                   '--listen-fd', str(server.fileno())]
        return self._child('glance', command, server, {})

    def _child(self, name, command, server, environment):
        return process.Child(
            name, command, self.spec.path('log', name + '.log'),
            environment=environment, sockets=[server], orphan=self._orphan)

    def _end(self, how):
        codes = {}
        for child in self._children():
            codes[child.name] = how(child)
        return codes


def _write(path, text):
    with open(path, 'w') as out:
        out.write(text)
