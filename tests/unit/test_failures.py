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

"""Failed mounts are remembered for a while, by a clock of our own."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import failures
from remotefs_drivers.share import table

A, B = table.Share('nas:/a'), table.Share('nas:/b')


@pytest.fixture
def memory(clock):
    return failures.Failures()


def fail(memory, share, error=None):
    """An attempt that fails; returns the error that it ends with."""
    mine = error or errors.MountFailed(share=share.location, reason='dead',
                                       mount_point='/mnt/x')
    with pytest.raises(type(mine)) as info:
        with memory.remembered(share):
            raise mine
    return info.value


def tried(memory, share):
    """Whether an attempt is made; it succeeds then."""
    try:
        with memory.remembered(share):
            return True
    except errors.MountFailedBefore:
        return False


def test_at_first_there_are_none(memory):
    assert tried(memory, A)


@pytest.mark.parametrize('passed, seconds', [
    (0, '30'), (0.4, '30'), (1, '29'), (29.5, '1'), (29.999, '1')])
def test_who_comes_too_early_is_told_until_when(memory, clock, passed,
                                                seconds):
    fail(memory, A)
    clock.now += passed
    with pytest.raises(errors.MountFailedBefore) as info:
        with memory.remembered(A):
            pytest.fail('it was tried')
    assert str(info.value).startswith(
        'Share nas:/a cannot be mounted at /mnt/x: dead. ')
    assert 'in %s seconds' % seconds in str(info.value)


@pytest.mark.parametrize('passed', [30, 31, 10000])
def test_afterwards_it_is_tried_again(memory, clock, passed):
    fail(memory, A)
    clock.now += passed
    assert tried(memory, A)


def test_a_refusal_does_not_make_it_longer(memory, clock):
    fail(memory, A)
    for __ in range(3):
        clock.now += 9
        assert not tried(memory, A)
    clock.now += 3
    assert tried(memory, A)


def test_it_may_fail_again_in_another_way(memory, clock):
    fail(memory, A)
    clock.now += failures.SECONDS
    fail(memory, A, errors.MountFailed(share='nas:/a', mount_point='/mnt/x',
                                       reason='refused'))
    with pytest.raises(errors.MountFailedBefore, match='refused'):
        memory.remembered(A).__enter__()


def test_each_share_has_its_own(memory):
    fail(memory, A)
    assert tried(memory, B)


def test_new_options_are_tried_at_once(memory):
    fail(memory, A)
    assert tried(memory, table.Share('nas:/a', '-o vers=3'))


@pytest.mark.parametrize('error', [
    # Somebody else's mount is there: that is seen without a wait.
    errors.ShareNotMounted(share='nas:/a', path='/mnt/x', reason='other'),
    # The service stops.
    SystemExit(1)])
def test_what_is_no_failed_mount_is_not_remembered(memory, error):
    fail(memory, A, error)
    assert tried(memory, A)
