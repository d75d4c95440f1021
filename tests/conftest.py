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

"""What holds for all tests.

A test that did not run is no proof: one that is skipped counts as a failure
unless --allow-missing is given. Tests marked ``root`` run as root only;
whoever is not root sees how many were left out. A test of tests/unit that
starts a child process fails, see ``tests.guard``.
"""

import os
import types

import pytest

from tests import guard

pytest_plugins = ['pytester', 'tests.pairs']

_UNIT = os.path.join(os.path.dirname(__file__), 'unit', '')
_MARKERS = (
    'root: needs root; the rest runs as an ordinary user',
    'pairs: any two of its parameters\' values meet, see tests/pairs.py',
    'turns: each of its parameters\' values has a turn, see there',
    'realnfs: needs the virtual machine with an NFS server',
    'short: belongs to the set that is run on old releases of Cinder too',
    'slow: takes more than a few seconds',
)
_NO_PROOF = ('A test that did not run is no proof. Install what it needs, or '
             'give --allow-missing.')

_left_out = pytest.StashKey()
_tables = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption('--allow-missing', action='store_true',
                     dest='allow_missing', default=False,
                     help='a test that is skipped does not count as failed')


def pytest_configure(config):
    for marker in _MARKERS:
        config.addinivalue_line('markers', marker)
    config.stash[_left_out] = 0
    config.stash[_tables] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what needs root. Last, so that -m and -k came first."""
    if os.geteuid() == 0:
        return
    roots = [item for item in items if item.get_closest_marker('root')]
    if roots:
        items[:] = [item for item in items if item not in roots]
        config.hook.pytest_deselected(items=roots)
        config.stash[_left_out] = len(roots)


def pytest_terminal_summary(terminalreporter, config):
    for title, lines in config.stash[_tables]:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
    if config.stash[_left_out]:
        terminalreporter.write_line(
            '%d tests marked "root" were left out: run "pytest -m root" as '
            'root' % config.stash[_left_out], yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    # An expected failure has run.
    if not hasattr(report, 'wasxfail'):
        _count_skip(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _count_skip(collector.config, report)
    return report


def _count_skip(config, report):
    """Turn the report of a skip into one of a failure."""
    if report.skipped and not config.getoption('allow_missing'):
        report.outcome = 'failed'
        report.longrepr = '%s\n%s' % (report.longrepr[2], _NO_PROOF)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    return (yield from _guarded(item))


def _guarded(item):
    if not str(item.path).startswith(_UNIT):
        return (yield)
    with guard.no_children():
        return (yield)


@pytest.fixture(scope='session')
def new_table(request):
    """Makes lists of lines, each with a title, that are shown in the end."""
    def _new_table(title):
        request.config.stash[_tables].append((title, []))
        return request.config.stash[_tables][-1][1]
    return _new_table


@pytest.fixture
def later(monkeypatch):
    """Called, it is later: mounts that failed may be tried again."""
    # Not above: it takes all of Cinder along.
    from remotefs_drivers.share import failures

    def _later():
        now = failures.time.monotonic
        monkeypatch.setattr(failures, 'time', types.SimpleNamespace(
            monotonic=lambda: now() + failures.SECONDS))
    return _later
