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

"""Runs the tests of inside/ in the virtual machine, as if they ran here.

On the host they are collected like any test, so they can be chosen by -k, -m
and node id. To run one, its node id goes to a pytest in the machine, and the
reports that this one makes are shown here. All run in one machine, started
for the first of them, in one process for root and one for an ordinary user.
When a test stops the machine or does not end, it fails, and the next one gets
a new machine.
"""

import pathlib
import signal
import tempfile

import pytest

from tests.realnfs import database
from tests.realnfs import errors
from tests.realnfs.guest import layout
from tests.realnfs import image
from tests.realnfs import link
from tests.realnfs import machine
from tests.realnfs import start

# Seconds: to boot and import Cinder on an emulated processor, and for a test
# without a mark `limit`. Some times what it takes on a host with other work.
_READY = 1200
_LIMIT = 1200
# How much earlier than we give up the machine writes where it hangs.
_HINT = 20

# Tests for the machine, and cases for the test of this harness.
_INSIDE = {pathlib.Path(__file__).with_name(name)
           for name in ('inside', 'cases')}


class Dispatcher:
    """The pytest plugin of the host's side."""

    def __init__(self, config):
        self._config = config
        self._machine = None
        self._folder = None
        # Why no machine can be had; not tried again for each test.
        self._hopeless = None

    def pytest_collection_modifyitems(self, items):
        for item in items:
            if is_inside(item):
                item.add_marker('realnfs')

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        if not is_inside(item):
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid,
                                     location=item.location)
        for report in self._reports(item):
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid,
                                      location=item.location)
        # The test before this one may have left folder-wide fixtures for it.
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def pytest_sessionfinish(self):
        self._stop()
        if self._folder:
            self._folder.cleanup()

    def _reports(self, item):
        try:
            self._start(item.session)
            yield from self._run(item)
        except errors.Missing as exc:
            yield self._missing(item, str(exc))
        except errors.MachineDied as exc:
            self._stop()
            yield _report(item, 'failed', str(exc))

    def _start(self, session):
        if self._hopeless:
            raise self._hopeless
        if self._machine:
            return
        try:
            self._machine = self._new_machine(session)
        except (errors.Missing, errors.MachineDied) as exc:
            self._hopeless = exc
            raise

    def _new_machine(self, session):
        machine.check_host()
        # To be ended is no reason to leave files behind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        files = sorted({item.path for item in session.items
                        if is_inside(item)})
        script = start.script(self._config, files, self._database())
        fresh = machine.Machine(image.ready(image.cache()), script,
                                layout.disks())
        try:
            for user in link.USERS:
                _expect_ready(fresh.receive(user, _READY))
        except BaseException:
            fresh.stop()
            raise
        return fresh

    def _database(self):
        """Path of the database to begin with, for all machines of the run."""
        if not self._folder:
            self._folder = tempfile.TemporaryDirectory(prefix='realnfs-db-')
        path = pathlib.Path(self._folder.name) / database.NAME
        return path if path.exists() else database.make(self._folder.name)

    def _run(self, item):
        limit, user = _limit(item), _user(item)
        self._machine.send(user, {'run': item.nodeid, 'hint': limit - _HINT,
                                  'next': _next_in_process(item)})
        while True:
            message = self._machine.receive(user, limit)
            if 'done' in message:
                return
            yield self._report_from(message['report'])

    def _report_from(self, data):
        report = self._config.hook.pytest_report_from_serializable(
            config=self._config, data=data)
        if isinstance(report.longrepr, list):
            # The place and reason of a skip, a tuple before it was JSON.
            report.longrepr = tuple(report.longrepr)
        return report

    def _missing(self, item, words):
        if self._config.getoption('allow_missing', False):
            path, line, _name = item.location
            return _report(item, 'skipped', (path, line, 'Skipped: ' + words))
        return _report(item, 'failed',
                       f'{words}\n(--allow-missing skips such tests)')

    def _stop(self):
        if self._machine:
            self._machine.stop()
            self._machine = None


def is_inside(item):
    """Whether this test is one for the machine."""
    return item.path.parent in _INSIDE


def _expect_ready(message):
    if 'failed' in message:
        raise errors.MachineDied(message['failed'])


def _user(item):
    return link.USER if item.get_closest_marker('service_user') else link.ROOT


def _next_in_process(item):
    """Node id of the next test that this one's process will run, or None."""
    items = item.session.items
    return next((other.nodeid for other in items[items.index(item) + 1:]
                 if is_inside(other) and _user(other) == _user(item)), None)


def _limit(item):
    mark = item.get_closest_marker('limit')
    return mark.args[0] if mark else _LIMIT


def _report(item, outcome, text):
    return pytest.TestReport(
        nodeid=item.nodeid, location=item.location, keywords={},
        outcome=outcome, longrepr=text, when='call')
