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

"""Cases for tests/realnfs/test_harness.py, which knows how each must end.

Not collected with the tests: three of these must fail.
"""

import os
import pathlib
import time

import pytest

from tests.realnfs import link


def test_passes_in_the_machine():
    assert os.uname().nodename == 'realnfs'
    assert os.geteuid() == 0


def test_fails_with_its_words():
    assert 1 + 1 == 3, 'the words'


@pytest.fixture
def broken():
    raise ValueError('a broken fixture')


def test_has_a_broken_fixture(broken):
    """Never runs."""


@pytest.mark.service_user
def test_runs_as_a_user():
    assert os.environ['USER'] == link.USER
    with pytest.raises(PermissionError):
        pathlib.Path('/etc/shadow').read_text()


def test_cannot_change_the_host():
    pathlib.Path(__file__).with_suffix('.made').touch()


def test_sees_no_network():
    """Nothing but loopback."""
    assert os.listdir('/sys/class/net') == ['lo']


@pytest.mark.limit(30)
def test_hangs():
    time.sleep(1000)


def test_runs_in_a_new_machine():
    uptime = pathlib.Path('/proc/uptime').read_text().split()[0]
    assert not pathlib.Path(__file__).with_suffix('.made').exists(), uptime


def test_kills_the_machine():
    pathlib.Path('/proc/sys/kernel/sysrq').write_text('1')
    pathlib.Path('/proc/sysrq-trigger').write_text('c')
    time.sleep(60)


def test_is_the_last():
    """In a third machine."""
