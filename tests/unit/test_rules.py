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

"""The rules of tests/conftest.py, on made-up tests that it rules."""

import os
import pathlib
from unittest import mock

import pytest

from tests import guard


CONFTEST = pathlib.Path(__file__).parents[1] / 'conftest.py'

SKIPS = {
    'in the test': """
        import pytest
        def test_it():
            pytest.skip('no such tool')
        """,
    'by a mark': """
        import pytest
        @pytest.mark.skipif(True, reason='no such tool')
        def test_it():
            pass
        """,
    'in a fixture': """
        import pytest
        @pytest.fixture
        def tool():
            pytest.skip('no such tool')
        def test_it(tool):
            pass
        """,
    'of the module': """
        import pytest
        pytest.skip('no such tool', allow_module_level=True)
        """,
    'for want of a module': """
        import pytest
        pytest.importorskip('no_such_tool', reason='no such tool')
        """,
}

ROOT = """
    import pytest
    @pytest.mark.root
    def test_for_root():
        pass
    def test_for_all():
        pass
    """


@pytest.fixture
def made_up(pytester):
    """A folder for tests, under our rules."""
    tests = pytester.mkdir('tests')
    (tests / 'conftest.py').write_text(CONFTEST.read_text())
    (tests / 'unit').mkdir()

    def run(source, *arguments, folder='.'):
        test = pytester.makepyfile(test_made_up=source)
        test.rename(tests / folder / test.name)
        # The plugin of hypothesis would be imported anew in each run.
        return pytester.runpytest_inprocess(
            'tests', '-p', 'no:hypothesispytest', *arguments)
    return run


@pytest.mark.parametrize('source', SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_is_a_failure(made_up, source):
    result = made_up(source)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED,
                          pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(['*no such tool*', '*is no proof*'])


@pytest.mark.parametrize('source', SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_may_be_allowed(made_up, source):
    result = made_up(source, '--allow-missing')
    # Of a module that is skipped no test is collected.
    assert result.ret in (pytest.ExitCode.OK,
                          pytest.ExitCode.NO_TESTS_COLLECTED)
    result.assert_outcomes(skipped=1)


def test_an_expected_failure_is_none(made_up):
    result = made_up("""
        import pytest
        @pytest.mark.xfail(strict=True)
        def test_it():
            assert False
        """)
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_as_a_user_what_needs_root_is_left_out(made_up, monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    result = made_up(ROOT)
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(['*1 tests marked "root" were left out*'])


def test_as_root_everything_runs(made_up, monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: 0)
    result = made_up(ROOT)
    result.assert_outcomes(passed=2)
    assert 'left out' not in result.stdout.str()


@pytest.mark.parametrize('place, outcome', [
    ('unit', {'failed': 1}),
    # The other rings exist for child processes.
    ('.', {'passed': 1}),
])
def test_children_are_for_other_rings(made_up, place, outcome):
    # This test is one of tests/unit itself.
    with mock.patch.object(guard, '_blocks', []):
        result = made_up("""
            import sys
            def test_it():
                try:
                    # As if a process were started, but none is.
                    sys.audit('os.fork')
                except AssertionError:
                    pass
            """, folder=place)
    result.assert_outcomes(**outcome)
