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

"""The README's table of drivers and verbs is true."""

import pathlib
import re

from cinder import objects
import pytest

objects.register_all()

from remotefs_drivers import appliance  # noqa: E402
from remotefs_drivers import conformance  # noqa: E402
from remotefs_drivers.embedded import folders  # noqa: E402
from remotefs_drivers import glusterfs  # noqa: E402
from remotefs_drivers import gpfs  # noqa: E402
from remotefs_drivers import nfs  # noqa: E402
from remotefs_drivers import posix  # noqa: E402

README = pathlib.Path(__file__).parents[2] / 'README.rst'
DRIVERS = {cls.__name__: cls for cls in (
    posix.PosixDriver, nfs.NfsDriver, glusterfs.GlusterfsDriver,
    gpfs.GPFSDriver, appliance.ApplianceNfsDriver)}
#: Attach types.
ATTACH_TYPES = {'NfsDriver': ['nfs'],
                'PosixDriver': ['nfs', 'local', 'gpfs'],
                'GlusterfsDriver': ['nfs', 'glusterfs', 'local', 'gpfs'],
                'GPFSDriver': ['gpfs', 'local'],
                'ApplianceNfsDriver': ['nfs']}

#: A row -> the methods without which it is not true.
VERBS = {
    'create (sparse, reserved, qcow2)': ['create_volume'],
    'delete': ['delete_volume'],
    'extend, not attached': ['extend_volume'],
    'attach, detach': ['initialize_connection', 'terminate_connection'],
    'clone a volume, into a larger one': ['create_cloned_volume'],
    'image to volume, volume to image': ['copy_image_to_volume',
                                         'copy_volume_to_image'],
    'migrate, retype, between backends': ['migrate_volume', 'retype',
                                          'update_migrated_volume'],
    'statistics, a pool for each share': ['get_volume_stats'],
    'back up, restore': ['get_backup_device'],
    'snapshot, not attached': ['create_snapshot', 'delete_snapshot'],
    'snapshot, attached': ['create_snapshot', 'ensure_export'],
    'volume from a snapshot, larger too': ['create_volume_from_snapshot'],
    'revert to the newest snapshot': ['revert_to_snapshot'],
    'manage, unmanage': ['manage_existing', 'manage_existing_get_size'],
}
#: A row -> what the driver tells the scheduler of it.
FEATURES = {
    'extend, attached': 'online_extend_support',
    'attach to several servers': 'multiattach',
}
#: Rows that a driver cannot be asked for.
OTHERS = {'encrypted volume types'}
YES = {'yes', 'by Cinder', 'raw only'}
NO = {'no'}
#: With posix_attach_type = nfs, and not with another one.
BY_NFS = 'by nfs'


def _table():
    """Verb -> driver -> what is said of it."""
    text = README.read_text().partition('What the drivers can do')[2]
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines)
             if re.match('=+ =', line)]
    spans = [match.span() for match in re.finditer('=+', lines[rules[0]])]
    verb, *drivers = _cells(lines[rules[0] + 1], spans)
    assert verb == 'verb'
    rows = [_cells(line, spans) for line in lines[rules[1] + 1:rules[2]]]
    return {row[0]: dict(zip(drivers, row[1:])) for row in rows}


def _cells(line, spans):
    return [line[start:end].strip() for start, end in spans]


TABLE = _table()


def test_all_drivers_are_in_it():
    assert all(set(said) == set(DRIVERS) for said in TABLE.values())


def test_all_its_rows_are_held():
    assert set(TABLE) == {*VERBS, *FEATURES, *OTHERS}


def test_it_says_yes_or_no():
    assert {word for said in TABLE.values()
            for word in said.values()} <= YES | NO | {BY_NFS}


@pytest.mark.parametrize('driver', DRIVERS)
@pytest.mark.parametrize('verb', VERBS)
def test_a_verb_is_there_or_not(verb, driver):
    done = conformance.implemented(DRIVERS[driver])
    if TABLE[verb][driver] in YES | {BY_NFS}:
        assert set(VERBS[verb]) <= done
    else:
        assert not set(VERBS[verb]) & done


@pytest.mark.parametrize('driver', DRIVERS)
@pytest.mark.parametrize('verb', FEATURES)
def test_the_scheduler_is_told_the_same(verb, driver):
    said = TABLE[verb][driver]
    for attach_type in ATTACH_TYPES[driver]:
        # No more of it is asked than its class and these.
        made = object.__new__(DRIVERS[driver])
        made._appliance = folders.at('/none')
        made.driver_volume_type = attach_type
        assert made._features()[FEATURES[verb]] is (
            said in YES or (said, attach_type) == (BY_NFS, 'nfs'))
