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

"""Locks of the emulated GPFS: what the kernel does for one host alone."""

import fcntl

from hypothesis import given
from hypothesis import strategies
import pytest

from remotefs_drivers.embedded.gpfs import locking

READ, WRITE, UNLOCK = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
INO = 7


def lock(owner, kind, start=0, end=locking.END, handle=None):
    return locking.Lock(owner, handle, start, end, kind, 1)


@pytest.fixture
def locks():
    return locking.Locks()


@pytest.mark.parametrize('first, second, together', [
    (lock('a', READ), lock('b', READ), True),
    (lock('a', READ), lock('b', WRITE), False),
    (lock('a', WRITE), lock('b', READ), False),
    # One's own is in nobody's way.
    (lock('a', WRITE), lock('a', WRITE), True),
    # Other bytes.
    (lock('a', WRITE, 0, 9), lock('b', WRITE, 10, 19), True),
    (lock('a', WRITE, 0, 10), lock('b', WRITE, 10, 19), False),
])
def test_two_locks(locks, first, second, together):
    assert locks.set(INO, first)
    assert locks.set(INO, second) is together
    assert locks.set(INO + 1, second)


def test_who_is_in_the_way(locks):
    locks.set(INO, lock('a', WRITE, 5, 5))
    assert locks.find(INO, lock('b', READ, 0, 4)) is None
    assert locks.find(INO, lock('b', READ)) == lock('a', WRITE, 5, 5)


def test_a_hole_in_the_middle(locks):
    locks.set(INO, lock('a', WRITE, 0, 99))
    locks.set(INO, lock('a', UNLOCK, 40, 59))
    assert locks.set(INO, lock('b', WRITE, 40, 59))
    for place in 39, 60:
        assert not locks.set(INO, lock('c', READ, place, place))


def test_from_read_to_write(locks):
    locks.set(INO, lock('a', READ))
    locks.set(INO, lock('b', READ))
    assert not locks.set(INO, lock('a', WRITE))
    locks.set(INO, lock('b', UNLOCK))
    assert locks.set(INO, lock('a', WRITE))


def test_waiting(locks):
    taken = []
    locks.set(INO, lock('a', WRITE))
    assert not locks.set(INO, lock('b', WRITE), lambda: taken.append('b'))
    assert not locks.set(INO, lock('c', WRITE), lambda: taken.append('c'))
    assert taken == []
    locks.set(INO, lock('a', UNLOCK))
    assert taken == ['b']
    locks.drop(INO, owner='b')
    assert taken == ['b', 'c']


def test_waiting_no_longer(locks):
    taken = []
    later = taken.append
    locks.set(INO, lock('a', WRITE))
    locks.set(INO, lock('b', WRITE), later)
    assert locks.give_up(later)
    assert not locks.give_up(later)
    locks.set(INO, lock('a', UNLOCK))
    assert taken == []


def test_what_an_open_file_leaves(locks):
    locks.set(INO, lock('a', WRITE, 0, 9, handle=1))
    locks.set(INO, lock('a', WRITE, 20, 29, handle=2))
    locks.drop(INO, handle=1)
    assert locks.set(INO, lock('b', WRITE, 0, 9))
    assert not locks.set(INO, lock('b', WRITE, 20, 29))


@given(strategies.lists(strategies.tuples(
    strategies.sampled_from('ab'), strategies.sampled_from(
        [READ, WRITE, UNLOCK]), strategies.integers(0, 7),
    strategies.integers(0, 7))))
def test_byte_by_byte(steps):
    """Ranges are as good as a lock on each byte."""
    locks, plain = locking.Locks(), {}
    for owner, kind, one, other in steps:
        start, end = sorted((one, other))
        others = [plain.get((place, each)) for each in 'ab' if each != owner
                  for place in range(start, end + 1)]
        free = kind == UNLOCK or not (
            WRITE in others or kind == WRITE and READ in others)
        assert locks.set(INO, lock(owner, kind, start, end)) is free
        if free:
            for place in range(start, end + 1):
                plain[place, owner] = kind
    for place in range(8):
        for owner in 'ab':
            held = plain.get((place, 'b' if owner == 'a' else 'a'))
            for kind, free in ((READ, held != WRITE),
                               (WRITE, held not in (READ, WRITE))):
                assert (locks.find(INO, lock(owner, kind, place, place))
                        is None) is free
