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

"""``cinder-remotefs demo``: see the library work, on this machine."""

import contextlib
import functools
import importlib.metadata
import logging
import os
import pwd
import shutil
import signal
import sys
import tempfile

from cliff import command

from remotefs_drivers.cmd import grounds
from remotefs_drivers.cmd import reporter
from remotefs_drivers.cmd import sample
from remotefs_drivers.cmd import walkthrough
from remotefs_drivers.embedded import cloud
from remotefs_drivers.embedded import config
from remotefs_drivers.embedded.hypervisor import cinder
from remotefs_drivers.embedded.hypervisor import compute
from remotefs_drivers.embedded import installed
from remotefs_drivers.embedded import spec

_WORK = 'demo'
_NOVA = 'nova'

# What the demo takes in the end, and more while it runs: 2 GiB.
_ROOM = 2 << 30


class Demo(command.Command):
    """Start a whole Cinder and a Glance, and take volumes through their life.

    Their snapshots, too, with the service killed while it deletes one, and
    with a guest (QEMU) that writes all the time.

    Two backends of remotefs_drivers.posix.PosixDriver, one with raw and one
    with qcow2 volumes; loopback and free ports only; no root. Or, for root,
    two of GlusterfsDriver, on a real GlusterFS in a network of its own.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('--backend', choices=sorted(grounds.GROUNDS),
                            default='posix',
                            help='what the volumes are on (default: '
                                 '%(default)s)')
        parser.add_argument('--directory', metavar='PATH',
                            help='where everything goes, an empty folder or '
                                 'one of an earlier run (default: one for '
                                 'the time being)')
        parser.add_argument('--keep', action='store_true',
                            help='leave it running, and say how to talk to '
                                 'it')
        parser.add_argument('--threads', action='store_true',
                            help='native threads instead of eventlet (needs '
                                 'Cinder 29)')
        return parser

    def take_action(self, parsed_args):
        if parsed_args.keep and parsed_args.backend != 'posix':
            raise RuntimeError('--keep would leave a Cinder whose shares end '
                               'with this command: use it without --backend.')
        _check_programs()
        # A QEMU that ends is nothing to tell of.
        logging.getLogger('qemu.qmp').setLevel(logging.WARNING)
        # The blocks below undo what they did on that, too.
        signal.signal(signal.SIGTERM, _terminate)
        root = _root(parsed_args.directory)
        try:
            with grounds.GROUNDS[parsed_args.backend](
                    root, concurrency=spec.THREADS if parsed_args.threads
                    else spec.EVENTLET) as wanted:
                _run(wanted, parsed_args.keep,
                     reporter.Reporter(self.app.stdout))
        except BaseException:
            self.app.stdout.write('\nFAILED. Everything is left in %s, the '
                                  'logs in %s.\n' % (root, os.path.join(
                                      root, 'log')))
            raise
        if not (parsed_args.keep or parsed_args.directory):
            shutil.rmtree(root)


def _run(wanted, keep, report):
    work = wanted.path(_WORK)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, mode=0o700)
    report.say(_heading(wanted))
    with compute.Compute(wanted.path(_NOVA), functools.partial(
            cinder.local_path, mount_base=wanted.mounts)) as nova:
        running = cloud.Cloud(nova.configured(wanted), orphan=keep)
        nova.cinder = cinder.Cinder(running)
        with _stopped(running, keep, report):
            with report.step('start Cinder and Glance'):
                running.start()
            walk = walkthrough.Walkthrough(running, work, nova,
                                           keep_image=keep)
            for title, step in walk.steps():
                with report.step(title) as progress:
                    step(progress)
    shutil.rmtree(work)
    report.say()
    report.say('Proven, by reading every byte:')
    for line in walk.proven:
        report.say('  - ' + line)
    if keep:
        report.say(_how_to_talk(running))


@contextlib.contextmanager
def _stopped(running, keep, report):
    """Stop it after the block, unless it is to be kept and is whole."""
    try:
        yield
    except BaseException:
        running.stop()
        raise
    if not keep:
        with report.step('stop'):
            running.stop()


def _heading(wanted):
    return ('Cinder %s (%s) and Glance %s in %s, as user %s' % (
        importlib.metadata.version('cinder'), wanted.concurrency,
        importlib.metadata.version('glance'), wanted.root,
        pwd.getpwuid(os.geteuid()).pw_name))


def _how_to_talk(running):
    root = running.spec.root
    variables = config.cinder_client_variables(running.ports)
    return _TALK.format(
        root=root, image=walkthrough.IMAGE,
        directory=root, clouds=os.path.join(root, config.CLOUDS_FILE),
        cloud=config.CLOUD_NAME,
        variables=' \\\n        '.join('%s=%s' % item for item
                                       in variables.items()),
        pids=' '.join(str(pid) for pid in running.pids.values()))


_TALK = """
It is still running, for everybody on this machine: it has no passwords. With
the openstack client:

    export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD={cloud}
    openstack volume service list
    openstack volume create --size 1 --type beta --image {image} mine

With the cinder client:

    env {variables} \\
        cinder list

The guest is gone, and so is its Nova: snapshots of attached volumes fail from
now on. Configuration and logs are in {root}.

To stop it:

    kill {pids}

To start it again: cinder-remotefs demo --keep --directory {directory}
"""


def _check_programs():
    installed.require('qemu.qmp')
    missing = sample.missing_programs()
    if missing:
        raise RuntimeError('The programs %s are missing. Install the '
                           'packages %s.' % (
                               ', '.join(missing),
                               ', '.join(sorted(set(missing.values())))))


def _root(directory):
    """An absolute path of a folder that is ours to fill."""
    if directory is None:
        root = tempfile.mkdtemp(prefix='remotefs-demo-')
    else:
        root = os.path.abspath(directory)
        os.makedirs(root, mode=0o700, exist_ok=True)
        if os.listdir(root) and not os.path.exists(
                os.path.join(root, config.CINDER_CONF)):
            raise RuntimeError('%s is not empty, and not of an earlier demo.'
                               % root)
    if shutil.disk_usage(root).free < _ROOM:
        raise RuntimeError('%s has less than %d MiB of free room. Name '
                           'another place with --directory.' % (
                               root, _ROOM >> 20))
    return root


def _terminate(number, frame):
    sys.exit(128 + number)
