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

"""The runner of child processes, with real ones."""

import os
import time

import pytest

from remotefs_drivers import errors
from remotefs_drivers.qemu import command

#: Seconds: far more than any of these programs should take.
LONG = 300


class TestEnd:
    def test_output(self):
        assert command.run(['sh', '-c', 'echo out; echo err >&2']) == (
            'out\n', 'err\n')

    def test_exit_code(self):
        with pytest.raises(errors.CommandFailed, match='exit code 3: no'):
            command.run(['sh', '-c', 'echo no >&2; exit 3'])

    def test_exit_code_that_the_caller_judges(self):
        assert command.outcome(['sh', '-c', 'echo out; echo err >&2; exit 3']
                               ) == (3, 'out\n', 'err\n')
        assert command.outcome(['sh', '-c', 'kill -9 $$']) == (-9, '', '')

    def test_after_its_outputs_are_closed(self):
        """It is waited for, and not only its outputs."""
        start = time.monotonic()
        with pytest.raises(errors.CommandFailed, match='exit code 4'):
            command.run(['sh', '-c', 'exec >&- 2>&-; sleep 0.3; exit 4'])
        assert 0.3 <= time.monotonic() - start < LONG

    def test_limit_after_its_outputs_are_closed(self):
        start = time.monotonic()
        with pytest.raises(errors.CommandTimeout):
            command.run(['sh', '-c', 'exec >&- 2>&-; sleep %d' % LONG],
                        timeout=0.2)
        assert time.monotonic() - start < LONG / 2

    def test_request_after_its_outputs_are_closed(self):
        with pytest.raises(errors.CommandAborted):
            command.run(['sh', '-c', 'exec >&- 2>&-; sleep %d' % LONG],
                        aborted=lambda: True)

    def test_daemon_that_is_left_behind(self, tmp_path):
        """It keeps the outputs open, and is not waited for."""
        start = time.monotonic()
        left = tmp_path / 'left'
        command.run(['sh', '-c', 'sleep %d & echo $! > %s' % (LONG, left)])
        assert time.monotonic() - start < LONG / 2
        os.kill(int(left.read_text()), 9)
