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

"""No unit test starts a child process."""

import os
import subprocess

import pytest

from tests import guard

STARTERS = {
    'subprocess': lambda: subprocess.run(['true']),
    'posix_spawn': lambda: os.posix_spawn('/bin/true', ['true'], {}),
    'system': lambda: os.system('true'),
    'fork': os.fork,
    'forkpty': os.forkpty,
    'spawn': lambda: os.spawnv(os.P_WAIT, '/bin/true', ['true']),
    'exec': lambda: os.execv('/bin/true', ['true']),
}


@pytest.mark.parametrize('start', STARTERS.values(), ids=STARTERS.keys())
def test_a_child_is_refused(start):
    with pytest.raises(guard.ChildStarted):
        with guard.no_children():
            start()


def test_one_that_was_swallowed_is_seen():
    with pytest.raises(guard.ChildStarted, match='subprocess.Popen'):
        with guard.no_children():
            try:
                subprocess.run(['true'])
            except AssertionError:
                pass


def test_the_block_around_is_not_blamed():
    with guard.no_children():
        with pytest.raises(guard.ChildStarted):
            with guard.no_children():
                os.system('true')


def test_an_error_of_the_test_itself_is_kept():
    with pytest.raises(KeyError):
        with guard.no_children():
            raise KeyError()
