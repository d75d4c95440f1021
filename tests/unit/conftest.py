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

"""Fixtures of the unit tests."""

import signal

import hypothesis
from oslo_config import cfg
import pytest

from tests.unit import builder
from tests.unit import fakes

# By default an example may take 0.2 s, and finding some must not take long: a
# busy machine fails both.
hypothesis.settings.register_profile(
    'patient', deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile('patient')


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Builds drivers, see tests.unit.builder."""
    return builder.Builder(tmp_path, monkeypatch)


@pytest.fixture
def gpfs(tmp_path, monkeypatch):
    """pretended_gpfs.Gpfs, with a folder that ``path`` is about."""
    # Not above, as in the next one.
    from tests.harness import pretended_gpfs
    made = pretended_gpfs.Gpfs(tmp_path)
    made.install(monkeypatch.setattr)
    return made


@pytest.fixture
def path(tmp_path):
    """The path of a file of a name, which may be there."""
    return lambda name: str(tmp_path / name)


@pytest.fixture
def clock(monkeypatch):
    """The time by which failed mounts are remembered; fakes.Clock."""
    # Not above: it takes all of Cinder along.
    from remotefs_drivers.share import failures
    made = fakes.Clock()
    monkeypatch.setattr(failures, 'time', made)
    return made


@pytest.fixture
def override():
    """Sets options of Cinder's configuration for the time of a test."""
    done = []

    def _override(group=None, **values):
        for name, value in values.items():
            cfg.CONF.set_override(name, value, group)
            done.append((name, group))
    yield _override
    for name, group in done:
        cfg.CONF.clear_override(name, group)


@pytest.fixture
def in_time():
    """Fails a test that hangs, on the other end of a pipe for example."""
    def late(*unused):
        raise AssertionError('it hangs')
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
