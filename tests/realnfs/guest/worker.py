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

"""The pytest plugin of the machine's side: runs what the host asks for.

When all tests are collected the process forks: one goes on as root, the other
as a user such as cinder-volume's, each with its own line to the host. So
Cinder, which takes half a minute here, is imported once.
"""

import faulthandler
import grp
import os
import pwd

import pytest

from tests.realnfs.guest import serve
from tests.realnfs import link


class Worker:
    """Runs tests by order, and reports each to the host."""

    def __init__(self, config):
        self._config = config
        # pytest captures what is written to stderr.
        self._console = open('/dev/console', 'w')
        self._link = None
        self._problems = []

    def pytest_collectreport(self, report):
        if report.failed:
            self._problems.append(str(report.longrepr))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        user = _fork()
        self._link = link.MachineEnd(user)
        try:
            serve.wait()
            _become(user)
        except (RuntimeError, OSError) as exc:
            self._problems.append(str(exc))
        if self._problems:
            self._link.send(failed='\n'.join(self._problems))
        else:
            self._link.send(ready=True)
        self._serve({item.nodeid: item for item in session.items})
        return True

    def pytest_runtest_logreport(self, report):
        self._link.send(report=self._config.hook.pytest_report_to_serializable(
            config=self._config, report=report))

    def _serve(self, items):
        for order in self._link:
            faulthandler.dump_traceback_later(order['hint'],
                                              file=self._console)
            self._config.hook.pytest_runtest_protocol(
                item=items[order['run']], nextitem=items.get(order['next']))
            faulthandler.cancel_dump_traceback_later()
            self._link.send(done=order['run'])


def pytest_configure(config):
    config.pluginmanager.register(Worker(config))


def _fork():
    """Become two processes; says which user's this one is."""
    return link.ROOT if os.fork() else link.USER


def _become(name):
    """Take on a user for good, with the groups and the home of theirs."""
    if name == link.ROOT:
        return
    user = pwd.getpwnam(name)
    os.initgroups(name, grp.getgrgid(user.pw_gid).gr_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ.update(HOME=user.pw_dir, USER=name, LOGNAME=name)
