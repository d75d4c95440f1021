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

"""Every pair of values, instead of every combination of them.

A verb that is tried on each driver, in each concurrency mode, with each
format is tried often, and what breaks does so by one of these or by two that
meet. A test that is marked ``pairs`` runs with enough of its combinations
that any two values meet in one of them. One that is marked ``turns`` runs
with each value at least once: where they have little to do with each other.

A text like ``nfs-eventlet`` is the values of two things, a driver and a mode.
"""

import collections
import itertools

import pytest

#: Marker -> how many values are to meet.
_MARKERS = {'pairs': 2, 'turns': 1}

_left_out = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption('--all-combinations', action='store_true', default=False,
                     help='tests that are marked "pairs" or "turns" run '
                          'with every combination, as they do when they are '
                          'asked for by name')


# First, so that what -m chooses does not change what meets.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if (config.option.all_combinations or config.option.keyword
            or any('::' in each for each in config.args)):
        return
    left_out = _left_out_of(items)
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))
    config.stash[_left_out] = len(left_out)


def pytest_terminal_summary(terminalreporter, config):
    if config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            '%d combinations were left out, since their values met in '
            'others; --all-combinations runs them'
            % config.stash[_left_out])


def choose(combinations, size=2):
    """Numbers of as few as it takes, in order.

    :param combinations: of each the values, name -> value
    :param size: how many values are to meet
    """
    several = {name for values in combinations
               for name, value in values.items()
               if value != combinations[0][name]}
    met = [_meeting({name: values[name] for name in several}, size)
           for values in combinations]
    missing, chosen = set().union(*met), []
    while missing:
        found = [each & missing for each in met]
        # By the longest, so that in the end what is alone is few.
        best = max(range(len(met)), key=lambda number: (
            sum(len(some) == size for some in found[number]),
            bool(found[number]), -number))
        chosen.append(best)
        missing -= met[best]
    return sorted(chosen)


def _meeting(values, size):
    """So many at a time, and fewer, and none, which one must have."""
    return {some for count in range(size + 1)
            for some in itertools.combinations(sorted(values.items()), count)}


def values(params):
    """Name -> text of each value; see above for what is two."""
    found = {}
    for name, value in params.items():
        first, __, last = str(value).rpartition('-')
        found[name + ' 1'] = first
        found[name + ' 2'] = last
    return found


def _size(item):
    """How many values are to meet; None for all that there are."""
    # A test's own mark comes before that of its module.
    return next((_MARKERS[each.name] for each in item.iter_markers()
                 if each.name in _MARKERS), None)


def _left_out_of(items):
    functions = collections.defaultdict(list)
    for item in items:
        if _size(item) and hasattr(item, 'callspec'):
            functions[item.nodeid.partition('[')[0]].append(item)
    left_out = set()
    for group in functions.values():
        chosen = choose([values(item.callspec.params) for item in group],
                        _size(group[0]))
        left_out.update(set(group) - {group[number] for number in chosen})
    return left_out
