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


"""An appliance whose answers get lost."""

import inspect

import pytest

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances.testing import faults
from remotefs_drivers.embedded import folders
from remotefs_drivers import errors

SIZE = 1 << 20


@pytest.fixture
def box(tmp_path):
    return folders.at(tmp_path / 'root')


@pytest.fixture
def faulty(box):
    return faults.Faulty(box)


def test_without_a_fault_it_is_the_other_one(faulty, box):
    assert faulty.create_share('a', SIZE) == box.find_share('a')
    assert faulty.name == box.name
    assert isinstance(faulty, interface.Appliance)


def test_all_methods_can_fail():
    """Those of the interface that ask the box."""
    own = {name for name, __ in inspect.getmembers(
        interface.Appliance, inspect.isfunction) if name[0] != '_'}
    assert own - faults.METHODS == {'close', 'get_options', 'offers'}


def test_it_was_done_and_nobody_heard_of_it(faulty, box):
    faulty.lose('create_share', after=True)
    with pytest.raises(errors.ApplianceUnavailable):
        faulty.create_share('a', SIZE)
    assert box.find_share('a') is not None


def test_the_request_got_lost(faulty, box):
    faulty.lose('create_share', after=False)
    with pytest.raises(errors.ApplianceUnavailable):
        faulty.create_share('a', SIZE)
    assert box.find_share('a') is None


@pytest.mark.parametrize('after', [True, False])
def test_only_as_often_as_wanted(faulty, after):
    faulty.lose('list_shares', after, times=2)
    for __ in range(2):
        with pytest.raises(errors.ApplianceUnavailable):
            faulty.list_shares()
    assert faulty.list_shares() == []


def test_until_it_is_mended(faulty):
    faulty.lose('list_shares', after=True, times=None)
    for __ in range(5):
        with pytest.raises(errors.ApplianceUnavailable):
            faulty.list_shares()
    faulty.mend()
    assert faulty.list_shares() == []


def test_other_methods_go_on(faulty):
    faulty.lose('list_shares', after=True)
    assert faulty.find_share('a') is None


def test_an_error_of_choice(faulty, box):
    error = errors.ApplianceFull(appliance='x', what='y', reason='z')
    faulty.fail('create_share', error)
    with pytest.raises(errors.ApplianceFull) as caught:
        faulty.create_share('a', SIZE)
    assert caught.value is error
    assert box.find_share('a') is None


def test_its_own_errors_come_before_a_lost_answer(faulty):
    faulty.create_share('a', SIZE)
    faulty.lose('create_share', after=True)
    with pytest.raises(errors.ApplianceShareExists):
        faulty.create_share('a', SIZE)


def test_what_was_called(faulty):
    faulty.lose('find_share', after=False)
    faulty.create_share('a', SIZE)
    with pytest.raises(errors.ApplianceUnavailable):
        faulty.find_share('a')
    assert faulty.calls == [('create_share', ('a', SIZE)),
                            ('find_share', ('a',))]


def test_a_method_that_is_none(faulty):
    with pytest.raises(ValueError, match='no method make_share'):
        faulty.lose('make_share', after=True)
