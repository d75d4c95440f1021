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

"""The harness itself: each way in which a test in the machine can end."""

import os
import pathlib
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tests.realnfs import errors
from tests.realnfs import machine

_REPO = pathlib.Path(__file__).parents[2]
_CASES = 'tests/realnfs/cases/endings.py'
# Seconds: three machines on an emulated processor.
_LIMIT = 3600

pytestmark = pytest.mark.realnfs


class Run:
    """A pytest of the cases, as a child.

    :ivar outcomes: name -> (outcome, text)
    """

    def __init__(self, folder, *options, path=None):
        report = folder / 'report.xml'
        environment = dict(os.environ, **({'PATH': path} if path else {}))
        self.done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
             f'--junitxml={report}', *options, _CASES],
            cwd=_REPO, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=_LIMIT, check=False)
        assert report.exists(), self.done.stdout
        self.outcomes = {
            case.get('name'): _outcome(case)
            for case in ElementTree.parse(report).iter('testcase')}


def _outcome(case):
    for kind in ('failure', 'error', 'skipped'):
        found = case.find(kind)
        if found is not None:
            return kind, f'{found.get("message")}\n{found.text}'
    return 'passed', ''


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    try:
        machine.check_host()
    except errors.Missing as exc:
        pytest.skip(str(exc))
    return Run(tmp_path_factory.mktemp('run'))


@pytest.mark.slow
@pytest.mark.parametrize('name, outcome, words', [
    ('test_passes_in_the_machine', 'passed', ''),
    ('test_fails_with_its_words', 'failure', 'the words'),
    ('test_has_a_broken_fixture', 'error', 'a broken fixture'),
    ('test_runs_as_a_user', 'passed', ''),
    ('test_cannot_change_the_host', 'passed', ''),
    ('test_sees_no_network', 'passed', ''),
    # With the place where it hangs, from the machine's console.
    ('test_hangs', 'failure', 'in test_hangs'),
    ('test_runs_in_a_new_machine', 'passed', ''),
    ('test_kills_the_machine', 'failure', 'Kernel panic'),
    ('test_is_the_last', 'passed', ''),
])
def test_outcome(run, name, outcome, words):
    found, text = run.outcomes[name]

    assert found == outcome, text
    assert words in text


@pytest.mark.slow
def test_host_is_as_it_was(run):
    assert not (_REPO / _CASES).with_suffix('.made').exists()


def test_host_without_qemu(tmp_path):
    """Fails, and names what to install."""
    run = Run(tmp_path, path=str(tmp_path))

    assert {outcome for outcome, _text in run.outcomes.values()} == {
        'failure'}
    assert 'qemu-system-x86_64' in run.outcomes['test_hangs'][1]


def test_host_without_qemu_is_allowed(tmp_path):
    run = Run(tmp_path, '--allow-missing', path=str(tmp_path))

    assert {outcome for outcome, _text in run.outcomes.values()} == {
        'skipped'}
    assert run.done.returncode == 0
