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
"""Nova that does not do what it should, under a guest that writes.

Whatever it does: the guest has what it wrote, snapshots hold what they did,
what was asked for can be asked for again, nothing is left behind, and nobody
waits longer than must be. Each row is one misbehaviour in one verb; the rows
take turns in the way that Cinder runs and the format of the base.
"""

import contextlib
import time

import pytest

from remotefs_drivers.embedded import cloud as clouds
from remotefs_drivers.embedded.hypervisor import cinder
from remotefs_drivers.embedded.hypervisor import compute
from tests.functional import attached
from tests.functional import conftest
from tests.functional import steps as the_steps
from tests.harness import backends
from tests.harness import misbehaviour

#: Seconds that Nova may take where it is waited for in vain to the end.
_LIMIT = 15

_VAIN = 'nothing done or said'
DONE, FAILED, BACK = 'done', 'failed', 'as before'
#: Misbehaviour, options -> how a creation and a deletion end.
CASES = {
    'slow': ('slow', {}, DONE, DONE),
    'error': ('error', {}, FAILED, FAILED),
    'error after it was done': ('error_after', {}, DONE, DONE),
    'refused': ('refuse', {}, FAILED, BACK),
    'an error of HTTP': ('refuse', {'code': 500}, FAILED, FAILED),
    'done, nothing said': ('silent_done', {}, DONE, DONE),
    _VAIN: ('silent_undone', {}, FAILED, FAILED),
    'said twice': ('duplicate', {}, DONE, DONE),
    'said before the answer': ('early', {}, DONE, DONE),
    'answer lost': ('answer_lost', {}, DONE, DONE),
    'QEMU killed': ('killed', {}, FAILED, FAILED),
    'server stopped': ('stopped', {}, FAILED, FAILED),
    'absolute paths': ('absolute', {}, DONE, DONE),
}
#: Verb -> how many snapshots there are before; of the newest one's deletion,
#: which pulls the base up or another overlay, in turns.
VERBS = {'create': (1, 1), 'delete middle': (3, 3), 'delete newest': (1, 2)}
ROWS = [(case, verb) for case in CASES for verb in VERBS]


@pytest.fixture(scope='module')
def table(new_table):
    """Lines that are shown when all is done."""
    return new_table('what Nova did, in which verb, and what came of it')


@pytest.fixture(scope='module')
def beside(tmp_path_factory):
    """Mode, options -> (cloud, compute.Compute) with these backends."""
    with contextlib.ExitStack() as stack:
        made = {}

        def get(mode, **options):
            key = mode, *options
            if key not in made:
                made[key] = stack.enter_context(_cloud(
                    tmp_path_factory.mktemp('faults-' + mode), mode, options))
            return made[key]
        yield get


@contextlib.contextmanager
def _cloud(folder, mode, more):
    wanted = backends.with_layered(conftest.make_spec(
        str(folder / 'cloud'), mode, glance=False))
    wanted = wanted.replace(backends={
        name: {**options, **more}
        for name, options in wanted.backends.items()})
    with compute.Compute(folder / 'nova',
                         work=misbehaviour.Assisted) as nova:
        with clouds.Cloud(nova.configured(wanted)) as cloud:
            nova.cinder = cinder.Cinder(cloud)
            yield cloud, nova


