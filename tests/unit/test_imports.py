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

"""Imports go one way, and each room keeps to its subject."""

import pathlib

import pytest

import remotefs_drivers
from tests.unit import layers

PACKAGE = pathlib.Path(remotefs_drivers.__file__).parent

#: The house, from the top. A room imports what is on lower floors, never
#: what is beside or above it.
FLOORS = [
    # What is not production: it may use all that is, and production, being
    # below, can import none of it.
    ('cmd',),
    ('embedded', 'conformance'),
    # One driver each, thin.
    ('appliance', 'glusterfs', 'gpfs', 'nfs', 'posix'),
    # Those of GPFS's groups.
    ('gpfs_groups',),
    # The verbs, for all drivers: they decide.
    ('remotefs',),
    # The same where the file system makes clones.
    ('clonefile', 'volumeshare'),
    # The file of one volume, on its share; what Nova does for us.
    ('volumefile', 'nova'),
    # What an appliance is asked for, with what is done in its shares.
    ('sharer',),
    # How work on it is done.
    ('hands',),
    # NFS appliances, and what one must be able to do.
    ('appliances',),
    # What they decide by, and Glance.
    ('attachments', 'cloner', 'settings', 'formats', 'gpfs_attributes',
     'gpfs_images', 'gpfs_site', 'gpfs_snapshots', 'images', 'locks',
     'options', 'states'),
    # What hosts are told; pure.
    ('connections',),
    # Where a share is, and whether it answers.
    ('share',),
    # What root does of the work below.
    ('privileged',),
    # Files on a share; what GPFS can be asked for.
    ('store', 'gpfs_commands'),
    # Child processes; nobody else names qemu-img.
    ('qemu',),
    # Chains of layers and plans for them, pure; the names of files.
    ('chain', 'names'),
    # Off the event loop; nobody else knows that there may be one.
    ('offload',),
    ('errors',),
    # The package itself, which is a docstring.
    ('',),
]
NO_PRODUCTION = {'cmd', 'embedded', 'conformance'}


@pytest.fixture(scope='module')
def modules():
    return list(layers.read(PACKAGE))


@pytest.fixture
def production(modules):
    return [module for module in modules
            if module.room not in NO_PRODUCTION]


def test_imports_go_down(modules):
    assert list(layers.wrong_way(modules, 'remotefs_drivers', FLOORS)) == []


def test_there_is_no_circle(modules):
    assert list(layers.circles(modules, 'remotefs_drivers')) == []


def test_every_room_of_the_house_is_there(modules):
    """A floor for nobody would hide a wrong name."""
    rooms = {room for floor in FLOORS for room in floor}
    assert rooms - {module.room for module in modules} == set()


def test_one_place_knows_eventlet(production):
    assert list(layers.foreign(production, 'eventlet', {'offload'})) == []


def test_one_room_names_qemu_img(production):
    assert list(layers.named(production, 'qemu-img', {'qemu'})) == []


@pytest.mark.parametrize('name', [
    # Child processes are qemu.command's, which can be killed.
    'subprocess',
])
def test_one_room_starts_children(production, name):
    assert list(layers.foreign(production, name, {'qemu'})) == []


def test_nobody_needs_tests(modules):
    assert list(layers.foreign(modules, 'tests', set())) == []
    others = [module for module in modules if not _is_suite(module.name)]
    assert list(layers.foreign(others, 'pytest', set())) == []


def test_nobody_needs_the_suite_of_appliances(modules):
    assert [(module.name, line) for module in modules
            if not _is_suite(module.name)
            for line, name in module.imports()
            if _is_suite(name.partition('.')[2])] == []


def _is_suite(name):
    """Of what vendors run against their appliance."""
    return name.startswith('appliances.testing')


class TestTheReader:
    """It must see what it is there for."""

    FLOORS = [('top',), ('left', 'right'), ('low',), ('',)]
    GOOD = {
        '__init__.py': '"""The house."""\n',
        'top.py': 'import os\nfrom house.low import a\n',
        'left.py': 'from house import low\nimport house.low.a\n',
        'right.py': '',
        'low/__init__.py': '',
        'low/a.py': 'from house.low import b\n',
        'low/b.py': 'from other.house import top\n',
    }

    @pytest.fixture
    def house(self, tmp_path):
        def build(**changes):
            folder = tmp_path / 'house'
            for name, text in {**self.GOOD, **{
                    each.replace('_in_', '/') + '.py': text
                    for each, text in changes.items()}}.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(layers.read(folder))
        return build

    def wrong_way(self, modules):
        return list(layers.wrong_way(modules, 'house', self.FLOORS))

    def test_a_good_one(self, house):
        assert self.wrong_way(house()) == []
        assert list(layers.circles(house(), 'house')) == []

    @pytest.mark.parametrize('line', [
        'from house import top',
        'from house import low, top',
        'import house.top',
        'import os, house.top as x',
        'from house.top import name',
        'def f():\n    from house import top',
        'try:\n    import house.top\nexcept ImportError:\n    pass',
        'importlib.import_module("house.top")',
        'importutils.import_object("house.top.Class", 1)',
        '__import__("house.top")',
    ])
    @pytest.mark.parametrize('room', ['right', 'low_in_a'])
    def test_up_is_wrong(self, house, room, line):
        complaint, = self.wrong_way(house(**{room: line}))
        assert 'house.top' in complaint
        assert 'a higher floor' in complaint

    @pytest.mark.parametrize('changes, words', [
        ({'left': '\nfrom house import right'},
         'left:2 imports house.right: it is on the same floor'),
        ({'left': 'from house.new import a', 'new': ''},
         'there is no such room'),
        ({'new': ''}, 'new is a room that is on no floor'),
        ({'low_in_a': 'from . import b'}, 'write the whole name'),
        ({'left': 'from .low import b'}, 'write the whole name'),
    ])
    def test_other_wrong_ways(self, house, changes, words):
        assert any(words in complaint
                   for complaint in self.wrong_way(house(**changes)))

    def test_a_circle_in_a_room(self, house):
        modules = house(low_in_b='import house.low.a')
        assert self.wrong_way(modules) == []
        complaint, = layers.circles(modules, 'house')
        assert 'low.a' in complaint and 'low.b' in complaint

    @pytest.mark.parametrize('line, found', [
        ('import eventlet', 1),
        ('from eventlet.green import socket', 1),
        ('def f():\n    from eventlet import tpool', 1),
        ('importutils.try_import("eventlet")', 1),
        ('import eventletutils', 0),
        ('"""Under eventlet: import eventlet."""', 0),
        ('from oslo_utils import eventlet', 0),
    ])
    def test_foreign(self, house, line, found):
        modules = house(left=line, right=line)
        assert len(list(layers.foreign(modules, 'eventlet',
                                       {'right'}))) == found

    @pytest.mark.parametrize('line, found', [
        ('run(["qemu-img", "info"])', 1),
        ('LOG.info("qemu-img is gone")', 1),
        ('name = f"qemu-img {verb}"', 1),
        ('"""Knows qemu-img."""', 0),
        ('def f():\n    """Calls qemu-img."""', 0),
        ('x = 1  # as qemu-img has it', 0),
    ])
    def test_named(self, house, line, found):
        modules = house(left=line, right=line)
        assert len(list(layers.named(modules, 'qemu-img',
                                     {'right'}))) == found
