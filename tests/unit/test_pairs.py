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

import itertools

import pytest

from tests import pairs


def every(**values):
    """All combinations of the values of each name, as parameters."""
    return [dict(zip(values, each))
            for each in itertools.product(*values.values())]


def met(combinations):
    return {pair for values in combinations
            for pair in itertools.combinations(sorted(values.items()), 2)}


@pytest.mark.parametrize('parameters, most', [
    (every(one=['a', 'b']), 2),
    (every(one=['a', 'b'], two=['c', 'd', 'e']), 6),
    # An orthogonal array: two levels of three factors.
    (every(one=['a', 'b'], two=['c', 'd'], three=['e', 'f']), 4),
    (every(kind=['eventlet', 'threads', 'nfs-eventlet', 'nfs-threads'],
           format=['raw', 'qcow2']), 4),
    (every(number=[1, 2, 3], done=[False, True], format=['raw', 'qcow2']), 7),
    # Those that somebody has chosen already.
    ([{'one': 'a', 'two': 'c'}, {'one': 'b', 'two': 'd'}], 2),
])
def test_any_two_values_meet(parameters, most):
    combinations = list(map(pairs.values, parameters))
    chosen = pairs.choose(combinations)
    assert len(chosen) <= most
    assert chosen == sorted(set(chosen))
    assert met(combinations[number] for number in chosen) == met(combinations)


@pytest.mark.parametrize('parameters, most', [
    (every(one=['a', 'b'], two=['c', 'd', 'e']), 3),
    (every(one=['a', 'b'], two=['c', 'd'], three=['e', 'f']), 2),
])
def test_each_value_has_a_turn(parameters, most):
    combinations = list(map(pairs.values, parameters))
    chosen = pairs.choose(combinations, 1)
    assert len(chosen) == most
    assert ({each for number in chosen for each in
             combinations[number].items()} ==
            {each for values in combinations for each in values.items()})


def test_a_single_combination_stays():
    assert pairs.choose([pairs.values({'one': 'a'})]) == [0]


SOURCE = '''
import pytest


@pytest.mark.pairs
@pytest.mark.parametrize('one', 'ab')
@pytest.mark.parametrize('two', 'ab')
@pytest.mark.parametrize('three', 'ab')
def test_marked(one, two, three):
    pass


@pytest.mark.pairs
class TestOfItsOwn:
    @pytest.mark.turns
    @pytest.mark.parametrize('one', 'ab')
    @pytest.mark.parametrize('two', 'ab')
    def test_it(self, one, two):
        pass


@pytest.mark.turns
@pytest.mark.parametrize('one', 'ab')
@pytest.mark.parametrize('two', 'ab')
def test_in_turns(one, two):
    pass


@pytest.mark.pairs
def test_without_parameters():
    pass


@pytest.mark.parametrize('one', 'ab')
@pytest.mark.parametrize('two', 'ab')
@pytest.mark.parametrize('three', 'ab')
def test_unmarked(one, two, three):
    pass
'''


@pytest.mark.parametrize('arguments, count, said', [
    ([], 4 + 2 + 2 + 1 + 8, True),
    (['--all-combinations'], 8 + 4 + 4 + 1 + 8, False),
    (['-k', 'test_marked'], 8, False),
    (['-m', 'pairs'], 4 + 2 + 1, True),
])
def test_what_is_left_out_is_said(pytester, arguments, count, said):
    pytester.makepyfile(SOURCE)
    pytester.makeini('[pytest]\nmarkers =\n  pairs\n  turns\n')
    result = pytester.runpytest_inprocess('-p', 'tests.pairs', *arguments)
    result.assert_outcomes(passed=count, deselected=(
        result.parseoutcomes().get('deselected', 0)))
    assert ('8 combinations were left out' in result.stdout.str()) == said
