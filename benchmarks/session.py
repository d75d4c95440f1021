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

"""A Cinder around the two drivers, and the order of things.

Imports Cinder, so nothing may import this before it is decided whether
eventlet patches the standard library: see ``inside``.
"""

import os
import platform
import sys

from cinder import objects
from cinder import privsep
from cinder import utils
from cinder import version
from os_brick import privileged as brick_privileged
from oslo_config import cfg
from oslo_log import log as logging

from benchmarks import filesystem
from benchmarks import meter
from benchmarks import report
from benchmarks import rounds
from benchmarks import subjects
from remotefs_drivers import privileged
from tests import rig

CONF = cfg.CONF


class Session:
    """Operations, measured on one file system, or on two.

    :param root: an empty folder there
    :param plain_root: the same, for what must not share blocks
    :param state: a folder for the database, the lock files and the log
    :param number: of rounds
    :param say: called with a line of text about the progress
    :param ours: see subjects.Builder
    :param points: see there
    """

    def __init__(self, root, plain_root, state, number, say,
                 ours=subjects.Ours, points=None):
        self._root = root
        self._plain_root = plain_root
        self._state = state
        self._number = number
        self._say = say
        self._ours = ours
        self._points = points
        self._load = [_load()]

    def run(self, chosen):
        """Measure these operations. Returns a list of report.Line."""
        started = _start(self._state)
        clock = _clock()
        measured = [self._measure(operation, started, clock)
                    for operation in chosen]
        return self._finish([one for one in measured if one])

    def conditions(self):
        """What the figures depend on, for the report."""
        return {
            'Cinder': '%s, %s' % (version.version_string(), _concurrency()),
            'Machine': 'Python %s, Linux %s, %d CPUs, load %s' % (
                platform.python_version(), platform.release(),
                os.cpu_count(), ' to '.join(self._load + [_load()])),
            'File system': filesystem.kind(self._root),
            'Rights': 'uid %d, nas_secure_* = false, privsep contexts in '
                      'process' % os.geteuid(),
            'Mounting': 'does nothing for either driver; /proc is still '
                        'read',
            'Rounds': '%d, each a batch of calls by one driver, then by the '
                      'other; medians' % self._number}

    def _measure(self, operation, started, clock):
        """A Rounds, or None when it cannot be measured here."""
        self._say('%s ...' % operation.title)
        root = self._root if operation.may_share else self._plain_root
        pair = subjects.Builder(started, root, self._ours,
                                self._points).pair(operation)
        reason = operation.prepare(pair, root)
        if reason:
            self._say('  left out: %s' % reason)
            return None
        measured = rounds.Rounds(operation, pair, clock)
        measured.time(self._number)
        return measured

    def _finish(self, measured):
        self._say('counting children ...')
        counter = meter.ChildCounter()
        for one in measured:
            one.count(counter)
        return [report.Line(one.operation.name, one.operation.title,
                            tuple(one.figures), one.operation.saves,
                            tuple(one.bare), tuple(one.limit))
                for one in measured]


def _start(folder):
    """Cinder, as far as drivers see it, in a folder; returns the rig."""
    logging.register_options(CONF)
    started = rig.Rig(folder)
    CONF.set_override('log_file', os.path.join(folder, 'cinder.log'))
    logging.setup(CONF, 'cinder')
    # It sent what ends this process to the log, which goes with it.
    sys.excepthook = sys.__excepthook__
    for context in (privsep.sys_admin_pctxt, privileged.default,
                    brick_privileged.default):
        context.set_client_mode(False)
    if os.geteuid() != 0:
        # oslo insists on some program; sudo would cost 100 ms more.
        CONF.set_override('rootwrap_config', os.devnull)
        utils.get_root_helper = lambda: 'env'
    subjects.mounting_does_nothing()
    return started


def _clock():
    clock = meter.DatabaseClock()
    clock.install(objects.Volume, objects.VolumeList, objects.Snapshot,
                  objects.SnapshotList)
    return clock


def _concurrency():
    try:
        threads = utils.concurrency_mode_threading()
    except AttributeError:
        threads = False
    return 'native threads' if threads else 'eventlet'


def _load():
    return '%.1f' % os.getloadavg()[0]
