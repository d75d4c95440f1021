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

"""Reserving a range of a file."""

import pytest

from remotefs_drivers import errors
from remotefs_drivers.store import allocate
from tests.unit import fakes


def failure(words):
    return errors.CommandFailed(program='fallocate', exit_code=1,
                                stderr=words, command='fallocate ...')


FALLOCATE = 'fallocate --offset 512 --length 1024 /s/v'.split()
WRITE = ('dd if=/dev/zero of=/s/v bs=1M oflag=seek_bytes,nofollow '
         'iflag=count_bytes seek=512 count=1024 '
         'conv=notrunc,nocreat,fsync').split()


@pytest.fixture
def run():
    return fakes.Runner()


def test_by_the_file_system(run):
    allocate.reserve('/s/v', 512, 1024, run)
    assert run.calls == [FALLOCATE]


def test_by_writing_where_it_cannot(run):
    run.broken['fallocate'] = failure(
        'fallocate: fallocate failed: Operation not supported')
    allocate.reserve('/s/v', 512, 1024, run)
    assert run.calls == [FALLOCATE, WRITE]


def test_no_room_is_no_reason_to_write(run):
    run.broken['fallocate'] = failure(
        'fallocate: fallocate failed: No space left on device')
    with pytest.raises(errors.CommandFailed, match='No space left'):
        allocate.reserve('/s/v', 512, 1024, run)
    assert run.calls == [FALLOCATE]


def test_no_room_while_writing(run):
    run.broken['fallocate'] = failure('Operation not supported')
    run.broken['dd'] = failure("dd: error writing '/s/v': No space left")
    with pytest.raises(errors.CommandFailed, match='No space left'):
        allocate.reserve('/s/v', 512, 1024, run)
