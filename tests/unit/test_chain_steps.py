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


"""Steps as data: what is written down comes back, all else is refused."""

import json

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.chain import steps

NAMES = ('volume-1', 'volume-1.a', 'volume-1.b')
#: Of others: volumes, snapshots, and parents that wait.
OTHERS = (*NAMES, 'volume-2', 'snapshot-1')
WAITING = ('volume-1.snap', 'volume-2.snap', 'snapshot-1.ts')
names = strategies.sampled_from(NAMES)
others = strategies.sampled_from(OTHERS + WAITING)
waiting = strategies.sampled_from(WAITING)
sizes = strategies.integers(0, 1 << 62)
formats = strategies.sampled_from(['raw', 'qcow2'])
any_step = strategies.one_of(
    strategies.builds(steps.CreateOverlay, names, names, formats,
                      strategies.integers(0, 1 << 62)),
    strategies.builds(steps.Commit, names),
    strategies.builds(steps.Rebase, names, names, formats),
    strategies.builds(steps.Rename, names, names),
    strategies.builds(steps.Unlink, names),
    strategies.builds(steps.CloneSnap, others, others),
    strategies.builds(steps.CloneCopy, names, others),
    strategies.builds(steps.CloneRedirect, others, sizes),
    strategies.builds(steps.Grow, names, sizes),
    strategies.builds(steps.Defer, others, waiting),
    strategies.builds(steps.Prune, waiting))


@given(any_step)
def test_it_comes_back(step):
    text = json.dumps(steps.as_data(step))
    assert steps.of_data(json.loads(text), NAMES.__contains__) == step


def test_as_written():
    """A journal outlives the release that wrote it."""
    assert [steps.as_data(each) for each in (
        steps.CreateOverlay('b', 'a', 'raw', 512), steps.Commit('b'),
        steps.Rebase('c', 'a', 'raw'), steps.Rename('x', 'b'),
        steps.Unlink('b'))] == [
            ['CreateOverlay', {'name': 'b', 'backing': 'a',
                               'backing_format': 'raw', 'size': 512}],
            ['Commit', {'name': 'b'}],
            ['Rebase', {'name': 'c', 'backing': 'a',
                        'backing_format': 'raw'}],
            ['Rename', {'name': 'x', 'new_name': 'b'}],
            ['Unlink', {'name': 'b'}]]
    assert [steps.as_data(each) for each in (
        steps.CloneSnap('p', 'v'), steps.CloneCopy('c', 'p'),
        steps.CloneRedirect('c', 3), steps.Grow('c', 512),
        steps.Defer('s', 's.ts'), steps.Prune('s.ts'))] == [
            ['CloneSnap', {'name': 'p', 'source': 'v'}],
            ['CloneCopy', {'name': 'c', 'source': 'p'}],
            ['CloneRedirect', {'name': 'c', 'depth': 3}],
            ['Grow', {'name': 'c', 'size': 512}],
            ['Defer', {'name': 's', 'new_name': 's.ts'}],
            ['Prune', {'name': 's.ts'}]]


A = 'volume-1.a'
REBASE = {'name': A, 'backing': 'volume-1', 'backing_format': 'raw'}
CREATE = dict(REBASE, size=512)


@pytest.mark.parametrize('data, reason', [
    # No step at all.
    (None, 'not a step'),
    (1, 'not a step'),
    ('', 'not a step'),
    ('ab', 'not a step'),
    ([], 'not a step'),
    ({}, 'not a step'),
    (['Unlink'], 'not a step'),
    (['Unlink', {'name': A}, {}], 'not a step'),
    # None that there is.
    (['Write', {'name': A}], 'not a step'),
    (['unlink', {'name': A}], 'not a step'),
    (['', {'name': A}], 'not a step'),
    ([None, {'name': A}], 'not a step'),
    ([['Unlink'], {'name': A}], 'not a step'),
    # Not its fields.
    (['Unlink', {}], 'not a step'),
    (['Unlink', None], 'not a step'),
    (['Unlink', A], 'not a step'),
    (['Unlink', [A]], 'not a step'),
    (['Unlink', {'name': A, 'folder': '/etc'}], 'not a step'),
    (['Unlink', {'path': A}], 'not a step'),
    (['Rebase', {'name': A, 'backing': 'volume-1'}], 'not a step'),
    # Of another type.
    (['Unlink', {'name': 1}], 'right type'),
    (['Unlink', {'name': None}], 'right type'),
    (['Unlink', {'name': [A]}], 'right type'),
    (['Rebase', dict(REBASE, backing_format=None)], 'right type'),
    (['CreateOverlay', dict(CREATE, size='512')], 'right type'),
    (['CreateOverlay', dict(CREATE, size=512.0)], 'right type'),
    (['CreateOverlay', dict(CREATE, size=True)], 'right type'),
    (['CreateOverlay', dict(CREATE, size=None)], 'right type'),
    # Files of others.
    (['Unlink', {'name': '/etc/passwd'}], 'name of a file of this volume'),
    (['Unlink', {'name': '../volume-1'}], 'name of a file of this volume'),
    (['Unlink', {'name': 'volume-2'}], 'name of a file of this volume'),
    (['Unlink', {'name': ''}], 'name of a file of this volume'),
    (['Commit', {'name': 'volume-2'}], 'name of a file of this volume'),
    (['Rename', {'name': A, 'new_name': '../x'}],
     'name of a file of this volume'),
    (['Rename', {'name': '../x', 'new_name': A}],
     'name of a file of this volume'),
    (['Rebase', dict(REBASE, name='x')], 'name of a file of this volume'),
    (['Rebase', dict(REBASE, backing='/etc/shadow')],
     'name of a file of this volume'),
    (['CreateOverlay', dict(CREATE, backing='/etc/shadow')],
     'name of a file of this volume'),
    (['CreateOverlay', dict(CREATE, name='json:{}')],
     'name of a file of this volume'),
    (['CloneCopy', {'name': 'volume-2', 'source': A}],
     'name of a file of this volume'),
    (['Grow', {'name': 'volume-2', 'size': 1}],
     'name of a file of this volume'),
    # What is done to files of others leaves the folder nowhere, and removes
    # none but parents that wait.
    (['CloneCopy', {'name': A, 'source': '../x'}], 'bare name'),
    (['CloneCopy', {'name': A, 'source': '.x'}], 'bare name'),
    (['CloneSnap', {'name': '/x', 'source': A}], 'bare name'),
    (['CloneSnap', {'name': 'x', 'source': 'a\nb'}], 'bare name'),
    (['CloneRedirect', {'name': 'x/y', 'depth': 1}], 'bare name'),
    (['Defer', {'name': 'a/b', 'new_name': 'b.ts'}], 'bare name'),
    (['Defer', {'name': 'volume-2', 'new_name': 'volume-3'}],
     'waits for its last child'),
    (['Prune', {'name': 'volume-2'}], 'waits for its last child'),
    (['Prune', {'name': '../volume-2.ts'}], 'waits for its last child'),
    (['Prune', {'name': '.x.ts'}], 'waits for its last child'),
    (['Prune', {'name': ''}], 'waits for its last child'),
    (['CloneRedirect', {'name': 'x', 'depth': '1'}], 'right type'),
])
def test_refused(data, reason):
    with pytest.raises(ValueError, match=reason):
        steps.of_data(data, NAMES.__contains__)
