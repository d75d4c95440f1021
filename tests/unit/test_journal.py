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


"""The journal: a plan comes back as it was, and nothing else comes."""

import json

from hypothesis import given
import pytest

from remotefs_drivers.chain import plan
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers.store import journal
from tests.unit import chains

BASE = chains.BASE
PATH = '/mnt/volume-1.intent'
ONE, TWO = chains.ident(1), chains.ident(2)


@given(chains.planned())
def test_every_plan_comes_back(given_plan):
    __, made = given_plan
    assert journal.loads(journal.dumps(made), BASE, PATH) == made


def test_as_written():
    """Another release may have to finish what this one began."""
    made = plan.delete_snapshot(chains.make(2), ONE)
    assert json.loads(journal.dumps(made)) == {
        'version': 1,
        'verb': 'delete_snapshot',
        'snapshot': ONE,
        'before': {'active': 'volume-1.2', ONE: 'volume-1.1',
                   TWO: 'volume-1.2'},
        'after': {'active': 'volume-1.2', TWO: 'volume-1.2'},
        'prepare': [['Commit', {'name': 'volume-1.1'}],
                    ['Rebase', {'name': 'volume-1.2', 'backing': 'volume-1',
                                'backing_format': 'raw'}]],
        'finish': [['Unlink', {'name': 'volume-1.1'}]],
        'undo': None}


def test_what_can_be_undone_is_told_from_what_need_not_be():
    """None is not the same as nothing."""
    merged = plan.delete_snapshot(chains.make(1), ONE)
    renamed = plan.rename_snapshot(chains.make(1), ONE, TWO)
    assert (merged.undo, renamed.undo) == (None, ())
    for made in (merged, renamed):
        assert journal.loads(journal.dumps(made), BASE,
                             PATH).undo == made.undo


def text(**changes):
    """The text of a good journal, with other values or without some."""
    data = json.loads(journal.dumps(
        plan.create_snapshot(chains.make(1), TWO, 512)))
    data.update(changes)
    return json.dumps({key: value for key, value in data.items()
                       if value is not MISSING})


MISSING = object()


def unlink(name):
    return [['Unlink', {'name': name}]]


def test_the_good_one_is_good():
    assert journal.loads(text(), BASE, PATH)


@pytest.mark.parametrize('name', [
    'volume-1', 'volume-1.1', 'volume-1.new-overlay',
    # The driver's own: a revert that was cut off.
    '.volume-1.new-overlay', '.volume-1.plain-copy',
])
@pytest.mark.parametrize('where', ['prepare', 'finish', 'undo'])
def test_files_of_the_volume(name, where):
    found = journal.loads(text(**{where: unlink(name)}), BASE, PATH)
    assert getattr(found, where) == (steps.Unlink(name),)


@pytest.mark.parametrize('name', [
    '../x', '/etc/passwd', '..', '.', '', '/', 'volume-1/../x',
    './volume-1', 'volume-1/',
    # Of another volume.
    'volume-2', 'volume-10', 'volume-10.1', '.volume-10.new-overlay',
    '.volume-2.plain-copy',
    # Written and removed by whoever does the plan, never by a plan.
    'volume-1.info', 'volume-1.intent', '.volume-1.info.x.tmp',
    # The marker files of a share.
    '.cinderSecureEnvIndicator', '.remotefs-posix-directory',
    'volume-1\0', 'volume-1.\ud800',
])
@pytest.mark.parametrize('where', ['prepare', 'finish', 'undo'])
def test_files_of_others(name, where):
    with pytest.raises(errors.JournalInvalid, match='name of a file of this'):
        journal.loads(text(**{where: unlink(name)}), BASE, PATH)


@pytest.mark.parametrize('step', [
    ['Rename', {'name': 'volume-1.1', 'new_name': '../x'}],
    ['Rename', {'name': '/etc/passwd', 'new_name': 'volume-1.1'}],
    ['Rebase', {'name': 'volume-1.1', 'backing': '/etc/shadow',
                'backing_format': 'raw'}],
    ['CreateOverlay', {'name': 'volume-1.1', 'backing': '/etc/shadow',
                       'backing_format': 'raw', 'size': 512}],
    ['Commit', {'name': '/var/lib/x'}],
    ['Format', {'name': 'volume-1'}],
])
def test_steps_on_files_of_others(step):
    with pytest.raises(errors.JournalInvalid):
        journal.loads(text(prepare=[step]), BASE, PATH)


@pytest.mark.parametrize('found, reason', [
    # Not JSON, cut off, or no object.
    ('', 'Expecting value'),
    (text()[:-5], ''),
    ('[]', 'version 1'),
    ('null', 'version 1'),
    ('"1"', 'version 1'),
    ('[' * 100000, 'recursion'),
    # Of a release that we do not know.
    (text(version=3), 'version 1 or 2'),
    # The second version is of plans with a guest's part.
    (text(version=2), "'guest' is missing"),
    (text(version=2, guest=['Unlink', {'name': 'volume-1.1'}]),
     'not done by a guest'),
    (text(prepare=[['GuestSwitch', {'name': 'volume-1.2',
                                    'below': 'volume-1.1'}]]),
     'done by a guest'),
    (text(version=0), 'version 1'),
    (text(version='1'), 'version 1'),
    (text(version=None), 'version 1'),
    (text(version=MISSING), 'version 1'),
    ('{}', 'version 1'),
    # Without a part.
    *((text(**{key: MISSING}), "'%s' is missing" % key)
      for key in ('verb', 'snapshot', 'before', 'after', 'prepare', 'finish',
                  'undo')),
    # Parts of other types.
    *((text(**{key: value}), '')
      for key in ('prepare', 'finish', 'undo')
      for value in (1, True, 'Unlink', ['Unlink'], [None], {'a': 1},
                    unlink('volume-1')[0])),
    *((text(**{key: None}), 'list of steps') for key in ('prepare',
                                                         'finish')),
    *((text(**{key: {}}), 'list of steps') for key in ('prepare', 'finish',
                                                       'undo')),
    *((text(**{key: value}), '')
      for key in ('before', 'after')
      for value in (1, [], 'x', {}, {'active': '../x'},
                    {'active': 'volume-2'},
                    {'active': 'volume-1', ONE: 'volume-1'},
                    {'active': 'volume-1', 'x': 'volume-1.1'})),
    (text(verb=1), 'not a text'),
    (text(verb=None), 'not a text'),
    (text(snapshot=1), 'not a text'),
    (text(snapshot=['x']), 'not a text'),
])
def test_refused(found, reason):
    with pytest.raises(errors.JournalInvalid) as caught:
        journal.loads(found, BASE, PATH)
    assert PATH in str(caught.value)
    assert reason in str(caught.value)
