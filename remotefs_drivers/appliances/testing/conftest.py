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


"""Fixtures of the suite.

``box`` is the appliance, ``ground`` makes shares that are gone after the
test, ``files`` is what is in them, ``host`` builds the appliance once more.
"""

import contextlib

import pytest

from remotefs_drivers.appliances.testing import box as boxes
from remotefs_drivers.appliances.testing import building
from remotefs_drivers.appliances.testing import contents
from remotefs_drivers.appliances.testing import files as the_files
from remotefs_drivers.appliances.testing import ground as grounds
from remotefs_drivers.appliances.testing import plugin
from remotefs_drivers.appliances.testing import report
from remotefs_drivers import errors


@contextlib.contextmanager
def usage():
    """Nothing is tested where it is not clear what, or it is not ready."""
    try:
        yield
    except (building.Unclear, errors.ShareConfigInvalid,
            errors.ApplianceError) as error:
        pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope='session')
def builder(request):
    """building.Builder."""
    option = request.config.getoption
    with usage():
        return building.Builder(option('appliance'), option('appliance_conf'),
                                option('appliance_section'))


@pytest.fixture(scope='session')
def box(request, builder):
    """The appliance: box.Box."""
    with usage():
        appliance = builder()
    slowest = {}
    made = boxes.Box(appliance, request.config.getoption('appliance_timeout'),
                     boxes.Seen(), slowest)
    request.config.stash[plugin.REPORT] = (
        'appliance %s' % made.name, report.Report(made.seen, slowest))
    with usage():
        made.check()
    yield made
    made.close()


@pytest.fixture(scope='session')
def before(box):
    """Name -> Share of what was there when the suite began."""
    return {share.name: share for share in box.list_shares()}


@pytest.fixture(scope='session')
def size(request):
    """Bytes of a share."""
    return request.config.getoption('appliance_size') << 20


@pytest.fixture(scope='session')
def many(request):
    """How many of a kind no box should take for too many."""
    return request.config.getoption('appliance_many')


@pytest.fixture(scope='session')
def made():
    """Names of all shares that the suite made, or may have made."""
    return []


@pytest.fixture(scope='session')
def bystander(box, before, size, made):
    """Names of a share, a snapshot and a clone that no test is about."""
    theirs = grounds.Ground(box, size, made)
    yield theirs.family()
    theirs.clear()


@pytest.fixture
def ground(box, before, bystander, size, made):
    """ground.Ground of one test."""
    mine = grounds.Ground(box, size, made)
    yield mine
    mine.clear()


@pytest.fixture
def host(builder, box):
    """Called, the appliance as another host has it."""
    opened = []

    def _host():
        opened.append(box.like(builder()))
        return opened[-1]
    yield _host
    for each in opened:
        each.close()


@pytest.fixture(scope='session')
def content(request, builder, tmp_path_factory):
    """contents.Content, or None."""
    name = request.config.getoption('appliance_content')
    with usage():
        return name and contents.load(name)(
            builder.configuration, tmp_path_factory.mktemp('content'))


@pytest.fixture
def files(request, box, content):
    """files.Files."""
    if content is None:
        if request.config.getoption('allow_no_content'):
            pytest.skip('not looked at: what is in the shares')
        pytest.fail(plugin.NO_CONTENT, pytrace=False)
    return the_files.Files(box, content)


@pytest.fixture(scope='session')
def depends(box, bystander):
    """Whether clones hang on their snapshots."""
    box.seen.depends = box.find_share(bystander[2]).origin is not None
    return box.seen.depends


@pytest.fixture
def dependent(depends):
    """For what only matters where clones do."""
    if not depends:
        pytest.skip('not needed: clones do not hang on their snapshots')
