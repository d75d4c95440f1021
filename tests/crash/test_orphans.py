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

"""A merge that goes on after the service that began it was killed.

It rests while others try something, however long that takes them.
"""

import dataclasses
import os
import signal
import time

import pytest

from remotefs_drivers import errors
from tests.crash import cuts
from tests.crash import explorer
from tests.crash import verbs
from tests.functional import content

#: Bytes a second: it takes seconds for a few clusters.
_RATE = 40 << 10
#: Seconds.
_LIMIT = 300


class Orphaning(verbs.Delete):
    """Dies as soon as its merge has written, and lets the merge go on."""

    def act(self, saga):
        def run(argv, **kwargs):
            if argv[1] != 'commit':
                return real(argv, **kwargs)
            child = cuts.begin(cuts.slow(argv, _RATE))
            child.send_signal(signal.SIGSTOP)
            with open(_note(saga), 'w') as stream:
                stream.write(str(child.pid))
            os.kill(os.getpid(), signal.SIGKILL)
        real = saga.driver._means.run
        saga.driver._means = dataclasses.replace(
            saga.driver._means, run=run)
        super().act(saga)

    def retry(self, saga):
        verbs.Delete.act(self, saga)

    def refused(self, saga):
        """A clear error, and nothing is changed."""
        with pytest.raises(errors.CommandFailed, match='lock'):
            verbs.Delete.act(self, saga)
        assert _is_alive(saga), 'the merge is over, nothing was tried'

    def attach_beside(self, saga):
        """A host may have it; qemu keeps a guest from a chain in a merge."""
        saga.driver.initialize_connection(saga.volume, {})
        with pytest.raises(AssertionError, match='lock'):
            content.write(saga.path, saga.format(), 0x01, 0, 1024)
        assert _is_alive(saga), 'the merge is over, nothing was tried'

    def copy_beside(self, saga):
        """So it does with what would read from such a chain."""
        copy = saga.rig.new_volume(saga.driver, 1)
        with pytest.raises(errors.CommandFailed, match='lock'):
            saga.driver.create_cloned_volume(copy, saga.volume)
        assert _is_alive(saga), 'the merge is over, nothing was tried'
        saga.driver.delete_volume(copy)
        copy.destroy()

    def wait(self, saga):
        os.kill(_pid(saga), signal.SIGCONT)
        end = time.monotonic() + _LIMIT
        while _is_alive(saga):
            assert time.monotonic() < end, 'the merge does not end'
            time.sleep(0.05)


@pytest.mark.parametrize('backend', sorted(verbs.BACKENDS))
@pytest.mark.parametrize('beside', ['refused', 'attach_beside',
                                    'copy_beside'])
def test_a_merge_goes_on(beside, backend, database, tmp_path):
    stage = explorer.Stage(str(tmp_path), Orphaning(place=2),
                           verbs.BACKENDS[backend])
    world = explorer.prepare(stage, database)
    assert not cuts.run(stage.play, world, 'act')
    try:
        assert cuts.run(stage.play, world, beside)
    finally:
        assert cuts.run(stage.play, world, 'wait')
    for act in ('retry', 'finish'):
        assert cuts.run(stage.play, world, act)


def _note(saga):
    return os.path.join(saga.rig.folder, 'orphan')


def _pid(saga):
    with open(_note(saga)) as stream:
        return int(stream.read())


def _is_alive(saga):
    try:
        with open('/proc/%d/stat' % _pid(saga)) as stream:
            return stream.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False
