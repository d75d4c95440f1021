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

"""A line with its time for each step."""

import io
import re

import pytest

from remotefs_drivers.cmd import reporter


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_step_is_a_line():
    out = io.StringIO()
    with reporter.Reporter(out).step('make it') as progress:
        progress.note = 'made'
    assert re.fullmatch(r'make it +\d+\.\d s  made\n', out.getvalue())


def test_a_failed_step_says_so():
    out = io.StringIO()
    with pytest.raises(KeyError):
        with reporter.Reporter(out).step('make it'):
            raise KeyError('x')
    assert 'FAILED' in out.getvalue()


@pytest.mark.parametrize('stream, pause', [(Terminal(), '_ON_TERMINAL'),
                                           (io.StringIO(), '_IN_A_FILE')])
def test_a_long_step_shows_how_far_it_is(stream, pause, monkeypatch):
    monkeypatch.setattr(reporter, pause, 0.01)
    with reporter.Reporter(stream).step('copy') as progress:
        progress(42.4)
        while ' 42 %' not in stream.getvalue():
            pass
    assert stream.getvalue().endswith('\n')
    assert ' 42 %' not in stream.getvalue().splitlines()[-1].split('\r')[-1]