@pytest.fixture
def busy(request, beside, tmp_path):
    """attached.Life of the row that is next."""
    case = request.node.callspec.params.get('case', 'slow')
    number = ROWS.index((case, request.node.callspec.params['verb']))
    options = {'posix_assisted_create_timeout': _LIMIT,
               'posix_assisted_delete_timeout': _LIMIT}
    cloud, nova = beside(conftest.MODES[number // 2 % len(conftest.MODES)],
                         **(options if case == _VAIN else {}))
    user = the_steps.Steps(cloud, tmp_path, conftest.POSIX)
    with attached.Life(user, nova, sorted(attached.FORMATS)[
            number % 2]) as life:
        yield life


@pytest.mark.parametrize('case, verb', ROWS)
def test_misbehaviour(busy, table, case, verb):
    name, options, created, deleted = CASES[case]
    count = VERBS[verb][list(CASES).index(case) % 2]
    snapshots = [busy.snap() for __ in range(count)]
    before = busy.user.files(busy.backend)
    busy.nova.assisted.next(name, **options)
    began = time.monotonic()
    if verb == 'create':
        outcome, snapshot = _create(busy)
        expected = created
    else:
        snapshot = snapshots[{'delete middle': 1}.get(verb, -1)]
        outcome = _delete(busy, snapshot)
        expected = deleted
    took = time.monotonic() - began
    table.append('%-24s %-14s %-9s %4.1f s' % (case, verb, outcome, took))
    assert outcome == expected
    # What an old Nova wrote is mended once nobody has the files open, and
    # cannot be read before.
    check = busy.check_guest if name == 'absolute' else busy.check
    if not busy.disk.guest.alive:
        busy.come_back()
    elif name == 'error' and verb == 'create':
        # Taken back: nothing of it is left.
        assert busy.user.files(busy.backend) == before
    check()
    # Once more, with a Nova that does what it should.
    if expected != DONE:
        _again(busy, snapshot)
    busy.drop(busy.snap())
    busy.reboot()
    busy.check_guest()
    busy.detach()
    busy.check_detached()
    busy.held.clear()
    busy.user.cloud.cinder.volumes.delete(busy.volume.id, cascade=True)
    busy.user.cloud.wait_gone(busy.volume.id)


@pytest.mark.parametrize('verb', VERBS)
def test_cinder_is_killed_meanwhile(busy, table, verb):
    """The guest goes on; at its start Cinder looks what came of it."""
    cloud, nova = busy.user.cloud, busy.nova
    snapshots = [busy.snap() for __ in range(VERBS[verb][0])]
    nova.assisted.next('silent_done')
    asked = len(nova.assisted.begun)
    requests = cloud.cinder.volume_snapshots
    with busy.snapping() as made:
        if verb == 'create':
            snapshot = requests.create(busy.volume.id)
        else:
            snapshot = snapshots[len(snapshots) // 2]
            requests.delete(snapshot.id)
        cloud.wait(lambda: len(nova.assisted.begun) > asked,
                   what='a request')
        cloud.kill_cinder()
        nova.wait()
        busy.write()
        if verb == 'create':
            made(snapshot)
    began = time.monotonic()
    cloud.start_cinder()
    took = time.monotonic() - began
    status = requests.get(snapshot.id).status
    table.append('%-24s %-14s %-9s %4.1f s, with its start' % (
        'cinder-volume killed', verb, status, took))
    if verb == 'create':
        assert status == 'available'
    else:
        # It is done; deleted once more, it goes from Cinder too.
        assert status == 'error_deleting'
        assert snapshot.id not in busy.user.table(busy.volume)
        requests.reset_state(snapshot.id, 'available')
        busy.drop(snapshot)
    busy.check()
    busy.drop(busy.snap())
    busy.reboot()
    busy.check_guest()
    busy.detach()
    busy.check_detached()
    cloud.cinder.volumes.delete(busy.volume.id, cascade=True)
    cloud.wait_gone(busy.volume.id)


def _create(busy):
    snapshots = busy.user.cloud.cinder.volume_snapshots
    with busy.snapping() as made:
        snapshot = snapshots.create(busy.volume.id)
        status = _settled(busy, snapshot)
        if status == 'available':
            made(snapshot)
            return DONE, snapshot
    assert status == 'error'
    return FAILED, snapshot


def _delete(busy, snapshot):
    busy.user.cloud.cinder.volume_snapshots.delete(snapshot.id)
    status = _settled(busy, snapshot)
    if status is None:
        busy.forget(snapshot)
        return DONE
    if status == 'error_deleting':
        # What it holds may be half of something else; others are whole.
        del busy.held[snapshot.id]
        return FAILED
    assert status == 'available'
    return BACK


def _again(busy, snapshot):
    snapshots = busy.user.cloud.cinder.volume_snapshots
    if snapshots.get(snapshot.id).status == 'error_deleting':
        snapshots.reset_state(snapshot.id, 'available')
    busy.user.delete_snapshot(snapshot)
    busy.held.pop(snapshot.id, None)


def _settled(busy, snapshot):
    """The state that it comes to; None when it is gone."""
    def look():
        found = [each for each in
                 busy.user.cloud.cinder.volume_snapshots.list()
                 if each.id == snapshot.id]
        if not found:
            return 'gone'
        status = found[0].status
        if status in ('creating', 'deleting'):
            return None
        # Nova may have written an error; Cinder tells its own to the user.
        told = status == 'available' or any(
            each.resource_uuid == snapshot.id for each
            in busy.user.cloud.cinder.messages.list())
        return status if told else None
    status = busy.user.cloud.wait(look, what='snapshot %s' % snapshot.id)
    return None if status == 'gone' else status
