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


"""More of all than a box gives in one answer, or keeps open."""

import gc
import os

from remotefs_drivers import errors
from remotefs_drivers import offload

_THREADS = 8
#: More than threads that ask, each of which may keep a connection.
_CALLS = 50


def test_all_shares_are_listed(box, ground, many):
    names = [ground.name() for __ in range(many)]
    for begin in range(0, many, _THREADS):
        made = offload.gather(
            lambda name: box.create_share(name, ground.size),
            names[begin:begin + _THREADS])
        assert [each for each in made if isinstance(each, Exception)] == []
    listed = {share.name for share in box.list_shares()}
    left_out = set(names) - listed
    assert not left_out, (
        '%d of %d shares are not listed: is it one page of the list?' % (
            len(left_out), many))


def test_all_snapshots_are_found(box, ground, many):
    share = ground.share()
    names = ['snapshot-%03d' % number for number in range(many)]
    ground.snapshots(share, *names)
    found = ground.names_of(share)
    # A box that does not find them all is told them all the same.
    box.delete_share(share, tuple(names))
    assert sorted(found) == names, (
        '%d of %d snapshots are found: is it one page of the list?' % (
            len(found), many))
    assert found == names, 'the oldest does not come first'


def test_nothing_stays_open(box, ground):
    """Connections are for the next call, or closed; also when it failed."""
    nobodys = ground.name()
    before = _open()
    for __ in range(_CALLS):
        assert box.find_share(nobodys) is None
        try:
            box.create_snapshot(nobodys, 's')
        except errors.ApplianceError:
            pass
    more = _open() - before
    assert more < _CALLS, (
        'after %d calls there are %d more open files and connections' % (
            2 * _CALLS, more))


def _open():
    """How many files, sockets and pipes this process has open."""
    # What nobody needs any more may be open until it is collected.
    gc.collect()
    return len(os.listdir('/proc/self/fd'))
