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


"""Two driver processes on one share, with each form of locks.

Locks of one host (files of oslo.concurrency), and those of a cluster, with
tooz's files and with an etcd; the same on a GlusterFS that each of them has
mounted for itself.
"""

import contextlib
import os
import time

import pytest

from remotefs_drivers.embedded import waiting
from tests.functional import content
from tests.functional import inhabitant
from tests.functional import neighbour
from tests.functional import stages
from tests.harness import turns

pytest_plugins = ['tests.harness.fixtures']

#: Seconds until etcd gives away the locks of a process that died. It renews
#: them after half of that, and must get to do so.
LEASE = 10
#: Seconds: far more than anything takes that comes to an end.
_LONG = 300
FORMS = ['host', 'cluster by files', 'cluster by etcd',
         pytest.param('glusterfs by etcd', marks=pytest.mark.root)]


class Street:
    """Where neighbours live.

    :param kind: of their locks, see neighbour
    :param url: of their coordination
    :param share: as they have it
    :param behind: the folder with its files
    """

    def __init__(self, folder, stack, kind, url, share, behind):
        self.folder = folder
        self._stack = stack
        self._kind = kind
        self._url = url
        self._share = share
        self._behind = behind

    def settle(self, kind=None):
        """Another neighbour."""
        return self._stack.enter_context(neighbour.Neighbour(
            self.folder, self._share, kind or self._kind, self._url))

    def files(self):
        return stages.left(self._behind)

    def sizes(self):
        """What changes when anybody works on the share."""
        return {name: os.stat(self._behind / name).st_mtime_ns
                for name in self.files()}


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def street(form, tmp_path, request, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, [
        turns.install(str(tmp_path / 'plugins')),
        os.environ.get('PYTHONPATH')])))
    url = 'file://%s' % (tmp_path / 'tooz')
    if 'etcd' in form:
        url = request.getfixturevalue('etcd').url(lock_timeout=LEASE)
    share = behind = tmp_path / 'share'
    if 'glusterfs' in form:
        place = request.getfixturevalue('place')
        share, behind = place.share, place.brick
    else:
        share.mkdir()
    with contextlib.ExitStack() as stack:
        yield Street(tmp_path, stack, form.split()[0], url, share, behind)


@pytest.fixture
def both(street):
    """Two neighbours."""
    return street.settle(), street.settle()


def _verbs(one):
    """Every verb: its arguments, each on a volume of its own; the volumes.

    :returns: [(verb, arguments)], and the ids of what must be locked
    """
    volumes = [one.call('create') for __ in range(9)]
    empty, doomed = one.call('create_empty'), one.call('create_empty')
    ids = iter(volumes)
    work = [
        ('create_snapshot', {'volume': next(ids)[0]}),
        ('delete_snapshot', {'snapshot': next(ids)[1]}),
        ('revert', dict(zip(('volume', 'snapshot'), next(ids)))),
        ('clone', {'volume': next(ids)[0]}),
        ('clone_snapshot', {'snapshot': next(ids)[1]}),
        ('extend', {'volume': next(ids)[0], 'size': 2}),
        ('attach', {'volume': next(ids)[0]}),
        ('back_up', {'volume': next(ids)[0]}),
        ('upload', {'volume': next(ids)[0]}),
        ('download', {'volume': empty}),
        ('delete', {'volume': doomed}),
    ]
    return work, [volume for volume, __ in volumes] + [empty, doomed]


def _wait_asked(one, *volumes):
    """Until it wants to enter these, whether it can or not."""
    waiting.until(lambda: set(volumes) <= set(one.call('asked')), _LONG,
                  'verbs that want to enter %s' % ', '.join(volumes))


def test_every_verb_waits_for_who_has_the_volume(street, both):
    one, two = both
    work, volumes = _verbs(one)
    free = one.call('create_empty')
    one.call('hold', volumes=volumes)
    before = street.sizes()
    waiting = {verb: two.begin(verb, **arguments)
               for verb, arguments in work}
    _wait_asked(two, *volumes)
    time.sleep(1)
    assert [verb for verb, request in waiting.items()
            if request.is_done] == []
    assert street.sizes() == before
    # Nobody waits for those who wait, nor for other volumes.
    two.begin('extend', volume=free, size=2).result(_LONG)
    one.call('release')
    for request in waiting.values():
        request.result()
    assert two.call('seen')['met'] == []
    assert street.sizes() != before


def test_two_at_work_on_one_volume(street, both):
    """With two threads each, and on a neighbouring one as well."""
    one, two = both
    volumes = [one.call('create')[0] for __ in range(2)]
    requests = [each.begin('rounds', volume=volume, count=2)
                for each in both for volume in volumes for __ in range(2)]
    for request in requests:
        request.result()
    for each in both:
        seen = each.call('seen')
        assert seen['met'] == []
        assert seen['entered'] > 50
    for volume in volumes:
        path = one.call('path', volume=volume)
        # The base, the snapshot that was there from the beginning, the table.
        assert len([name for name in street.files() if volume in name]) == 3
        content.check_qcow2(path)
        content.assert_pattern(path, 'qcow2', inhabitant.PATTERN, 0,
                               content.MIB)
    assert len(street.files()) == 6


@pytest.mark.parametrize('form', ['cluster by files'], indirect=True)
def test_without_locks_they_meet(street):
    """So the test before can fail."""
    both = street.settle('none'), street.settle('none')
    volume = both[0].call('create')[0]
    requests = [each.begin('attach', volume=volume)
                for __ in range(50) for each in both]
    for request in requests:
        request.result()
    assert any(each.call('seen')['met'] for each in both)


def test_who_is_killed_has_no_locks(form, street, both):
    one, two = both
    volume, __ = one.call('create')
    one.call('hold', volumes=[volume])
    if 'etcd' in form:
        # For longer than a lease: it is renewed.
        time.sleep(LEASE + 1)
    waiting = two.begin('hold', volumes=[volume])
    _wait_asked(two, volume)
    time.sleep(1)
    assert not waiting.is_done
    # The probe's trace of it, which would outlive it.
    (street.folder / ('inside-' + volume)).unlink()
    one.kill()
    killed = time.monotonic()
    waiting.result(_LONG)
    took = time.monotonic() - killed
    assert two.call('seen')['met'] == []
    if 'etcd' in form:
        # The lease was renewed half a lease ago, or a little more.
        assert took > LEASE / 5
    two.call('release')
    two.call('create_snapshot', volume=volume)


def test_waiting_ends_when_the_service_stops(form, street, both):
    one, two = both
    volume, snapshot = one.call('create')
    one.call('hold', volumes=[volume])
    waiting = two.begin('delete_snapshot', snapshot=snapshot)
    _wait_asked(two, volume)
    time.sleep(1)
    before = street.sizes()
    two.call('stop')
    if form == 'host':
        # The kernel waits; it may go on no sooner than the other one ends.
        time.sleep(1)
        assert not waiting.is_done
        one.call('release')
    with pytest.raises(neighbour.Failed, match='ServiceStopping'):
        waiting.result(_LONG)
    assert street.sizes() == before
    if form != 'host':
        one.call('release')
    one.call('delete_snapshot', snapshot=snapshot)
