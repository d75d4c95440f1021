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

"""A server that stops answering, and comes back.

A dead server costs the time limit of its shares and not more, keeps no other
share from being served, and nobody has to start anything again afterwards.
"""

import os
import time

import pytest

from remotefs_drivers import errors
from tests.harness import impatience
from tests.realnfs.guest import layout

# Of what is dead.
_TIMEOUT = 5
# Of all, where a driver that starts finds a dead one.
_START_TIMEOUT = 20
# Children and threads on an emulated processor take some seconds; without a
# limit it would be for as long as the server is away.
_SLACK = 120
# After an outage the client's kernel tries again in 3, 6, 12 ... seconds.
_RECOVERY = 300

VERSIONS = ('3', '4.2')


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def backend(make_backend, version):
    return make_backend(layout.ONE, version=version)


def test_stats_and_verbs_while_the_server_is_down(backend, server):
    """All come back in time and say what is wrong; then all works again."""
    volume = backend.volume()

    with server.stopped(), _given_up_soon(backend, layout.ONE):
        pool = _in_time(backend.pools)[layout.ONE.location]
        assert pool['free_capacity_gb'] == 0
        for verb in (lambda: backend.driver.delete_volume(volume),
                     lambda: backend.driver.extend_volume(volume, 2),
                     lambda: backend.driver.initialize_connection(volume, {}),
                     lambda: backend.volume(layout.ONE)):
            error = _in_time(_failure, verb)
            assert isinstance(error, errors.ShareUnavailable)
            assert layout.ONE.location in str(error)

    _wait_until_served(backend, layout.ONE)
    backend.driver.extend_volume(volume, 2)
    backend.driver.delete_volume(volume)
    assert os.listdir(layout.ONE.path) == []


def test_verb_that_finds_the_server_gone(backend, server):
    """The first to notice waits for the limit; its volume can be deleted."""
    backend.volume()
    volume = backend.rig.new_volume(backend.driver,
                                    pool=layout.ONE.location)

    with server.stopped(), _given_up_soon(backend, layout.ONE):
        error = _in_time(
            _failure, lambda: backend.driver.create_volume(volume))
        assert isinstance(error, errors.ShareTimeout)

    _wait_until_served(backend, layout.ONE)
    backend.driver.delete_volume(volume)
    assert volume.name not in os.listdir(layout.ONE.path)


@pytest.mark.parametrize('dead, living', [('3', '4.2'), ('4.2', '3')])
def test_other_shares_are_served(make_backend, server, dead, living):
    """Each on a version of its own: v4.2 takes two addresses for one server.

    So the kernel has no connection that both shares would use.
    """
    far = layout.TWO._replace(address=layout.FAR_ADDRESS,
                              mount_options=f'vers={dead}')
    near = layout.ONE._replace(mount_options=f'vers={living}')
    backend = make_backend(far, near, version=None)
    stranded = backend.volume(far)

    with server.unplugged(), _given_up_soon(backend, far):
        pools = _in_time(backend.pools)
        assert pools[far.location]['free_capacity_gb'] == 0
        assert pools[near.location]['free_capacity_gb'] > 0
        _in_time(_live_and_die, backend, near, limit=_SLACK)

    _wait_until_served(backend, far)
    backend.driver.delete_volume(stranded)
    _live_and_die(backend, far)


def test_start_while_the_server_is_down(make_backend, server):
    """A service that starts in an outage serves what there is."""
    far = layout.TWO._replace(address=layout.FAR_ADDRESS,
                              mount_options='vers=3')
    with server.unplugged():
        backend = make_backend(far, layout.ONE, version=None,
                               nfs_share_timeout=_START_TIMEOUT,
                               nfs_mount_timeout=_START_TIMEOUT,
                               nfs_mount_attempts=1)
        _live_and_die(backend, layout.ONE)

    _wait_until_served(backend, far)
    _live_and_die(backend, far)


def _given_up_soon(backend, share):
    return impatience.shares(backend.driver, _TIMEOUT, share.location)


def _in_time(function, *args, limit=_TIMEOUT + _SLACK):
    """The function's result; fails when it took too long."""
    start = time.monotonic()
    result = function(*args)
    took = time.monotonic() - start
    assert took < limit, f'{took:.1f} seconds'
    return result


def _failure(verb):
    with pytest.raises(Exception) as caught:
        verb()
    return caught.value


def _live_and_die(backend, share):
    volume = backend.volume(share)
    backend.driver.extend_volume(volume, 2)
    backend.driver.delete_volume(volume)


def _wait_until_served(backend, share):
    deadline = time.monotonic() + _RECOVERY
    while not backend.pools()[share.location]['free_capacity_gb']:
        assert time.monotonic() < deadline, 'the share did not come back'
        time.sleep(1)
